//! The servers that the inits start. Both tell time by writing a `struct timespec` of CLOCK_MONOTONIC to stdout.
//!
//! The stamper is a static ELF file of some 300 bytes, written here: with a libc or a runtime in it, the way to its
//! first instruction would be measured too. The storm is this program again: it needs forks, not speed of start.
#![allow(unsafe_code)]

use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::sys;

/// The hidden mode of this program: `--storm COUNT`.
pub(crate) const STORM: &str = "--storm";

// Stamps the time first of all and again on every SIGUSR1; exits with 0 on SIGTERM. Both are blocked and waited for:
// no handler, and nothing of ours to run between the kernel's wake-up and the clock.
#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    r#"
    .pushsection .rodata.stamper, "a", @progbits
stamper_start:
    sub rsp, 32
2:  mov eax, 228                    // clock_gettime(CLOCK_MONOTONIC, rsp)
    mov edi, 1
    mov rsi, rsp
    syscall
    mov eax, 1                      // write(1, rsp, 16)
    mov edi, 1
    mov rsi, rsp
    mov edx, 16
    syscall
    mov qword ptr [rsp + 16], 0x4200 // USR1 | TERM
    mov eax, 14                     // rt_sigprocmask(SIG_BLOCK, set, NULL, 8)
    xor edi, edi
    lea rsi, [rsp + 16]
    xor edx, edx
    mov r10d, 8
    syscall
3:  mov eax, 128                    // rt_sigtimedwait(set, NULL, NULL, 8)
    lea rdi, [rsp + 16]
    xor esi, esi
    xor edx, edx
    mov r10d, 8
    syscall
    cmp eax, 10                     // USR1
    je 2b
    cmp eax, 15                     // TERM
    jne 3b
    mov eax, 231                    // exit_group(0)
    xor edi, edi
    syscall
stamper_end:
    .popsection
    "#
);
#[cfg(target_arch = "aarch64")]
std::arch::global_asm!(
    r#"
    .pushsection .rodata.stamper, "a", @progbits
stamper_start:
    sub sp, sp, #32
2:  mov x8, #113                    // clock_gettime(CLOCK_MONOTONIC, sp)
    mov x0, #1
    mov x1, sp
    svc #0
    mov x8, #64                     // write(1, sp, 16)
    mov x0, #1
    mov x1, sp
    mov x2, #16
    svc #0
    mov x9, #0x4200                 // USR1 | TERM
    str x9, [sp, #16]
    mov x8, #135                    // rt_sigprocmask(SIG_BLOCK, set, NULL, 8)
    mov x0, #0
    add x1, sp, #16
    mov x2, #0
    mov x3, #8
    svc #0
3:  mov x8, #137                    // rt_sigtimedwait(set, NULL, NULL, 8)
    add x0, sp, #16
    mov x1, #0
    mov x2, #0
    mov x3, #8
    svc #0
    cmp x0, #10                     // USR1
    b.eq 2b
    cmp x0, #15                     // TERM
    b.ne 3b
    mov x8, #94                     // exit_group(0)
    mov x0, #0
    svc #0
stamper_end:
    .popsection
    "#
);

/// The code above and what ELF calls the machine it is for.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn stamper() -> io::Result<(&'static [u8], u16)> {
    unsafe extern "C" {
        static stamper_start: u8;
        static stamper_end: u8;
    }
    let (start, end) = (&raw const stamper_start, &raw const stamper_end);
    // SAFETY: the two labels enclose the code above, in a section that is read-only and always mapped.
    let code = unsafe { std::slice::from_raw_parts(start, end.addr() - start.addr()) };
    Ok((code, if cfg!(target_arch = "x86_64") { 62 } else { 183 }))
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn stamper() -> io::Result<(&'static [u8], u16)> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "the bench's server is written for x86_64 and aarch64 only"))
}

/// Writes the stamper as a program that every user may execute.
pub(crate) fn write_stamper(path: &Path) -> io::Result<()> {
    const LOAD_AT: u64 = 0x40_0000;
    const HEADERS: u16 = 64 + 56;
    let (code, machine) = stamper()?;
    let size = u64::from(HEADERS) + code.len() as u64;

    let mut elf = Vec::new();
    elf.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"); // 64 bit, little-endian
    elf.extend([2u16, machine].map(u16::to_le_bytes).as_flattened()); // ET_EXEC
    elf.extend(1u32.to_le_bytes());
    elf.extend([LOAD_AT + u64::from(HEADERS), 64, 0].map(u64::to_le_bytes).as_flattened()); // entry, program and section headers
    elf.extend(0u32.to_le_bytes());
    elf.extend([64u16, 56, 1, 0, 0, 0].map(u16::to_le_bytes).as_flattened()); // one program header of 56 bytes
    elf.extend([1u32, 5].map(u32::to_le_bytes).as_flattened()); // PT_LOAD, readable and executable
    elf.extend([0, LOAD_AT, LOAD_AT, size, size, 0x1_0000].map(u64::to_le_bytes).as_flattened());
    elf.extend(code);

    fs::write(path, elf)?;
    fs::set_permissions(path, Permissions::from_mode(0o755))
}

/// The storm: stamps when it is ready, is told to begin by a byte on stdin, stamps as it begins and again when every
/// orphan has been reaped.
pub(crate) fn storm(count: &str) -> io::Result<()> {
    let count: usize = count.parse().map_err(io::Error::other)?;
    stamp()?;
    io::stdin().read_exact(&mut [0])?;
    stamp()?;
    let before = processes()?;
    for _ in 0..count {
        sys::orphan()?;
    }
    // An orphan is in /proc until it is reaped. Should PID 1 leave one, the bench stops waiting for the stamp.
    while processes()? > before {
        thread::sleep(Duration::from_micros(100));
    }
    stamp()?;
    // Until the bench hangs up: an init that has left used no CPU that anybody could ask for.
    io::stdin().read(&mut [0]).map(drop)
}

fn stamp() -> io::Result<()> {
    let now = sys::now();
    let timespec = [now / 1_000_000_000, now % 1_000_000_000];
    let mut stdout = io::stdout();
    stdout.write_all(timespec.map(u64::to_ne_bytes).as_flattened())?;
    stdout.flush()
}

/// How many processes the namespace has.
fn processes() -> io::Result<usize> {
    let numeric = |name: &std::ffi::OsStr| name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
    Ok(fs::read_dir("/proc")?.flatten().filter(|entry| numeric(&entry.file_name())).count())
}
