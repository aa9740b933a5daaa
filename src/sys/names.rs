//! Host names, looked up by the C library: /etc/hosts, then the name servers of /etc/resolv.conf, for both address families. It
//! waits for them, and so is never called in PID 1.
#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::sys::socket::{SockaddrLike, SockaddrStorage};
use std::ffi::{CStr, CString};
use std::net::SocketAddr;
use std::ptr;

/// The addresses of a name, in the order in which they should be tried (RFC 6724).
///
/// # Errors
/// A sentence: there is no such name, or nobody has answered.
pub fn addresses(name: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let found = CString::new(name).map_err(|_| libc::EAI_NONAME).and_then(|name| look_up(&name));
    found.map(|ips| ips.into_iter().map(|ip| SocketAddr::new(ip.ip(), port)).collect()).map_err(|code| match code {
        libc::EAI_NONAME | libc::EAI_NODATA => {
            format!("there is no host '{name}': the name server in /etc/resolv.conf says so, and /etc/hosts has no entry for it")
        }
        libc::EAI_AGAIN => format!("'{name}' cannot be looked up: no name server of /etc/resolv.conf answers"),
        libc::EAI_SYSTEM => format!("'{name}' cannot be looked up: {}", Errno::last().desc()),
        code => format!("'{name}' cannot be looked up (getaddrinfo: {code})"),
    })
}

/// Or getaddrinfo(3)'s error.
fn look_up(name: &CStr) -> Result<Vec<SocketAddr>, libc::c_int> {
    // SAFETY: of this structure of numbers and pointers all zeros are a value.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_socktype = libc::SOCK_STREAM;
    let mut list = ptr::null_mut();
    // SAFETY: the name and the hints live until it returns, and it writes one pointer.
    let code = unsafe { libc::getaddrinfo(name.as_ptr(), ptr::null(), &hints, &mut list) };
    if code != 0 {
        return Err(code);
    }
    let mut found = Vec::new();
    let mut next = list;
    // SAFETY: the library's own list, each of which points to the next; its addresses are as long as they say.
    while let Some(one) = unsafe { next.as_ref() } {
        // SAFETY: as above.
        let address = unsafe { SockaddrStorage::from_raw(one.ai_addr, Some(one.ai_addrlen)) };
        let v4 = address.and_then(|address| address.as_sockaddr_in().map(|v4| SocketAddr::V4((*v4).into())));
        let v6 = address.and_then(|address| address.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into())));
        found.extend(v4.or(v6));
        next = one.ai_next;
    }
    // SAFETY: it came from getaddrinfo, and nothing points into it any longer.
    unsafe { libc::freeaddrinfo(list) };
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_its_own_and_a_name_of_hosts_is_found() {
        assert_eq!(addresses("127.0.0.1", 80), Ok(vec!["127.0.0.1:80".parse().unwrap()]));
        assert_eq!(addresses("::1", 80), Ok(vec!["[::1]:80".parse().unwrap()]));
        let loopback = addresses("localhost", 7).unwrap();
        assert!(loopback.iter().all(|address| address.ip().is_loopback() && address.port() == 7), "{loopback:?}");
    }
}
