//! A profile with debug=1: how many goroutines have a stack, without states and numbers.

use crate::goroutines::groups::{Block, Groups};
use crate::goroutines::line::{self, NOBODY, decimal, hex};
use crate::goroutines::{Kind, Program, Summary};

/// One that is coming in.
pub(super) struct Profile {
    reason: String,
    leaked: bool,
    groups: Groups,
    block: Block,
    /// How many goroutines the block stands for.
    count: u64,
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
        matches!(decimal(total), Some((_, b""))).then_some(Profile { reason, leaked, groups, block, count: 0 })
    }

    /// A line, if it can be one of the profile's.
    pub(super) fn line(&mut self, line: &[u8]) -> bool {
        let text = line.trim_ascii();
        if text.is_empty() {
            self.end_block();
            return true;
        }
        if let Some(count) = count_of(text) {
            self.end_block();
            self.block.begin(&line::Header { state: b"", leaked: self.leaked, ..NOBODY });
            self.count = count;
            return true;
        }
        let Some(comment) = text.strip_prefix(b"#").filter(|_| self.block.is_open()) else { return false };
        if let Some(labels) = comment.strip_prefix(b" labels: ") {
            self.block.set_labels(labels);
        } else if let Some((function, place)) = frame(comment) {
            self.block.frame(function, b"");
            self.block.place(place);
        } else {
            return false;
        }
        true
    }

    fn end_block(&mut self) {
        if self.block.is_open() {
            self.groups.count_as(&mut self.block, self.count);
        }
    }

    pub(super) fn end(mut self, program: &Program) -> Summary {
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
