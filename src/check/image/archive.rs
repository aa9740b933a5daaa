//! What `docker save` and OCI builders write: a tar of layers, each a tar again, mostly compressed. Read once from front to
//! end; kept is what the headers say of each file, and the content of the few that matter. Others are read again when they
//! are asked for.

use super::tar::{Header, Source, Tar};
use super::tree::{Content, Entry, Kind, Tree};
use crate::json::Value;
use crate::sys::file;
use flate2::bufread::MultiGzDecoder;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// An image in an archive.
pub(crate) struct Archive {
    file: File,
    nodes: BTreeMap<String, Node>,
    /// What was kept of names and contents, in bytes.
    kept: usize,
    pub(crate) config: Config,
    pub(crate) layers: Vec<Layer>,
    /// Files that a later layer replaces or removes, and that are pulled all the same.
    pub(crate) hidden: Vec<Hidden>,
    /// The archive holds more images than this one.
    pub(crate) others: usize,
}

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

/// A layer.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    at: u64,
    size: u64,
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

/// A file that is in the image and cannot be seen.
#[derive(Clone, Debug)]
pub(crate) struct Hidden {
    pub(crate) path: String,
    pub(crate) entry: Entry,
    pub(crate) head: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
struct Node {
    entry: Entry,
    /// The layer that brought the name: of a hard link another one than its content's.
    by: u32,
    /// The layer that removed what lower ones had below it: it need not look again.
    cleared: u32,
    /// Where its content begins in its layer.
    at: u64,
    /// The content, or its beginning, where that was wanted.
    head: Option<Vec<u8>>,
}

/// A program in a compressed layer is read into memory, if it is not larger.
const LARGEST: u64 = 192 << 20;
/// Lists and configurations are no larger.
const SMALL: u64 = 4 << 20;
/// Names and beginnings are kept in memory; no image has more of them.
const MOST_KEPT: usize = 128 << 20;
/// Docker stops at 127.
const MOST_LAYERS: usize = 1000;
/// Nor has any archive so many files outside its layers.
const MOST_FILES: usize = 100_000;

/// How many bytes of a file are wanted while its layer passes by.
pub(crate) type Wanted<'a> = &'a dyn Fn(&str, &Config) -> u64;
/// Is told how far the reading is: layer, of how many.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(usize, usize);

/// A part of a file.
struct Region<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Region<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Source for Region<'_> {
    fn skip(&mut self, count: u64) -> io::Result<()> {
        if count > self.end.saturating_sub(self.at) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += count;
        Ok(())
    }
}

/// A layer's tar, compressed or not.
enum Stream<'a> {
    Plain(Region<'a>),
    Gzip(Box<MultiGzDecoder<BufReader<Region<'a>>>>),
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(region) => region.read(buffer),
            Stream::Gzip(decoder) => decoder.read(buffer),
        }
    }
}

impl Source for Stream<'_> {
    fn skip(&mut self, mut count: u64) -> io::Result<()> {
        match self {
            Stream::Plain(region) => region.skip(count),
            Stream::Gzip(decoder) => {
                let mut buffer = vec![0; 64 * 1024];
                while count > 0 {
                    let most = usize::try_from(count).unwrap_or(usize::MAX).min(buffer.len());
                    match decoder.read(&mut buffer[..most])? {
                        0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                        read => count -= read as u64,
                    }
                }
                Ok(())
            }
        }
    }
}

impl Archive {
    /// Reads it.
    ///
    /// # Errors
    /// A sentence: it is no archive of an image.
    pub(crate) fn read(path: &Path, wanted: Wanted<'_>, progress: Progress<'_>) -> Result<Archive, String> {
        let file = file::regular(path).map_err(|error| match error.kind() {
            io::ErrorKind::Other => format!("{error}; docker save -o FILE.tar IMAGE writes one"),
            _ => error.to_string(),
        })?;
        let size = file.metadata().map_err(|error| error.to_string())?.len();
        let index = index(&file, size)?;
        let (config, layers, others) = contents(&file, &index)?;
        let mut archive = Archive { file, nodes: BTreeMap::new(), kept: 0, config, layers, hidden: Vec::new(), others };
        let root = Entry { kind: Kind::Directory, mode: 0o755, uid: 0, gid: 0, size: 0, layer: None };
        archive.nodes.insert("/".to_owned(), Node { entry: root, by: 0, cleared: 0, at: 0, head: None });
        for at in 0..archive.layers.len() {
            progress(at + 1, archive.layers.len());
            let file = archive.file.try_clone().map_err(|error| error.to_string())?;
            let trouble = archive.apply(&file, at, wanted).err();
            if let Some(layer) = archive.layers.get_mut(at) {
                layer.trouble = layer.trouble.take().or(trouble.map(|error| error.to_string()));
            }
        }
        Ok(archive)
    }

    fn apply(&mut self, file: &File, at: usize, wanted: Wanted<'_>) -> io::Result<()> {
        let Some(layer) = self.layers.get(at).cloned().filter(|layer| layer.trouble.is_none()) else { return Ok(()) };
        let number = at as u32 + 1;
        let mut tar = Tar::new(layer.stream(file)?);
        let mut content = 0;
        while let Some(header) = tar.next()? {
            let path = ["/", &header.path].concat();
            let (directory, name) = path.rsplit_once('/').unwrap_or_default();
            if name == ".wh..wh..opq" {
                self.remove(directory, number, false);
                continue;
            }
            if let Some(removed) = name.strip_prefix(".wh.") {
                self.remove(&[directory, "/", removed].concat(), number, true);
                continue;
            }
            content = u64::saturating_add(content, header.size);
            let node = if header.kind == b'1' {
                // Another name of a file that came before.
                let target = ["/", header.link.trim_start_matches("./").trim_matches('/')].concat();
                let Some(node) = self.nodes.get(&target).cloned() else { continue };
                Node { by: number, ..node }
            } else {
                let head = match wanted(&path, &self.config) {
                    0 => None,
                    most if matches!(header.kind, b'0' | b'7') => Some(tar.content(most.min(header.size))?),
                    _ => None,
                };
                Node { entry: entry(&header, number), by: number, cleared: 0, at: header.at, head }
            };
            self.put(path, node)?;
        }
        if let Some(layer) = self.layers.get_mut(at) {
            layer.content = content;
        }
        Ok(())
    }

    fn put(&mut self, path: String, mut node: Node) -> io::Result<()> {
        let link = if let Kind::Link(target) = &node.entry.kind { target.len() } else { 0 };
        self.kept += size_of::<(String, Node)>() + path.len() + link + node.head.as_ref().map_or(0, Vec::len);
        if self.kept > MOST_KEPT {
            return Err(io::Error::other("with it the image has more files than are kept in memory here"));
        }
        let number = node.by;
        if node.entry.kind != Kind::Directory {
            self.remove(&path, number, true);
        }
        self.parents(&path, number);
        node.cleared = self.nodes.get(&path).map_or(0, |old| old.cleared);
        if let Some(old) = self.nodes.insert(path.clone(), node) {
            self.hide(path, old, number);
        }
        Ok(())
    }

    /// Builders leave out directories above; whoever unpacks makes them, for root.
    fn parents(&mut self, path: &str, number: u32) {
        let mut rest = path;
        while let Some((parent, _)) = rest.rsplit_once('/').filter(|(parent, _)| !parent.is_empty()) {
            if self.nodes.contains_key(parent) {
                break;
            }
            let entry = Entry { kind: Kind::Directory, mode: 0o755, uid: 0, gid: 0, size: 0, layer: Some(number) };
            self.kept += size_of::<(String, Node)>() + parent.len();
            self.nodes.insert(parent.to_owned(), Node { entry, by: number, cleared: 0, at: 0, head: None });
            rest = parent;
        }
    }

    /// Takes out what layers below have there: below a directory, and itself too. What this layer has there stays,
    /// whichever comes first in it.
    fn remove(&mut self, path: &str, number: u32, itself: bool) {
        if self.nodes.get(path).is_some_and(|node| node.cleared == number && (node.by >= number || !itself)) {
            return;
        }
        let first = [path, "/"].concat();
        let below = self.nodes.range(first.clone()..).take_while(|(path, _)| path.starts_with(&first));
        // The root's own name is below itself.
        let below = below.filter(|(path, _)| path.len() > first.len());
        let here = self.nodes.get_key_value(path).filter(|_| itself);
        let (own, lower): (Vec<_>, Vec<_>) = below.chain(here).partition(|(_, node)| node.by >= number);
        let names =
            |nodes: Vec<(&String, &Node)>| -> Vec<String> { nodes.into_iter().map(|(path, _)| path.clone()).collect() };
        let (own, lower) = (names(own), names(lower));
        for path in lower {
            if let Some(node) = self.nodes.remove(&path) {
                self.hide(path, node, number);
            }
        }
        for path in own {
            self.parents(&path, number);
        }
        if let Some(node) = self.nodes.get_mut(path) {
            node.cleared = number;
        }
    }

    fn hide(&mut self, path: String, node: Node, by: u32) {
        if node.entry.kind == Kind::File && node.by < by && node.entry.size > 0 {
            self.hidden.push(Hidden { path, entry: node.entry, head: node.head });
        }
    }
}

impl Layer {
    fn stream<'a>(&self, file: &'a File) -> io::Result<Stream<'a>> {
        let region = Region { file, at: self.at, end: self.at.saturating_add(self.size) };
        match self.packed {
            Packing::Plain => Ok(Stream::Plain(region)),
            Packing::Gzip => {
                Ok(Stream::Gzip(Box::new(MultiGzDecoder::new(BufReader::with_capacity(64 * 1024, region)))))
            }
            Packing::Other => Err(io::Error::other("it is compressed in a way that is not read here (zstd?)")),
        }
    }
}

fn entry(header: &Header, number: u32) -> Entry {
    let kind = match header.kind {
        b'0' | b'7' | b'S' => Kind::File,
        b'2' => Kind::Link(header.link.clone()),
        b'5' => Kind::Directory,
        _ => Kind::Other,
    };
    Entry { kind, mode: header.mode, uid: header.uid, gid: header.gid, size: header.size, layer: Some(number) }
}

impl Content for (&File, u64, u64) {
    fn fill(&self, offset: u64, buffer: &mut [u8]) -> bool {
        let (file, start, size) = self;
        let inside = offset.checked_add(buffer.len() as u64).is_some_and(|end| end <= *size);
        inside && file.read_exact_at(buffer, start + offset).is_ok()
    }
}

impl Tree for Archive {
    fn entry(&self, path: &str) -> Option<Entry> {
        self.nodes.get(path).map(|node| node.entry.clone())
    }

    fn open(&self, path: &str) -> Option<Box<dyn Content + '_>> {
        let node = self.nodes.get(path)?;
        if let Some(head) = node.head.as_ref().filter(|head| head.len() as u64 == node.entry.size) {
            return Some(Box::new(head.clone()));
        }
        let layer = self.layers.get(node.entry.layer?.checked_sub(1)? as usize)?;
        match layer.packed {
            Packing::Plain => Some(Box::new((&self.file, layer.at + node.at, node.entry.size))),
            Packing::Gzip if node.entry.size <= LARGEST => {
                let mut stream = layer.stream(&self.file).ok()?;
                stream.skip(node.at).ok()?;
                let mut bytes = Vec::new();
                (&mut stream as &mut dyn Read).take(node.entry.size).read_to_end(&mut bytes).ok()?;
                Some(Box::new(bytes))
            }
            Packing::Gzip | Packing::Other => None,
        }
    }

    fn head(&self, path: &str, most: u64) -> Option<Vec<u8>> {
        let node = self.nodes.get(path)?;
        let wanted = usize::try_from(node.entry.size.min(most)).ok()?;
        match node.head.as_ref().and_then(|head| head.get(..wanted)) {
            Some(head) => Some(head.to_vec()),
            None => {
                let mut bytes = vec![0; wanted];
                self.open(path)?.fill(0, &mut bytes).then_some(bytes)
            }
        }
    }

    fn walk(&self, each: &mut dyn FnMut(&str, &Entry)) {
        self.nodes.iter().for_each(|(path, node)| each(path, &node.entry));
    }

    fn is_live(&self) -> bool {
        false
    }
}

/// Where each file of the outer tar is.
fn index(file: &File, size: u64) -> Result<Vec<Header>, String> {
    let mut magic = [0; 4];
    let read = file.read_at(&mut magic, 0).map_err(|error| error.to_string())?;
    match magic.get(..read) {
        Some([]) => return Err("it is empty".to_owned()),
        Some([0x1f, 0x8b, ..]) => return Err("it is compressed as a whole: gunzip it first".to_owned()),
        Some([0x28, 0xb5, 0x2f, 0xfd]) => return Err("it is compressed as a whole: unzstd it first".to_owned()),
        Some(_) | None => {}
    }
    let mut tar = Tar::new(Region { file, at: 0, end: size });
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

type Found = (Config, Vec<Layer>, usize);

/// The image's configuration and layers, by docker's manifest.json or OCI's index.json.
fn contents(file: &File, index: &[Header]) -> Result<Found, String> {
    let find = |name: &str| {
        let name = name.trim_start_matches("./");
        let found = index.iter().rev().find(|header| header.path == name)?;
        // docker save writes a layer that came twice as a link: ../ID/layer.tar
        if found.kind == b'2' {
            let target = found.link.trim_start_matches("../");
            return index.iter().find(|header| header.path == target);
        }
        Some(found)
    };
    let json = |name: &str| {
        let header = find(name)?;
        let mut bytes = vec![0; usize::try_from(header.size.min(SMALL)).ok()?];
        file.read_exact_at(&mut bytes, header.at).ok()?;
        Value::read(&String::from_utf8_lossy(&bytes))
    };
    let blob = |value: &Value| {
        let digest = value.get("digest")?.text()?;
        Some(["blobs/", &digest.replacen(':', "/", 1)].concat())
    };
    let (config, names, others) = if let Some(manifest) = json("manifest.json") {
        let images = manifest.items();
        let image = images.first().ok_or("its manifest.json lists no image")?;
        let config = image.get("Config").and_then(Value::text).unwrap_or_default().to_owned();
        let layers = image.get("Layers").map(Value::items).unwrap_or_default();
        let names = layers.iter().filter_map(Value::text).map(str::to_owned).collect::<Vec<_>>();
        (config, names, images.len().saturating_sub(1))
    } else if let Some(mut manifest) = json("index.json") {
        let mut others = 0;
        // An index may list others: platforms, attestations.
        for _ in 0..4 {
            let listed = manifest.get("manifests").map(Value::items).unwrap_or_default();
            let is_image = |value: &&Value| {
                let platform = value.get("platform").and_then(|platform| platform.get("os")).and_then(Value::text);
                platform.is_none_or(|os| os == "linux")
            };
            let Some(next) = listed.iter().find(is_image).or(listed.first()).and_then(blob) else { break };
            others += listed.iter().filter(is_image).count().saturating_sub(1);
            manifest = json(&next).ok_or_else(|| format!("{next} is missing in it, or no JSON"))?;
        }
        let config = manifest.get("config").and_then(blob).unwrap_or_default();
        let layers = manifest.get("layers").map(Value::items).unwrap_or_default();
        (config, layers.iter().filter_map(blob).collect(), others)
    } else {
        return Err("no image: neither docker's manifest.json nor OCI's index.json is in it".to_owned());
    };
    let config =
        json(&config).ok_or_else(|| format!("the image's configuration {config} is missing in it, or no JSON"))?;
    if names.len() > MOST_LAYERS {
        return Err(format!("{} layers are too many for an image", names.len()));
    }
    let layers = names.iter().map(|name| match find(name) {
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
