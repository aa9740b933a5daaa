//! The bytes of a layer, from front to back: a part of the archive, compressed or not. How it is packed `manifest.rs` finds out.

use super::manifest::{Layer, Packing};
use super::tar::Source;
use crate::gzip::Gzip;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;

/// A part of a file.
pub(super) struct Region<'a> {
    pub(super) file: &'a File,
    pub(super) at: u64,
    pub(super) end: u64,
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
pub(super) enum Stream<'a> {
    Plain(Region<'a>),
    Gzip(Gzip<'a>),
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
                let mut buffer = [0; 8 * 1024];
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

impl Layer {
    pub(super) fn stream<'a>(&self, file: &'a File) -> io::Result<Stream<'a>> {
        let region = Region { file, at: self.at, end: self.at.saturating_add(self.size) };
        match self.packed {
            Packing::Plain => Ok(Stream::Plain(region)),
            Packing::Gzip => Ok(Stream::Gzip(Gzip::new(Box::new(BufReader::with_capacity(64 * 1024, region))))),
            Packing::Other => Err(io::Error::other("it is compressed by zstd, which is not read here")),
        }
    }
}
