//! What a command line starts in the end: behind an init, a change of user, a shell. Pure.

/// What is known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Launch {
    /// The init's name, if there is one.
    pub(crate) init: Option<String>,
    /// As whom the server will run, where the command line says so: `--user` of goward, or gosu's.
    pub(crate) user: Option<String>,
    /// The program and its arguments.
    pub(crate) argv: Vec<String>,
    /// `sh -c SCRIPT`: the shell's name and the script.
    pub(crate) script: Option<(String, String)>,
    /// goward gives the signals other names.
    pub(crate) rewrites: bool,
    /// Signals go to the whole group: a shell in between holds nothing up.
    pub(crate) to_group: bool,
}

/// goward's options that take no value; all others do.
const SWITCHES: [&str; 11] = [
    "go-env",
    "notify",
    "group",
    "reset-signals",
    "subreaper",
    "warn-reaping",
    "require-non-root",
    "own-stdio",
    "allow-new-privs",
    "verbose",
    "quiet",
];

/// setpriv's options that take a value in the next word.
const SETPRIV: [&str; 13] = [
    "--reuid",
    "--ruid",
    "--euid",
    "--regid",
    "--rgid",
    "--egid",
    "--groups",
    "--inh-caps",
    "--ambient-caps",
    "--bounding-set",
    "--securebits",
    "--pdeathsig",
    "--selinux-label",
];

pub(crate) fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Whether a program of that name is a shell.
pub(crate) fn is_shell(name: &str) -> bool {
    matches!(name, "sh" | "bash" | "ash" | "dash" | "zsh" | "busybox")
}

/// Looks behind them.
pub(crate) fn understand(argv: &[String]) -> Launch {
    let mut launch = Launch { argv: argv.to_vec(), ..Launch::default() };
    // Nobody nests more than this.
    for _ in 0..6 {
        let name = launch.argv.first().map(|program| base_name(program).to_owned()).unwrap_or_default();
        let rest = launch.argv.get(1..).unwrap_or_default().to_vec();
        launch.argv = match name.as_str() {
            "goward" => {
                launch.init = Some(name);
                goward(&mut launch, rest)
            }
            "tini" | "tini-static" | "docker-init" | "dumb-init" | "catatonit" => {
                let group =
                    name == "dumb-init" && !rest.iter().any(|word| matches!(word.as_str(), "-c" | "--single-child"));
                let flags: Vec<&String> =
                    rest.iter().take_while(|word| word.starts_with('-') && *word != "--").collect();
                launch.to_group |= group || flags.iter().any(|flag| !flag.starts_with("--") && flag.contains('g'));
                launch.init = Some(name);
                after_options(rest, &["-p", "-e", "-r", "--rewrite"])
            }
            "gosu" | "su-exec" if !rest.is_empty() => {
                launch.user = rest.first().cloned();
                rest.get(1..).unwrap_or_default().to_vec()
            }
            "setpriv" => {
                let value = |word: &String| ["--reuid", "--ruid", "--euid"].iter().any(|name| word.starts_with(name));
                let at = rest.iter().take_while(|word| *word != "--").position(value);
                let inline = at.and_then(|at| rest.get(at)?.split_once('=')).map(|(_, user)| user.to_owned());
                launch.user = inline.or_else(|| rest.get(at? + 1).cloned()).or(launch.user);
                after_options(rest, &SETPRIV)
            }
            "env" => rest.into_iter().skip_while(|word| word.contains('=') || word.starts_with('-')).collect(),
            "s6-svscan" | "init" | "pid1" => {
                launch.init = Some(name);
                return launch;
            }
            _ if is_shell(&name) => {
                let script = rest.iter().position(|word| word.starts_with('-') && word.ends_with('c'));
                let script = script.and_then(|at| rest.get(at + 1)).cloned();
                launch.script = script.map(|script| (name, script));
                return launch;
            }
            _ => return launch,
        };
    }
    launch
}

/// What a script starts in its end, where it says so plainly: `exec /server …`, or for `sh -c` one command alone.
pub(crate) fn in_script(script: &str, alone: bool) -> Option<Launch> {
    let commands = script.split([';', '\n', '&', '|']).map(str::trim);
    let mut commands = commands.filter(|command| !command.is_empty() && !command.starts_with('#'));
    let executed = |command: &&str| command.starts_with("exec ");
    let command = match (commands.clone().filter(executed).count(), commands.clone().count()) {
        (1, _) => commands.find(executed)?.strip_prefix("exec ")?,
        (0, 1) if alone => commands.next()?,
        _ => return None,
    };
    let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
    let launch = understand(&words);
    let program = launch.argv.first()?;
    let plain = program.starts_with('/')
        && program.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._+-".contains(&byte))
        && !is_shell(base_name(program));
    plain.then_some(launch)
}

fn goward(launch: &mut Launch, words: Vec<String>) -> Vec<String> {
    let mut words = words.into_iter().peekable();
    words.next_if(|word| word == "run");
    while let Some(word) = words.next_if(|word| word.starts_with('-')) {
        if word == "--" {
            break;
        }
        let Some(long) = word.strip_prefix("--") else {
            launch.to_group |= word.contains('g');
            if matches!(word.as_str(), "-e" | "-p") {
                words.next();
            }
            continue;
        };
        let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value.to_owned())));
        let value = if value.is_none() && !SWITCHES.contains(&name) { words.next() } else { value };
        match name {
            "user" => launch.user = value,
            "stop-signal" | "rewrite" => launch.rewrites = true,
            "group" => launch.to_group = true,
            _ => {}
        }
    }
    words.collect()
}

fn after_options(words: Vec<String>, with_value: &[&str]) -> Vec<String> {
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next_if(|word| word.starts_with('-')) {
        if word == "--" {
            break;
        }
        if with_value.contains(&word.as_str()) {
            words.next();
        }
    }
    words.collect()
}

/// A signal that a Go server can be asked to stop with; otherwise what comes of it.
pub(crate) fn unfit(signal: &str) -> Option<&'static str> {
    let name = signal.trim().to_ascii_uppercase();
    match name.strip_prefix("SIG").unwrap_or(&name) {
        "TERM" | "15" | "INT" | "2" => None,
        "QUIT" | "3" | "ABRT" | "6" | "ILL" | "4" | "TRAP" | "5" | "BUS" | "7" | "FPE" | "8" | "SEGV" | "11"
        | "SYS" | "31" | "STKFLT" | "16" => Some("prints all goroutines and exits with 2, without cleaning up"),
        "HUP" | "1" => Some("ends it without cleaning up, unless it was written to handle just that"),
        "KILL" | "9" => Some("kills it: nothing is cleaned up, no request is finished"),
        "STOP" | "19" | "TSTP" | "20" | "TTIN" | "21" | "TTOU" | "22" => Some("only stops it for a while"),
        _ => Some("does nothing to it unless it was written to handle just that; docker waits and kills"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(line: &str) -> Launch {
        understand(&line.split('|').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn behind_inits_and_shells() {
        let direct = launch("/server|-x");
        assert_eq!((direct.init, direct.argv), (None, vec!["/server".to_owned(), "-x".to_owned()]));
        let goward = launch("/goward|--user|65532:65532|-g|--stop-timeout=30|--|/server");
        assert_eq!((goward.user.as_deref(), goward.to_group), (Some("65532:65532"), true));
        assert_eq!((goward.init.as_deref(), goward.argv[0].as_str()), (Some("goward"), "/server"));
        assert_eq!(launch("goward|run|--own-stdio|server").argv, ["server"]);
        let tini = launch("/sbin/tini|-g|--|/bin/sh|-c|exec /server");
        assert_eq!((tini.to_group, tini.script), (true, Some(("sh".to_owned(), "exec /server".to_owned()))));
        assert_eq!(launch("dumb-init|--rewrite|15:3|gosu|app|/server").user.as_deref(), Some("app"));
        assert_eq!(launch("env|A=1|/server").argv, ["/server"]);
        let setpriv = launch("setpriv|--reuid|7|--clear-groups|--|/server");
        assert_eq!((setpriv.user.as_deref(), setpriv.argv), (Some("7"), vec!["/server".to_owned()]));
        assert_eq!(launch("setpriv|--regid=1|--reuid=app|/server").user.as_deref(), Some("app"));
        assert_eq!(launch("").argv, [""]);
    }

    #[test]
    fn programs_in_scripts() {
        for (script, alone, found) in [
            ("exec /server --port=$PORT", true, Some("/server")),
            ("/server -x", true, Some("/server")),
            ("/server -x", false, None),
            ("/migrate && exec /server", true, Some("/server")),
            ("#!/bin/sh\nset -e\n# exec /no\nexec /goward -- /bin/server \"$@\"\n", false, Some("/bin/server")),
            ("/migrate && /server", true, None),
            ("[ -x /a ] && exec /a\nexec /b", true, None),
            ("exec \"$@\"", true, None),
            ("exec /$NAME", true, None),
            ("exec sh -c /server", true, None),
            ("", true, None),
        ] {
            let program = in_script(script, alone).and_then(|launch| launch.argv.first().cloned());
            assert_eq!(program.as_deref(), found, "{script}");
        }
    }

    #[test]
    fn signals() {
        assert!(["SIGTERM", "term", "15", "SIGINT"].iter().all(|signal| unfit(signal).is_none()));
        assert!(unfit("SIGQUIT").unwrap().contains("goroutines") && unfit("SIGUSR1").unwrap().contains("does nothing"));
    }
}
