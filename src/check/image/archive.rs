//! What `docker save` and OCI builders write: a tar of layers, each a tar again, mostly compressed. Read once from front to
//! end; kept is what the headers say of each file, and the content of the few that matter. Others are read again when they
//! are asked for.

use super::manifest::{Config, Layer, Packing, contents, index};
use super::stream::Stream;
use super::tar::{Header, Source, Tar};
use super::tree::{Content, Entry, Kind, Tree, join, parts};
use crate::sys::file;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::rc::Rc;

/// An image in an archive.
pub(crate) struct Archive {
    file: File,
    nodes: BTreeMap<String, Node>,
    /// Contents or their beginnings, where they were wanted.
    heads: RefCell<BTreeMap<Spot, Head>>,
    /// What was kept of names and contents, in bytes.
    kept: Cell<usize>,
    /// What was unpacked again, in bytes.
    again: Cell<u64>,
    /// Names that links and whiteouts led to, in bytes.
    followed: usize,
    pub(crate) config: Config,
    pub(crate) layers: Vec<Layer>,
    /// Files that a later layer replaces or removes, and that are pulled all the same.
    pub(crate) hidden: Vec<Hidden>,
    /// The archive holds more images than this one.
    pub(crate) others: usize,
}

/// Where a content is: its layer, and where it begins there. Hard links have it in common.
type Spot = (u32, u64);

/// A file that is in the image and cannot be seen.
#[derive(Clone, Debug)]
pub(crate) struct Hidden {
    pub(crate) path: String,
    pub(crate) entry: Entry,
    spot: Option<Spot>,
}

#[derive(Debug)]
struct Head {
    bytes: Rc<Vec<u8>>,
    /// So much of it should be here: more, if that was known only when it had passed by already.
    wanted: u64,
}

#[derive(Clone, Debug)]
struct Node {
    entry: Entry,
    /// The layer that brought the name: of a hard link another one than its content's.
    by: u32,
    /// The layer that removed what lower ones had below it: it need not look again.
    cleared: u32,
    /// None where there is nothing that could be read.
    spot: Option<Spot>,
}

/// A program in a compressed layer is read into memory, if it is not larger.
const LARGEST: u64 = 192 << 20;
/// Libraries and what else is small are kept once they are unpacked.
const SMALL: u64 = 4 << 20;
/// So many of them, in bytes, are unpacked at once.
const MOST_AT_ONCE: u64 = 48 << 20;
/// Names and beginnings are kept in memory; no image has more of them.
const MOST_KEPT: usize = 128 << 20;
/// More is not unpacked again, or begun with: it would go on for ever.
const MOST_AGAIN: u64 = 4 << 30;
/// Nor are more names looked up for the links and whiteouts of layers.
const MOST_FOLLOWED: usize = 256 << 20;
/// What a name costs beside its length.
const STEP: usize = 64;

/// How many bytes of a file are wanted while its layer passes by.
pub(crate) type Wanted<'a> = &'a dyn Fn(&str, &Config) -> u64;
/// Is told how far the reading is: layer, of how many.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(usize, usize);

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
        let (config, layers, others) = contents(&file, &index(&file, size)?)?;
        let mut archive = Archive {
            file,
            nodes: BTreeMap::new(),
            heads: RefCell::default(),
            kept: Cell::new(0),
            again: Cell::new(0),
            followed: 0,
            config,
            layers,
            hidden: Vec::new(),
            others,
        };
        archive.nodes.insert("/".to_owned(), Node::directory(0));
        for at in 0..archive.layers.len() {
            progress(at + 1, archive.layers.len());
            let file = archive.file.try_clone().map_err(|error| error.to_string())?;
            let trouble = archive.apply(&file, at, wanted).err();
            if let Some(layer) = archive.layers.get_mut(at) {
                // Of a plain one the end of the file looks like its own.
                let cut = layer.at.saturating_add(layer.size) > size
                    || trouble.as_ref().is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof);
                let trouble =
                    if cut { Some("it is cut off".to_owned()) } else { trouble.map(|error| error.to_string()) };
                layer.trouble = layer.trouble.take().or(trouble);
            }
        }
        archive.catch_up();
        Ok(archive)
    }

    fn apply(&mut self, file: &File, at: usize, wanted: Wanted<'_>) -> io::Result<()> {
        let Some(layer) = self.layers.get(at).cloned().filter(|layer| layer.trouble.is_none()) else { return Ok(()) };
        let number = at as u32 + 1;
        let mut tar = Tar::new(layer.stream(file)?);
        let mut content = 0;
        while let Some(header) = tar.next()? {
            let path = self.place(&header.path);
            if self.followed > MOST_FOLLOWED {
                return Err(io::Error::other("it has more links and whiteouts than are followed here"));
            }
            let (directory, name) = path.rsplit_once('/').unwrap_or_default();
            if name == ".wh..wh..opq" {
                self.remove(if directory.is_empty() { "/" } else { directory }, number, false);
                continue;
            }
            if let Some(removed) = name.strip_prefix(".wh.").filter(|removed| !removed.is_empty()) {
                self.remove(&join(directory, removed), number, true);
                continue;
            }
            if path == "/" && header.kind != b'5' {
                continue;
            }
            content = u64::saturating_add(content, header.size);
            let most = wanted(&path, &self.config);
            let node = if header.kind == b'1' {
                // Another name of a file that came before.
                let target = self.place(&header.link);
                let Some(node) = self.nodes.get(&target).cloned() else { continue };
                if let Some(spot) = node.spot.filter(|_| most > 0) {
                    self.charge(self.want(spot, most.min(node.entry.size)))?;
                }
                Node { by: number, ..node }
            } else {
                let spot = matches!(header.kind, b'0' | b'7').then_some((number, header.at));
                if let Some(spot) = spot.filter(|_| most > 0) {
                    let most = most.min(header.size);
                    self.charge(self.want(spot, most))?;
                    self.arrived(spot, tar.content(most)?);
                }
                Node { entry: entry(&header, number), by: number, cleared: 0, spot }
            };
            self.put(path, node)?;
        }
        if let Some(layer) = self.layers.get_mut(at) {
            layer.content = content;
        }
        Ok(())
    }

    /// Where a file of this name goes: `.` and `..` are taken out, and links of the directories above it followed, as
    /// whoever unpacks does.
    fn place(&mut self, name: &str) -> String {
        let mut path = String::with_capacity(name.len() + 1);
        name.split('/').for_each(|part| step(&mut path, part));
        let Some((directory, last)) = path.rsplit_once('/') else { return "/".to_owned() };
        let is_directory = |path: &str| self.nodes.get(path).is_some_and(|node| node.entry.kind == Kind::Directory);
        if directory.is_empty() || is_directory(directory) {
            return path;
        }
        let mut rest: Vec<String> = parts(directory).rev().collect();
        let (mut here, mut links) = (String::new(), 0);
        while let Some(part) = rest.pop() {
            self.followed += here.len() + STEP;
            let before = here.len();
            step(&mut here, &part);
            let Some(Kind::Link(target)) = self.nodes.get(&here).map(|node| &node.entry.kind) else { continue };
            links += 1;
            if links > 40 {
                break;
            }
            here.truncate(if target.starts_with('/') { 0 } else { before });
            rest.extend(parts(target).rev());
        }
        join(&here, last)
    }

    fn put(&mut self, path: String, mut node: Node) -> io::Result<()> {
        let link = if let Kind::Link(target) = &node.entry.kind { target.len() } else { 0 };
        self.charge(size_of::<(String, Node)>() + path.len() + link)?;
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

    /// Counts what is kept.
    fn charge(&self, bytes: usize) -> io::Result<()> {
        self.kept.set(self.kept.get().saturating_add(bytes));
        if self.kept.get() > MOST_KEPT {
            return Err(io::Error::other("with it the image has more files than are kept in memory here"));
        }
        Ok(())
    }

    /// So much of a content should be here. What comes back is what that costs.
    fn want(&self, spot: Spot, most: u64) -> usize {
        let mut heads = self.heads.borrow_mut();
        let more = match heads.get_mut(&spot) {
            Some(head) => {
                let more = most.saturating_sub(head.wanted);
                head.wanted += more;
                more
            }
            None => {
                heads.insert(spot, Head { bytes: Rc::default(), wanted: most });
                most.saturating_add(size_of::<(Spot, Head)>() as u64)
            }
        };
        usize::try_from(more).unwrap_or(usize::MAX)
    }

    fn arrived(&self, spot: Spot, bytes: Vec<u8>) {
        if let Some(head) = self.heads.borrow_mut().get_mut(&spot) {
            *head = Head { wanted: bytes.len() as u64, bytes: Rc::new(bytes) };
        }
    }

    /// Builders leave out directories above; whoever unpacks makes them, for root.
    fn parents(&mut self, path: &str, number: u32) {
        let mut rest = path;
        while let Some((parent, _)) = rest.rsplit_once('/').filter(|(parent, _)| !parent.is_empty()) {
            if self.nodes.contains_key(parent) {
                break;
            }
            self.kept.set(self.kept.get() + size_of::<(String, Node)>() + parent.len());
            self.nodes.insert(parent.to_owned(), Node::directory(number));
            rest = parent;
        }
    }

    /// What is in a directory, by its name with a slash.
    fn below(&self, first: &str) -> impl Iterator<Item = (&String, &Node)> {
        self.nodes.range(first.to_owned()..).take_while(move |(path, _)| path.starts_with(first))
    }

    /// Takes out what layers below have there: below a directory, and itself too. What this layer has there stays,
    /// whichever comes first in it.
    fn remove(&mut self, path: &str, number: u32, itself: bool) {
        if self.nodes.get(path).is_some_and(|node| node.cleared == number && (node.by >= number || !itself)) {
            return;
        }
        let first = join(path, "");
        // The root's own name is below itself.
        let below = self.below(&first).filter(|(path, _)| path.len() > first.len());
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
            self.followed += path.len() + STEP;
            self.parents(&path, number);
        }
        if let Some(node) = self.nodes.get_mut(path) {
            node.cleared = number;
        }
    }

    fn hide(&mut self, path: String, node: Node, by: u32) {
        if node.entry.kind == Kind::File && node.by < by && node.entry.size > 0 {
            self.hidden.push(Hidden { path, entry: node.entry, spot: node.spot });
        }
    }

    /// Reads what is wanted and not here, each layer once for all of it. What cannot be read is wanted no more.
    fn catch_up(&self) {
        let late = |(spot, head): (&Spot, &mut Head)| {
            let wanted = std::mem::replace(&mut head.wanted, head.bytes.len() as u64);
            (wanted > head.wanted).then_some((*spot, wanted))
        };
        let late: Vec<(Spot, u64)> = self.heads.borrow_mut().iter_mut().filter_map(late).collect();
        let mut open = None;
        for (spot, length) in late {
            if let Some(bytes) = self.unpack(&mut open, spot, length) {
                self.arrived(spot, bytes);
            }
        }
    }

    /// A content, out of a stream that may have passed others of its layer.
    fn unpack<'a>(&'a self, open: &mut Option<(u32, Stream<'a>, u64)>, spot: Spot, length: u64) -> Option<Vec<u8>> {
        let (number, at) = spot;
        let layer = self.layers.get(number as usize - 1).filter(|_| self.again.get() < MOST_AGAIN)?;
        if open.as_ref().is_none_or(|(of, ..)| *of != number) {
            *open = Some((number, layer.stream(&self.file).ok()?, 0));
        }
        let (_, stream, here) = open.as_mut()?;
        let gap = at.checked_sub(*here)?;
        if layer.packed == Packing::Gzip {
            self.again.set(self.again.get().saturating_add(gap + length));
        }
        stream.skip(gap).ok()?;
        let mut bytes = Vec::new();
        let read = (stream as &mut dyn Read).take(length).read_to_end(&mut bytes).ok()? as u64;
        *here = at + read;
        (read == length).then_some(bytes)
    }

    /// The beginning of a content, or all of it: what was kept, or is read now.
    fn content(&self, spot: Spot, length: u64) -> Option<Rc<Vec<u8>>> {
        let here = || {
            let heads = self.heads.borrow();
            heads.get(&spot).filter(|head| head.bytes.len() as u64 >= length).map(|head| head.bytes.clone())
        };
        if let Some(bytes) = here() {
            return Some(bytes);
        }
        let more = self.want(spot, length);
        self.catch_up();
        let bytes = here();
        if length > SMALL || self.charge(more).is_err() {
            self.arrived(spot, Vec::new());
        }
        bytes
    }

    /// Who needs one library needs more: those of this layer are read with it.
    fn want_libraries(&self, number: u32) {
        let mut room = MOST_AT_ONCE.min(MOST_KEPT.saturating_sub(self.kept.get()) as u64);
        for (_, node) in self.nodes.iter().filter(|(path, _)| is_library(path)) {
            let size = node.entry.size;
            if let Some(spot) = node.spot.filter(|spot| spot.0 == number && size <= room.min(SMALL)) {
                room -= size;
                let _ = self.charge(self.want(spot, size));
            }
        }
    }

    /// What was kept of a hidden file.
    pub(crate) fn head_of(&self, hidden: &Hidden) -> Option<Rc<Vec<u8>>> {
        self.heads.borrow().get(&hidden.spot?).map(|head| head.bytes.clone())
    }
}

impl Node {
    /// One that no layer has an entry for.
    fn directory(number: u32) -> Node {
        let layer = Some(number).filter(|number| *number > 0);
        let entry = Entry { kind: Kind::Directory, mode: 0o755, uid: 0, gid: 0, size: 0, layer };
        Node { entry, by: number, cleared: 0, spot: None }
    }
}

/// One name further, or back.
fn step(path: &mut String, part: &str) {
    match part {
        "" | "." => {}
        ".." => path.truncate(path.rfind('/').unwrap_or(0)),
        _ => {
            path.push('/');
            path.push_str(part);
        }
    }
}

fn is_library(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.ends_with(".so") || name.contains(".so.")
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

impl Content for Rc<Vec<u8>> {
    fn fill(&self, offset: u64, buffer: &mut [u8]) -> bool {
        self.as_ref().fill(offset, buffer)
    }
}

impl Tree for Archive {
    fn entry(&self, path: &str) -> Option<Entry> {
        self.nodes.get(path).map(|node| node.entry.clone())
    }

    fn open(&self, path: &str) -> Option<Box<dyn Content + '_>> {
        let node = self.nodes.get(path)?;
        let (spot, size) = (node.spot?, node.entry.size);
        let layer = self.layers.get(spot.0 as usize - 1)?;
        match layer.packed {
            Packing::Plain => Some(Box::new((&self.file, layer.at + spot.1, size))),
            Packing::Gzip if size <= LARGEST => {
                if is_library(path) && !self.heads.borrow().contains_key(&spot) {
                    self.want_libraries(spot.0);
                }
                Some(Box::new(self.content(spot, size)?))
            }
            Packing::Gzip | Packing::Other => None,
        }
    }

    fn head(&self, path: &str, most: u64) -> Option<Vec<u8>> {
        let node = self.nodes.get(path)?;
        let length = node.entry.size.min(most);
        let bytes = self.content(node.spot?, length)?;
        bytes.get(..usize::try_from(length).ok()?).map(<[u8]>::to_vec)
    }

    fn walk(&self, from: &str, each: &mut dyn FnMut(&str, &Entry)) -> Vec<String> {
        self.below(&join(from, "")).for_each(|(path, node)| each(path, &node.entry));
        Vec::new()
    }

    fn is_live(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::image::tar::tests::{block, padded};
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    /// Each with its content, or with the name that it is another name of.
    fn tar(files: &[(&str, Result<&[u8], &str>)]) -> Vec<u8> {
        let each = files.iter().map(|(name, content)| match content {
            Ok(bytes) => [block(name, b'0', bytes.len(), ""), padded(bytes)].concat(),
            Err(link) => block(name, b'1', 0, link),
        });
        each.collect::<Vec<_>>().concat()
    }

    #[test]
    fn a_compressed_layer_is_not_unpacked_for_each_file() {
        let contents: Vec<(String, Vec<u8>)> = (0..20u8).map(|at| (format!("blob{at}"), vec![at; 700])).collect();
        let links: Vec<String> = (0..20).map(|at| format!("key{at}.pem")).collect();
        let libraries: Vec<String> = (0..20).map(|at| format!("lib{at}.so.1")).collect();
        let big = vec![0; 1 << 20];
        let mut files: Vec<(&str, Result<&[u8], &str>)> = vec![("big", Ok(&big))];
        files.extend(contents.iter().map(|(name, bytes)| (name.as_str(), Ok(bytes.as_slice()))));
        files.extend(links.iter().zip(&contents).map(|(name, (target, _))| (name.as_str(), Err(target.as_str()))));
        files.extend(libraries.iter().zip(&contents).map(|(name, (_, bytes))| (name.as_str(), Ok(bytes.as_slice()))));
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&tar(&files)).unwrap();
        let manifest = b"[{\"Config\":\"c\",\"Layers\":[\"l\"]}]";
        let image = tar(&[("manifest.json", Ok(manifest)), ("c", Ok(b"{}")), ("l", Ok(&gzip.finish().unwrap()))]);
        let path = std::env::temp_dir().join(format!("goward-archive-{}", std::process::id()));
        std::fs::write(&path, image).unwrap();
        let wanted = |path: &str, _: &Config| if path.ends_with(".pem") { 600 } else { 0 };
        let archive = Archive::read(&path, &wanted, &mut |_, _| {}).unwrap();
        std::fs::remove_file(&path).unwrap();
        // Once for all names that came too late.
        for at in 0..20u8 {
            assert_eq!(archive.head(&format!("/key{at}.pem"), 600), Some(vec![at; 600]));
        }
        assert!((1 << 20..3 << 19).contains(&archive.again.get()), "{}", archive.again.get());
        // And once for all libraries.
        for at in (0..20u8).rev() {
            let mut bytes = [0; 700];
            assert!(archive.open(&format!("/lib{at}.so.1")).unwrap().fill(0, &mut bytes) && bytes == [at; 700]);
        }
        assert!((2 << 20..5 << 19).contains(&archive.again.get()), "{}", archive.again.get());
    }
}
