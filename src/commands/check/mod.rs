//! `goward check [OPTIONS] [DOCKERFILE… | PROGRAM]`: the faults of Go images, found before they ship. The rules, and what reads
//! images and Dockerfiles, are in `src/check/`.

mod config;
mod entry;
pub mod options;
mod settings;

pub use entry::run;
pub use settings::{Settings, Subject, parse};

use crate::cli::help::Command;

/// What the command says about itself.
pub const COMMAND: Command = Command {
    name: "check",
    summary: "find faults in an image or a Dockerfile: goward check --help",
    about: &["goward check: finds faults in Go images before they ship, in a Dockerfile or in the image itself."],
    usage: &[
        (
            "check [OPTIONS] DOCKERFILE|DIR|-…",
            "by its name: Dockerfile, api.Dockerfile, Dockerfile.prod, Containerfile",
        ),
        ("check [OPTIONS] compose.yaml|FILE.json…", "what compose builds, or docker buildx bake --print lists"),
        ("check [OPTIONS] PROGRAM", "here, as RUN [\"/goward\", \"check\", …] in a Dockerfile"),
        ("check [OPTIONS] --rootfs DIR [PROGRAM]", ""),
        ("check [OPTIONS] --image FILE.tar [PROGRAM]", ""),
    ],
    tables: &[&options::OPTIONS],
    notes: &[
        "A comment before an instruction keeps a finding there out of the report: # goward: ignore=GW301 and a reason; for \
         the whole file: # goward: global ignore=GW301 and a reason. # hadolint ignore= and # check=skip= count too.",
        "Exit code: 0 no finding of the --fail-on severity or above; 1 at least one; 125 wrong usage, or the input cannot be read.",
    ],
    ..Command::EMPTY
};
