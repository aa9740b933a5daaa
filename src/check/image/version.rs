//! The version in a Go program: from its build information, or from the symbols that -X makes. Pure.

use super::tree::Content;
use crate::buildinfo::BuildInfo;
use crate::elf::{self, Elf};

/// What tells which build it is, the better first.
const VERSION: [&str; 1] = ["version"];
const COMMIT: [&str; 5] = ["commit", "revision", "release", "gitsha", "githash"];
/// Names of symbols are no longer.
const MOST: usize = 512;

/// The version that was stamped: Some(None) where surely none was, None where that cannot be told.
pub(super) fn stamped(build: &BuildInfo, elf: &Elf, content: &dyn Content, stripped: bool) -> Option<Option<String>> {
    let stamps = build.stamps();
    let named =
        |words: &[&str]| stamps.iter().find(|(name, _)| means(name, words)).map(|(_, value)| (*value).to_owned());
    if let Some(version) = named(&VERSION).or_else(|| named(&COMMIT)) {
        return Some(Some(version));
    }
    if let Some(version) = build.version.as_deref().filter(|version| *version != "(devel)") {
        return Some(Some(version.to_owned()));
    }
    if !stripped {
        return Some(symbol(elf, content));
    }
    // -trimpath leaves -ldflags out of the build information; before 1.18 there was none.
    let told = build.setting("-trimpath") != Some("true") && !build.settings.is_empty();
    told.then_some(None)
}

/// Whether a variable is called so: `example.com/shop/internal/build.Commit`. Of its package only the last part counts.
fn means(name: &str, words: &[&str]) -> bool {
    let name = name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    words.iter().any(|word| name.contains(word))
}

/// `main.version.str`, which the linker makes for -X, in whatever package it is. Its own ones are the runtime's.
fn symbol(elf: &Elf, content: &dyn Content) -> Option<String> {
    let mut read_at = |offset: u64, buffer: &mut [u8]| content.fill(offset, buffer);
    let table = elf.section(".symtab")?;
    let names = elf.sections.get(table.link)?;
    let names = elf::beginning(&mut read_at, names.offset, names.size, 64 << 20)?;
    let width = if elf.wide { 24 } else { 16 };
    let entries = elf::beginning(&mut read_at, table.offset, table.size, 64 << 20)?;
    let mut commit = None;
    for entry in entries.chunks_exact(width) {
        let start = usize::try_from(elf.number(entry.get(..4)?)).ok()?;
        let name = names.get(start..).unwrap_or_default().iter().take(MOST).take_while(|byte| **byte != 0).count();
        let name = names.get(start..start + name).unwrap_or_default();
        if !name.ends_with(b".str") || name.starts_with(b"runtime.") {
            continue;
        }
        let name = elf::text(name, 0);
        let is_version = means(&name, &VERSION);
        if !is_version && (commit.is_some() || !means(&name, &COMMIT)) {
            continue;
        }
        let (value, size) = if elf.wide { (8..16, 16..24) } else { (4..8, 8..12) };
        let offset = elf.offset_of(elf.number(entry.get(value)?))?;
        let text = elf::beginning(&mut read_at, offset, elf.number(entry.get(size)?), 256)?;
        let text = Some(elf::text(&text, 0));
        if is_version {
            return text;
        }
        commit = text;
    }
    commit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(flags: &str) -> Option<Option<String>> {
        let settings = vec![("-ldflags".to_owned(), flags.to_owned())];
        let elf =
            Elf::read(&mut |offset, buffer| std::fs::read("/proc/self/exe").unwrap().fill(offset, buffer)).unwrap();
        stamped(&BuildInfo { settings, ..BuildInfo::default() }, &elf, &Vec::new(), true)
    }

    #[test]
    fn what_tells_the_build() {
        let known = |text: &str| Some(Some(text.to_owned()));
        assert_eq!(version("-s -X main.commit=abc -X example.com/x/version.Version=1"), known("1"));
        assert_eq!(version("-X main.gitCommit=abc -X main.buildTime=2026"), known("abc"));
        // The directory of a package says nothing.
        assert_eq!(version("-X main.buildTime=2026 -X example.com/versions/x.Name=y"), Some(None));
    }
}
