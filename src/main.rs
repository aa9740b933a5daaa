//! goward's main.
//!
//! It is C's main, not Rust's: std's would, before anything of ours, ignore SIGPIPE, open /dev/null for closed stdio (and
//! abort where there is no /dev) and install handlers. The server must find signals and descriptors as goward found them.
#![no_main]
#![allow(unsafe_code)]

use goward::sys::mask::Mask;
use goward::sys::process;
use goward::sys::reserve::Reserve;
use std::ffi::{CStr, CString, c_char, c_int};

/// PID 1 must not end because the kernel is short of memory for a moment.
#[global_allocator]
static ALLOCATOR: Reserve = Reserve::new(goward::init::out_of_memory);

/// The C library calls this.
///
/// # Safety
/// As for C's main: `argv` holds `argc` C strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    // Before anything else, even reading argv: a SIGTERM that arrives from now on waits until it can be forwarded.
    let inherited = Mask::full().install();
    // SAFETY: argv holds argc C strings, which live as long as the process.
    let words = (0..argc as usize).map(|at| unsafe { CStr::from_ptr(*argv.add(at)) }.to_owned());
    let words = words.collect::<Vec<CString>>();
    let code = match inherited {
        Ok(inherited) => goward::run(&words, inherited),
        // Nothing could be forwarded, and the kernel drops what PID 1 does not block. Go's runtime does not start here either.
        Err(errno) => goward::refuse(&format!("signals cannot be blocked (rt_sigprocmask): {}", errno.desc())),
    };
    // Somebody waits for the end. There is nothing to be done before it: the kernel takes it all at once.
    process::leave(code)
}

/// std's own panic hook could print a backtrace, and brings an unwinder and a reader of DWARF along for that: a quarter of
/// the binary. goward has a hook of its own that prints none, and panics abort, so nothing is ever unwound. With these in
/// the unwinder's place the linker leaves all of that out. Debug builds keep theirs, and glibc's cannot be replaced.
#[cfg(all(target_env = "musl", not(debug_assertions), panic = "abort"))]
mod no_unwinder {
    use std::ffi::{c_int, c_void};

    /// The end of the stack (_URC_END_OF_STACK) is reached at once.
    #[unsafe(no_mangle)]
    extern "C" fn _Unwind_Backtrace(_: extern "C" fn(*mut c_void, *mut c_void) -> c_int, _: *mut c_void) -> c_int {
        5
    }

    macro_rules! never_called {
        ($($name:ident)*) => {$(
            #[unsafe(no_mangle)]
            extern "C" fn $name() -> usize {
                std::process::abort()
            }
        )*};
    }

    never_called! {
        _Unwind_GetIP _Unwind_GetIPInfo _Unwind_GetCFA _Unwind_FindEnclosingFunction _Unwind_GetLanguageSpecificData
        _Unwind_GetRegionStart _Unwind_SetGR _Unwind_SetIP _Unwind_GetTextRelBase _Unwind_GetDataRelBase _Unwind_Resume
        _Unwind_RaiseException _Unwind_DeleteException
    }
}
