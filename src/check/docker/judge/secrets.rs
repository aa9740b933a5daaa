//! Secrets that a Dockerfile writes down: under names that tell of one, by what they look like, and as files that are copied.

use super::Case;
use crate::check::docker::parse::Instruction;
use crate::check::docker::stage::{Step, Variables};
use crate::check::docker::words::{self, Value};
use crate::check::finding::{Finding, Place, Severity};
use crate::check::image::{is_env, may_be_secret, secret};
use crate::check::launch::base_name;
use crate::check::table;
use crate::cli::values::boolean;

/// Whether a variable of that name holds a secret that is written there.
pub(crate) fn is_secret(name: &str, value: &str) -> bool {
    (is_secrets_name(name) && is_secrets_value(name, value)) || looks_secret(value).is_some()
}

/// Last parts of names under which people keep secrets: those of `docker build --check`, and short forms of them.
const NAMES: [&str; 18] = [
    "PASSWORD",
    "PASSWD",
    "PASS",
    "PWORD",
    "PWD",
    "PASSPHRASE",
    "SECRET",
    "SECRETS",
    "TOKEN",
    "APIKEY",
    "CREDENTIAL",
    "CREDENTIALS",
    "AUTH",
    "KEY",
    "PAT",
    "SECRETKEY",
    "ACCESSKEY",
    "PRIVATEKEY",
];
/// What a key or a token may be of without being secret.
const HARMLESS: [&str; 21] = [
    "PUBLIC",
    "PUB",
    "CACHE",
    "PRIMARY",
    "FOREIGN",
    "SORT",
    "PARTITION",
    "ROUTING",
    "HOST",
    "INDEX",
    "GPG",
    "PGP",
    "SIGN",
    "USE",
    "ENABLE",
    "DISABLE",
    "NO",
    "SKIP",
    "ALLOW",
    "REQUIRE",
    "MAX",
];

/// What several keys are, if they are secret: AUTHORIZED_KEYS and TRUSTED_KEYS are not.
const SECRET_KEYS: [&str; 8] = ["PRV", "PRIV", "PRIVATE", "SECRET", "API", "ACCESS", "SIGNING", "ENCRYPTION"];

/// Names under which people keep secrets. TOKEN_HEADER is not a token, and PWD alone is where one is.
fn is_secrets_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let parts: Vec<&str> = name.split(['_', '-', '.']).collect();
    let [above @ .., last] = parts.as_slice() else { return false };
    let short = matches!(*last, "PWD" | "PASS" | "KEY" | "PAT" | "AUTH");
    let harmless = above.iter().any(|part| HARMLESS.contains(part) && (*part == "PUBLIC" || short));
    let keys = *last == "KEYS" && above.iter().any(|part| SECRET_KEYS.contains(part));
    (NAMES.contains(last) || keys) && !(short && above.is_empty()) && !harmless
}

/// Not the path or the name of a file that holds it, not a switch (USE_TOKEN=true), and not a fingerprint or an address.
fn is_secrets_value(name: &str, value: &str) -> bool {
    let path = value.strip_prefix(['/', '.', '~']).is_some_and(|rest| rest.contains(['/', '.']));
    let file = [".pem", ".key", ".crt", ".p12", ".pfx", ".jks", ".json", ".txt"].iter().any(|end| value.ends_with(end));
    let url = value.contains("://") && looks_secret(value).is_none();
    let kind = name.to_ascii_uppercase();
    // NPM_AUTH=basic names a way, SSH_AUTH=none too.
    let word = kind.ends_with("AUTH") && value.len() < 12 && value.bytes().all(|byte| byte.is_ascii_alphabetic());
    !path && !file && !url && !word && boolean(value).is_err()
}

/// How tokens of well-known services begin, and how long the rest is at least.
const TOKENS: [(&str, usize, &str); 24] = [
    ("ghp_", 20, "GitHub"),
    ("gho_", 20, "GitHub"),
    ("ghu_", 20, "GitHub"),
    ("ghs_", 20, "GitHub"),
    ("ghr_", 20, "GitHub"),
    ("github_pat_", 20, "GitHub"),
    ("glpat-", 16, "GitLab"),
    ("gldt-", 16, "GitLab"),
    ("sk_live_", 10, "Stripe"),
    ("rk_live_", 10, "Stripe"),
    ("whsec_", 20, "Stripe"),
    ("sk-ant-", 20, "Anthropic"),
    ("sk-proj-", 20, "OpenAI"),
    ("xoxb-", 10, "Slack"),
    ("xoxp-", 10, "Slack"),
    ("AKIA", 16, "AWS"),
    ("ASIA", 16, "AWS"),
    ("AIza", 30, "Google"),
    ("npm_", 30, "npm"),
    ("pypi-AgEI", 20, "PyPI"),
    ("dop_v1_", 30, "DigitalOcean"),
    ("hvs.", 20, "Vault"),
    ("SG.", 40, "SendGrid"),
    ("dckr_pat_", 20, "Docker"),
];

/// What a text shows to be secret in it, in a few words; None where it shows nothing of the kind.
pub(crate) fn looks_secret(text: &str) -> Option<String> {
    let token = |start: usize| {
        let whole = text.get(start..)?;
        let known = TOKENS.iter().find(|(prefix, length, _)| {
            let rest = whole.strip_prefix(prefix).unwrap_or_default();
            let own = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte)).count();
            own >= *length
        })?;
        Some(format!("a token of {}", known.2))
    };
    // In the middle of a word it means nothing.
    let mut before = b' ';
    let begins = text.bytes().enumerate().filter_map(|(at, byte)| {
        let in_word = std::mem::replace(&mut before, byte).is_ascii_alphanumeric();
        let begins = matches!(byte, b'g' | b'r' | b's' | b'w' | b'x' | b'A' | b'n' | b'p' | b'd' | b'h' | b'S');
        (begins && !in_word).then_some(at)
    });
    if let Some(found) = begins.take(4096).find_map(token) {
        return Some(found);
    }
    if text.contains("PRIVATE KEY-----") {
        return Some("a private key".to_owned());
    }
    if text.contains("hooks.slack.com/services/T") {
        return Some("the address of a Slack webhook, which is a secret".to_owned());
    }
    in_address(text)
}

/// `scheme://user:password@host`, and `user:password@tcp(host)` of Go's MySQL driver.
fn in_address(text: &str) -> Option<String> {
    if !text.contains('@') {
        return None;
    }
    let real = |password: &str| {
        let placeholder = password.contains(['$', '<', '{', '*', '%', '(', ' ', '"', '\'']) || password.is_empty();
        !placeholder && !password.bytes().all(|byte| matches!(byte, b'x' | b'X' | b'.')) && password != "changeme"
    };
    let told = || Some("an address with a password in it".to_owned());
    for (at, _) in text.match_indices("://").take(64) {
        let rest = text.get(at + 3..).unwrap_or_default();
        let end = rest.find(['/', '?', '#', ' ', '\t', '\n', '"', '\'']).unwrap_or(rest.len());
        let authority = rest.get(..end).unwrap_or_default();
        let Some((account, host)) = authority.rsplit_once('@') else { continue };
        // postgres:postgres@localhost is how a database of the own machine is set up, and everybody knows it.
        let is_local = matches!(host.split(':').next(), Some("localhost" | "127.0.0.1"));
        let password = account.split_once(':').filter(|(user, password)| !is_local || user != password);
        if password.is_some_and(|(_, password)| real(password)) {
            return told();
        }
    }
    let (user, _) = text.split_once("@tcp(").or_else(|| text.split_once("@unix("))?;
    let user = user.rsplit([' ', '"', '\'', '=']).next().unwrap_or_default();
    user.split_once(':').filter(|(_, password)| real(password)).and_then(|_| told())
}

/// What one instruction writes down. `kept`: it is in the history of what is shipped.
pub(super) fn judge(case: &mut Case<'_>, step: &Step<'_>, instruction: &Instruction, index: usize, kept: bool) {
    match instruction.keyword.as_str() {
        "ARG" | "ENV" => variables(case, instruction, index, kept, &step.variables),
        "LABEL" | "RUN" | "CMD" | "ENTRYPOINT" | "HEALTHCHECK" => {
            let heredocs = instruction.heredocs.iter().map(|heredoc| heredoc.content.as_str());
            let found = std::iter::once(instruction.rest.as_str()).chain(heredocs).find_map(looks_secret);
            if let Some(what) = found {
                let evidence = format!("{} holds {what}", instruction.keyword);
                case.say(&table::SECRET_IN_ENV, instruction.line, evidence, MEND);
            }
        }
        "COPY" | "ADD" if instruction.flag("from").is_none() => copied(case, step, instruction, kept),
        _ => {}
    }
}

const MEND: &str = "RUN --mount=type=secret,id=… for the build; an environment variable or a file at run time";

fn variables(case: &mut Case<'_>, instruction: &Instruction, index: usize, kept: bool, known: &Variables) {
    let lookup = |name: &str| known.get(name).cloned().unwrap_or(Value::Unset);
    for word in words::split(&instruction.rest, case.file.escape) {
        // `ENV NAME the whole rest`, the old form, has one name only.
        let old = instruction.keyword == "ENV" && !word.raw.contains('=');
        let rest = || instruction.rest.get(word.raw.len()..).unwrap_or_default().trim();
        let (name, value) = word.raw.split_once('=').unwrap_or_else(|| (&word.raw, if old { rest() } else { "" }));
        let value = words::expand(value, case.file.escape, &lookup);
        // An ARG without a value is given one by the builder; so may what is unknown.
        let given = value.text.is_empty() && (instruction.keyword == "ARG" || value.unknown);
        let literal = looks_secret(&value.text);
        if literal.is_some() || (is_secrets_name(name) && (given || is_secrets_value(name, &value.text))) {
            let where_to = format!("its value stays in the image, or in the history of stage {index}");
            let evidence = match &literal {
                Some(what) => format!("{} {name} is {what}: {where_to}", instruction.keyword),
                None => format!("{} {name}: {where_to}", instruction.keyword),
            };
            let finding =
                Finding::new(&table::SECRET_IN_ENV, Place::line(instruction.line).marked(name), evidence, MEND);
            // What is written there is read by everybody who has the file.
            case.findings.push(if kept || literal.is_some() { finding } else { finding.at(Severity::Note) });
        }
        if old {
            return;
        }
    }
}

/// Files that hold secrets, by their content where they are at hand, and by names that nothing else has.
fn copied(case: &mut Case<'_>, step: &Step<'_>, instruction: &Instruction, kept: bool) {
    let Some((_, sources)) = step.words.split_last() else { return };
    for source in sources.iter().filter(|source| !source.unknown) {
        let path = source.text.trim_start_matches("./");
        let name = base_name(path);
        let named = matches!(
            name,
            "id_rsa" | "id_ed25519" | "id_ecdsa" | "id_dsa" | ".netrc" | ".git-credentials" | ".pgpass" | ".pypirc"
        ) || (name.ends_with(".key") && !name.contains("pub") && !path.contains("://"))
            || is_env(&format!("/{path}"));
        let rooted = format!("/{}", path.trim_start_matches('/'));
        let found = match (case.context.text(path), may_be_secret(&rooted)) {
            (Some(text), true) if !is_env(&rooted) => secret(&rooted, text.as_bytes()).is_some(),
            (Some(_) | None, _) => named,
        };
        if found {
            let evidence =
                format!("{path} is copied: whoever has the image, or this stage from a cache, has it for good");
            let place = Place::line(instruction.line).marked(&source.text);
            let finding = Finding::new(&table::SECRET_COPIED, place, evidence, MEND);
            case.findings.push(if kept { finding } else { finding.at(Severity::Note) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        for name in [
            "DB_PASSWORD",
            "DB_PASS",
            "MYSQL_PWD",
            "GITHUB_PAT",
            "NPM_AUTH",
            "API_KEY",
            "SIGNING_KEY",
            "TOKEN",
            "COO_PRV_KEYS",
            "API_KEYS",
        ] {
            assert!(is_secrets_name(name), "{name}");
        }
        for name in [
            "PWD",
            "KEY",
            "TOKEN_HEADER",
            "PUBLIC_KEY",
            "CACHE_KEY",
            "GPG_KEY",
            "USE_AUTH",
            "DB_PASSWORD_FILE",
            "AUTHORIZED_KEYS",
            "HOT_KEYS",
            "API_PUBLIC_KEYS",
        ] {
            assert!(!is_secrets_name(name), "{name}");
        }
    }

    #[test]
    fn what_looks_secret() {
        for text in [
            "ghp_0123456789abcdef0123456789abcdef0123",
            "https://user:ghp_0123456789abcdef0123456789abcdef0123@github.com/",
            "postgres://u:pw1@db:5432/x",
            "redis://:hunter2@r:6379/0",
            "postgres://postgres:postgres@db:5432/x",
            "postgres://postgres:pw1@localhost/x",
            "user:pw@tcp(db)/x",
            "https://hooks.slack.com/services/T0/B0/xyz",
            "sk_live_abcdefghijkl",
            "-----BEGIN RSA PRIVATE KEY-----",
        ] {
            assert!(looks_secret(text).is_some(), "{text}");
        }
        for text in [
            "https://github.com/a/b",
            "https://user@host/",
            "http://localhost:8080/@x",
            "postgres://u:$PASSWORD@db",
            "postgresql://postgres:postgres@localhost:5432/x",
            "postgres://u:<password>@db",
            "ghp_short",
            "task_live_abcdefghijklmnop",
            "ssh://git@host:22/x",
        ] {
            assert!(looks_secret(text).is_none(), "{text}");
        }
    }
}
