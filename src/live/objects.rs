//! What goroutines wait on, as it is in memory: a channel, a mutex, a wait group. Only what is certain: who waits has to be
//! found there too. The structures are those of runtime/chan.go, internal/sync/mutex.go and sync/waitgroup.go, which have not
//! moved since Go 1.20.

use super::Program;
use super::layout::{self, SELF, WORDS};
use super::memory::half;
use crate::goroutines::Object;

/// Words of a `hchan`.
const LENGTH: usize = 0;
const CAPACITY: usize = 1;
/// The size of an element, and in the upper half whether it is closed.
const CLOSED: usize = 3;
/// Where the first in the queue of receivers may be, and the first in that of senders: before Go 1.23, and since.
const RECEIVERS: [usize; 2] = [7, 8];
const SENDERS: [usize; 2] = [9, 10];
const CHANNEL: usize = 11;
/// A `sudog`: the channel is in its last word or, since Go 1.26, in the last but one, and the next one of the same goroutine
/// two words before that.
const SUDOG: usize = 13;
const CHANNEL_OF_TIE: [usize; 2] = [10, 11];
const NEXT_TIE: usize = 2;
/// A select may have 65,536 cases.
const MOST_CHANNELS: usize = 32;

/// A mutex, by the bits of its state.
const LOCKED: u32 = 1;
const WAITERS: u32 = 3;
/// More do not wait.
const MOST: u32 = 1 << 24;

impl Program<'_> {
    /// What is at an address that goroutines in this state wait on.
    pub(super) fn object_at(&self, state: &str, address: u64) -> Option<Object> {
        match state {
            "chan receive" => self.channel(address, RECEIVERS),
            "chan send" => self.channel(address, SENDERS),
            "select" => self.channel(address, RECEIVERS).or_else(|| self.channel(address, SENDERS)),
            // These are addresses of the semaphore, which is the last field.
            "sync.Mutex.Lock" => self.mutex(address.checked_sub(4)?),
            "sync.WaitGroup.Wait" => self.wait_group(address.checked_sub(8)?),
            _ => None,
        }
    }

    fn channel(&self, address: u64, queues: [usize; 2]) -> Option<Object> {
        let words = self.memory.words::<CHANNEL>(address)?;
        let (length, capacity) = (words[LENGTH], words[CAPACITY]);
        let closed = u32::try_from(words[CLOSED] >> 32).ok().filter(|closed| *closed <= 1)? == 1;
        let waits = queues.iter().any(|at| words.get(*at).is_some_and(|first| self.is_waiter(*first)));
        (waits && length <= capacity).then_some(Object::Channel { length, capacity, closed })
    }

    /// The channels that a goroutine waits on: each has a `sudog`, which has the goroutine, the channel and the next one.
    pub(super) fn channels(&self, words: &[u64; WORDS]) -> Vec<u64> {
        let mut channels = Vec::new();
        let mut tie = Some(words[self.layout.creator + layout::WAITING]).filter(|tie| *tie != 0);
        while let Some(at) = tie.filter(|_| channels.len() < MOST_CHANNELS) {
            let Some(tied) = self.memory.words::<SUDOG>(at).filter(|tied| tied[0] == words[SELF]) else { break };
            let in_tie = CHANNEL_OF_TIE.into_iter().find(|in_tie| self.is_channel(tied[*in_tie]));
            let Some(in_tie) = in_tie else { break };
            channels.push(tied[in_tie]);
            tie = tied.get(in_tie - NEXT_TIE).copied().filter(|next| *next != 0);
        }
        channels
    }

    /// Whether this may be a channel, where somebody waits.
    fn is_channel(&self, address: u64) -> bool {
        let words = Some(address).filter(|at| *at % 8 == 0 && *at != 0).and_then(|at| self.memory.words::<CHANNEL>(at));
        let is_one = |words: [u64; CHANNEL]| {
            words[LENGTH] <= words[CAPACITY]
                && words[CLOSED] >> 32 <= 1
                && RECEIVERS.into_iter().chain(SENDERS).any(|queue| self.is_waiter(words[queue]))
        };
        words.is_some_and(is_one)
    }

    /// Whether this is a `sudog`: its first word is a goroutine, and that one knows its own address.
    fn is_waiter(&self, address: u64) -> bool {
        let waiter = || {
            (address != 0).then_some(())?;
            let [g] = self.memory.words::<1>(address)?;
            self.memory.words::<WORDS>(g).filter(|words| layout::has_stack(words) && words[SELF] == g)
        };
        waiter().is_some()
    }

    fn mutex(&self, address: u64) -> Option<Object> {
        let mut bytes = [0; 4];
        self.memory.fill(address, &mut bytes)?;
        let state = half(&bytes, 0)?;
        let waiters = state >> WAITERS;
        (1..MOST).contains(&waiters).then_some(Object::Mutex { locked: state & LOCKED != 0, waiters })
    }

    fn wait_group(&self, address: u64) -> Option<Object> {
        let [state] = self.memory.words::<1>(address)?;
        // The highest bit of the lower half says whether it is in a bubble of testing/synctest.
        let (counter, waiters) = ((state >> 32) as i32, state as u32 & 0x7fff_ffff);
        (counter > 0 && (1..MOST).contains(&waiters)).then_some(Object::WaitGroup { counter: counter.unsigned_abs() })
    }
}
