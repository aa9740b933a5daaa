//! Exit codes, in one place. They are docker's, the shell's and tini's; users script against them.

/// What was looked for is not there: no dump in the file.
pub const NOTHING_FOUND: u8 = 1;
/// A probe has failed, or the server is not ready, or not healthy.
pub const UNHEALTHY: u8 = 1;
/// Something was found that should not be there: `goward check`.
pub const FAULTS_FOUND: u8 = 1;
/// goward itself failed: a wrong option, a user that does not exist, a drop that did not hold.
pub const GOWARD_FAILED: u8 = 125;
/// The program was found but cannot be executed.
pub const CANNOT_EXECUTE: u8 = 126;
/// The program was not found.
pub const NOT_FOUND: u8 = 127;
/// The server missed its deadline and had to be killed, with or without a dump before.
pub const KILLED: u8 = 128 + 9;

/// The code for a process that a signal ended.
pub const fn by_signal(number: u8) -> u8 {
    128u8.wrapping_add(number)
}

/// Those of grpc_health_probe: it was asked wrongly, it reached nobody, it was not answered, and the service is not well.
pub const GRPC_USAGE: u8 = 1;
/// See above.
pub const GRPC_UNCONNECTED: u8 = 2;
/// See above.
pub const GRPC_FAILED: u8 = 3;
/// See above.
pub const GRPC_UNHEALTHY: u8 = 4;
