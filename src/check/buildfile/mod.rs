//! Files that say what is built, from what and with what: compose files, and what `docker buildx bake --print` writes. Pure.

mod yaml;

use super::docker::Wanted;
use super::docker::words::{self, Value as Variable};
use crate::json::Value;

/// What such a file says.
#[derive(Debug, Default)]
pub(crate) struct BuildFile {
    pub(crate) builds: Vec<Build>,
    /// What is not followed, and what is not built, a sentence each.
    pub(crate) notes: Vec<String>,
}

/// An image that is built.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Build {
    /// `service api` or `target api`.
    pub(crate) name: String,
    /// Seen from the file.
    pub(crate) context: String,
    /// Its path, seen from the context.
    pub(crate) dockerfile: String,
    /// The Dockerfile itself, where it is written there.
    pub(crate) inline: Option<String>,
    pub(crate) wanted: Wanted,
}

/// Replaces variables; None where their values are not known here.
type Expand<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Whether a text from standard input is such a file, and no Dockerfile.
pub(crate) fn is_one(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim_end);
    let from = |line: &str| line.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("from "));
    text.trim_start().starts_with('{') || (lines.clone().any(|line| line == "services:") && !lines.any(from))
}

/// Reads it. `env` is the text of the .env file beside it.
///
/// # Errors
/// A sentence: it is neither of the two, or not to be read.
pub(crate) fn read(text: &str, env: &str) -> Result<BuildFile, String> {
    if text.lines().any(|line| line.starts_with("apiVersion:")) {
        return Err("it is no compose file (it has apiVersion:, as those of Kubernetes have): give goward check the Dockerfile of its image".to_owned());
    }
    let file = if text.trim_start().starts_with('{') {
        Value::read(text).ok_or_else(|| "it begins with {, but is not valid JSON".to_owned())?
    } else {
        yaml::read(text)?
    };
    let mut found = BuildFile::default();
    let as_compose = |text: &str| interpolated(text, env);
    // What --print writes has no variables left; a file that somebody wrote may have.
    let as_bake = |text: &str| Some(text.to_owned()).filter(|text| !text.contains("${"));
    let (kind, all, expand): (_, _, Expand<'_>) = match (file.get("services"), file.get("target")) {
        (Some(services), _) => ("service", services, &as_compose),
        (None, Some(targets)) => ("target", targets, &as_bake),
        (None, None) => return Err("it has neither services, as compose files do, nor targets of bake".to_owned()),
    };
    for field in ["include", "group", "extends", "inherits", "matrix"] {
        let of = |name: &str| format!("{kind} {name}");
        let inside = fields(all).iter().filter(|(_, one)| one.get(field).is_some()).map(|(name, _)| of(name));
        let top = file.get(field).filter(|_| field == "include").map(|_| "the file".to_owned());
        let by = if kind == "service" { "docker compose config" } else { "docker buildx bake --print" };
        found.notes.extend(
            inside.chain(top).map(|who| format!("{who}: {field} is not followed; {by} | goward check - has all of it")),
        );
    }
    let mut others: Vec<&str> = Vec::new();
    for (name, one) in fields(all) {
        let build = if kind == "service" { one.get("build") } else { Some(one) };
        match build {
            Some(Value::Text(_) | Value::Object(_)) => {
                let label = format!("{kind} {name}");
                match understood(&label, build, expand) {
                    Ok(build) => found.builds.push(build),
                    Err(why) => found.notes.push(format!("{label} is not looked at: {why}")),
                }
            }
            Some(Value::List(_) | Value::Other(_)) | None => others.push(name),
        }
    }
    if !others.is_empty() {
        found.notes.push(format!("without a build: {}", others.join(", ")));
    }
    Ok(found)
}

/// Whether a service of a compose file is built, and is an image that `is_it` says yes to.
pub(crate) fn builds_image(text: &str, is_it: &dyn Fn(&str) -> bool) -> bool {
    let is_built = |service: &Value| {
        service.get("build").is_some() && service.get("image").and_then(Value::text).is_some_and(is_it)
    };
    let file = yaml::read(text).ok();
    let services = file.as_ref().and_then(|file| file.get("services"));
    services.is_some_and(|services| fields(services).iter().any(|(_, service)| is_built(service)))
}

/// The fields of a map; none if it is none.
fn fields(value: &Value) -> &[(String, Value)] {
    if let Value::Object(fields) = value { fields } else { &[] }
}

fn understood(name: &str, build: Option<&Value>, expand: Expand<'_>) -> Result<Build, String> {
    let field = |name: &str| build.and_then(|build| build.get(name));
    let text = |name: &str, default: &str| -> Result<String, String> {
        let text = field(name).and_then(Value::text).unwrap_or(default);
        expand(text).ok_or_else(|| format!("its {name} is {text}, and what that will be is not known here"))
    };
    let context = match build.and_then(Value::text) {
        Some(context) => expand(context).ok_or_else(|| format!("what {context} will be is not known here"))?,
        None => text("context", ".")?,
    };
    let remote = context.contains("://") || context.starts_with("git@") || context.starts_with("github.com/");
    if remote {
        return Err(format!("its context {context} is elsewhere"));
    }
    let inline = field("dockerfile_inline").or(field("dockerfile-inline")).and_then(Value::text);
    let inline = match inline {
        Some(inline) => Some(expand(inline).ok_or("its Dockerfile has variables that are not known here")?),
        None => None,
    };
    let target = field("target").is_some().then(|| text("target", "")).transpose()?;
    let contexts = field("additional_contexts").or(field("contexts"));
    let wanted = Wanted {
        target: target.filter(|target| !target.is_empty()),
        arguments: field("args").map(|args| pairs(args, expand)).unwrap_or_default(),
        contexts: contexts
            .map(|contexts| pairs(contexts, expand))
            .unwrap_or_default()
            .into_iter()
            .map(|pair| pair.0)
            .collect(),
    };
    Ok(Build { name: name.to_owned(), context, dockerfile: text("dockerfile", "Dockerfile")?, inline, wanted })
}

/// Names and values, as a map or as a list of NAME=VALUE. One without a value gets it from whoever builds.
fn pairs(value: &Value, expand: Expand<'_>) -> Vec<(String, Option<String>)> {
    let mut pairs = Vec::new();
    for (name, value) in fields(value) {
        let value = match value {
            Value::Text(text) => expand(text),
            Value::Other(word) => Some(word.clone()).filter(|word| word != "null"),
            Value::List(_) | Value::Object(_) => None,
        };
        pairs.push((name.clone(), value));
    }
    for item in value.items().iter().filter_map(Value::text) {
        let (name, value) = item.split_once('=').map_or((item, None), |(name, value)| (name, expand(value)));
        pairs.push((name.to_owned(), value));
    }
    pairs
}

/// As compose replaces variables; None where one has neither a value in .env nor a default. The variables of whoever asks
/// do not count: what is found must not depend on them.
fn interpolated(text: &str, env: &str) -> Option<String> {
    let set = |name: &str| {
        let lines = env.lines().map(|line| line.trim().trim_start_matches("export "));
        lines.filter_map(|line| line.split_once('=')).rfind(|(own, _)| own.trim_end() == name)
    };
    let expanded = words::interpolated(text, &|name| match set(name) {
        Some((_, value)) => Variable::Text(value.trim().trim_matches(['"', '\'']).into()),
        None => Variable::Unset,
    });
    let known =
        |name: &String| set(name).is_some() || [":-", "-"].iter().any(|by| text.contains(&["${", name, by].concat()));
    (!expanded.unknown && expanded.names.iter().all(known)).then_some(expanded.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builds(text: &str) -> Vec<Build> {
        read(text, "TAG=1.27\n").unwrap().builds
    }

    fn given(build: &Build) -> Vec<(&str, Option<&str>)> {
        build.wanted.arguments.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect()
    }

    #[test]
    fn services() {
        let file = "x-args: &args\n  A: 1\nservices:\n  a:\n    build: ./a\n  b:\n    build:\n      context: .\n      \
            dockerfile: b.Dockerfile\n      target: prod\n      args:\n        <<: *args\n        GO: \"${TAG}\"\n        \
            V: ${V:-dev}\n        SECRET: $UNKNOWN\n        FROM_SHELL:\n        MONEY: $$5\n      additional_contexts:\n        \
            - base=../base\n  c:\n    image: postgres\n  d:\n    build: {args: [A=1, B, \"C=${TAG}\"]}\n  e:\n    build: https://x/y.git\n";
        let found = read(file, "TAG=1.27\n").unwrap();
        let names: Vec<&str> = found.builds.iter().map(|build| build.name.as_str()).collect();
        assert_eq!(names, ["service a", "service b", "service d"]);
        let b = &found.builds[1];
        assert_eq!(
            (b.context.as_str(), b.dockerfile.as_str(), b.wanted.target.as_deref()),
            (".", "b.Dockerfile", Some("prod"))
        );
        assert_eq!(
            given(b),
            [
                ("A", Some("1")),
                ("GO", Some("1.27")),
                ("V", Some("dev")),
                ("SECRET", None),
                ("FROM_SHELL", None),
                ("MONEY", Some("$5")),
            ]
        );
        assert_eq!(b.wanted.contexts, ["base"]);
        assert_eq!(given(&found.builds[2]), [("A", Some("1")), ("B", None), ("C", Some("1.27"))]);
        assert_eq!(
            found.notes,
            ["service e is not looked at: its context https://x/y.git is elsewhere", "without a build: c"]
        );
    }

    #[test]
    fn what_bake_prints() {
        let file = r#"{"group": {"default": {"targets": ["app"]}}, "target": {"app": {"context": ".", "dockerfile": "d/Dockerfile",
            "args": {"A": "1", "B": null}, "target": "prod", "contexts": {"base": "target:base"}}, "base": {"dockerfile-inline": "FROM scratch\n"}}}"#;
        let builds = builds(file);
        assert_eq!(given(&builds[0]), [("A", Some("1")), ("B", None)]);
        assert_eq!((builds[0].dockerfile.as_str(), builds[0].wanted.contexts[0].as_str()), ("d/Dockerfile", "base"));
        assert_eq!((builds[1].context.as_str(), builds[1].inline.as_deref()), (".", Some("FROM scratch\n")));
    }

    #[test]
    fn what_is_not_followed_is_said() {
        for (file, said) in [
            ("include: [x.yaml]\nservices: {}\n", "the file: include is not followed; docker compose config"),
            ("services:\n  a:\n    extends: {service: b}\n", "service a: extends is not followed"),
            ("services:\n  a:\n    build: $DIR\n", "service a is not looked at: what $DIR will be"),
            ("services:\n  a:\n    build: {target: $X}\n", "its target is $X"),
            ("services:\n  a:\n    build:\n", "without a build: a"),
            ("{\"target\": {\"a\": {\"dockerfile\": \"${X}\"}}}", "its dockerfile is ${X}"),
            (
                "{\"target\": {\"a\": {\"inherits\": [\"b\"]}}}",
                "target a: inherits is not followed; docker buildx bake --print",
            ),
        ] {
            let found = read(file, "").unwrap();
            assert!(found.notes.join("\n").contains(said), "{file}: {:?}", found.notes);
        }
        assert!(read("{", "").unwrap_err().contains("not valid JSON"));
        assert!(read("version: '3'\n", "").unwrap_err().contains("neither services"));
    }

    #[test]
    fn which_texts_are_one() {
        for text in ["{\"target\": {}}", "name: x\nservices:\n  a:\n    build: .\n"] {
            assert!(is_one(text), "{text}");
        }
        for text in ["FROM scratch\n", "# c\nFROM x\nCOPY <<EOF /c\nservices:\nEOF\n", ""] {
            assert!(!is_one(text), "{text}");
        }
    }
}
