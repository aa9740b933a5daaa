//! `--user`: from `NAME|UID[:GROUP|GID]` and the image's passwd(5) and group(5) to numbers. Pure: takes bytes.
//!
//! The files are read directly: a static binary has no NSS, and glibc's static one can silently find nobody.

/// Who the server will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user id.
    pub uid: u32,
    /// The primary group id.
    pub gid: u32,
    /// Supplementary groups, each once.
    pub groups: Vec<u32>,
    /// Its name, or its number where it has none.
    pub name: String,
    /// Its home directory; `/` where it has none, as docker does.
    pub home: String,
}

/// `--groups`: which supplementary groups the server gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Groups {
    /// As `docker run --user` has it (moby's getUser and GetExecUser): those that group(5) lists for the user, where no
    /// group was named with it, and those that were given to the container.
    #[default]
    Usual,
    /// These, by name or number; none where it is empty.
    Named(Vec<String>),
}

/// Which of the two options names what is not there, and a sentence about that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `--user`.
    User(String),
    /// `--groups`.
    Groups(String),
}

impl Refusal {
    /// The sentence.
    pub fn why(self) -> String {
        match self {
            Refusal::User(why) | Refusal::Groups(why) => why,
        }
    }
}

/// What the answer rests on.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// passwd(5), or why it cannot be read. A file that is missing is empty.
    pub passwd: Result<String, String>,
    /// group(5), likewise.
    pub group: Result<String, String>,
    /// The supplementary groups that goward was started with, without 0 and without its own primary group. Root's from
    /// group(5) are among them, where a runtime has put them there.
    pub given: Vec<u32>,
}

struct User<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

/// Turns what the user wrote into numbers, and says what should be logged.
///
/// # Errors
/// A sentence: a name that does not exist, a number out of range, a uid of which nobody knows the group, a file that
/// cannot be read where it is needed. There is no fallback: root's groups would be the alternative.
pub fn resolve(spec: &str, supplementary: &Groups, accounts: &Accounts) -> Result<(Identity, Option<String>), Refusal> {
    let find = |name: &String| resolve_group(name, &accounts.group, "--groups 65532");
    let named = match supplementary {
        Groups::Usual => None,
        Groups::Named(names) => Some(names.iter().map(find).collect::<Result<_, _>>().map_err(Refusal::Groups)?),
    };
    resolve_user(spec, named, accounts).map_err(Refusal::User)
}

/// The same, where `named` are the groups of `--groups`.
fn resolve_user(
    spec: &str,
    named: Option<Vec<u32>>,
    accounts: &Accounts,
) -> Result<(Identity, Option<String>), String> {
    let (user, wanted_group) = match spec.split_once(':') {
        Some((_, "")) => return Err(format!("'{spec}' names no group after the colon: UID:GID or NAME:GROUP")),
        Some((user, group)) => (user, Some(group)),
        None => (spec, None),
    };
    if user.is_empty() {
        return Err(format!("'{spec}' names no user: UID[:GID] or NAME[:GROUP]"));
    }
    let number = number(user)?;
    let passwd = match &accounts.passwd {
        Ok(text) => text.as_str(),
        // A number needs no entry.
        Err(_) if number.is_some() => "",
        Err(why) => {
            return Err(format!("{why}, so '{user}' cannot be looked up; a number needs no entry: --user 65532:65532"));
        }
    };
    let entry = users(passwd).find(|entry| match number {
        Some(uid) => entry.uid == uid,
        None => entry.name == user,
    });
    let uid = match (number, &entry) {
        (Some(uid), _) => uid,
        (None, Some(entry)) => entry.uid,
        (None, None) => return Err(missing("user", user, "/etc/passwd", passwd, "--user 65532:65532")),
    };
    let gid = match (wanted_group, &entry, &accounts.passwd) {
        (Some(wanted), ..) => resolve_group(wanted, &accounts.group, "--user 65532:65532")?,
        (None, Some(entry), _) => entry.gid,
        (None, None, Err(why)) => return Err(format!("{why}, so the group must be named: --user {uid}:{uid}")),
        (None, None, Ok(_)) => {
            return Err(format!(
                "uid {uid} has no entry in /etc/passwd, so its group must be named: --user {uid}:{uid}"
            ));
        }
    };
    let member = entry.as_ref().filter(|_| wanted_group.is_none()).map(|entry| entry.name);
    let (mut groups, lost) = supplementary_groups(named, accounts, passwd, member, number.is_some(), user)?;
    groups.sort_unstable();
    groups.dedup();
    let note = lost.or_else(|| accounts.passwd.as_ref().err().map(|why| format!("{why}: HOME is / for uid {uid}")));
    let identity = Identity {
        uid,
        gid,
        groups,
        name: entry.as_ref().map_or_else(|| uid.to_string(), |entry| entry.name.to_owned()),
        home: entry.map(|entry| entry.home).filter(|home| !home.is_empty()).unwrap_or("/").to_owned(),
    };
    Ok((identity, note))
}

/// The supplementary groups, and what should be logged about those that are lost. `member` is the user's name where its groups are
/// looked up; `is_number`: the user was written as a number.
fn supplementary_groups(
    named: Option<Vec<u32>>,
    accounts: &Accounts,
    passwd: &str,
    member: Option<&str>,
    is_number: bool,
    user: &str,
) -> Result<(Vec<u32>, Option<String>), String> {
    match (named, &accounts.group) {
        (Some(named), _) => Ok((named, None)),
        (None, Ok(group)) => Ok((usual(member, passwd, group, &accounts.given), None)),
        (None, Err(_)) if member.is_none() && accounts.given.is_empty() => Ok((Vec::new(), None)),
        (None, Err(why)) if is_number => {
            // Which of those that were given are root's is not known either.
            Ok((Vec::new(), Some(format!("{why}: the server has no supplementary groups; name them with --groups"))))
        }
        (None, Err(why)) => {
            Err(format!("{why}, so the groups of '{user}' cannot be looked up; name them with --groups"))
        }
    }
}

/// What group(5) is needed for: a name, or telling root's groups from those that were given.
pub fn needs_group_file(spec: &str, supplementary: &Groups, given: &[u32]) -> bool {
    let is_name = |text: &str| !text.bytes().all(|byte| byte.is_ascii_digit());
    // Without a group the user's own are looked for.
    let primary = spec.split_once(':').is_none_or(|(_, group)| is_name(group));
    match supplementary {
        Groups::Usual => primary || !given.is_empty(),
        Groups::Named(names) => names.iter().any(|name| is_name(name)) || spec.contains(':') && primary,
    }
}

/// One of `--groups`.
///
/// # Errors
/// A sentence for the user.
pub fn check_group(text: &str) -> Result<(), String> {
    if text.is_empty() {
        Err("a group is needed: a name, a number, or none".to_owned())
    } else {
        number(text).map(drop)
    }
}

fn resolve_group(wanted: &str, group: &Result<String, String>, example: &str) -> Result<u32, String> {
    if let Some(gid) = number(wanted)? {
        return Ok(gid);
    }
    let group = group
        .as_ref()
        .map_err(|why| format!("{why}, so group '{wanted}' cannot be looked up; a number needs no entry"))?;
    let gid = groups(group).find(|(name, ..)| *name == wanted).map(|(_, gid, _)| gid);
    gid.ok_or_else(|| missing("group", wanted, "/etc/group", group, example))
}

/// No entry has this name. A line that begins with it and is no entry is what somebody will find there.
fn missing(what: &str, name: &str, path: &str, file: &str, example: &str) -> String {
    if file.lines().any(|line| line.split_once(':').is_some_and(|(first, _)| first == name)) {
        return format!(
            "the line of {what} '{name}' in {path} is not NAME:PASSWORD:ID:… with a number for each id; \
             a number needs no entry: {example}"
        );
    }
    format!("there is no {what} '{name}' in {path}; a number needs no entry: {example}")
}

/// Those of the user, and those that were given and are not root's: a container that starts as root is given root's too.
fn usual(member: Option<&str>, passwd: &str, group: &str, given: &[u32]) -> Vec<u32> {
    let own = member.map_or_else(Vec::new, |name| memberships(name, group));
    if given.is_empty() {
        return own;
    }
    let roots = || users(passwd).filter(|user| user.uid == 0);
    let primary = roots().map(|root| root.gid);
    let listed = roots().map(|root| root.name).chain(["root"]).flat_map(|name| memberships(name, group));
    let of_root: Vec<u32> = primary.chain(listed).collect();
    let given = given.iter().copied().filter(|gid| !of_root.contains(gid));
    own.into_iter().chain(given).collect()
}

/// A number, if that is what it looks like: no sign, no overflow. 4294967295 is "no change" to the kernel.
fn number(text: &str) -> Result<Option<u32>, String> {
    let mut bytes = text.bytes().peekable();
    if !bytes.peek().is_some_and(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-')) {
        return Ok(None);
    }
    match text.parse::<u32>() {
        Ok(number) if number != u32::MAX && bytes.all(|b| b.is_ascii_digit()) => Ok(Some(number)),
        _ => Err(format!("'{text}' is not an id: use a number from 0 to 4294967294, or a name")),
    }
}

/// The entries of passwd(5); lines that are none are passed over, as libc does.
fn users(passwd: &str) -> impl Iterator<Item = User<'_>> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let uid = strict(fields.nth(1)?)?;
        let gid = strict(fields.next()?)?;
        let home = fields.nth(1).unwrap_or_default();
        Some(User { name, uid, gid, home })
    })
}

/// The entries of group(5): name, gid, members.
fn groups(group: &str) -> impl Iterator<Item = (&str, u32, &str)> {
    group.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let gid = strict(fields.nth(1)?)?;
        Some((name, gid, fields.next().unwrap_or_default()))
    })
}

fn memberships(user: &str, group: &str) -> Vec<u32> {
    groups(group)
        .filter(|(_, _, members)| members.split(',').any(|m| m.trim() == user))
        .map(|(_, gid, _)| gid)
        .collect()
}

fn strict(field: &str) -> Option<u32> {
    number(field).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\n# a comment\n+::::::\nbroken\nbad:x:-1:0::/:/x\n\
        app:x:1000:2000:App:/home/app:/bin/false\nhomeless:x:1001:1001:::\nhuge:x:4294967296:0::/:\n";
    const GROUP: &str = "root:x:0:\nstaff:x:50:app,other\nlogs:x:51:other, app\napp:x:2000:\n";

    fn accounts(passwd: &str, group: &str, given: &[u32]) -> Accounts {
        Accounts { passwd: Ok(passwd.to_owned()), group: Ok(group.to_owned()), given: given.to_vec() }
    }

    fn identity(spec: &str, passwd: &str, group: &str) -> Result<Identity, String> {
        let resolved = resolve(spec, &Groups::Usual, &accounts(passwd, group, &[]));
        resolved.map(|(identity, _)| identity).map_err(Refusal::why)
    }

    fn resolved(spec: &str) -> Result<(u32, u32, Vec<u32>), String> {
        identity(spec, PASSWD, GROUP).map(|i| (i.uid, i.gid, i.groups))
    }

    #[test]
    fn names_and_numbers() {
        assert_eq!(resolved("app"), Ok((1000, 2000, vec![50, 51])));
        assert_eq!(resolved("1000"), Ok((1000, 2000, vec![50, 51])));
        assert_eq!(resolved("app:staff"), Ok((1000, 50, vec![])));
        assert_eq!(resolved("app:7"), Ok((1000, 7, vec![])));
        assert_eq!(resolved("65532:65532"), Ok((65532, 65532, vec![])));
    }

    #[test]
    fn what_is_missing_is_told_from_what_is_broken() {
        let why = |spec: &str, groups: &Groups, group: &str| {
            resolve(spec, groups, &accounts(PASSWD, group, &[])).map(|(identity, _)| identity.uid)
        };
        let named = Groups::Named(vec!["wheel".to_owned()]);
        let refused = |sentence: &str| sentence.to_owned() + "; a number needs no entry: ";
        let broken =
            refused("the line of user 'bad' in /etc/passwd is not NAME:PASSWORD:ID:… with a number for each id");
        assert_eq!(why("bad", &Groups::Usual, ""), Err(Refusal::User(broken + "--user 65532:65532")));
        for spec in ["nobody", "broken", "ba"] {
            let absent = refused(&format!("there is no user '{spec}' in /etc/passwd")) + "--user 65532:65532";
            assert_eq!(why(spec, &Groups::Usual, ""), Err(Refusal::User(absent)));
        }
        // A group is the fault of the option that names it.
        let absent = refused("there is no group 'wheel' in /etc/group");
        assert_eq!(why("app", &named, GROUP), Err(Refusal::Groups(absent.clone() + "--groups 65532")));
        assert_eq!(why("app:wheel", &Groups::Usual, GROUP), Err(Refusal::User(absent + "--user 65532:65532")));
        let broken =
            refused("the line of group 'wheel' in /etc/group is not NAME:PASSWORD:ID:… with a number for each id");
        assert_eq!(why("app", &named, "wheel:x::app"), Err(Refusal::Groups(broken + "--groups 65532")));
        assert_eq!(why("app", &named, "wheel:x:\nwheel:x:10:"), Ok(1000));
    }

    #[test]
    fn home_and_name_follow() {
        let app = identity("app", PASSWD, GROUP).unwrap();
        assert_eq!((app.name.as_str(), app.home.as_str()), ("app", "/home/app"));
        let nobody = identity("65532:1", "", "").unwrap();
        assert_eq!((nobody.name.as_str(), nobody.home.as_str()), ("65532", "/"));
        assert_eq!(identity("homeless", PASSWD, GROUP).unwrap().home, "/");
    }

    #[test]
    fn never_a_fallback() {
        for spec in [
            "",
            ":",
            "app:",
            ":app",
            "nobody",
            "4242",
            "app:nogroup",
            "-1",
            "+1",
            "-1:0",
            "4294967295:1",
            "4294967296:0",
            "0x10:0",
            "1e3:1",
            "1000:4294967296",
            "1000:-1",
            "huge",
            "bad",
            "broken",
            " app",
            "99999999999999999999:1",
        ] {
            assert!(resolved(spec).is_err(), "{spec:?} gave {:?}", resolved(spec));
        }
    }

    #[test]
    fn errors_say_what_would_be_right() {
        assert!(resolved("nobody").unwrap_err().contains("no user 'nobody' in /etc/passwd"));
        assert!(resolved("4242").unwrap_err().contains("--user 4242:4242"));
        assert!(resolved("app:nogroup").unwrap_err().contains("no group 'nogroup'"));
    }

    /// The groups for `spec`, where goward was started with these.
    fn with(spec: &str, given: &[u32]) -> Vec<u32> {
        // wheel is root's, by name; toor is root by another name, and in tape.
        let passwd = format!("{PASSWD}toor:x:0:26::/root:/bin/sh\n");
        let group = format!("{GROUP}wheel:x:10:root\ntape:x:27:toor\nshared:x:60:root,app\n");
        resolve(spec, &Groups::Usual, &accounts(&passwd, &group, given)).unwrap().0.groups
    }

    #[test]
    fn groups_that_the_container_was_given_stay() {
        assert_eq!(with("65532:65532", &[2000]), [2000]);
        assert_eq!(with("app:7", &[2000]), [2000]);
        assert_eq!(with("app", &[2000]), [50, 51, 60, 2000]);
        // Once is enough.
        assert_eq!(with("app", &[2000, 50]), [50, 51, 60, 2000]);
    }

    #[test]
    fn groups_of_root_do_not_stay() {
        assert_eq!(with("65532:65532", &[10, 26, 27, 60, 2000]), [2000]);
        // But where the user has them too they are the user's.
        assert_eq!(with("app", &[10, 60]), [50, 51, 60]);
        // Without a passwd there is root all the same.
        let (identity, note) = resolve("7:7", &Groups::Usual, &accounts("", "wheel:x:10:root\n", &[10, 11])).unwrap();
        assert_eq!((identity.groups, note), (vec![11], None));
    }

    #[test]
    fn groups_by_name_take_the_place_of_all_others() {
        let named = |names: &[&str]| {
            let names = Groups::Named(names.iter().map(|name| (*name).to_owned()).collect());
            resolve("app", &names, &accounts(PASSWD, GROUP, &[2000])).map(|(identity, _)| identity.groups)
        };
        assert_eq!(named(&["logs", "7", "0", "7"]), Ok(vec![0, 7, 51]));
        assert_eq!(named(&[]), Ok(vec![]));
        assert!(named(&["nobody"]).unwrap_err().why().contains("no group 'nobody'"));
        for bad in ["", "-1", "4294967295", "1x"] {
            assert!(check_group(bad).is_err(), "{bad}");
        }
        for good in ["logs", "none", "0", "4294967294"] {
            assert_eq!(check_group(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn files_that_cannot_be_read() {
        let refused = |path: &str| Err(format!("{path}: not a regular file"));
        let none = Accounts { passwd: refused("/etc/passwd"), group: refused("/etc/group"), given: Vec::new() };
        let no_group = Accounts { passwd: Ok(PASSWD.to_owned()), ..none.clone() };
        let given = Accounts { given: vec![10], ..no_group.clone() };
        let ask = |spec: &str, accounts: &Accounts| resolve(spec, &Groups::Usual, accounts);
        // Numbers never need them.
        let (identity, note) = ask("7:8", &none).unwrap();
        assert_eq!((identity.uid, identity.gid, identity.home.as_str()), (7, 8, "/"));
        assert!(note.unwrap().contains("/etc/passwd: not a regular file: HOME is /"));
        assert_eq!(ask("1000:8", &no_group).unwrap().1, None);
        let (identity, note) = ask("1000", &no_group).unwrap();
        assert!(identity.groups.is_empty());
        assert!(note.unwrap().contains("/etc/group: not a regular file: the server has no supplementary groups"));
        // Whether 10 is root's is not known.
        let (identity, note) = ask("7:8", &given).unwrap();
        assert!(identity.groups.is_empty() && note.is_some());
        // Names do.
        for (spec, accounts, why) in [
            ("app", &none, "/etc/passwd: not a regular file, so 'app' cannot be looked up"),
            ("7", &none, "/etc/passwd: not a regular file, so the group must be named: --user 7:7"),
            ("7:app", &none, "/etc/group: not a regular file, so group 'app' cannot be looked up"),
            ("app", &no_group, "/etc/group: not a regular file, so the groups of 'app' cannot be looked up"),
        ] {
            let error = ask(spec, accounts).unwrap_err().why();
            assert!(error.contains(why), "{spec}: {error}");
        }
        assert!(ask("app:7", &no_group).is_ok());
    }

    #[test]
    fn the_group_file_is_read_where_it_is_needed() {
        let named = |names: &[&str]| Groups::Named(names.iter().map(|name| (*name).to_owned()).collect());
        for (spec, groups, given, needed) in [
            ("65532:65532", Groups::Usual, &[][..], false),
            ("app:7", Groups::Usual, &[], false),
            ("65532:65532", Groups::Usual, &[7], true),
            ("65532", Groups::Usual, &[], true),
            ("app", Groups::Usual, &[], true),
            ("7:staff", Groups::Usual, &[], true),
            ("app", named(&[]), &[7], false),
            ("7:7", named(&["8"]), &[7], false),
            ("7:staff", named(&["8"]), &[], true),
            ("7:7", named(&["8", "staff"]), &[], true),
        ] {
            assert_eq!(needs_group_file(spec, &groups, given), needed, "{spec} {groups:?} {given:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(spec in ".{0,30}", passwd in ".{0,200}", group in ".{0,200}") {
            let _ = resolve(&spec, &Groups::Usual, &accounts(&passwd, &group, &[7]));
        }
    }
}
