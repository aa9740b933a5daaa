//! A seccomp filter that keeps this process and all that it will ever start from typing into a terminal: TIOCSTI pushes a
//! character into the input, as if it had been typed, and TIOCLINUX pastes a selection on a Linux console. See ioctl_tty(2).
//!
//! It is no sandbox: every other system call passes, and since Linux 5.11 without running the filter.
#![allow(unsafe_code)]

use libc::{sock_filter, sock_fprog};
use nix::errno::Errno;

/// The two ioctls. The kernel's ioctl takes an `unsigned int`: whatever is in the upper half of the register is cut off
/// behind every filter, so only the lower half is compared.
const TYPING: [u32; 2] = [libc::TIOCSTI as u32, libc::TIOCLINUX as u32];

/// One of the ways into a kernel: the same processor may run programs of several architectures.
struct WayIn {
    /// AUDIT_ARCH_… of linux/audit.h: the ELF machine, with a bit for 64 bits and one for little-endian.
    arch: u32,
    /// The bits of a system call's number that count.
    mask: u32,
    /// The numbers of ioctl.
    ioctl: &'static [u32],
}

const BITS_64: u32 = 0x8000_0000;
const LITTLE_ENDIAN: u32 = 0x4000_0000;

/// x32 is a way into x86_64: a bit is set in the number (__X32_SYSCALL_BIT), and ioctl is 514. Kernels before 5.4 take 514
/// without the bit too, and 16 with it.
const X86: &[WayIn] = &[
    WayIn { arch: 62 | BITS_64 | LITTLE_ENDIAN, mask: !0x4000_0000, ioctl: &[16, 514] },
    WayIn { arch: 3 | LITTLE_ENDIAN, mask: u32::MAX, ioctl: &[54] },
];
const ARM: &[WayIn] = &[
    WayIn { arch: 183 | BITS_64 | LITTLE_ENDIAN, mask: u32::MAX, ioctl: &[29] },
    WayIn { arch: 40 | LITTLE_ENDIAN, mask: u32::MAX, ioctl: &[54] },
];
const POWER: &[WayIn] = &[
    WayIn { arch: 21 | BITS_64 | LITTLE_ENDIAN, mask: u32::MAX, ioctl: &[54] },
    WayIn { arch: 20 | LITTLE_ENDIAN, mask: u32::MAX, ioctl: &[54] },
];
const S390: &[WayIn] =
    &[WayIn { arch: 22 | BITS_64, mask: u32::MAX, ioctl: &[54] }, WayIn { arch: 22, mask: u32::MAX, ioctl: &[54] }];
const RISCV: &[WayIn] = &[
    WayIn { arch: 243 | BITS_64 | LITTLE_ENDIAN, mask: u32::MAX, ioctl: &[29] },
    WayIn { arch: 243 | LITTLE_ENDIAN, mask: u32::MAX, ioctl: &[29] },
];

/// Those of the kernel that this build runs on; none where they were not looked up.
const OURS: &[WayIn] = if cfg!(any(target_arch = "x86_64", target_arch = "x86")) {
    X86
} else if cfg!(any(target_arch = "aarch64", target_arch = "arm")) {
    ARM
} else if cfg!(all(target_arch = "powerpc64", target_endian = "little")) {
    POWER
} else if cfg!(target_arch = "s390x") {
    S390
} else if cfg!(any(target_arch = "riscv64", target_arch = "riscv32")) {
    RISCV
} else {
    &[]
};

// Where struct seccomp_data has what.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
/// The lower half of the second argument.
const REQUEST: u32 = 16 + 8 + if cfg!(target_endian = "big") { 4 } else { 0 };

fn load(offset: u32) -> sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset)
}

fn answer(with: u32) -> sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, 0, 0, with)
}

fn refuse(errno: Errno) -> sock_filter {
    answer(libc::SECCOMP_RET_ERRNO | errno as u32)
}

/// Goes on after `equal` instructions if the accumulator is this value, after `other` if it is not.
fn compare(value: u32, equal: usize, other: usize) -> sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, equal as u8, other as u8, value)
}

fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}

/// The filter, for a kernel with these ways in.
///
/// A way in that is not among them is refused whole, with ENOSYS, as a kernel without it would: what number ioctl has there
/// nobody knows, so it cannot be told from the others.
fn program(ways: &[WayIn]) -> Vec<sock_filter> {
    let mut program = vec![load(ARCH)];
    for way in ways {
        let mut block = vec![load(NUMBER)];
        block.push(instruction(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0, way.mask));
        // To the request, which comes after the other comparisons and one answer.
        block.extend((0..way.ioctl.len()).rev().zip(way.ioctl).map(|(left, number)| compare(*number, left + 1, 0)));
        block.push(answer(libc::SECCOMP_RET_ALLOW));
        block.push(load(REQUEST));
        block.extend((0..TYPING.len()).rev().zip(TYPING).map(|(left, request)| compare(request, left + 1, 0)));
        block.push(answer(libc::SECCOMP_RET_ALLOW));
        block.push(refuse(Errno::EPERM));
        program.push(compare(way.arch, 0, block.len()));
        program.append(&mut block);
    }
    program.push(refuse(Errno::ENOSYS));
    program
}

/// Installs the filter, for good, and sees that it does what it is for.
///
/// # Errors
/// EACCES: without no_new_privs this takes CAP_SYS_ADMIN. EINVAL, ENOSYS: the kernel, or what stands for one (an emulator, a
/// sandbox), has no filters, or goward does not know this architecture. EPERM: another filter forbids it.
pub fn refuse_typing() -> nix::Result<()> {
    if OURS.is_empty() {
        return Err(Errno::ENOSYS);
    }
    let mut program = program(OURS);
    let program = sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // Kernels from 4.17 to 5.15 would slow down a program with a filter, because of Spectre, if they were not told that it is
    // not there to hold anything captive.
    let flags = libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    // SAFETY: the kernel copies the program, which outlives the call.
    let call = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    match super::check(call) {
        Ok(_) => {}
        Err(Errno::EACCES) => return Err(Errno::EACCES),
        // An older kernel, or a profile that has heard of the older call only.
        Err(_) => {
            let (mode, unused) = (libc::SECCOMP_MODE_FILTER as libc::c_ulong, 0 as libc::c_ulong);
            // SAFETY: as above.
            let call = unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program, unused, unused) };
            Errno::result(call)?;
        }
    }
    if typing_is_refused() { Ok(()) } else { Err(Errno::ENOSYS) }
}

/// Filters come first: with one, a request for a descriptor that there is not fails otherwise than for want of it.
fn typing_is_refused() -> bool {
    // SAFETY: there is no descriptor -1, so nothing is read.
    let call = |request: u32| unsafe { libc::syscall(libc::SYS_ioctl, -1, libc::c_ulong::from(request), 0) };
    TYPING.into_iter().all(|request| super::check(call(request)) == Err(Errno::EPERM))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&[WayIn]; 5] = [X86, ARM, POWER, S390, RISCV];

    /// struct seccomp_data: number, architecture, instruction pointer, six arguments.
    fn data(number: u32, arch: u32, request: u64) -> [u8; 64] {
        let mut data = [0xee; 64];
        data[0..4].copy_from_slice(&number.to_ne_bytes());
        data[4..8].copy_from_slice(&arch.to_ne_bytes());
        data[24..32].copy_from_slice(&request.to_ne_bytes());
        data
    }

    /// What the kernel does with a classic BPF program, as far as this one goes; with its checks.
    fn run(program: &[sock_filter], data: &[u8; 64]) -> u32 {
        let (mut accumulator, mut at) = (0, 0);
        loop {
            let now = program[at];
            at += 1;
            match u32::from(now.code) {
                0x20 => {
                    assert_eq!(now.k % 4, 0, "seccomp takes aligned words only");
                    let word = data[now.k as usize..][..4].try_into().unwrap();
                    accumulator = u32::from_ne_bytes(word);
                }
                0x54 => accumulator &= now.k,
                0x15 => at += usize::from(if accumulator == now.k { now.jt } else { now.jf }),
                0x06 => return now.k,
                code => panic!("an instruction that this program has not: {code:#x}"),
            }
        }
    }

    fn verdict(ways: &[WayIn], number: u32, arch: u32, request: u64) -> Result<(), Errno> {
        match run(&program(ways), &data(number, arch, request)) {
            libc::SECCOMP_RET_ALLOW => Ok(()),
            other => {
                assert_eq!(other & 0xffff_0000, libc::SECCOMP_RET_ERRNO);
                Err(Errno::from_raw((other & 0xffff) as i32))
            }
        }
    }

    #[test]
    fn typing_is_refused_on_every_way_in() {
        for ways in ALL {
            for way in ways {
                for number in way.ioctl {
                    // Whatever is in the upper half.
                    for high in [0, 1, 0xffff_ffff, 0x8000_0000_u64] {
                        for request in TYPING {
                            let request = u64::from(request) | high << 32;
                            assert_eq!(verdict(ways, *number, way.arch, request), Err(Errno::EPERM), "{request:#x}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn everything_else_passes() {
        // TIOCGWINSZ, TCGETS, TIOCSPGRP, TIOCCONS, FIONREAD, the neighbours; TIOCSTI where it is cut differently.
        let others = [0x5413, 0x5401, 0x5410, 0x541d, 0x541b, 0x5411, 0, 0x5412_0000_0000, 0x1_5412, 0x12, u64::MAX];
        for ways in ALL {
            for way in ways {
                for number in way.ioctl {
                    for request in others {
                        assert_eq!(verdict(ways, *number, way.arch, request), Ok(()), "{request:#x}");
                    }
                }
                // Other calls may have the same number as an argument. 0xffffffff is what a tracer leaves of a call it skips.
                for number in [0, 1, 15, 17, 28, 30, 53, 55, 513, 515, u32::MAX] {
                    assert_eq!(verdict(ways, number, way.arch, 0x5412), Ok(()), "{number}");
                }
            }
        }
    }

    #[test]
    fn the_numbers_are_those_of_the_kernel() {
        // unistd_64.h, unistd_32.h, unistd_x32.h and the quirks of older kernels; asm-generic/unistd.h for aarch64 and riscv.
        const X86_64: u32 = 0xc000_003e;
        for number in [16, 514, 0x4000_0000 | 514, 0x4000_0000 | 16] {
            assert_eq!(verdict(X86, number, X86_64, 0x5412), Err(Errno::EPERM), "{number:#x}");
        }
        for (ways, arch, number) in [
            (X86, 0x4000_0003, 54),
            (ARM, 0xc000_00b7, 29),
            (ARM, 0x4000_0028, 54),
            (POWER, 0xc000_0015, 54),
            (S390, 0x8000_0016, 54),
            (S390, 0x0000_0016, 54),
            (RISCV, 0xc000_00f3, 29),
        ] {
            assert_eq!(verdict(ways, number, arch, 0x5412), Err(Errno::EPERM), "{arch:#x}");
            assert_eq!(verdict(ways, number, arch, 0x541c), Err(Errno::EPERM), "{arch:#x}");
        }
        assert!(OURS.iter().any(|way| way.ioctl.contains(&(libc::SYS_ioctl as u32))));
    }

    #[test]
    fn a_way_in_that_nobody_knows_is_refused() {
        for ways in ALL {
            for arch in [0, 62, 0xc000_0102, u32::MAX] {
                assert_eq!(verdict(ways, 1, arch, 0), Err(Errno::ENOSYS), "{arch:#x}");
            }
        }
        assert_eq!(verdict(X86, 29, ARM[0].arch, 0), Err(Errno::ENOSYS));
    }

    /// Every jump stays inside, the last instruction answers: what the kernel checks before it takes a program.
    #[test]
    fn the_kernel_would_take_it() {
        for ways in ALL {
            let program = program(ways);
            assert_eq!(u32::from(program.last().unwrap().code), libc::BPF_RET);
            for (at, instruction) in program.iter().enumerate() {
                assert!(at + 1 + usize::from(instruction.jt.max(instruction.jf)) <= program.len());
            }
        }
    }

    /// In a process of its own: it is for good.
    #[test]
    fn it_is_installed() {
        // SAFETY: the child makes system calls and allocates a little; musl's and glibc's malloc are usable after a fork.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let before = typing_is_refused();
            let installed = crate::sys::capability::set_no_new_privs().and_then(|()| refuse_typing());
            // SAFETY: no memory is touched; ends the child at once.
            unsafe {
                let high = libc::syscall(libc::SYS_ioctl, -1, 0x7_0000_0000_u64 | u64::from(TYPING[0]), 0);
                let refused = high == -1 && Errno::last() == Errno::EPERM;
                let other = libc::syscall(libc::SYS_ioctl, -1, libc::TIOCGWINSZ, 0);
                let passed = other == -1 && Errno::last() == Errno::EBADF;
                libc::_exit(i32::from(before || installed.is_err() || !refused || !passed));
            }
        }
        let mut status = 0;
        // SAFETY: the child that was just started.
        unsafe { libc::waitpid(child, &mut status, 0) };
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{status:#x}");
    }
}
