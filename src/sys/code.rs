//! goward's own code and constants in memory: what only the start needed is not kept.
#![allow(unsafe_code)]

use super::file;
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;

/// More than any process has to tell of its mappings before those of its own code.
const MOST: u64 = 256 * 1024;

/// Gives pages of goward's own code and constants back to the page cache: what only the start needed is not needed again, and
/// what is comes back when it is touched. RSS falls by half, and the exit has less to take down. Where order.ld was used, what a
/// signal and a stop run is not among them.
///
/// Only what the kernel says to be in a file as it is in memory. A program that was packed (UPX) has unpacked itself into
/// memory that is in no file: dropped, that would be zeros.
///
/// tests/order.py finds the first call in a profile, by its name: what ran before it and never after is a start's.
#[inline(never)]
pub fn forget() {
    // The linker's names for the beginning of the program and the end of its code, end(3). order.ld puts what a signal and a
    // stop run behind that end.
    unsafe extern "C" {
        static __executable_start: u8;
        static etext: u8;
    }
    let wanted = (&raw const __executable_start as usize)..(&raw const etext as usize);
    // SAFETY: no memory is touched.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    let Some(part) = unwritten_part(&wanted) else { return };
    // madvise takes a page that is begun for a whole one.
    let (start, end) = (part.start.next_multiple_of(page), part.end - part.end % page);
    if let Some(length) = end.checked_sub(start) {
        // Last: what runs after it may have to come back.
        // SAFETY: these pages are mapped from a file and none of them was written: dropped, they are read from there again.
        unsafe { libc::madvise(start as *mut libc::c_void, length, libc::MADV_DONTNEED) };
    }
}

/// Has the kernel take the processors out of its list of those that may have cached goward's mappings, but for the one that it
/// runs on. One of them ran the child until its exec. Since Linux 6.13 (mm_cpumask, arch/x86/mm/tlb.c) they stay in that list,
/// and the exit interrupts each of them and waits for it: longest for one that has halted. They are taken out when a table of
/// pages is freed, as that of a page that is mapped far from all others.
#[cfg(target_arch = "x86_64")]
pub fn release_processors() {
    const FAR: usize = 1 << 44;
    const LENGTH: usize = 4096;
    let (rights, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a page that nobody else has, wherever the kernel puts it, written and given back.
    unsafe {
        let page = libc::mmap(FAR as *mut libc::c_void, LENGTH, rights, kind, -1, 0);
        if page != libc::MAP_FAILED {
            page.cast::<u8>().write_volatile(1);
            libc::munmap(page, LENGTH);
        }
    }
}

/// Elsewhere the processors tell each other.
#[cfg(not(target_arch = "x86_64"))]
pub fn release_processors() {}

fn unwritten_part(wanted: &Range<usize>) -> Option<Range<usize>> {
    // Readable for a process that is not dumpable too: it looks at itself. A read gives as many mappings as fit, and each
    // costs the kernel a walk over its pages; goward's code is the second.
    find_unwritten(BufReader::with_capacity(2048, file::Reader::open("/proc/self/smaps").ok()?.take(MOST)), wanted)
}

/// Finds, in what `/proc/PID/smaps` says (proc_pid_smaps(5)), the first part of `wanted` that is code in a file, and of which
/// no page is a copy of the process's own; with the constants right before it, if the same is true of them. What cannot be read
/// is not among it.
fn find_unwritten(mut smaps: impl BufRead, wanted: &Range<usize>) -> Option<Range<usize>> {
    let mut line = Vec::new();
    let (mut mapping, mut constants) = (None::<Mapping>, None::<Range<usize>>);
    let mut known = Known::default();
    while matches!(smaps.read_until(b'\n', &mut line), Ok(1..)) {
        if let Some((name, kilobytes)) = field(&line) {
            match name {
                // Where it is none, there is nothing to drop; or nobody counts (qemu-user, whose numbers are all 0).
                b"Rss" => known.is_there = kilobytes.is_some_and(|kilobytes| kilobytes > 0),
                // Pages that were written: by a packer, by a debugger, by relocations in the code.
                b"Anonymous" => known.none_is_written = kilobytes == Some(0),
                b"Swap" => known.none_is_swapped = kilobytes == Some(0),
                _ => {}
            }
            let unwritten = known.is_there && known.none_is_written && known.none_is_swapped;
            if let Some(Mapping { range, is_code, .. }) =
                mapping.as_ref().filter(|mapping| unwritten && mapping.is_of_a_file)
            {
                let (start, end) = (range.start.max(wanted.start), range.end.min(wanted.end));
                if *is_code && start < end {
                    let constants = constants.filter(|constants| constants.end == range.start);
                    return Some(constants.map_or(start, |constants| constants.start)..end);
                }
                constants = Some(range.clone()).filter(|_| !is_code);
            }
        } else {
            known = Known::default();
            mapping = Mapping::parse(&line);
            // They are in the order of their addresses.
            if mapping.as_ref().is_some_and(|mapping| mapping.range.start >= wanted.end) {
                return None;
            }
        }
        line.clear();
    }
    None
}

/// What was said of a mapping so far.
#[derive(Default)]
struct Known {
    is_there: bool,
    none_is_written: bool,
    none_is_swapped: bool,
}

/// `Anonymous:             0 kB`: the name, and the number if it is one.
fn field(line: &[u8]) -> Option<(&[u8], Option<u64>)> {
    let end = line.iter().position(|byte| matches!(byte, b':' | b' '))?;
    let (name, rest) = line.split_at(end);
    let rest = std::str::from_utf8(rest.strip_prefix(b":")?).ok()?;
    Some((name, rest.trim().strip_suffix(" kB").and_then(|number| number.parse().ok())))
}

/// The first line of a mapping.
struct Mapping {
    range: Range<usize>,
    is_code: bool,
    /// It is code or constants, and in a file.
    is_of_a_file: bool,
}

impl Mapping {
    /// `00237000-002fb000 r-xp 00036000 fe:00 6471700    /goward`.
    fn parse(line: &[u8]) -> Option<Mapping> {
        let mut words = line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
        let mut next = || std::str::from_utf8(words.next()?).ok();
        let (start, end) = next()?.split_once('-')?;
        let address = |text| usize::from_str_radix(text, 16).ok();
        let range = address(start)?..address(end)?;
        let rights = next()?;
        let (is_code, is_constant) = (rights == "r-xp", rights == "r--p");
        let (_offset, _device) = (next()?, next()?);
        let inode: u64 = next()?.parse().ok()?;
        // memfd_create, a segment of System V: in a file only by name. A file that was removed is as good as any, but no
        // name tells it from those.
        let is_lasting = !line.trim_ascii_end().ends_with(b" (deleted)");
        Some(Mapping { range, is_code, is_of_a_file: (is_code || is_constant) && inode != 0 && is_lasting })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As Linux 6 says it.
    const FILE: &str = "\
00200000-00237000 r--p 00000000 fe:00 6471700                            /goward
Size:                220 kB
Rss:                 220 kB
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd mr mw me
00237000-002fb000 r-xp 00036000 fe:00 6471700                            /goward
Size:                784 kB
KernelPageSize:        4 kB
Rss:                 192 kB
Shared_Clean:          4 kB
Private_Dirty:         0 kB
Anonymous:             0 kB
AnonHugePages:         0 kB
Swap:                  0 kB
SwapPss:               0 kB
VmFlags: rd ex mr mw me
002fb000-002fc000 rw-p 000f9000 fe:00 6471700                            /goward
Rss:                   4 kB
Anonymous:             4 kB
Swap:                  0 kB
7fff00000000-7fff00021000 rw-p 00000000 00:00 0                          [stack]
Rss:                  16 kB
Anonymous:            16 kB
Swap:                  0 kB
";

    fn unwritten(smaps: &str, wanted: Range<usize>) -> Option<Range<usize>> {
        find_unwritten(smaps.as_bytes(), &wanted)
    }

    #[test]
    fn only_code_that_is_in_a_file_as_it_is_in_memory() {
        const TEXT: Range<usize> = 0x237520..0x2cc800;
        const BOTH: Range<usize> = 0x200000..0x2cc800;
        assert_eq!(unwritten(FILE, TEXT), Some(BOTH), "with the constants before it");
        assert_eq!(unwritten(FILE, 0x200000..0x2fc000), Some(0x200000..0x2fb000), "and no more");
        let written = FILE.replacen("Anonymous:             0 kB", "Anonymous:             4 kB", 1);
        assert_eq!(unwritten(&written, TEXT), Some(TEXT), "constants that were written stay");
        let apart = FILE.replacen("00200000-00237000", "00200000-00236000", 1);
        assert_eq!(unwritten(&apart, TEXT), Some(TEXT), "so do those that are elsewhere");
        assert_eq!(unwritten(FILE, 0..0x237000).or(unwritten(FILE, 0x2fb000..0x2fc000)), None);
        let with = |from: &str, to: &str| {
            let head = FILE.find("00237000-002fb000").unwrap();
            let (before, code) = FILE.split_at(head);
            assert!(code.contains(from));
            format!("{before}{}", code.replacen(from, to, 1))
        };
        for (from, to) in [
            ("fe:00 6471700                            /goward", "00:00 0"),
            ("r-xp", "rwxp"),
            ("r-xp", "r-xs"),
            ("r-xp", "r--p"),
            ("/goward", "/memfd:upx (deleted)"),
            ("Anonymous:             0 kB", "Anonymous:             4 kB"),
            ("Anonymous:             0 kB\n", ""),
            ("Swap:                  0 kB", "Swap:                  4 kB"),
            ("Swap:                  0 kB\n", ""),
            ("Swap:                  0 kB", "Swap:                  0"),
            ("Rss:                 192 kB", "Rss:                   0 kB"),
            ("fe:00 6471700", "fe:00 x"),
        ] {
            assert_eq!(unwritten(&with(from, to), TEXT), None, "{to}");
        }
        // Near misses: a name is only a name, and other copies are not of the code.
        for (from, to) in [
            ("/goward", "/a (deleted) b\\012Anonymous: 4 kB"),
            ("Private_Dirty:         0 kB", "Private_Dirty:         4 kB"),
            ("SwapPss:               0 kB", "SwapPss:               4 kB"),
            ("Rss:                   4 kB", "Rss:                   0 kB"),
        ] {
            assert_eq!(unwritten(&with(from, to), TEXT), Some(BOTH), "{to}");
        }
    }

    #[test]
    fn a_mapping_is_judged_by_its_own_numbers() {
        let split = "1000-3000 r-xp 0 fe:00 1 /a\nRss: 4 kB\nAnonymous: 4 kB\nSwap: 0 kB\n\
            3000-4000 r-xp 0 fe:00 1 /a\nSwap: 0 kB\n\
            4000-9000 r-xp 0 fe:00 1 /a\nRss: 4 kB\nAnonymous: 0 kB\nSwap: 0 kB\n";
        assert_eq!(unwritten(split, 0x2000..0x5000), Some(0x4000..0x5000));
        assert_eq!(unwritten(split, 0x2000..0x4000), None);
    }

    #[test]
    fn this_program_has_code_in_a_file() {
        let here = this_program_has_code_in_a_file as fn() as usize;
        let part = unwritten_part(&(here..here + 1)).unwrap();
        assert!(part.start <= here && part.end == here + 1, "{part:?}");
        forget();
    }

    proptest! {
        #[test]
        fn whatever_is_read_nothing_else_is_found(
            lines in proptest::collection::vec("[0-9a-f]{1,5}-[0-9a-f]{1,5} r[-w][-x]p 0 0 [01] ?a?|(Rss|Anonymous|Swap): [01] kB|.{0,9}", 0..40),
            from in 0usize..0xfffff, length in 0usize..0xfffff,
        ) {
            let smaps = lines.join("\n");
            if let Some(part) = unwritten(&smaps, from..from + length) {
                prop_assert!(part.end > from && part.end <= from + length && part.start < part.end);
            }
        }
    }
}
