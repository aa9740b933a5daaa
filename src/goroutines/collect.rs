//! Goroutines that were not read from a dump, put into the same groups: those of a program's memory.

use super::groups::{Block, Groups, MOST_IDS};
use super::line::Header;
use super::{Frame, Kind, Program, Summary};

/// A goroutine, with what its frames are.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its number.
    pub id: u64,
    /// `chan receive`
    pub state: &'a str,
    /// How long it has waited.
    pub minutes: u32,
    /// Locked to a thread.
    pub locked: bool,
    /// The leak profile found it unreachable.
    pub leaked: bool,
    /// pprof labels, as printed.
    pub labels: Option<&'a str>,
    /// Who started it, where that is known.
    pub parent: Option<u64>,
    /// What it waits on, and whether that is sure: what its arguments tell, or the channels of a select.
    pub objects: &'a [(u64, bool)],
    /// Its stack goes on behind the last frame.
    pub goes_on: bool,
}

/// Groups in the making.
#[derive(Default)]
pub struct Collector {
    groups: Groups,
    block: Block,
}

impl Collector {
    /// So many goroutines of a group are kept with their numbers and arguments. The others need only be counted.
    pub const SAMPLES: usize = MOST_IDS;

    /// Counts a goroutine: its frames from the innermost, each with its arguments as the runtime prints them, how many were left
    /// out and after which, and where it was started. Returns its group, if that is kept.
    pub fn add(
        &mut self,
        seen: &Seen<'_>,
        frames: &[(&Frame, String)],
        elided: Option<(usize, u32)>,
        creator: Option<&Frame>,
    ) -> Option<usize> {
        let block = &mut self.block;
        block.begin(&Header {
            id: seen.id,
            state: seen.state.as_bytes(),
            minutes: seen.minutes,
            locked: seen.locked,
            leaked: seen.leaked,
            durable: false,
            bubble: None,
            labels: seen.labels.map(str::as_bytes),
        });
        for (at, (frame, arguments)) in frames.iter().enumerate() {
            if let Some((_, count)) = elided.filter(|(after, _)| *after == at) {
                block.elided(count);
            }
            block.frame(frame.function.as_bytes(), arguments.as_bytes());
            block.place(&place(frame));
        }
        if seen.goes_on {
            block.elided(0);
        }
        if let Some(creator) = creator {
            block.created_by(creator.function.as_bytes(), seen.parent);
            block.place(&place(creator));
        }
        let group = self.groups.count(block);
        if let Some(group) = group.filter(|_| block.object.is_none()) {
            self.groups.wait_on(group, seen.objects);
        }
        group
    }

    /// Counts one more of a group.
    pub fn add_to(&mut self, group: usize, seen: &Seen<'_>) {
        self.groups.count_again(group, 1, seen.minutes, (seen.locked, seen.leaked));
        self.groups.wait_on(group, seen.objects);
    }

    /// All that was counted. `reason` says where it comes from.
    pub fn finish(self, reason: String, program: &Program) -> Summary {
        let (user, system, ungrouped) = (self.groups.user, self.groups.system, self.groups.ungrouped);
        let groups = self.groups.finish(program);
        Summary { kind: Kind::Live, reason, notes: Vec::new(), user, system, groups, ungrouped, cut: false, bytes: 0 }
    }
}

/// Its place as it is printed. Neither a line's end nor a zero byte can be in one.
fn place(frame: &Frame) -> Vec<u8> {
    let mut place: Vec<u8> = frame.file.bytes().map(|b| if b < b' ' { b'?' } else { b }).collect();
    place.extend_from_slice(format!(":{}", frame.line).as_bytes());
    place
}
