//! What goward is told to do, by `goward stop`, `restart`, `reload` and `signal`: where an image has no `kill`, and nobody can
//! reach the container from outside. Whoever may ask for the status or the server's memory may also give orders: goward's own
//! user, who could send it signals as well, and root, of this PID namespace.
//!
//! Which order is refused when, and in which words, `Supervisor::refuses` in `supervisor/state.rs` decides. Refused here is
//! only what the supervisor cannot know: who asks, a start under way, sockets that are gone.
//!
//! The order is the name of the socket that the client connects from. So it is there whole when the connection is, nothing has
//! to be read from a stranger, and nobody is waited for.

use super::personality::Note;
use super::{Init, last_resort};
use crate::signal::Signal;
use crate::supervisor::{Event, Order};
use crate::sys::unix::Peer;
use crate::sys::{clock, process};

/// Something that goward can be told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// To stop, to restart the server, to have it reload.
    Order(Order),
    /// To do with this signal as if it had been sent.
    Signal(Signal),
}

/// How the names of such clients begin. A number that makes them differ follows, a slash and the instruction.
const PREFIX: &str = "goward-order/";

const WORDS: [(&str, Order); 3] = [("stop", Order::Stop), ("restart", Order::Restart), ("reload", Order::Reload)];

impl Instruction {
    /// The name of a client that has this to say; `number` makes it its own.
    pub fn name(self, number: u64) -> String {
        let word = match self {
            Instruction::Signal(signal) => return format!("{PREFIX}{number:016x}/{}", signal.number()),
            Instruction::Order(order) => WORDS.into_iter().find(|(_, known)| *known == order),
        };
        format!("{PREFIX}{number:016x}/{}", word.map_or("", |(word, _)| word))
    }

    /// What a client of this name has to say; none: it only asks.
    pub(super) fn of_name(name: String) -> Option<Instruction> {
        let (_, word) = name.strip_prefix(PREFIX)?.split_once('/')?;
        if let Some((_, order)) = WORDS.into_iter().find(|(known, _)| *known == word) {
            return Some(Instruction::Order(order));
        }
        word.parse().ok().and_then(Signal::new).map(Instruction::Signal)
    }
}

impl Init {
    /// Does what this peer wants, who may; a sentence about it.
    ///
    /// # Errors
    /// Why it cannot be done: a sentence.
    pub(super) fn obey(&mut self, instruction: Instruction, peer: Peer) -> Result<String, String> {
        // gVisor names the listener itself in the place of whoever has connected: that may be another user.
        if peer.pid == self.pid {
            return Err("the kernel does not say who is asking; send the signal to goward itself".to_owned());
        }
        if self.launching.starting.is_some() && instruction != Instruction::Order(Order::Stop) {
            return Err("the server is being started".to_owned());
        }
        let from = who(peer);
        let (event, signal) = match instruction {
            Instruction::Signal(signal) => {
                if !self.supervisor.hears_of(signal) {
                    return Err(format!("there is no process to send {signal} to"));
                }
                (Event::Signal(signal), signal)
            }
            Instruction::Order(order) => {
                let sockets_are_gone = order == Order::Restart && !self.can_hand_on_sockets();
                let why = self.supervisor.refuses(order).or(sockets_are_gone.then_some(NO_SOCKETS));
                if let Some(why) = why {
                    return Err(why.to_owned());
                }
                (Event::Ordered(order), self.supervisor.policy().own_stop_signal())
            }
        };
        let what = match instruction {
            Instruction::Order(order) => {
                WORDS.into_iter().find(|(_, known)| *known == order).map_or("", |(word, _)| word)
            }
            Instruction::Signal(_) => "signal",
        };
        self.forwarding.by_key = false;
        if instruction != Instruction::Order(Order::Stop) {
            self.say(Note::Told {
                what,
                signal: matches!(instruction, Instruction::Signal(_)).then_some(signal),
                from: &from,
            });
        }
        self.requested(event, None, signal, &|| from.clone());
        if instruction == Instruction::Order(Order::Restart) && self.supervisor.rung().is_some() {
            last_resort::stop_began(clock::now());
        }
        Ok(format!("{what}: accepted by goward (pid {})", self.pid))
    }

    /// Sockets that were handed to the server (LISTEN_FDS) are kept open for another start only where one was to be expected.
    fn can_hand_on_sockets(&self) -> bool {
        let has_any = self.launching.launch.env.as_ref().is_some_and(|env| env.listen_pid);
        !has_any || self.settings.policy.starts_again()
    }
}

const NO_SOCKETS: &str =
    "the sockets that the server was given (LISTEN_FDS) are not open any more; goward keeps them with --restart";

/// `pid 31 (goward), uid 0`: who has connected. Not the command line: it is in that process's memory, which may be a file that hangs.
fn who(peer: Peer) -> String {
    let Peer { pid, uid } = peer;
    match process::look_at(pid) {
        Some(process) => format!("pid {pid} ({}), uid {uid}", process.name),
        None => format!("pid {pid}, uid {uid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_name_says() {
        let signals = Signal::all().map(Instruction::Signal);
        for instruction in signals.chain(WORDS.map(|(_, order)| Instruction::Order(order))) {
            assert_eq!(Instruction::of_name(instruction.name(7)), Some(instruction));
        }
        for name in [
            "",
            "goward-order/",
            "goward-order/7",
            "goward-order/7/",
            "goward-order/7/0",
            "goward-order/7/65",
            "goward-order/7/halt",
            "goward/7/stop",
            "goward-order/7/stop/",
            "goward-order/7/ 15",
        ] {
            assert_eq!(Instruction::of_name(name.to_owned()), None, "{name}");
        }
    }
}
