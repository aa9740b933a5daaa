//! `--user`: from `NAME|UID[:GROUP|GID]` and the image's passwd(5) and group(5) to numbers. Pure: takes bytes.
//!
//! The files are read directly: a static binary has no NSS, and glibc's static one can silently find nobody.

/// Who the server will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub uid: u32,
    /// Its primary group.
    pub gid: u32,
    /// Supplementary groups: those that group(5) lists for the user, none where a group was named.
    pub groups: Vec<u32>,
    /// Its name, or its number where it has none.
    pub name: String,
    /// Its home directory; `/` where it has none, as docker does.
    pub home: String,
}

struct User<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

/// Turns what the user wrote into numbers.
///
/// # Errors
/// A sentence: a name that does not exist, a number out of range, a uid of which nobody knows the group. There is no
/// fallback: root's groups would be the alternative.
pub fn resolve(spec: &str, passwd: &str, group: &str) -> Result<Identity, String> {
    let (user, wanted_group) = match spec.split_once(':') {
        Some((_, "")) => return Err(format!("'{spec}' names no group after the colon: UID:GID or NAME:GROUP")),
        Some((user, group)) => (user, Some(group)),
        None => (spec, None),
    };
    if user.is_empty() {
        return Err(format!("'{spec}' names no user: UID[:GID] or NAME[:GROUP]"));
    }
    let number = number(user)?;
    let entry = users(passwd).find(|entry| match number {
        Some(uid) => entry.uid == uid,
        None => entry.name == user,
    });
    let uid = match (number, &entry) {
        (Some(uid), _) => uid,
        (None, Some(entry)) => entry.uid,
        (None, None) => {
            return Err(format!(
                "there is no user '{user}' in /etc/passwd; a number needs no entry: --user 65532:65532"
            ));
        }
    };
    let (gid, groups) = match (wanted_group, &entry) {
        (Some(wanted), _) => (resolve_group(wanted, group)?, Vec::new()),
        (None, Some(entry)) => (entry.gid, memberships(entry.name, group)),
        (None, None) => {
            return Err(format!(
                "uid {uid} has no entry in /etc/passwd, so its group must be named: --user {uid}:{uid}"
            ));
        }
    };
    Ok(Identity {
        uid,
        gid,
        groups,
        name: entry.as_ref().map_or_else(|| uid.to_string(), |entry| entry.name.to_owned()),
        home: entry.map(|entry| entry.home).filter(|home| !home.is_empty()).unwrap_or("/").to_owned(),
    })
}

fn resolve_group(wanted: &str, group: &str) -> Result<u32, String> {
    if let Some(gid) = number(wanted)? {
        return Ok(gid);
    }
    groups(group).find(|(name, ..)| *name == wanted).map(|(_, gid, _)| gid).ok_or_else(|| {
        format!("there is no group '{wanted}' in /etc/group; a number needs no entry: --user 65532:65532")
    })
}

/// A number, if that is what it looks like: no sign, no overflow. 4294967295 is "no change" to the kernel.
fn number(text: &str) -> Result<Option<u32>, String> {
    let mut bytes = text.bytes().peekable();
    if !bytes.peek().is_some_and(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-')) {
        return Ok(None);
    }
    match text.parse::<u32>() {
        Ok(number) if number != u32::MAX && bytes.all(|b| b.is_ascii_digit()) => Ok(Some(number)),
        _ => Err(format!("'{text}' is no id: a number from 0 to 4294967294, or a name")),
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

    fn resolved(spec: &str) -> Result<(u32, u32, Vec<u32>), String> {
        resolve(spec, PASSWD, GROUP).map(|i| (i.uid, i.gid, i.groups))
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
    fn home_and_name_follow() {
        let app = resolve("app", PASSWD, GROUP).unwrap();
        assert_eq!((app.name.as_str(), app.home.as_str()), ("app", "/home/app"));
        let nobody = resolve("65532:1", "", "").unwrap();
        assert_eq!((nobody.name.as_str(), nobody.home.as_str()), ("65532", "/"));
        assert_eq!(resolve("homeless", PASSWD, GROUP).unwrap().home, "/");
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

    proptest! {
        #[test]
        fn any_text_is_answered(spec in ".{0,30}", passwd in ".{0,200}", group in ".{0,200}") {
            let _ = resolve(&spec, &passwd, &group);
        }
    }
}
