//! `--help`, `--version`, `--license`: made from the table of options.

use super::options::{OPTIONS, Opt};
use std::fmt::Write;

const WIDTH: usize = 100;
const COLUMN: usize = 30;

pub(super) fn version() -> String {
    // dockerd asks `--init-path PROGRAM --version` and looks for " - git.": without it, it logs a warning at each start.
    format!("goward {} - git.{}\n", env!("CARGO_PKG_VERSION"), option_env!("GOWARD_COMMIT").unwrap_or("release"))
}

pub(super) fn license() -> String {
    "goward is free software under the MIT licence or the Apache License 2.0, at your choice.\n".to_owned()
}

pub(super) fn run() -> String {
    let mut text = String::from(
        "goward: PID 1 for Go servers in containers. Starts the server as a non-root user, forwards signals, reaps\n\
         orphans, and when the server misses its deadline prints its goroutines before it is killed.\n\n\
         Usage: goward [OPTIONS] [--] PROGRAM [ARGS…]\n",
    );
    table(&mut text, OPTIONS);
    text.push_str("\nAlso:\n");
    entry(&mut text, "  probe TARGET", "one health probe, exit code 0 or 1: goward probe --help");
    entry(&mut text, "  status", "ask the running goward: ready, healthy, restarts: goward status --help");
    if cfg!(feature = "check") {
        entry(&mut text, "  check", "find the faults of an image or a Dockerfile: goward check --help");
    }
    if cfg!(feature = "rehearse") {
        entry(&mut text, "  rehearse", "start, load, stop and report: goward rehearse --help");
    }
    entry(&mut text, "  goroutines [FILE]", "show the goroutine dumps in a log: goward goroutines --help");
    entry(&mut text, "  -h, --help", "this text");
    entry(&mut text, "  -V, --version", "the version");
    entry(&mut text, "  -l, --license", "the licence");
    text.push_str(
        "\nEvery option has an environment variable, --stop-timeout is GOWARD_STOP_TIMEOUT; a flag wins over it. Options\n\
         that list several take commas or may be repeated. TIME is seconds (10) or 500ms, 1.5s, 1m30s.\n\
         Exit code: the server's own; 128+n if signal n ended it; 137 if it had to be killed; 125 goward's own failure;\n\
         126 cannot be executed; 127 not found.\n\
         Started under the name tini, docker-init, dumb-init or catatonit, it is that program.\n",
    );
    text
}

pub(super) fn rehearse() -> String {
    let mut text = String::from(
        "goward rehearse: starts a server as goward would, keeps requests in flight, sends the stop signal, and tells what\n\
         became of them and what took the time. For the laptop and for CI.\n\n\
         Usage: goward rehearse [OPTIONS] [OPTIONS OF RUN] [--] PROGRAM [ARGS…]\n",
    );
    table(&mut text, super::rehearse::OPTIONS);
    text.push_str(
        "\nAll options and variables of run are understood too, see goward --help: --stop-timeout, --user, --stop-signal, …\n\
         Exit code: 0 if the server stopped in time, with the right code, lost no request and left no process behind;\n\
         1 if not; 125 wrong usage, or it was never ready; 126 cannot be executed; 127 not found.\n",
    );
    text
}

pub(super) fn probe() -> String {
    let mut text = String::from(
        "goward probe: asks a server once, for a HEALTHCHECK or a Kubernetes exec probe in an image without a shell.\n\n\
         Usage: goward probe [OPTIONS] TARGET\n       goward probe [OPTIONS] -- COMMAND [ARGS…]\n\n\
         TARGET is one of\n",
    );
    for (target, what) in [
        ("  http://HOST:PORT/PATH", "a status below 400; http://unix:/SOCKET:/PATH over a Unix socket"),
        ("  tcp://HOST:PORT", "a connection"),
        ("  unix:/PATH", "a connection; unix:@NAME for an abstract socket"),
        ("  grpc://HOST:PORT[/SERVICE]", "grpc.health.v1 says SERVING; without TLS"),
        ("  exec:COMMAND", "exit code 0; words as in a shell, but there is none"),
    ] {
        entry(&mut text, target, what);
    }
    text.push_str("\nHOST is an IP address or localhost, of which both address families are tried. There is no TLS.\n");
    table(&mut text, super::probe::OPTIONS);
    entry(&mut text, "  -h, --help", "this text");
    text.push_str("\nExit code: 0 well; 1 not, and one line why; 125 wrong usage.\n");
    text
}

pub(super) fn status() -> String {
    let mut text = String::from(
        "goward status: asks the goward of this container how its server is. It costs no probe.\n\n\
         Usage: goward status [OPTIONS]\n",
    );
    table(&mut text, super::status::OPTIONS);
    entry(&mut text, "  -h, --help", "this text");
    text.push_str(
        "\nExit code: 0 healthy (with --health: the probes say so; with --notify: READY=1 was said; otherwise: it runs),\n\
         or ready with --ready; 1 not, or there is no goward; 125 wrong usage.\n",
    );
    text
}

pub(super) fn check() -> String {
    let mut text = String::from(
        "goward check: finds the faults of Go images before they ship, in a Dockerfile or in the image itself.\n\n\
         Usage: goward check --dockerfile FILE\n       \
         goward check [OPTIONS] PROGRAM                 here, as RUN [\"/goward\", \"check\", …] in a Dockerfile\n       \
         goward check [OPTIONS] --rootfs DIR [PROGRAM]\n       \
         goward check [OPTIONS] --image FILE.tar [PROGRAM]\n",
    );
    table(&mut text, super::check::OPTIONS);
    entry(&mut text, "  -h, --help", "this text");
    text.push_str(
        "\n# goward: ignore=GW301 and a reason, on the line before an instruction, keeps a finding there out of the report.\n\
         Exit code: 0 nothing from --fail-on up; 1 something; 125 wrong usage, or what was to be checked cannot be read.\n",
    );
    text
}

pub(super) fn goroutines() -> String {
    let mut text = String::from(
        "goward goroutines: reads what the Go runtime printed (SIGQUIT, panics, fatal errors), out of a log with other lines\n\
         in it, and shows the goroutines in groups: what holds up a shutdown first.\n\n\
         Usage: goward goroutines [OPTIONS] [FILE]\n\n\
         Without FILE, or with -, standard input: docker logs server 2>&1 | goward goroutines. What docker, Kubernetes,\n\
         compose and journald put before each line is taken off.\n",
    );
    table(&mut text, super::goroutines::OPTIONS);
    entry(&mut text, "  -h, --help", "this text");
    text.push_str("\nExit code: 0 a dump was shown; 1 there is none; 125 wrong usage, or the file cannot be read.\n");
    text
}

fn table(text: &mut String, options: &[Opt]) {
    let mut group = "";
    for option in options {
        if option.group != group {
            group = option.group;
            let _ = write!(text, "\n{group}:\n");
        }
        let short = option.short.map_or("    ".to_owned(), |letter| format!("-{letter}, "));
        let value = option.placeholder().map_or(String::new(), |value| format!(" {value}"));
        entry(text, &format!("  {short}--{}{value}", option.name), option.help);
    }
}

fn entry(text: &mut String, left: &str, help: &str) {
    let mut line = format!("{left:<COLUMN$}");
    if left.len() >= COLUMN {
        let _ = writeln!(text, "{left}");
        line = " ".repeat(COLUMN);
    }
    for word in help.split(' ') {
        if line.len() + 1 + word.len() > WIDTH {
            let _ = writeln!(text, "{}", line.trim_end());
            line = " ".repeat(COLUMN);
        }
        line.push_str(word);
        line.push(' ');
    }
    let _ = writeln!(text, "{}", line.trim_end());
}
