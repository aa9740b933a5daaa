//! Capabilities, see capabilities(7). glibc and musl have no wrapper for capset.
#![allow(unsafe_code)]

use nix::errno::Errno;
use std::ffi::CStr;
use std::fmt;

/// A capability by number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Capability(u8);

/// In the order of linux/capability.h.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

impl Capability {
    /// Reads `net_bind_service`, `NET_BIND_SERVICE` or `CAP_NET_BIND_SERVICE`.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn parse(text: &str) -> Result<Capability, String> {
        let lower = text.to_ascii_lowercase();
        let name = lower.strip_prefix("cap_").unwrap_or(&lower);
        match NAMES.iter().position(|known| *known == name) {
            Some(number) => Ok(Capability(number as u8)),
            None => Err(format!("'{text}' is not a capability: a name like net_bind_service, see capabilities(7)")),
        }
    }

    /// Its bit in a set.
    pub fn bit(self) -> u64 {
        1 << self.0
    }
}

impl fmt::Debug for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES.get(usize::from(self.0)).unwrap_or(&"?"))
    }
}

/// The names of a set's members, for messages.
pub fn names(set: u64) -> String {
    let named: Vec<String> = (0..64u8).filter(|n| set & 1 << n != 0).map(|n| format!("{:?}", Capability(n))).collect();
    named.join(", ")
}

/// The sets of this thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sets {
    /// What it may use now.
    pub effective: u64,
    /// What it may take into use.
    pub permitted: u64,
    /// What an exec may hand on (with ambient).
    pub inheritable: u64,
}

impl Sets {
    /// These in every set, and nothing else.
    pub fn only(capabilities: u64) -> Sets {
        Sets { effective: capabilities, permitted: capabilities, inheritable: capabilities }
    }
}

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// _LINUX_CAPABILITY_VERSION_3: 64 bits in two halves.
const VERSION: u32 = 0x2008_0522;

/// Reads the sets back from the kernel.
///
/// # Errors
/// None that a kernel since 2.6.26 gives by itself.
pub fn get() -> nix::Result<Sets> {
    let mut header = Header { version: VERSION, pid: 0 };
    let mut data = [Data::default(); 2];
    // SAFETY: version 3 takes a header and two data structs, all of them ours and laid out as in linux/capability.h.
    super::check(unsafe { libc::syscall(libc::SYS_capget, &mut header, data.as_mut_ptr()) })?;
    let join = |part: fn(&Data) -> u32| u64::from(part(&data[0])) | u64::from(part(&data[1])) << 32;
    Ok(Sets {
        effective: join(|d| d.effective),
        permitted: join(|d| d.permitted),
        inheritable: join(|d| d.inheritable),
    })
}

/// Sets them.
///
/// # Errors
/// EPERM: more was asked for than is permitted. What is taken out of the permitted or the inheritable set, the kernel takes
/// out of the ambient set too.
pub fn set(sets: Sets) -> nix::Result<()> {
    let mut header = Header { version: VERSION, pid: 0 };
    let half = |shift: u32| Data {
        effective: (sets.effective >> shift) as u32,
        permitted: (sets.permitted >> shift) as u32,
        inheritable: (sets.inheritable >> shift) as u32,
    };
    let data = [half(0), half(32)];
    // SAFETY: as above; the kernel only reads the data.
    super::check(unsafe { libc::syscall(libc::SYS_capset, &mut header, data.as_ptr()) }).map(drop)
}

/// prctl(2) with up to four numbers.
fn prctl(option: libc::c_int, a: u64, b: u64) -> nix::Result<i32> {
    // SAFETY: the options used here take numbers only.
    Errno::result(unsafe { libc::prctl(option, a, b, 0u64, 0u64) })
}

/// The capabilities that a file gives to whoever executes it, where it cannot be executed without all of them; see
/// capabilities(7), "File capabilities". None: it has none such, or they cannot be read.
pub fn needed_by_file(path: &CStr) -> Option<u64> {
    let mut value = [0u8; 24];
    let name = c"security.capability";
    // SAFETY: both names end with NUL, and the kernel writes no more than the length of the buffer.
    let length = unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    needed(value.get(..usize::try_from(length).ok()?)?)
}

/// The same from the attribute itself: a word of revision and flags, then permitted and inheritable, the low halves first.
fn needed(attribute: &[u8]) -> Option<u64> {
    let word = |number: usize| {
        let bytes = attribute.get(number * 4..)?.first_chunk()?;
        Some(u64::from(u32::from_le_bytes(*bytes)))
    };
    // VFS_CAP_FLAGS_EFFECTIVE: without it the program runs with what there is.
    let is_effective = word(0)? & 1 != 0;
    is_effective.then_some(word(1)? | word(3).unwrap_or(0) << 32)
}

/// The bounding set, as far as this kernel knows capabilities.
///
/// # Errors
/// None that a kernel gives by itself; a sandbox may.
pub fn bounding() -> nix::Result<u64> {
    let mut set = 0;
    for n in 0..64u8 {
        match prctl(libc::PR_CAPBSET_READ, u64::from(n), 0) {
            Ok(has) => set |= u64::from(has == 1) << n,
            // The first number that this kernel does not know. Every kernel knows 0: there it is a sandbox that speaks.
            Err(Errno::EINVAL) if n > 0 => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(set)
}

/// Shrinks the bounding set to `keep`.
///
/// # Errors
/// EPERM without CAP_SETPCAP, if there is something to take away.
pub fn shrink_bounding(keep: u64) -> nix::Result<()> {
    // Reading is cheap, dropping is not (new credentials each time): only what is there is dropped. Where reading is
    // refused everything is tried.
    let surplus = bounding().unwrap_or(u64::MAX) & !keep;
    for n in (0..64u8).filter(|n| surplus & 1 << n != 0) {
        match prctl(libc::PR_CAPBSET_DROP, u64::from(n), 0) {
            Ok(_) => {}
            Err(Errno::EINVAL) if n > 0 => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Makes these survive an exec by a non-root user. They must be permitted and inheritable already. (What is not, the
/// kernel takes out of the ambient set by itself.)
///
/// # Errors
/// EINVAL before Linux 4.3; EPERM where they are not permitted.
pub fn raise_ambient(capabilities: u64) -> nix::Result<()> {
    for n in (0..64u8).filter(|n| capabilities & 1 << n != 0) {
        prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE as u64, u64::from(n))?;
    }
    Ok(())
}

/// Those of `wanted` that are in the ambient set.
pub fn ambient(wanted: u64) -> u64 {
    (0..64u8)
        .filter(|n| wanted & 1 << n != 0)
        .filter(|n| prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_IS_SET as u64, u64::from(*n)) == Ok(1))
        .fold(0, |set, n| set | 1 << n)
}

/// Keeps the permitted set across a change of uid away from root.
///
/// # Errors
/// EPERM where the securebits are locked.
pub fn keep_across_setuid(keep: bool) -> nix::Result<()> {
    prctl(libc::PR_SET_KEEPCAPS, u64::from(keep), 0).map(drop)
}

/// No exec gains privileges from now on: set-uid bits and file capabilities do nothing.
///
/// # Errors
/// EINVAL before Linux 3.5.
pub fn set_no_new_privs() -> nix::Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0).map(drop)
}

/// Whether that is so.
///
/// # Errors
/// EINVAL before Linux 3.5; a sandbox may refuse it.
pub fn no_new_privs() -> nix::Result<bool> {
    prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0).map(|answer| answer == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for text in ["net_bind_service", "NET_BIND_SERVICE", "CAP_NET_BIND_SERVICE"] {
            assert_eq!(Capability::parse(text).map(Capability::bit), Ok(1 << 10));
        }
        assert_eq!(Capability::parse("checkpoint_restore").map(Capability::bit), Ok(1 << 40));
        assert!(Capability::parse("net_bind").unwrap_err().contains("net_bind_service"));
    }

    #[test]
    fn what_a_file_needs() {
        // As setcap(8) writes net_bind_service+ep, checkpoint_restore+ep, and net_bind_service+p.
        let with = |low: u8, high: u8, flags: u8| {
            let (third, sixth) = (1u8 << (low % 8), if high == 0 { 0 } else { 1u8 << (high % 8) });
            [flags, 0, 0, 2, 0, third, 0, 0, 0, 0, 0, 0, 0, sixth, 0, 0, 0, 0, 0, 0]
        };
        assert_eq!(needed(&with(10, 0, 1)), Some(1 << 10));
        assert_eq!(needed(&with(10, 40, 1)), Some(1 << 10 | 1 << 40));
        assert_eq!(needed(&with(10, 0, 0)), None);
        assert_eq!(needed(&with(10, 0, 1)[..12]), Some(1 << 10), "revision 1 has 32 capabilities");
        assert_eq!(needed(&with(10, 0, 1)[..6]), None);
        assert_eq!((needed(&[]), needed_by_file(c"/proc/self/exe"), needed_by_file(c"/nowhere")), (None, None, None));
    }

    #[test]
    fn the_kernel_agrees_with_proc() {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let of = |key: &str| {
            let line = status.lines().find(|l| l.starts_with(key)).unwrap();
            u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
        };
        let sets = get().unwrap();
        assert_eq!((sets.effective, sets.permitted, sets.inheritable), (of("CapEff"), of("CapPrm"), of("CapInh")));
        assert_eq!((bounding().unwrap(), ambient(u64::MAX)), (of("CapBnd"), of("CapAmb")));
    }
}
