//! What is written about the options comes from their tables: docs/options.md, the man page docs/goward.1, and the completions in
//! docs/completions/. Here it is made, compared with what is in the repository, and tried out. GOWARD_BLESS=1 writes it anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "these are tests")]

#[path = "reference/bash.rs"]
mod bash;
#[path = "reference/fish.rs"]
mod fish;
#[path = "reference/man.rs"]
mod man;
#[path = "reference/markdown.rs"]
mod markdown;
#[allow(dead_code, reason = "the other tests use the rest")]
#[path = "support/skip.rs"]
mod skip;
#[path = "reference/zsh.rs"]
mod zsh;

use goward::cli::help::Command as Described;
use goward::cli::table::{Description, described};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The commands that have options.
fn with_options() -> impl Iterator<Item = &'static Described> {
    goward::commands::all().filter(|command| !command.usage.is_empty())
}

/// The options that a page tells of under a command, by their headings.
fn groups(command: &Described) -> Vec<(&'static str, Vec<Description>)> {
    let mut groups: Vec<(&'static str, Vec<Description>)> = Vec::new();
    for option in command.tables.iter().flat_map(|table| described(*table)) {
        match groups.last_mut() {
            Some((name, options)) if *name == option.group => options.push(option),
            _ => groups.push((option.group, vec![option])),
        }
    }
    groups
}

/// What a shell can offer as the value of an option.
enum Offer {
    Words(Vec<&'static str>),
    Files,
    Directories,
    Programs,
    Nothing,
}

impl Offer {
    fn of(option: &Description) -> Option<Offer> {
        let placeholder = option.placeholder?;
        Some(match placeholder {
            "FILE" | "FILE.tar" | "PATH" => Offer::Files,
            "DIR" => Offer::Directories,
            "COMMAND" => Offer::Programs,
            "SIGNAL" => Offer::Words(vec!["TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "KILL"]),
            // `no|on-failure[:N]|always`
            words if words.contains('|') => {
                Offer::Words(words.split('|').map(|word| word.split('[').next().unwrap()).collect())
            }
            _ => Offer::Nothing,
        })
    }
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)
}

/// Compares, or writes.
fn is_current(name: &str, text: &str) {
    let path = path(name);
    if std::env::var_os("GOWARD_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "docs/{name} is out of date: GOWARD_BLESS=1 cargo test --test reference writes it anew");
}

/// Runs a program with this input; none, and a word about it, where it is not installed.
fn run(program: &str, arguments: &[&str], input: &str) -> Option<Output> {
    let started = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            skip::skipped(&format!("{program}: {error}"));
            return None;
        }
    };
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Some(child.wait_with_output().unwrap())
}

fn assert_silent(program: &str, arguments: &[&str], input: &str) {
    let Some(output) = run(program, arguments, input) else { return };
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{program}: {}", String::from_utf8_lossy(&said));
}

#[test]
fn the_table_of_options_is_current() {
    is_current("options.md", &markdown::page());
}

#[test]
fn the_man_page_is_current() {
    is_current("goward.1", &man::page());
}

#[test]
fn the_completions_are_current() {
    is_current("completions/goward.bash", &bash::script());
    is_current("completions/_goward", &zsh::script());
    is_current("completions/goward.fish", &fish::script());
}

#[test]
fn the_man_page_is_well_formed() {
    let page = man::page();
    assert_silent("groff", &["-man", "-Tascii", "-ww", "-z"], &page);
    if let Some(output) = run("mandoc", &["-T", "lint", "-W", "warning"], &page) {
        // A date would make the page another one every day.
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said.lines().find(|line| !line.contains("missing date")), None);
    }
    // What a reader sees of it has the options as they are typed.
    let Some(output) = run("groff", &["-man", "-Tascii", "-P-cbou"], &page) else { return };
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    for option in with_options().flat_map(|command| command.options()) {
        assert!(shown.contains(&format!("--{}", option.name)), "--{}", option.name);
        assert!(option.variable().is_none_or(|variable| shown.contains(&variable)), "{}", option.name);
    }
}

#[test]
fn the_shells_understand_their_scripts() {
    assert_silent("bash", &["-n"], &bash::script());
    assert_silent("zsh", &["-n"], &zsh::script());
    assert_silent("fish", &["--no-execute"], &fish::script());
}

/// What bash offers for a command line that ends in `|`: the words as bash splits them, at `=` too.
fn offered(words: &[&str]) -> Vec<String> {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        "{}\nCOMP_WORDS=({}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _goward 2>/dev/null; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        bash::script(),
        quoted.join(" ")
    );
    let output = run("bash", &["--norc", "-s"], &script).expect("bash is installed");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_offers_what_fits() {
    assert_eq!(offered(&["goward", "--stop-t"]), ["--stop-timeout"]);
    assert_eq!(offered(&["goward", "run", "--stop-t"]), ["--stop-timeout"]);
    assert_eq!(offered(&["goward", "--dump", "s"]), ["summary"]);
    assert_eq!(offered(&["goward", "--dump", "=", "s"]), ["summary"]);
    assert_eq!(offered(&["goward", "--dump", "="]), ["live", "raw", "summary", "off"]);
    assert_eq!(offered(&["goward", "--restart", "on"]), ["on-failure"]);
    assert_eq!(offered(&["goward", "-p", "US"]), ["USR1", "USR2"]);
    assert_eq!(offered(&["goward", "goro"]), ["goroutines"]);
    assert_eq!(offered(&["goward", "status", "--wait", ""]), ["ready", "healthy"]);
    assert_eq!(offered(&["goward", "rehearse", "--in"]), ["--in-flight"]);
    assert_eq!(offered(&["goward", "rehearse", "--stop-t"]), ["--stop-timeout"]);
    assert_eq!(offered(&["goward", "help", "st"]), ["status", "stop"]);
    assert_eq!(offered(&["goward", "probe", "htt"]), ["http://"]);
    // Options of another command, and words of the program.
    assert_eq!(offered(&["goward", "status", "--stop-t"]), [] as [&str; 0]);
    for line in [
        &["goward", "srv", "--stop-t"][..],
        &["goward", "--", "srv", "--stop-t"],
        &["goward", "--drain", "5", "srv", "--"],
    ] {
        assert_eq!(offered(line), [] as [&str; 0], "{line:?}");
    }
    // Where a value is missing it is no option that is offered.
    assert_eq!(offered(&["goward", "--drain", "--"]), [] as [&str; 0]);
    for command in with_options() {
        let all = offered(&["goward", command.name, "--"]);
        for option in command.options() {
            let (name, useful) = (format!("--{}", option.name), !command.refused.contains(&option.name));
            assert_eq!(all.contains(&name), useful, "{} {name}", command.name);
        }
    }
}

#[test]
fn fish_offers_what_fits() {
    let offered = |line: &str| -> Option<Vec<String>> {
        let script = format!("{}\ncomplete -C '{line}'\n", fish::script());
        let output = run("fish", &["--no-config"], &script)?;
        let text = String::from_utf8(output.stdout).unwrap();
        Some(text.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect())
    };
    let Some(first) = offered("goward --stop-t") else { return };
    assert_eq!(first, ["--stop-timeout"]);
    assert_eq!(offered("goward --dump ").unwrap(), ["live", "off", "raw", "summary"]);
    assert_eq!(offered("goward status --wait ").unwrap(), ["healthy", "ready"]);
    assert_eq!(offered("goward status --stop-t").unwrap(), [] as [&str; 0]);
    assert_eq!(offered("goward help st").unwrap(), ["status", "stop"]);
    assert!(offered("goward goro").unwrap().contains(&"goroutines".to_owned()));
}

/// A Tab, on a terminal: what bash then has on its line is printed by an echo that is put before it.
#[test]
fn a_tab_completes_on_a_terminal() {
    let keys = format!(
        "PS1=; bind 'set enable-bracketed-paste off'; source '{}'\ngoward --dump su\t\x01echo SEEN-1 \x05\ngoward goro\t\x01echo SEEN-2 \x05\nexit\n",
        path("completions/goward.bash").display()
    );
    let shell = ["-qefc", "env TERM=dumb bash --norc --noprofile -i", "/dev/null"];
    let Some(output) = run("script", &shell, &keys) else { return };
    let seen = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(seen.contains("\nSEEN-1 goward --dump summary"), "{seen}");
    assert!(seen.contains("\nSEEN-2 goward goroutines"), "{seen}");
}
