//! catatonit 0.1.7: its options and variables, its help and its error messages. What it prints while it runs is in
//! `init/personality/`.

use super::getopt::{self, Grammar, Options};
use super::{Answered, Personified, err, faults, out, program, settings, words};
use crate::cli::Env;
use crate::cli::help::license;
use crate::config::{Personality, Subreaper};
use crate::signal::Signal;
use std::ffi::CString;

pub(super) const OPTIONS: Options = Options { short: "ghLPV", long: &[("version", 'V', false)] };

const CATATONIT_USAGE: &str = "usage: catatonit [-ghLPV] [--] <progname> [<arguments>...]\n";

fn catatonit_error(text: &str) -> Answered {
    err(format!("ERROR (catatonit:{}): {text}\n", std::process::id()), 1)
}

pub(super) fn parse(zero: &str, arguments: &[CString], env: Env<'_>) -> Answered {
    if env("CATATONIT_LOG").is_some() {
        return catatonit_error("CATATONIT_LOG is reserved for future use");
    }
    let words = words(arguments);
    let grammar = Grammar { zero, options: OPTIONS };
    let (mut to_group, mut pause) = (false, false);
    let taken = getopt::read(&grammar, &words, |found| {
        match found {
            Err(error) => return Some(err(format!("{error}{CATATONIT_USAGE}"), 1)),
            Ok(option) => match option.letter {
                'h' => return Some(err(catatonit_help(), 0)),
                'L' => return Some(out(license())),
                'V' => return Some(out("tini version 0.1.7_catatonit\n")),
                'P' => pause = true,
                _ => to_group = true,
            },
        }
        None
    });
    let taken = match taken {
        Ok(taken) => taken,
        Err(answer) => return answer,
    };
    if pause {
        return Ok(Personified::Pause);
    }
    let argv = program(arguments, taken, true);
    if argv.is_empty() {
        let error = format!("ERROR (catatonit:{}): missing program name\n", std::process::id());
        return err(format!("{error}{CATATONIT_USAGE}"), 1);
    }
    let mut settings = settings(argv, Personality::Catatonit { debug: env("CATATONIT_DEBUG").is_some() });
    settings.to_group = to_group;
    settings.subreaper = Subreaper::Automatic;
    settings.left_alone = faults();
    settings.policy.rewrite = [Signal::TSTP, Signal::TTIN, Signal::TTOU].map(|signal| (signal, None)).to_vec();
    Ok(Personified::Run(Box::new(settings)))
}

fn catatonit_help() -> String {
    format!(
        "{CATATONIT_USAGE}\noptions:\n\
         \x20 -g              Forward signals to pid1's process group.\n\
         \x20 -h              Print this help page.\n\
         \x20 -L              Print license information.\n\
         \x20 -P              Run in pause mode (no program is run and quit on SIGINT).\n\
         \x20 -V, --version   Print version information.\n\n\
         The source code can be found at <https://github.com/openSUSE/catatonit/>.\n\
         For bug reporting instructions, please see: <https://bugs.opensuse.org/>.\n"
    )
}
