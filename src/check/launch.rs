//! What a command line starts in the end: behind an init, a change of user, a shell. Pure.

use crate::cli::values::boolean;
use crate::commands::run;
use crate::personality;
pub(crate) use crate::target::is_shell;

/// What is known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Launch {
    /// The init's name, if there is one.
    pub(crate) init: Option<String>,
    /// As whom the server will run, where the command line says so: `--user` of goward, or gosu's.
    pub(crate) user: Option<String>,
    /// That is goward's own option: of a number without an entry it wants the group named, Docker and gosu do not.
    pub(crate) strict: bool,
    /// The program and its arguments.
    pub(crate) argv: Vec<String>,
    /// `sh -c SCRIPT`: the shell's name and the script.
    pub(crate) script: Option<(String, String)>,
    /// `--go-env` of goward.
    pub(crate) go_env: bool,
    /// `--stop-on` of goward: the signals that begin a stop.
    pub(crate) stop_on: Option<String>,
    /// The init gives the signals other names.
    pub(crate) rewrites: bool,
    /// The server may listen on ports below 1024 without being root: `--keep-cap net_bind_service`.
    pub(crate) binds_low: bool,
    /// Signals go to the whole group: a shell in between holds nothing up.
    pub(crate) to_group: bool,
}

/// setpriv's options that take a value in the next word.
const SETPRIV: [&str; 13] = [
    "reuid",
    "ruid",
    "euid",
    "regid",
    "rgid",
    "egid",
    "groups",
    "inh-caps",
    "ambient-caps",
    "bounding-set",
    "securebits",
    "pdeathsig",
    "selinux-label",
];
/// And env's.
const ENV: [&str; 6] = ["u", "C", "S", "unset", "chdir", "split-string"];

pub(crate) fn base_name(path: &str) -> &str {
    let after = path.bytes().rposition(|byte| byte == b'/').map_or(0, |slash| slash + 1);
    path.get(after..).unwrap_or_default()
}

/// Looks behind them, where nothing is known of variables.
pub(crate) fn understand(argv: &[String]) -> Launch {
    understand_with(argv, &|_| None)
}

/// Looks behind them. `variable` is what the image sets: goward reads its options there, too.
pub(crate) fn understand_with(argv: &[String], variable: Variable<'_>) -> Launch {
    let mut launch = Launch::default();
    launch.argv = launch.follow(argv, variable).to_vec();
    launch
}

/// The program and its arguments alone.
pub(crate) fn words_behind(argv: &[String]) -> &[String] {
    Launch::default().follow(argv, &|_| None)
}

/// The script of `sh -c SCRIPT` alone.
pub(crate) fn script_of(argv: &[String]) -> Option<String> {
    let mut launch = Launch::default();
    launch.follow(argv, &|_| None);
    launch.script.map(|(_, script)| script)
}

/// The value of a variable that the image sets; an empty text where only the builder knows it.
pub(crate) type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// goward's options that change what is said of an image.
const JUDGED: [&str; 7] = ["stop-on", "user", "stop-signal", "rewrite", "go-env", "group", "keep-cap"];

impl Launch {
    fn follow<'a>(&mut self, mut words: &'a [String], variable: Variable<'_>) -> &'a [String] {
        // Nobody nests more than this.
        for _ in 0..6 {
            let (name, rest) = words.split_first().map_or(("", words), |(program, rest)| (base_name(program), rest));
            let Some(behind) = self.behind(name, rest, variable) else { break };
            words = behind;
        }
        words
    }

    /// The words behind a program that starts another one, once its own options are noted. None where that is the end.
    fn behind<'a>(&mut self, name: &str, rest: &'a [String], variable: Variable<'_>) -> Option<&'a [String]> {
        match name {
            "goward" => Some(self.goward(rest, variable)),
            "tini" | "tini-static" | "docker-init" | "dumb-init" | "catatonit" => Some(self.other_init(name, rest)),
            "gosu" | "su-exec" if !rest.is_empty() => {
                (self.user, self.strict) = (rest.first().cloned(), false);
                rest.get(1..)
            }
            "setpriv" => Some(options(rest, &|option| SETPRIV.contains(&option), &mut |option, value| {
                if matches!(option, "reuid" | "ruid" | "euid") {
                    (self.user, self.strict) = (Some(value.to_owned()), false);
                }
            })),
            "env" => {
                let words = options(rest, &|option| ENV.contains(&option), &mut |_, _| {});
                let first = words.iter().position(|word| !word.contains('=') && word != "-");
                words.get(first.unwrap_or(words.len())..)
            }
            "s6-svscan" | "init" | "pid1" => {
                self.init = Some(name.to_owned());
                None
            }
            _ if is_shell(name) => {
                let script = rest.iter().position(|word| word.starts_with('-') && word.ends_with('c'));
                let script = script.and_then(|at| rest.get(at + 1)).cloned();
                self.script = script.map(|script| (name.to_owned(), script));
                None
            }
            _ => None,
        }
    }

    fn goward<'a>(&mut self, rest: &'a [String], variable: Variable<'_>) -> &'a [String] {
        for option in JUDGED {
            let name = ["GOWARD_", &option.replace('-', "_").to_ascii_uppercase()].concat();
            if let Some(value) = variable(&name) {
                let switch = matches!(option, "go-env" | "group");
                if !switch || boolean(&value) != Ok(false) {
                    self.option(option, &value);
                }
            }
        }
        let from = usize::from(rest.first().is_some_and(|word| word == "run"));
        let words = rest.get(from..).unwrap_or_default();
        self.init = Some("goward".to_owned());
        options(words, &run::takes_value, &mut |option, value| self.option(option, value))
    }

    /// An option of goward's, by a flag or by its variable.
    fn option(&mut self, option: &str, value: &str) {
        match option {
            "user" => (self.user, self.strict) = (Some(value.to_owned()), true),
            "stop-on" => self.stop_on = Some(value.to_owned()),
            "stop-signal" | "rewrite" => self.rewrites = true,
            "go-env" => self.go_env = true,
            "g" | "group" => self.to_group = true,
            "keep-cap" => self.binds_low |= value.to_ascii_lowercase().contains("net_bind_service") || value.is_empty(),
            _ => {}
        }
    }

    fn other_init<'a>(&mut self, name: &str, rest: &'a [String]) -> &'a [String] {
        let mut group = name == "dumb-init";
        let takes = |option: &str| personality::takes_value(name, option);
        let words = options(rest, &takes, &mut |option, _| match option {
            "c" | "single-child" => group = false,
            "g" => group = true,
            "r" | "rewrite" => self.rewrites = true,
            _ => {}
        });
        self.to_group |= group;
        self.init = Some(name.to_owned());
        words
    }
}

/// Whether a script starts the words that it is given, and has nothing in it that looks at them or changes them.
pub(crate) fn passes_on(script: &str) -> bool {
    let looks = ["set --", "shift", "case ", "$1", "${1"];
    script.lines().any(|line| line.trim() == "exec \"$@\"") && !looks.iter().any(|what| script.contains(what))
}

/// What a script starts in its end, where it says so plainly: `exec /server …`, or for `sh -c` one command alone. Of one with
/// a heredoc nothing is said: its lines are no commands.
pub(crate) fn in_script(script: &str, alone: bool, variable: Variable<'_>) -> Option<Launch> {
    if script.contains("<<") {
        return None;
    }
    let commands = script.split([';', '\n', '&', '|']).map(str::trim);
    let mut commands = commands.filter(|command| !command.is_empty() && !command.starts_with('#'));
    let executed = |command: &&str| command.starts_with("exec ");
    let command = match (commands.clone().filter(executed).count(), commands.clone().count()) {
        (1, _) => commands.find(executed)?.strip_prefix("exec ")?,
        (0, 1) if alone => commands.next()?,
        _ => return None,
    };
    let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
    let launch = understand_with(&words, variable);
    let program = launch.argv.first()?;
    let plain = program.starts_with('/')
        && program.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._+-".contains(&byte))
        && !is_shell(base_name(program));
    plain.then_some(launch)
}

/// Takes the options from the front, as getopt does: letters may stand together, and a value in the same word or the next.
/// Of each its name and its value, which is empty where it takes none.
fn options<'a>(words: &'a [String], takes: &dyn Fn(&str) -> bool, each: &mut dyn FnMut(&str, &str)) -> &'a [String] {
    let mut rest = words;
    while let Some((word, after)) = rest.split_first().filter(|(word, _)| word.len() > 1 && word.starts_with('-')) {
        rest = after;
        if word == "--" {
            break;
        }
        let next = after.first().map_or("", String::as_str);
        let mut took_next = false;
        if let Some(long) = word.strip_prefix("--") {
            match long.split_once('=') {
                Some((name, value)) => each(name, value),
                None => {
                    took_next = takes(long);
                    each(long, if took_next { next } else { "" });
                }
            }
        } else {
            let mut letters = word.get(1..).unwrap_or_default();
            while let Some((letter, more)) = letters.split_at_checked(1) {
                let takes = takes(letter);
                took_next = takes && more.is_empty();
                let (value, others) = if takes { (more, "") } else { ("", more) };
                each(letter, if took_next { next } else { value });
                letters = others;
            }
        }
        rest = rest.get(usize::from(took_next)..).unwrap_or_default();
    }
    rest
}

impl Launch {
    /// Whether goward is the init, and this signal does not begin a stop of its.
    pub(crate) fn stops_not_on(&self, signal: &str) -> bool {
        let plain = |signal: &str| {
            let name = signal.trim().to_ascii_uppercase();
            name.strip_prefix("SIG").unwrap_or(&name).to_owned()
        };
        let on = self.stop_on.as_deref().filter(|on| !on.is_empty() && !on.contains('$')).unwrap_or("TERM,INT");
        let numbers = [("15", "TERM"), ("2", "INT"), ("3", "QUIT"), ("1", "HUP")];
        let named = |signal: String| {
            let known = numbers.iter().find(|(number, _)| *number == signal);
            known.map_or(signal, |(_, name)| (*name).to_owned())
        };
        let signal = named(plain(signal));
        self.init.as_deref() == Some("goward") && !on.split(',').any(|one| named(plain(one)) == signal)
    }
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
        assert_eq!(launch("env|-iu|X|--chdir=/|A=1|/server").argv, ["/server"]);
        let setpriv = launch("setpriv|--reuid|7|--clear-groups|--|/server");
        assert_eq!((setpriv.user.as_deref(), setpriv.argv), (Some("7"), vec!["/server".to_owned()]));
        assert_eq!(launch("setpriv|--regid=1|--reuid=app|/server").user.as_deref(), Some("app"));
        assert_eq!(launch("").argv, [""]);
    }

    /// What takes a value is known from the tables that goward itself reads its options by.
    #[test]
    fn options_that_stand_together() {
        for line in [
            "/goward|-sge|143|--|/server",
            "/goward|-gp|SIGTERM|/server",
            "/goward|-e143|-vv|--go-env|/server",
            "/goward|--rlimit|nofile=1|--own-stdio|/server",
            "/sbin/tini|-gp|SIGTERM|--|/server",
            "/sbin/tini|-spSIGTERM|/server",
            "dumb-init|-vr|15:3|/server",
            "catatonit|-g|/server",
        ] {
            assert_eq!(launch(line).argv, ["/server"], "{line}");
        }
        assert!(launch("/goward|-sge|143|/server").to_group && !launch("/goward|-se|143|/server").to_group);
        assert!(!launch("dumb-init|-vc|/server").to_group && launch("dumb-init|-v|/server").to_group);
        assert!(launch("dumb-init|-r|3:15|/server").rewrites && !launch("/sbin/tini|-p|KILL|/server").to_group);
        let user = |line: &str| (launch(line).user, launch(line).strict);
        assert_eq!(user("/goward|--user=7|gosu|8|/server"), (Some("8".to_owned()), false));
        assert_eq!(user("gosu|8|/goward|--user|7|/server"), (Some("7".to_owned()), true));
    }

    #[test]
    fn scripts_that_hand_on() {
        assert!(passes_on("#!/bin/sh\nset -e\nexec \"$@\"\n"));
        for script in [
            "if [ \"${1#-}\" != \"$1\" ]; then\n set -- /server \"$@\"\nfi\nexec \"$@\"\n",
            "case $X in a) set -- b;; esac\nexec \"$@\"\n",
            "shift\nexec \"$@\"\n",
            "exec /server \"$@\"\n",
        ] {
            assert!(!passes_on(script), "{script}");
        }
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
            ("cat <<X\nexec /foo\nX\n/server\n", false, None),
            ("exec /$NAME", true, None),
            ("exec sh -c /server", true, None),
            ("", true, None),
        ] {
            let program = in_script(script, alone, &|_| None).and_then(|launch| launch.argv.first().cloned());
            assert_eq!(program.as_deref(), found, "{script}");
        }
    }

    #[test]
    fn signals() {
        assert!(["SIGTERM", "term", "15", "SIGINT"].iter().all(|signal| unfit(signal).is_none()));
        assert!(unfit("SIGQUIT").unwrap().contains("goroutines") && unfit("SIGUSR1").unwrap().contains("does nothing"));
    }
}
