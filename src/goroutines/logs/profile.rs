//! A profile with debug=1: how many goroutines have a stack, without states and numbers. A terminal or a mail program may have
//! broken its lines at a column, so each waits for the next one, which may be the rest of it.

use crate::goroutines::groups::{Block, Groups};
use crate::goroutines::line::{self, NOBODY, decimal, hex};
use crate::goroutines::{Kind, Program, Summary};

/// Nobody breaks lines that are shorter, and what is longer, with a hundred addresses, is no line.
const NARROWEST: usize = 40;
const LONGEST: usize = 4 << 10;

/// One that is coming in.
pub(super) struct Profile {
    reason: String,
    leaked: bool,
    groups: Groups,
    block: Block,
    /// How many goroutines the block stands for.
    count: u64,
    /// The last line, which may go on in the next one.
    last: Vec<u8>,
}

impl Profile {
    /// Whether a line is the first of a profile.
    pub(super) fn begin(line: &[u8]) -> Option<Profile> {
        let text = line.trim_ascii();
        let (leaked, total) = match text.strip_prefix(b"goroutine profile: total ") {
            Some(total) => (false, total),
            None => (true, text.strip_prefix(b"goroutineleak profile: total ")?),
        };
        let reason = String::from_utf8_lossy(text).into_owned();
        let (groups, block) = (Groups::default(), Block::default());
        matches!(decimal(total), Some((_, b""))).then_some(Profile {
            reason,
            leaked,
            groups,
            block,
            count: 0,
            last: Vec::new(),
        })
    }

    /// A line, if it can be one of the profile's.
    pub(super) fn line(&mut self, line: &[u8]) -> bool {
        let text = line.trim_ascii();
        if let Some(joined) = join(&self.last, text) {
            self.last = joined;
            return true;
        }
        if !self.take_last() {
            return false;
        }
        let fits = text.is_empty() || begins(text);
        if fits {
            self.last = text.to_vec();
        }
        fits
    }

    /// The last line is whole. False: it was none of the profile's.
    fn take_last(&mut self) -> bool {
        let last = std::mem::take(&mut self.last);
        if last.is_empty() {
            self.end_block();
        } else if let Some(count) = count_of(&last) {
            self.end_block();
            self.block.begin(&line::Header { state: b"", leaked: self.leaked, ..NOBODY });
            self.count = count;
        } else {
            let Some(comment) = last.strip_prefix(b"#").filter(|_| self.block.is_open()) else { return false };
            if let Some(labels) = comment.strip_prefix(b" labels: ") {
                self.block.set_labels(labels);
            } else if let Some((function, place)) = frame(comment) {
                self.block.frame(function, b"");
                self.block.place(place);
            } else {
                return false;
            }
        }
        true
    }

    fn end_block(&mut self) {
        if self.block.is_open() {
            self.groups.count_as(&mut self.block, self.count);
        }
    }

    pub(super) fn end(mut self, program: &Program) -> Summary {
        self.take_last();
        self.end_block();
        let (user, system, ungrouped) = (self.groups.user, self.groups.system, self.groups.ungrouped);
        let mut groups = self.groups.finish(program);
        // There are no numbers in it.
        groups.iter_mut().for_each(|group| {
            group.ids.clear();
            group.samples.clear();
        });
        let reason = self.reason;
        Summary {
            kind: Kind::Profile,
            reason,
            notes: Vec::new(),
            user,
            system,
            groups,
            ungrouped,
            cut: false,
            bytes: 0,
        }
    }
}

/// Whether a line begins as one of the profile's.
fn begins(text: &[u8]) -> bool {
    text.starts_with(b"#") || decimal(text).is_some_and(|(_, rest)| rest.starts_with(b" @"))
}

/// The two as one line, if the first is broken off and the second begins none.
fn join(last: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    let is_long = (NARROWEST..LONGEST).contains(&last.len()) && last.len() + text.len() <= LONGEST;
    if text.is_empty() || begins(text) || !is_long {
        return None;
    }
    let comment = last.strip_prefix(b"#");
    // Broken where there was a blank or a tab, or in the middle of a word.
    let is_apart = match comment {
        None => text.starts_with(b"0x"),
        Some(comment) => frame(comment).is_none() && frame(&[comment, text].concat()).is_none(),
    };
    let joined = [last, if is_apart { b" " } else { b"" }, text].concat();
    let fits = match comment {
        None => text.iter().all(|b| b.is_ascii_hexdigit() || b"x \t".contains(b)),
        Some(comment) => !is_whole(comment) || text.iter().all(u8::is_ascii_digit),
    };
    fits.then_some(joined)
}

/// Whether labels or a frame have their end.
fn is_whole(comment: &[u8]) -> bool {
    if comment.starts_with(b" labels: ") {
        return comment.ends_with(b"}");
    }
    let digits = comment.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let is_place = digits > 0 && comment.get(..comment.len() - digits).is_some_and(|before| before.ends_with(b":"));
    is_place && frame(comment).is_some()
}

/// `5067 @ 0x46128e 0x42c5ad`
fn count_of(text: &[u8]) -> Option<u64> {
    let (count, rest) = decimal(text)?;
    let mut addresses = rest.strip_prefix(b" @")?.split(|b| b.is_ascii_whitespace()).filter(|word| !word.is_empty());
    addresses.all(|address| hex(address) == Some(b"")).then_some(count)
}

/// `# 0xdde6bd main.(*Logger).Start.func1+0x5d /src/logger.go:52`, with tabs between.
fn frame(comment: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = hex(comment.trim_ascii_start())?.trim_ascii_start();
    let end = rest.iter().position(u8::is_ascii_whitespace)?;
    let (function, place) = rest.split_at_checked(end)?;
    let plus = memchr::memrchr(b'+', function)?;
    (hex(function.get(plus + 1..)?) == Some(b"")).then_some((function.get(..plus)?, place.trim_ascii()))
}
