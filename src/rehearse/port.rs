//! Which of the server's ports answers a path: many servers have a second one, for metrics, for peers, for an administrator. A
//! path is asked for on each, before the load; the one that answers it is the one.

use super::aim::{self, Requests};
use super::http::{Answer, Connection, Pace, connect};
use super::init_process::InitProcess;
use super::load::TICK;
use super::outcome::Listener;
use super::{SECOND, SETTLE, World, begin, reachable};
use crate::config::{Load, Ready, Rehearsal};
use crate::sys::clock;
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// A handler that takes longer than this gives no answer to choose by.
const LONGEST: Duration = Duration::from_secs(3);

/// What a port has made of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reply {
    /// It has taken the request, and not answered it so far.
    Pending,
    Status(u16),
    /// What came was no HTTP, or nothing.
    Other,
}

impl Reply {
    /// The best is the least.
    fn rank(self) -> u8 {
        match self {
            Reply::Status(..400) => 0,
            Reply::Pending => 1,
            Reply::Status(404) => 4,
            Reply::Status(..500) => 2,
            Reply::Status(_) => 3,
            Reply::Other => 5,
        }
    }

    fn sentence(self) -> String {
        match self {
            Reply::Pending => "has accepted it, and has not answered".to_owned(),
            Reply::Status(status) => format!("answered {status}"),
            Reply::Other => "did not answer in HTTP".to_owned(),
        }
    }
}

/// Whether enough is known after this time: an answer that is good, from a port that is likely to be the one or once others have
/// had their time to be opened; or nothing better is to be expected. Each reply with whether its port is likely.
fn is_decided(replies: &[(Reply, bool)], waited: Duration) -> bool {
    let pending = replies.iter().filter(|(reply, _)| *reply == Reply::Pending).count();
    let good = |is_likely: bool| replies.iter().any(|(reply, likely)| reply.rank() == 0 && (*likely || !is_likely));
    good(true)
        || waited >= SETTLE && (good(false) || matches!(replies, [(Reply::Pending, _)]))
        || pending <= 1 && waited >= SECOND
        || waited >= LONGEST
}

/// Whether a server's clients are likely to come to this port: the one that PORT says, or else one that is open to others.
fn is_likely(address: &SocketAddr, wanted: Option<u16>) -> bool {
    wanted.map_or(!address.ip().is_loopback(), |wanted| address.port() == wanted)
}

/// A port under trial.
struct Trial {
    addresses: Vec<SocketAddr>,
    is_likely: bool,
    reply: Rc<Cell<Reply>>,
    task: JoinHandle<()>,
}

impl Trial {
    fn start(addresses: Vec<SocketAddr>, is_likely: bool, requests: &Requests<'_>, path: &str) -> Trial {
        let request = requests.to(aim::host_of(&addresses), path);
        let reply = Rc::new(Cell::new(Reply::Pending));
        let (at, told) = (addresses.clone(), Rc::clone(&reply));
        let task = begin(async move {
            let Ok(stream) = connect(&at, Pace::Even).await else { return told.set(Reply::Other) };
            let mut connection = Connection::new(stream, Pace::Even);
            told.set(match connection.exchange(&request.method, &request.bytes(true), || {}).await {
                Answer::Whole { status, .. } => Reply::Status(status),
                Answer::Bad(_) | Answer::Broken { .. } => Reply::Other,
            });
        });
        Trial { addresses, is_likely, reply, task }
    }
}

/// Where the path is answered, what stands in Host, and, where there was a choice, what there is to say about it.
pub(super) struct Choice {
    pub(super) at: (Vec<SocketAddr>, String),
    pub(super) told: Option<String>,
}

/// Asks all ports for the path. Listeners that are found meanwhile are added to those that are known.
pub(super) async fn choose(
    path: &str,
    requests: &Requests<'_>,
    (init, plan, world): (&mut InitProcess, &Rehearsal, &World),
    listeners: &mut Vec<Listener>,
) -> Choice {
    let wanted: Option<u16> = std::env::var("PORT").ok().and_then(|port| port.parse().ok());
    let mut trials: Vec<Trial> = Vec::new();
    // What the user has named is the first, and likely.
    let first = aim::main_address(&plan.ready, listeners);
    if matches!(plan.ready, Ready::Target(_)) {
        trials.push(Trial::start(first.0.clone(), true, requests, path));
    }
    let began = clock::now();
    loop {
        init.attend();
        init.find_listeners(world, listeners);
        for Listener { address, .. } in listeners.iter() {
            let is_known = |trial: &Trial| trial.addresses.iter().any(|known| known.port() == address.port());
            if !trials.iter().any(is_known) {
                trials.push(Trial::start(reachable(*address), is_likely(address, wanted), requests, path));
            }
        }
        let replies: Vec<(Reply, bool)> = trials.iter().map(|trial| (trial.reply.get(), trial.is_likely)).collect();
        let is_over = init.code.is_some() || init.interrupted.is_some();
        if is_over || is_decided(&replies, clock::now().saturating_sub(began)) {
            break;
        }
        sleep(TICK).await;
    }
    trials.iter().for_each(|trial| trial.task.abort());
    trials.sort_by_key(|trial| (trial.reply.get().rank(), !trial.is_likely));
    let sentence = |trial: &Trial| {
        let host = aim::host_of(&trial.addresses);
        format!("{host} {}", trial.reply.get().sentence())
    };
    let told = (trials.len() > 1).then(|| {
        let parts: Vec<String> = trials.iter().map(sentence).collect();
        format!("the port for {path}: {}", parts.join("; "))
    });
    let addresses = trials.into_iter().next().map(|trial| trial.addresses).unwrap_or_default();
    // What the user has named stays as it was named.
    let host = if addresses == first.0 { first.1 } else { aim::host_of(&addresses) };
    Choice { at: (addresses, host), told }
}

/// A port for each path of the load; what there was to choose.
pub(super) async fn for_each_path(
    requests: &Requests<'_>,
    (init, plan, world): (&mut InitProcess, &Rehearsal, &World),
    listeners: &mut Vec<Listener>,
) -> (Vec<(Vec<SocketAddr>, String)>, Vec<String>) {
    let (mut places, mut told) = (Vec::new(), Vec::new());
    for load in &plan.load {
        let Load::Path(path) = load else {
            places.push((Vec::new(), String::new()));
            continue;
        };
        let choice = choose(path, requests, (init, plan, world), listeners).await;
        told.extend(choice.told);
        places.push(choice.at);
    }
    (places, told)
}

/// Whether there is a port to be found at all.
pub(super) fn is_wanted(plan: &Rehearsal) -> bool {
    plan.ready != Ready::AtOnce && plan.load.iter().any(|load| matches!(load, Load::Path(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_answer_decides() {
        let ms = Duration::from_millis;
        let (good, pending, missing) = (Reply::Status(302), Reply::Pending, Reply::Status(404));
        let is_decided = |replies: &[Reply], waited| {
            super::is_decided(&replies.iter().map(|reply| (*reply, *reply == good)).collect::<Vec<_>>(), waited)
        };
        assert!(is_decided(&[missing, good, pending], ms(0)));
        assert!(!is_decided(&[pending], ms(100)) && is_decided(&[pending], ms(250)), "the only one may be slow");
        assert!(!is_decided(&[missing], ms(500)), "another port may be opened yet");
        assert!(is_decided(&[missing], SECOND) && is_decided(&[missing, pending], SECOND));
        assert!(!is_decided(&[pending, pending], SECOND) && is_decided(&[pending, pending], LONGEST));
        // A good answer where nobody comes is not the last word: the port for clients may be opened a moment later.
        let inner = [(good, false)];
        assert!(!super::is_decided(&inner, ms(100)) && super::is_decided(&inner, SETTLE));
        let mut replies =
            [Reply::Other, missing, Reply::Status(503), Reply::Status(401), Reply::Status(400), pending, good];
        replies.sort_by_key(|reply| reply.rank());
        assert_eq!(replies[0], good);
        assert_eq!((replies[1], replies[2].rank(), replies[5], replies[6]), (pending, 2, missing, Reply::Other));
    }

    #[test]
    fn where_clients_come() {
        let likely = |address: &str, wanted| is_likely(&address.parse().unwrap(), wanted);
        assert!(likely("127.0.0.1:80", Some(80)) && !likely("[::]:81", Some(80)));
        assert!(likely("[::]:80", None) && likely("10.0.0.1:80", None) && !likely("[::1]:80", None));
    }
}
