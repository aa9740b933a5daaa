//! A load that is a command: a client for whatever is not HTTP/1.1 in the clear, which says by its exit code whether it got
//! what it asked for. Each run of it is a request.

use super::load::{LATER, Shared, TICK};
use crate::signal::Signal;
use crate::spawn::{self, SpawnSpec, explain};
use crate::sys::mask::Mask;
use crate::sys::sockets::{self, Sockets, State, Tcp};
use crate::sys::{clock, process};
use std::cell::RefCell;
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;
use tokio::time::sleep;

/// The commands that run. Whoever reaps tells of their ends.
#[derive(Debug)]
pub(super) struct Commands {
    inherited: Mask,
    /// Their standard output and error: that of goward's report they must not get.
    output: Option<OwnedFd>,
    /// With the exit code of those that have ended.
    running: RefCell<Vec<(i32, Option<u8>)>>,
}

impl Commands {
    pub(super) fn new(inherited: Mask) -> Commands {
        // SAFETY is the standard library's: it lends the descriptor for as long as the call takes.
        let output = std::os::fd::AsFd::as_fd(&std::io::stderr()).try_clone_to_owned().ok();
        let output = output.and_then(|fd| process::above_stdio(fd).ok());
        Commands { inherited, output, running: RefCell::default() }
    }

    fn start(&self, words: &[CString]) -> Result<i32, String> {
        let output = self.output.as_ref().map(AsRawFd::as_raw_fd);
        let spec = SpawnSpec::new(words, self.inherited);
        let spec = SpawnSpec { stdio: [None, output, output], dies_with_parent: true, ..spec.beside() };
        let pid = spawn::spawn(&spec).map_err(|failure| explain::explain(&spec, failure).1)?;
        self.running.borrow_mut().push((pid, None));
        Ok(pid)
    }

    /// A child has been reaped.
    pub(super) fn ended(&self, pid: i32, code: u8) {
        if let Some((_, ended)) = self.running.borrow_mut().iter_mut().find(|(running, _)| *running == pid) {
            *ended = Some(code);
        }
    }

    /// The exit code of one that has ended. It is forgotten then.
    fn code(&self, pid: i32) -> Option<u8> {
        let mut running = self.running.borrow_mut();
        let at = running.iter().position(|(other, code)| *other == pid && code.is_some())?;
        running.remove(at).1
    }

    /// Those that still run are ended.
    pub(super) fn end_all(&self, signal: Signal) {
        for (pid, _) in self.running.borrow().iter().filter(|(_, code)| code.is_none()) {
            // It has not been reaped, so the number is still its own.
            let _ = process::send(-pid, signal);
        }
    }

    pub(super) fn any_runs(&self) -> bool {
        self.running.borrow().iter().any(|(_, code)| code.is_none())
    }

    /// The connections of each of these commands to one of the ports, as the server sees them: its own end first.
    pub(super) fn connections(pids: &[i32], ports: &[u16], sockets: &Sockets) -> Vec<(i32, Tcp)> {
        if pids.is_empty() {
            return Vec::new();
        }
        let established = sockets.all(State::Established);
        let processes = process::all();
        let of = |pid: &i32| {
            let tree = process::descendants(*pid, processes.clone());
            let members = tree.iter().map(|process| process.pid).chain([*pid]);
            let open: Vec<u64> = members.filter_map(sockets::of_process).flatten().collect();
            let is_its = |socket: &&Tcp| open.contains(&socket.inode) && ports.contains(&socket.remote.port());
            established.iter().find(is_its).map(|socket| (*pid, *socket))
        };
        pids.iter().filter_map(of).collect()
    }
}

/// A client: runs the command, again and again.
pub(super) async fn client(shared: &Shared, at: usize, words: &[CString]) {
    let Some(client) = shared.clients.get(at) else { return };
    let mut pause = client.pause(at);
    while !shared.over.get() && shared.takes_turn() {
        sleep(pause()).await;
        let pid = match shared.commands.start(words) {
            Ok(pid) => pid,
            Err(why) => {
                shared.failed(client, &why, None);
                client.began.set(true);
                sleep(LATER).await;
                continue;
            }
        };
        client.begin(Some(pid));
        let code = loop {
            sleep(TICK).await;
            if let Some(code) = shared.commands.code(pid) {
                break code;
            }
        };
        if shared.over.get() {
            break;
        }
        shared.account_run(client, code);
        client.end();
        if code != 0 {
            if shared.signal.get().is_some() {
                break;
            }
            sleep(LATER).await;
        }
    }
    client.done.set(true);
}

/// How long commands may go on when the server has gone, and then after SIGTERM.
pub(super) const LONGER: Duration = Duration::from_secs(2);

/// Ends what still runs; the attendant reaps.
pub(super) async fn finish(commands: &Commands, attend: &mut impl FnMut()) {
    for signal in [Signal::TERM, Signal::KILL] {
        let until = clock::now() + LONGER / 2;
        commands.end_all(signal);
        while commands.any_runs() && clock::now() < until {
            attend();
            sleep(TICK).await;
        }
    }
}
