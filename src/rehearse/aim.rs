//! Where the load goes, what each request says, and how long its handler takes, as far as that has been seen.

use super::http::Request;
use super::outcome::Listener;
use super::reachable;
use crate::config::{Load, LoadRequest, Ready};
use crate::target::{Endpoint, Target, Url};
use std::cell::Cell;
use std::ffi::CString;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// One `--load` or `--load-command`.
#[derive(Debug)]
pub(super) struct Aim {
    pub(super) what: What,
    /// As it is told of: `GET /slow`, or the command.
    pub(super) name: String,
    /// How long a handler takes; none: nothing was answered so far.
    pub(super) usual: Cell<Option<Duration>>,
}

/// What a client does.
#[derive(Debug)]
pub(super) enum What {
    Requests { addresses: Vec<SocketAddr>, request: Request },
    Command(Vec<CString>),
}

impl Aim {
    pub(super) fn of_request(addresses: Vec<SocketAddr>, request: Request) -> Rc<Aim> {
        let name = request.name();
        Rc::new(Aim { what: What::Requests { addresses, request }, name, usual: Cell::default() })
    }

    fn of_command(words: &[CString]) -> Rc<Aim> {
        let name: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        Rc::new(Aim { what: What::Command(words.to_vec()), name: name.join(" "), usual: Cell::default() })
    }

    /// Whether it goes to one of these.
    pub(super) fn goes_to(&self, addresses: &[SocketAddr]) -> bool {
        match &self.what {
            What::Requests { addresses: own, .. } => own.iter().any(|own| addresses.contains(own)),
            What::Command(_) => false,
        }
    }

    /// Takes what a request has taken. A handler does not always take the same time: the last ones count most.
    pub(super) fn learn(&self, took: Duration) {
        self.usual.set(Some(self.usual.get().map_or(took, |usual| (3 * usual + took) / 4)));
    }
}

/// Makes a request for a path, on whatever port.
pub(super) struct Requests<'a> {
    pub(super) request: &'a LoadRequest,
    pub(super) body: &'a [u8],
}

impl Requests<'_> {
    pub(super) fn to(&self, host: String, path: &str) -> Request {
        let LoadRequest { method, headers, .. } = self.request;
        Request {
            method: method.clone(),
            host,
            path: path.to_owned(),
            headers: headers.clone(),
            body: self.body.into(),
        }
    }

    /// What a load is once it is known which port answers a path.
    pub(super) fn aim(&self, load: &Load, (addresses, host): &(Vec<SocketAddr>, String)) -> Rc<Aim> {
        match load {
            Load::Path(path) => Aim::of_request(addresses.clone(), self.to(host.clone(), path)),
            Load::Url(url) => Aim::of_request(url.addresses().to_vec(), self.to(url.host.clone(), &url.path)),
            Load::Command(words) => Aim::of_command(words),
        }
    }
}

/// Where the server is reached if nothing else is known: where it says that it is ready, or on its first listener.
pub(super) fn main_address(ready: &Ready, listeners: &[Listener]) -> (Vec<SocketAddr>, String) {
    let addresses = match ready {
        Ready::Target(
            Target::Http(Url { at: Endpoint::Tcp(addresses), .. })
            | Target::Grpc(Url { at: Endpoint::Tcp(addresses), .. })
            | Target::Connect(Endpoint::Tcp(addresses)),
        ) => addresses.clone(),
        Ready::Target(_) | Ready::Port | Ready::AtOnce => {
            // The first that was made is the one.
            let first = listeners.iter().min_by_key(|listener| listener.inode);
            first.map(|listener| reachable(listener.address)).unwrap_or_default()
        }
    };
    let host = match ready {
        Ready::Target(Target::Http(url)) => url.host.clone(),
        Ready::Target(_) | Ready::Port | Ready::AtOnce => host_of(&addresses),
    };
    (addresses, host)
}

/// What stands in Host for it.
pub(super) fn host_of(addresses: &[SocketAddr]) -> String {
    match addresses.first() {
        Some(address) if address.ip().is_loopback() => format!("localhost:{}", address.port()),
        Some(address) => address.to_string(),
        None => String::new(),
    }
}
