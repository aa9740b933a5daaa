//! `goward status`: asks the init of this container, over its socket. It costs the server nothing.

use crate::config::{Asking, Shown, Wanted};
use crate::exit;
use crate::init::control;
use crate::log;
use crate::sys::mask::Mask;
use crate::sys::{clock, unix};
use nix::errno::Errno;
use std::fs;
use std::fs::File;
use std::io::{Read, Write};
use std::time::Duration;

/// How often somebody who waits asks again.
const AGAIN: Duration = Duration::from_millis(100);
/// An answer that is longer is none.
const MOST: u64 = 64 * 1024;
/// An init that is stopped does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What an init said.
struct Report {
    ready: bool,
    healthy: bool,
    text: String,
    json: String,
}

/// The command, to its exit code.
pub fn run(asking: &Asking, inherited: Mask) -> u8 {
    let _ = inherited.install();
    let end = asking.patience.map(|patience| clock::now() + patience);
    loop {
        let report = ask(asking.pid);
        let well = report.as_ref().is_ok_and(|report| match asking.wanted {
            Wanted::Ready => report.ready,
            Wanted::Healthy => report.healthy,
        });
        if well || end.is_none_or(|end| clock::now() >= end) {
            show(&report, asking);
            return if well { 0 } else { exit::UNHEALTHY };
        }
        clock::nap(AGAIN);
    }
}

fn show(report: &Result<Report, String>, asking: &Asking) {
    match report {
        _ if asking.quiet => {}
        Ok(report) => {
            let text = if asking.shown == Shown::Json { &report.json } else { &report.text };
            // Nobody may be listening; the code tells too.
            let _ = std::io::stdout().write_all(text.as_bytes());
        }
        Err(why) => log::say_raw(&format!("goward: {why}\n")),
    }
}

fn ask(pid: Option<i32>) -> Result<Report, String> {
    let pid = match pid {
        Some(pid) => pid,
        None => find()?,
    };
    let (connection, peer) = unix::connection(&control::name(pid)).map_err(|errno| match errno {
        Errno::ECONNREFUSED => format!("no goward with pid {pid} answers in this PID and network namespace"),
        Errno::EAGAIN => format!("goward (pid {pid}) does not answer: others wait there already"),
        errno => format!("cannot ask goward (pid {pid}): {}", errno.desc()),
    })?;
    // Anybody can take a name; the kernel says who has it.
    if peer.pid != pid {
        return Err(format!("the socket of goward (pid {pid}) belongs to pid {}", peer.pid));
    }
    let connection = std::os::unix::net::UnixStream::from(connection);
    let _ = connection.set_nonblocking(false);
    let _ = connection.set_read_timeout(Some(PATIENCE));
    let mut answer = String::new();
    let mut from: std::io::Take<std::os::unix::net::UnixStream> = connection.take(MOST);
    from.read_to_string(&mut answer).map_err(|error| format!("goward (pid {pid}) does not answer: {error}"))?;
    understand(&answer).ok_or_else(|| {
        let uid = nix::unistd::geteuid();
        format!("goward (pid {pid}) does not answer uid {uid}: it answers its own user (uid {}) and root", peer.uid)
    })
}

fn understand(answer: &str) -> Option<Report> {
    let mut parts = answer.split('\0');
    let (bits, text, json) = (parts.next()?, parts.next()?, parts.next()?);
    let mut bits = bits.chars().map(|bit| bit == '1');
    let (ready, healthy) = (bits.next()?, bits.next()?);
    Some(Report { ready, healthy, text: text.to_owned(), json: json.to_owned() })
}

/// The one in this container's cgroup: containers may share a PID namespace, whose PID 1 is then another's, and goward may
/// run under goward, which is then PID 1. Where cgroups tell nothing, PID 1.
fn find() -> Result<i32, String> {
    let prefix = control::name(0);
    let prefix = prefix.strip_suffix('0').unwrap_or(&prefix);
    let own = cgroup("self");
    choose(&listeners(prefix), |pid| Some(encloses(&cgroup(&pid.to_string())?, own.as_ref()?)))
}

/// `is_near`: whether a pid is of this container; None where that cannot be told.
fn choose(pids: &[i32], is_near: impl Fn(i32) -> Option<bool>) -> Result<i32, String> {
    let near: Vec<i32> = pids.iter().copied().filter(|pid| is_near(*pid) == Some(true)).collect();
    let unknown: Vec<i32> = pids.iter().copied().filter(|pid| is_near(*pid).is_none()).collect();
    match (pids, if near.is_empty() { &unknown } else { &near }.as_slice()) {
        // Without /proc.
        ([], _) => Ok(1),
        (_, [one]) => Ok(*one),
        (_, possible) if possible.contains(&1) => Ok(1),
        ([one], []) => {
            Err(format!("the goward that runs here (pid {one}) is another container's; it can be asked by --pid"))
        }
        (several, _) => {
            let list: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(format!("several gowards run here, pids {}; say which with --pid", list.join(", ")))
        }
    }
}

/// Whether the process with the second /proc/PID/cgroup is in the control groups of the first, or below them.
fn encloses(theirs: &str, ours: &str) -> bool {
    theirs.lines().count() == ours.lines().count()
        && theirs.lines().zip(ours.lines()).all(|(theirs, ours)| {
            ours.strip_prefix(theirs)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || theirs.ends_with('/'))
        })
}

/// The inits of this PID namespace that take connections, from /proc/net/unix.
fn listeners(prefix: &str) -> Vec<i32> {
    let mut text = String::new();
    let read = File::open("/proc/net/unix").and_then(|mut file| file.read_to_string(&mut text));
    let names = text.lines().filter_map(|line| line.split_ascii_whitespace().nth(7)?.strip_prefix('@'));
    let mut pids: Vec<i32> = names.filter_map(|name| name.strip_prefix(prefix)?.parse().ok()).collect();
    pids.sort_unstable();
    pids.dedup();
    if read.is_ok() { pids } else { Vec::new() }
}

/// In which cgroup a process is; everybody may read that.
fn cgroup(pid: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_asked() {
        let choose = |pids: &[i32], near: &[i32], far: &[i32]| {
            choose(pids, |pid| (near.contains(&pid) || far.contains(&pid)).then(|| near.contains(&pid))).ok()
        };
        // Without /proc, alone, under goward, beside another container's, where no cgroup tells, on a laptop.
        assert_eq!(choose(&[], &[], &[]), Some(1));
        assert_eq!(choose(&[7], &[], &[]), Some(7));
        assert_eq!(choose(&[1, 7], &[1, 7], &[]), Some(1));
        assert_eq!(choose(&[1, 7], &[7], &[1]), Some(7));
        assert_eq!(choose(&[1, 7], &[], &[]), Some(1));
        assert_eq!(choose(&[7, 9, 11], &[9, 11], &[7]), None);
        assert_eq!(choose(&[7, 9], &[], &[]), None);
        // A neighbour's is no answer.
        assert_eq!(choose(&[1], &[], &[1]), None);
        assert_eq!(choose(&[1, 7], &[], &[1, 7]), None);
        assert!(encloses("0::/a\n", "0::/a/b\n") && encloses("0::/\n", "0::/x\n") && encloses("0::/a\n", "0::/a\n"));
        assert!(!encloses("0::/a\n", "0::/ab\n") && !encloses("0::/../b\n", "0::/\n") && !encloses("", "0::/\n"));
    }

    #[test]
    fn an_answer_that_is_none() {
        for answer in ["", "11", "1\0a\0b", "11\0a"] {
            assert!(understand(answer).is_none(), "{answer:?}");
        }
        let report = understand("10\0text\n\0{}\n").unwrap();
        assert!(report.ready && !report.healthy);
        assert_eq!((report.text.as_str(), report.json.as_str()), ("text\n", "{}\n"));
    }
}
