//! What an archive says of its image: docker's manifest.json or OCI's index.json, the configuration, and where the layers
//! are.

use super::stream::{Region, Stream};
use super::tar::{Header, Tar};
use crate::json::Value;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// What the image says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) architecture: String,
    pub(crate) user: String,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) entrypoint: Vec<String>,
    pub(crate) cmd: Vec<String>,
    pub(crate) ports: Vec<u16>,
    pub(crate) health: Vec<String>,
    pub(crate) stop: Option<String>,
    /// Where it is started.
    pub(crate) directory: String,
}

impl Config {
    /// The value of a variable that is set, and not to nothing.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let found = self.env.iter().find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| value.clone())
    }
}

/// A layer.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    /// Where it begins in the archive.
    pub(super) at: u64,
    pub(super) size: u64,
    /// What its files have, together.
    pub(crate) content: u64,
    pub(crate) packed: Packing,
    /// Why it could not be read.
    pub(crate) trouble: Option<String>,
}

/// How a layer is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    /// Not by anything that can be read here.
    Other,
}

/// Lists and configurations are no larger.
const SMALL: u64 = 4 << 20;
/// Docker stops at 127.
const MOST_LAYERS: usize = 1000;
/// Nor has any archive so many files outside its layers.
const MOST_FILES: usize = 100_000;

/// Where each file of the outer tar is.
pub(super) fn index(file: &File, size: u64) -> Result<Vec<Header>, String> {
    let mut magic = [0; 4];
    let read = file.read_at(&mut magic, 0).map_err(|error| error.to_string())?;
    match magic.get(..read) {
        Some([]) => return Err("it is empty".to_owned()),
        Some([0x1f, 0x8b, ..]) => return Err("it is compressed as a whole: gunzip it first".to_owned()),
        Some([0x28, 0xb5, 0x2f, 0xfd]) => return Err("it is compressed as a whole: unzstd it first".to_owned()),
        Some(_) | None => {}
    }
    let mut tar = Tar::new(Stream::Plain(Region { file, at: 0, end: size }));
    let mut index = Vec::new();
    loop {
        match tar.next() {
            Ok(Some(_)) if index.len() >= MOST_FILES => return Err("it has too many files for an image".to_owned()),
            Ok(Some(header)) => index.push(header),
            Ok(None) => return Ok(index),
            // What comes after is missing; what is there may be enough.
            Err(_) if !index.is_empty() => return Ok(index),
            Err(error) => return Err(error.to_string()),
        }
    }
}

pub(super) type Found = (Config, Vec<Layer>, usize);

/// An archive, and where each of its files is.
struct Files<'a> {
    file: &'a File,
    index: &'a [Header],
}

/// Which files of an archive make the image: the name of its configuration, those of its layers, and how many other images
/// there are.
struct Listed {
    config: String,
    layers: Vec<String>,
    others: usize,
}

impl Files<'_> {
    fn find(&self, name: &str) -> Option<&Header> {
        let name = name.trim_start_matches("./");
        let found = self.index.iter().rev().find(|header| header.path == name)?;
        // docker save writes a layer that came twice as a link: ../ID/layer.tar; and what tar packs again may be a hard one.
        if matches!(found.kind, b'1' | b'2') {
            let target = found.link.trim_start_matches("../").trim_start_matches("./");
            return self.index.iter().find(|header| header.path == target);
        }
        Some(found)
    }

    fn json(&self, name: &str) -> Option<Value> {
        let header = self.find(name)?;
        let mut bytes = vec![0; usize::try_from(header.size.min(SMALL)).ok()?];
        self.file.read_exact_at(&mut bytes, header.at).ok()?;
        Value::read(&String::from_utf8_lossy(&bytes))
    }

    /// By docker's manifest.json.
    fn by_docker(manifest: &Value) -> Result<Listed, String> {
        let images = manifest.items();
        let image = images.first().ok_or("its manifest.json lists no image")?;
        let config = image.get("Config").and_then(Value::text).unwrap_or_default().to_owned();
        let layers = image.get("Layers").map(Value::items).unwrap_or_default();
        let layers = layers.iter().filter_map(Value::text).map(str::to_owned).collect();
        Ok(Listed { config, layers, others: images.len().saturating_sub(1) })
    }

    /// By OCI's index.json, which may list other indexes: platforms, attestations.
    fn by_oci(&self, mut manifest: Value) -> Result<Listed, String> {
        let mut others = 0;
        for _ in 0..4 {
            let listed = manifest.get("manifests").map(Value::items).unwrap_or_default();
            let is_image = |value: &&Value| {
                let platform = value.get("platform").and_then(|platform| platform.get("os")).and_then(Value::text);
                platform.is_none_or(|os| os == "linux")
            };
            let Some(next) = listed.iter().find(is_image).or(listed.first()).and_then(blob) else { break };
            others += listed.iter().filter(is_image).count().saturating_sub(1);
            manifest = self.json(&next).ok_or_else(|| format!("{next} is missing in it, or no JSON"))?;
        }
        let config = manifest.get("config").and_then(blob).unwrap_or_default();
        let layers = manifest.get("layers").map(Value::items).unwrap_or_default();
        Ok(Listed { config, layers: layers.iter().filter_map(blob).collect(), others })
    }
}

/// The name of the file that a descriptor means.
fn blob(value: &Value) -> Option<String> {
    let digest = value.get("digest")?.text()?;
    Some(["blobs/", &digest.replacen(':', "/", 1)].concat())
}

/// The image's configuration and layers.
pub(super) fn contents(file: &File, index: &[Header]) -> Result<Found, String> {
    let files = Files { file, index };
    let Listed { config, layers, others } = if let Some(manifest) = files.json("manifest.json") {
        Files::by_docker(&manifest)?
    } else if let Some(manifest) = files.json("index.json") {
        files.by_oci(manifest)?
    } else {
        return Err("not an image: it has neither docker's manifest.json nor OCI's index.json".to_owned());
    };
    let config = files
        .json(&config)
        .ok_or_else(|| format!("the image's configuration {config} is missing in it, or no JSON"))?;
    if layers.len() > MOST_LAYERS {
        return Err(format!("{} layers are too many for an image", layers.len()));
    }
    let layers = layers.iter().map(|name| match files.find(name) {
        Some(header) => layer(file, header),
        None => Layer {
            at: 0,
            size: 0,
            content: 0,
            packed: Packing::Other,
            trouble: Some(format!("{name} is not in the archive")),
        },
    });
    Ok((configuration(&config), layers.collect(), others))
}

fn layer(file: &File, header: &Header) -> Layer {
    let mut magic = [0; 4];
    let read = file.read_at(&mut magic, header.at).unwrap_or_default();
    let packed = match magic.get(..read) {
        Some([0x1f, 0x8b, ..]) => Packing::Gzip,
        Some([0x28, 0xb5, 0x2f, 0xfd]) => Packing::Other,
        Some(_) | None => Packing::Plain,
    };
    Layer { at: header.at, size: header.size, content: 0, packed, trouble: None }
}

fn configuration(image: &Value) -> Config {
    let config = image.get("config");
    let text = |name: &str| config.and_then(|config| config.get(name)).and_then(Value::text).map(str::to_owned);
    let list = |value: Option<&Value>| -> Vec<String> {
        value.map(Value::items).unwrap_or_default().iter().filter_map(Value::text).map(str::to_owned).collect()
    };
    let field = |name: &str| config.and_then(|config| config.get(name));
    let pairs = list(field("Env")).into_iter().filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    });
    let ports = match field("ExposedPorts") {
        Some(Value::Object(ports)) => {
            ports.iter().filter_map(|(port, _)| port.strip_suffix("/tcp")?.parse().ok()).collect()
        }
        Some(Value::Other(_) | Value::Text(_) | Value::List(_)) | None => Vec::new(),
    };
    Config {
        architecture: image.get("architecture").and_then(Value::text).unwrap_or_default().to_owned(),
        user: text("User").unwrap_or_default(),
        env: pairs.collect(),
        entrypoint: list(field("Entrypoint")),
        cmd: list(field("Cmd")),
        ports,
        health: list(field("Healthcheck").and_then(|health| health.get("Test"))),
        stop: text("StopSignal").filter(|signal| !signal.is_empty()),
        directory: text("WorkingDir").unwrap_or_default(),
    }
}
