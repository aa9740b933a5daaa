//! The drop, from every state that a container can start goward in: what the server has, and what goward itself has, as the
//! kernel tells it, beside what the contract says that they have. The whole matrix is `make matrix`; a part of it that has
//! every state runs with the other tests.
//!
//! What is expected is worked out here from capabilities(7) and from what `--help` promises, not from goward's own code.

use crate::plan::{End, Plan, fixture, root, scratch, word};
use crate::support::Scratch;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:\nwww-data:x:33:33::/:\nnobody:x:65534:65534::/:\n\
    app:x:1234:2345:App:/home/app:/bin/sh\n";
const GROUP: &str = "root:x:0:\ndaemon:x:1:\nwheel:x:10:root\nwww-data:x:33:\nnogroup:x:65534:\napp:x:2345:\n\
    extra:x:3456:other,app\nlogs:x:4567:app\nshared:x:60:root,app\n";
/// What root has in it.
const GROUPS_OF_ROOT: [u32; 2] = [10, 60];

// ---------------------------------------------------------------------------------------------------------------------
// Capabilities, as in linux/capability.h

const KILL: u64 = 1 << 5;
const SETGID: u64 = 1 << 6;
const SETUID: u64 = 1 << 7;
const SETPCAP: u64 = 1 << 8;
const NET_BIND_SERVICE: u64 = 1 << 10;
const NET_RAW: u64 = 1 << 13;
const SYS_ADMIN: u64 = 1 << 21;
/// All but sys_resource, which not every machine for tests has.
const ALL: u64 = ((1 << 41) - 1) & !(1 << 24);
/// What docker gives.
const DOCKER: u64 = 0xa804_25fb;
const NAMES: [(u64, &str); 6] = [
    (KILL, "kill"),
    (SETGID, "setgid"),
    (SETUID, "setuid"),
    (SETPCAP, "setpcap"),
    (NET_BIND_SERVICE, "net_bind_service"),
    (SYS_ADMIN, "sys_admin"),
];

// linux/securebits.h
const NOROOT: u64 = 0x1;
const NO_SETUID_FIXUP: u64 = 0x4;
const KEEP_CAPS_LOCKED: u64 = 0x20;
const NO_AMBIENT_RAISE: u64 = 0x40;

// ---------------------------------------------------------------------------------------------------------------------
// A case

/// How goward is started.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Start {
    real: u32,
    effective: u32,
    gid: u32,
    groups: Vec<u32>,
    bounding: u64,
    inheritable: u64,
    ambient: u64,
    securebits: u64,
    no_new_privs: bool,
}

impl Start {
    /// Root, with these.
    fn root(bounding: u64) -> Start {
        Start {
            real: 0,
            effective: 0,
            gid: 0,
            groups: Vec::new(),
            bounding,
            inheritable: 0,
            ambient: 0,
            securebits: 0,
            no_new_privs: false,
        }
    }

    fn words(&self) -> String {
        let groups = if self.groups.is_empty() { "none".to_owned() } else { list(&self.groups) };
        format!(
            "--bounding {:x} --groups {groups} --gid {} --uid {} --effective-uid {} --inheritable {:x} --ambient {:x} \
             --securebits {:x} {}",
            self.bounding,
            self.gid,
            self.real,
            self.effective,
            self.inheritable,
            self.ambient,
            self.securebits,
            if self.no_new_privs { "--no-new-privs" } else { "" }
        )
    }

    /// What goward has then: capabilities(7), "Transformation of capabilities during execve()", for a file without any.
    fn after_exec(&self) -> Credentials {
        let is_root = |id: u32| id == 0 && self.securebits & NOROOT == 0;
        let everything = self.bounding | self.inheritable;
        let permitted = if is_root(self.real) || is_root(self.effective) { everything } else { self.ambient };
        Credentials {
            uids: [self.real, self.effective, self.effective, self.effective],
            gids: [self.gid; 4],
            groups: self.groups.clone(),
            inheritable: self.inheritable,
            permitted,
            effective: if is_root(self.effective) { permitted } else { self.ambient },
            bounding: self.bounding,
            ambient: self.ambient,
            no_new_privs: self.no_new_privs,
        }
    }
}

/// What the kernel says of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Credentials {
    /// Real, effective, saved, and that of the file system.
    uids: [u32; 4],
    gids: [u32; 4],
    groups: Vec<u32>,
    inheritable: u64,
    permitted: u64,
    effective: u64,
    bounding: u64,
    ambient: u64,
    no_new_privs: bool,
}

impl Credentials {
    /// From what `fixture credentials` says of the server, or of its parent.
    fn of(who: &str, text: &str) -> Credentials {
        let line = |key: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(who)?.strip_prefix(&format!(" {key}:")));
            found.unwrap_or_else(|| panic!("no {who} {key} in {text:?}")).trim()
        };
        let ids = |key: &str| line(key).split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<u32>>();
        let set = |key: &str| u64::from_str_radix(line(key), 16).unwrap();
        Credentials {
            uids: ids("Uid").try_into().unwrap(),
            gids: ids("Gid").try_into().unwrap(),
            groups: ids("Groups"),
            inheritable: set("CapInh"),
            permitted: set("CapPrm"),
            effective: set("CapEff"),
            bounding: set("CapBnd"),
            ambient: set("CapAmb"),
            no_new_privs: line("NoNewPrivs") == "1",
        }
    }
}

/// Who the server shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct User {
    spec: &'static str,
    uid: u32,
    gid: u32,
    /// From group(5).
    groups: &'static [u32],
}

const fn user(spec: &'static str, uid: u32, gid: u32, groups: &'static [u32]) -> User {
    User { spec, uid, gid, groups }
}

const NUMBERS: User = user("65532:65532", 65532, 65532, &[]);
const OTHER_ROOT: User = user("0:5", 0, 5, &[]);
const NOBODY_IN_ROOT: User = user("nobody:root", 65534, 0, &[]);
const USERS: [User; 13] = [
    NUMBERS,
    OTHER_ROOT,
    NOBODY_IN_ROOT,
    user("65532:0", 65532, 0, &[]),
    user("nobody", 65534, 65534, &[]),
    user("nobody:7", 65534, 7, &[]),
    user("daemon", 1, 1, &[]),
    user("1", 1, 1, &[]),
    user("root", 0, 0, &[10, 60]),
    user("0:0", 0, 0, &[]),
    user("root:daemon", 0, 1, &[]),
    user("www-data:www-data", 33, 33, &[]),
    user("app", 1234, 2345, &[60, 3456, 4567]),
];

#[derive(Clone, Debug)]
struct Case {
    start: Start,
    user: User,
    keep: u64,
    allow_new_privs: bool,
    require_non_root: bool,
}

impl Case {
    fn new(start: Start, user: User, keep: u64, allow_new_privs: bool) -> Case {
        Case { start, user, keep, allow_new_privs, require_non_root: false }
    }

    fn options(&self) -> String {
        let mut options = format!("-q --user {}", self.user.spec);
        for (_, name) in NAMES.iter().filter(|(bit, _)| self.keep & bit != 0) {
            options += &format!(" --keep-cap {name}");
        }
        for (given, option) in
            [(self.allow_new_privs, " --allow-new-privs"), (self.require_non_root, " --require-non-root")]
        {
            options += if given { option } else { "" };
        }
        options
    }

    /// Whether it runs as that user from the start.
    fn already(&self) -> bool {
        (self.start.real, self.start.effective, self.start.gid) == (self.user.uid, self.user.uid, self.user.gid)
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// What is right

/// How it must end.
#[derive(Debug)]
enum Expected {
    /// With 125 and this.
    Refused(&'static str),
    /// Server and goward have the same; and this, and nothing else, is said.
    Runs(Credentials, Vec<&'static str>),
}

fn expected(case: &Case) -> Expected {
    use Expected::{Refused, Runs};
    let (user, already) = (case.user, case.already());
    let start = case.start.after_exec();
    let mut seen = start.clone();
    let (mut said, mut doubts) = (Vec::new(), Vec::new());
    if case.require_non_root && user.uid == 0 {
        return Refused("--require-non-root");
    }
    if user.uid == 0 && case.keep != 0 {
        return Refused("--keep-cap is for another user than root");
    }
    // A real user root may take what it is permitted.
    let usable = if already { start.effective } else { start.permitted };
    let may = |capability: u64| usable & capability != 0;

    let mut keep = case.keep;
    if keep & !start.permitted != 0 {
        if !already {
            return Refused("--keep-cap: the container does not have");
        }
        said.push("--keep-cap");
        keep &= start.permitted;
    }

    // Groups: the user's, and those given that are not root's.
    let own = start.gids[1];
    let given = start.groups.iter().copied().filter(|gid| *gid != 0 && *gid != own && !GROUPS_OF_ROOT.contains(gid));
    let mut wanted: Vec<u32> = user.groups.iter().copied().chain(given).collect();
    wanted.sort_unstable();
    wanted.dedup();
    if already {
        // Its own group says nothing new.
        let foreign = start.groups.iter().any(|gid| !wanted.contains(gid) && *gid != user.gid);
        let missing = wanted.iter().any(|gid| !start.groups.contains(gid) && *gid != user.gid);
        if (foreign || missing) && may(SETGID) {
            seen.groups = wanted;
        } else {
            doubts.extend(foreign.then_some("the server has the supplementary groups"));
            said.extend(missing.then_some("the server lacks the supplementary groups"));
        }
    } else {
        if start.groups != wanted && !may(SETGID) {
            return Refused("supplementary groups");
        }
        seen.groups = wanted;
        if !may(SETGID) && user.gid != start.gids[0] {
            return Refused("at gid");
        }
        let has = |uid: u32| start.uids.contains(&uid);
        if !may(SETUID) && !has(user.uid) {
            return Refused("at uid");
        }
        (seen.uids, seen.gids) = ([user.uid; 4], [user.gid; 4]);
    }

    if user.uid != 0 {
        let fixed = case.start.securebits & NO_SETUID_FIXUP == 0;
        let from_root = start.uids.contains(&0);
        if keep != 0 && from_root && fixed && case.start.securebits & KEEP_CAPS_LOCKED != 0 {
            return Refused("keep_caps_locked");
        }
        let bounding = if may(SETPCAP) { start.bounding & case.keep } else { start.bounding };
        let still_ambient = if from_root && fixed { 0 } else { start.ambient };
        let unheld = if keep & !(bounding | start.inheritable) != 0 {
            Some("not in the bounding set")
        } else if case.start.securebits & NO_AMBIENT_RAISE != 0 && keep & !still_ambient != 0 {
            Some("no_cap_ambient_raise")
        } else {
            None
        };
        if let Some(why) = unheld {
            if !already {
                return Refused(why);
            }
            said.push("--keep-cap");
            keep = 0;
        }
        (seen.inheritable, seen.permitted, seen.effective, seen.ambient) = (keep, keep, keep, keep);
        seen.bounding = bounding;
        if bounding & !case.keep != 0 {
            match (case.allow_new_privs, already) {
                (true, false) => return Refused("the capability bounding set stays as it is"),
                (true, true) => doubts.push("the capability bounding set stays as it is"),
                (false, _) => said.push("the capability bounding set stays as it is"),
            }
        }
    }
    seen.no_new_privs = start.no_new_privs || !case.allow_new_privs;
    if case.require_non_root && !doubts.is_empty() {
        return Refused(doubts[0]);
    }
    said.extend(doubts);
    Runs(seen, said)
}

/// What is wrong, if anything is.
fn judge(case: &Case, end: &End) -> Result<(), String> {
    match expected(case) {
        Expected::Refused(why) if end.code == 125 && end.err.contains(why) && end.out.is_empty() => Ok(()),
        Expected::Refused(why) => Err(format!("wanted 125 and {why:?}")),
        Expected::Runs(..) if end.code != 0 => Err("it does not run".to_owned()),
        Expected::Runs(right, said) => {
            for who in ["server", "parent"] {
                let seen = Credentials::of(who, &end.out);
                if seen != right {
                    return Err(format!("{who}\n  has    {seen:x?}\n  wanted {right:x?}"));
                }
            }
            let lines = end.err.lines().count();
            let all = said.iter().all(|said| end.err.contains(said)) && lines == said.len();
            if all { Ok(()) } else { Err(format!("wanted to hear {said:?}")) }
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// All cases

/// Root in a container with less than everything.
fn containers() -> Vec<Case> {
    const SETS: [u64; 10] = [
        0,
        DOCKER,
        SETUID,
        SETGID,
        SETUID | SETGID,
        SETUID | SETGID | SETPCAP,
        ALL,
        ALL & !SETPCAP,
        ALL & !KILL,
        DOCKER & !NET_BIND_SERVICE,
    ];
    const SECUREBITS: [u64; 8] = [0, 0x1, 0x4, 0x10, 0x30, 0x3, 0x3c, 0xc0];
    let mut cases = Vec::new();
    for (bounding, securebits) in product(&SETS, &SECUREBITS) {
        let varied = [DOCKER, ALL, ALL & !SETPCAP, SETUID | SETGID].contains(&bounding);
        for user in USERS.into_iter().filter(|user| securebits == 0 || varied && [NUMBERS, OTHER_ROOT].contains(user)) {
            for keep in [0, NET_BIND_SERVICE, SETUID, SYS_ADMIN, SETPCAP | KILL] {
                for allow in [false, true] {
                    // The fixture itself needs it to lock them.
                    let start = Start { securebits, ..Start::root(bounding) };
                    cases.push(Case::new(start, user, keep, allow));
                }
            }
        }
    }
    cases
}

/// Root with inheritable and ambient capabilities, and every kind of securebits.
fn inherited() -> Vec<Case> {
    const SECUREBITS: [u64; 12] = [0, 0x1, 0x3, 0x4, 0xc, 0x10, 0x20, 0x2c, 0x40, 0xc0, 0xff, 0xef];
    let mut cases = Vec::new();
    for (bounding, securebits) in product(&[ALL, DOCKER, SETUID | SETGID], &SECUREBITS) {
        for (inheritable, ambient) in [(0, 0), (bounding, 0), (bounding, bounding)] {
            for (no_new_privs, user) in product(&[false, true], &[NUMBERS, OTHER_ROOT, NOBODY_IN_ROOT]) {
                for (keep, allow) in product(&[0, NET_BIND_SERVICE, SETUID], &[false, true]) {
                    let start = Start { inheritable, ambient, securebits, no_new_privs, ..Start::root(bounding) };
                    if user != OTHER_ROOT || keep == 0 {
                        cases.push(Case::new(start, user, keep, allow));
                    }
                }
            }
        }
    }
    cases
}

/// The user from the start, with what a container may give it.
fn already() -> Vec<Case> {
    const GROUPS: [&[u32]; 5] = [&[], &[65532], &[0], &[0, 2000, 65532], &[10, 2000]];
    const AMBIENT: [u64; 6] =
        [0, NET_BIND_SERVICE, NET_RAW | SETUID, SETGID, SETPCAP | NET_BIND_SERVICE, DOCKER & !SETPCAP];
    let mut cases = Vec::new();
    for ((bounding, securebits), (ambient, groups)) in
        product(&product(&[0, DOCKER, ALL], &[0, 0x3, 0xc, 0xc0]), &product(&AMBIENT, &GROUPS))
    {
        // What is ambient came out of the bounding set.
        let bounding = bounding | ambient;
        let start = Start {
            real: 65532,
            effective: 65532,
            gid: 65532,
            groups: groups.to_vec(),
            inheritable: ambient,
            ambient,
            securebits,
            ..Start::root(bounding)
        };
        for (keep, (allow, strict)) in product(&[0, NET_BIND_SERVICE], &product(&[false, true], &[false, true])) {
            cases.push(Case { require_non_root: strict, ..Case::new(start.clone(), NUMBERS, keep, allow) });
        }
    }
    // Root that stays root, and a user whose groups nobody gave.
    for (groups, strict) in product(&GROUPS, &[false, true]) {
        let start = Start { groups: groups.to_vec(), ..Start::root(DOCKER) };
        for user in [USERS[8], USERS[9]] {
            cases.push(Case { require_non_root: strict, ..Case::new(start.clone(), user, 0, false) });
        }
        let start = Start { real: 1234, effective: 1234, gid: 2345, ..start };
        cases.push(Case { require_non_root: strict, ..Case::new(start, USERS[12], 0, false) });
    }
    cases
}

/// Somebody else, and somebody with two users (a set-uid program).
fn others() -> Vec<Case> {
    let mut cases = Vec::new();
    let ids = [(1000, 1000, 1000), (0, 65532, 65532), (65532, 0, 65532), (0, 1000, 0), (1000, 0, 0), (65532, 65532, 0)];
    for (real, effective, gid) in ids {
        for (ambient, groups) in product(&[0, SETUID | SETGID, DOCKER], &[&[][..], &[0, 10, 2000]]) {
            for (user, keep) in product(&[NUMBERS, USERS[12]], &[0, NET_BIND_SERVICE]) {
                let (inheritable, groups) = (ambient, groups.to_vec());
                let start = Start { real, effective, gid, groups, inheritable, ambient, ..Start::root(DOCKER) };
                cases.push(Case::new(start, user, keep, false));
            }
        }
    }
    // Root with groups of its own, and some that it was given.
    for (user, groups) in product(&USERS, &[&[0][..], &[0, 10, 60], &[0, 10, 2000, 3456], &[65534]]) {
        cases.push(Case::new(Start { groups: groups.to_vec(), ..Start::root(DOCKER) }, user, 0, false));
    }
    cases
}

fn product<A: Clone, B: Clone>(first: &[A], second: &[B]) -> Vec<(A, B)> {
    first.iter().flat_map(|a| second.iter().map(move |b| (a.clone(), b.clone()))).collect()
}

fn list(ids: &[u32]) -> String {
    ids.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

fn all() -> Vec<Case> {
    [containers(), inherited(), already(), others()].concat()
}

// ---------------------------------------------------------------------------------------------------------------------
// Running them

/// What gives a container this passwd and group.
fn accounts(scratch: &Scratch) -> String {
    let (passwd, group) = (scratch.file("passwd", PASSWD, 0o644), scratch.file("group", GROUP, 0o644));
    format!("--mount {}:/etc/passwd --mount {}:/etc/group", word(&passwd), word(&group))
}

/// All of them at once, as many as there are processors for; what is wrong, and how they ended.
fn run(cases: &[Case]) -> BTreeMap<String, usize> {
    let scratch = scratch();
    let accounts = accounts(&scratch);
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let ends = Mutex::new(BTreeMap::new());
    let lane = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let end =
                Plan::new(&case.options()).stage(&accounts).stage(&case.start.words()).fixture("credentials").end();
            if let Err(why) = judge(case, &end) {
                wrong.lock().unwrap().push(format!("{case:x?}\n  {why}\n  {} {}{}", end.code, end.out, end.err));
            }
            let said = end.err.lines().next().unwrap_or("").split("goward: ").last().unwrap_or("").to_owned();
            let kind = if end.code == 125 { said } else { "started".to_owned() };
            *ends.lock().unwrap().entry(kind.replace(|c: char| c.is_ascii_digit(), "")).or_insert(0) += 1;
        }
    };
    std::thread::scope(|scope| {
        let lanes = std::thread::available_parallelism().map_or(4, |count| 2 * count.get());
        (0..lanes).for_each(|_| {
            scope.spawn(lane);
        });
    });
    let wrong = wrong.into_inner().unwrap();
    let shown = wrong.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {} are wrong\n{shown}", wrong.len(), cases.len());
    ends.into_inner().unwrap()
}

/// `make matrix`
#[test]
#[ignore = "minutes: make matrix"]
fn the_whole_matrix() {
    if !root() {
        return;
    }
    let cases = all();
    let ends = run(&cases);
    println!("{} runs", cases.len());
    for (end, count) in &ends {
        println!("{count:6}  {end}");
    }
}

/// The states are what the cases say that they are.
#[test]
#[ignore = "minutes: make matrix"]
fn every_state_is_what_the_kernel_says() {
    if !root() {
        return;
    }
    let starts: BTreeMap<Start, ()> = all().into_iter().map(|case| (case.start, ())).collect();
    for start in starts.keys() {
        let end = Plan::new("").stage(&start.words()).start(&[fixture(), "credentials"]).end();
        assert_eq!(Credentials::of("server", &end.out), start.after_exec(), "{start:x?}\n{}", end.err);
    }
    println!("{} states", starts.len());
}

#[test]
fn every_state_at_least_once() {
    if !root() {
        return;
    }
    let mut by_start: BTreeMap<Start, Vec<Case>> = BTreeMap::new();
    for case in all() {
        by_start.entry(case.start.clone()).or_default().push(case);
    }
    // One case for each, a different one for the next; the same in every run.
    let sample: Vec<Case> =
        by_start.values().enumerate().map(|(place, cases)| cases[place * 7 % cases.len()].clone()).collect();
    let runs = run(&sample).get("started").copied().unwrap_or(0);
    assert!(runs > sample.len() / 2, "only {runs} of {} ran", sample.len());
}

// ---------------------------------------------------------------------------------------------------------------------
// Sandboxes

/// Runs the server that tells its credentials; the code, and all that was said.
fn end(stage: &str, options: &str) -> End {
    Plan::new("-q").stage(stage).stage("--drop-cap 24").options(options).fixture("credentials").end()
}

/// With 125 and these words, or with no more lines on standard error than words.
fn ends(stage: &str, options: &str, code: i32, words: &[&str]) -> End {
    let end = end(stage, options);
    let all = words.iter().all(|word| end.err.contains(word));
    let lines = code == 125 || end.err.lines().count() == words.len();
    assert!(end.code == code && all && lines, "{stage} | {options}: wanted {code} and {words:?}, but {end:?}");
    end
}

/// An ordinary user from the start, with a capability and a group that it should not have.
const GIVEN: &str = "--uid 65532 --gid 65532 --groups 0 --inheritable 2000 --ambient 2000";
/// The same with nothing to give back.
const PLAIN: &str = "--bounding 0 --uid 65532 --gid 65532 --groups 65532";
const BECOME: &str = "--user 65532:65532";

#[test]
fn a_sandbox_that_refuses_single_calls() {
    if !root() {
        return;
    }
    // linux/prctl.h
    const KEEPCAPS: &str = "prctl:8";
    const BOUNDING_READ: &str = "prctl:23";
    const BOUNDING_DROP: &str = "prctl:24";
    const SET_NO_NEW_PRIVS: &str = "prctl:38";
    const GET_NO_NEW_PRIVS: &str = "prctl:39";
    const AMBIENT: &str = "prctl:47";
    let allow = "--user 65532:65532 --allow-new-privs";
    let keep = "--user 65532:65532 --keep-cap net_bind_service";
    let strict = "--user 65532:65532 --require-non-root";
    let root = "--groups 0";
    let inheriting = "--groups 0 --inheritable 2000";
    let unread = "the capability bounding set cannot be read";
    // With errno 0 the call is not made, and says that it worked.
    for (start, call, errno, options, code, words) in [
        (root, "capget", 1, BECOME, 125, &["cannot be verified: the capabilities cannot be read"][..]),
        // The change of the user has taken everything.
        (root, "capset", 1, BECOME, 0, &[]),
        (inheriting, "capset", 1, BECOME, 125, &["failed verification: capabilities (net_raw)"]),
        (inheriting, "capset", 0, BECOME, 125, &["failed verification: capabilities (net_raw)"]),
        (root, BOUNDING_READ, 22, BECOME, 0, &[unread]),
        (root, BOUNDING_READ, 1, BECOME, 0, &[unread]),
        (root, BOUNDING_READ, 22, allow, 125, &[unread]),
        (root, BOUNDING_DROP, 0, BECOME, 125, &["failed verification: the capability bounding set"]),
        (root, BOUNDING_DROP, 1, BECOME, 0, &["the capability bounding set stays as it is: Operation not permitted"]),
        (root, BOUNDING_DROP, 1, allow, 125, &["the capability bounding set stays as it is"]),
        (root, AMBIENT, 1, BECOME, 0, &[]),
        (root, AMBIENT, 22, keep, 125, &["no ambient capabilities before Linux 4.3"]),
        (root, AMBIENT, 0, keep, 125, &["failed verification: kept capabilities"]),
        (root, KEEPCAPS, 1, keep, 125, &["--keep-cap: net_bind_service cannot be kept"]),
        (root, KEEPCAPS, 0, keep, 125, &["--keep-cap: net_bind_service cannot be kept"]),
        (root, KEEPCAPS, 1, BECOME, 0, &[]),
        (root, SET_NO_NEW_PRIVS, 0, BECOME, 125, &["failed verification: no_new_privs"]),
        (root, SET_NO_NEW_PRIVS, 22, BECOME, 125, &["failed at no_new_privs"]),
        (root, SET_NO_NEW_PRIVS, 22, allow, 0, &[]),
        (root, GET_NO_NEW_PRIVS, 1, BECOME, 125, &["cannot be verified: no_new_privs cannot be read"]),
        (root, GET_NO_NEW_PRIVS, 1, allow, 0, &[]),
        (root, "getgroups", 1, BECOME, 125, &["the supplementary groups cannot be read"]),
        (root, "setgroups", 0, BECOME, 125, &["failed verification: supplementary groups"]),
        (root, "setgroups", 1, BECOME, 125, &["at supplementary groups", "although goward has CAP_SETGID"]),
        ("--groups none", "setgroups", 1, BECOME, 0, &[]),
        (root, "setresgid", 0, BECOME, 125, &["failed verification: uid and gid"]),
        (root, "setresgid", 1, BECOME, 125, &["at gid", "although goward has CAP_SETGID"]),
        (root, "setresuid", 0, BECOME, 125, &["failed verification: "]),
        (root, "setresuid", 1, BECOME, 125, &["at uid", "although goward has CAP_SETUID"]),
        (root, "setresuid", 11, BECOME, 125, &["uid 65532 has as many processes as its limit allows (RLIMIT_NPROC)"]),
        // Already that user.
        (PLAIN, "capget", 1, BECOME, 0, &["the capabilities cannot be read"]),
        (PLAIN, "capget", 1, strict, 125, &["--require-non-root: the capabilities cannot be read"]),
        (PLAIN, "capset", 1, strict, 0, &[]),
        (GIVEN, "capset", 1, BECOME, 125, &["failed verification: capabilities (net_raw)"]),
        (PLAIN, BOUNDING_READ, 22, strict, 0, &[unread]),
        (PLAIN, BOUNDING_READ, 22, allow, 0, &[unread]),
        (PLAIN, AMBIENT, 1, strict, 0, &[]),
        (PLAIN, SET_NO_NEW_PRIVS, 0, BECOME, 125, &["failed verification: no_new_privs"]),
        (PLAIN, GET_NO_NEW_PRIVS, 1, BECOME, 0, &["no_new_privs cannot be read"]),
        (PLAIN, GET_NO_NEW_PRIVS, 1, strict, 125, &["no_new_privs cannot be read"]),
        (PLAIN, "getgroups", 1, BECOME, 0, &["the supplementary groups cannot be read"]),
        (PLAIN, "getgroups", 1, strict, 125, &["the supplementary groups cannot be read"]),
        (PLAIN, "setgroups", 1, strict, 0, &[]),
        (GIVEN, "setgroups", 0, BECOME, 125, &["failed verification: supplementary groups"]),
        // Where every id has a meaning the ids are what they seem.
        (PLAIN, "setresuid", 1, strict, 0, &[]),
        (PLAIN, "setresgid", 1, strict, 0, &[]),
        (PLAIN, "setresuid", 0, strict, 0, &[]),
    ] {
        let end = ends(&format!("{start} --refuse {call}={errno}"), options, code, words);
        if end.code == 0 {
            for who in ["server", "parent"] {
                let seen = Credentials::of(who, &end.out);
                assert_eq!(seen.permitted | seen.effective | seen.inheritable | seen.ambient, 0, "{call} {options}");
                assert_eq!((seen.uids, seen.gids), ([65532; 4], [65532; 4]), "{call} {options}");
                assert!(seen.groups.is_empty() || seen.groups == [65532], "{call} {options}: {:?}", seen.groups);
                assert_eq!(seen.no_new_privs, !options.contains("--allow-new-privs"), "{call} {options}");
                // Dropped without having been read.
                assert!(call != BOUNDING_READ || seen.bounding == 0, "{call} {options}: {:x}", seen.bounding);
            }
        }
    }
}

#[test]
fn user_namespaces() {
    if !root() {
        return;
    }
    let nobody = "--user 65534:65534";
    let (gid, uid) =
        ("the server runs as gid 65534, which may be any id", "the server runs as uid 65534, which may be");
    let strict = |options: &str| format!("{options} --require-non-root");
    // As docker's userns-remap and podman have it.
    const USUAL: &str = "--user-namespace allow:0_100000_65536:0_100000_65536";
    // Nothing is mapped, or not who is there: root of the host is shown as 65534.
    for namespace in ["--user-namespace allow::", USUAL, "--user-namespace deny:7_100000_1:7_100000_1"] {
        let start = format!("--bounding 0 {namespace}");
        let end = ends(&start, nobody, 0, &[gid, uid]);
        assert_eq!(Credentials::of("server", &end.out).uids, [65534; 4]);
        ends(&start, &strict(nobody), 125, &["--require-non-root: ", gid, uid]);
        ends(&start, "--require-non-root", 125, &["--require-non-root: ", uid]);
        ends(&start, BECOME, 125, &["dropping privileges failed at gid", "not mapped in this user namespace"]);
    }
    // Really nobody, outside of a namespace and in one.
    let plain = "--bounding 0 --uid 65534 --gid 65534 --groups none";
    ends(plain, &strict(nobody), 0, &[]);
    ends(plain, "--require-non-root", 0, &[]);
    ends(&format!("{USUAL} {plain}"), &strict(nobody), 0, &[]);
    ends(&format!("{USUAL} {plain}"), "--require-non-root", 0, &[]);

    // A group of the host's, shown as 65534.
    let user = "--bounding 0 --uid 65532 --gid 65532";
    let group = "the server has the supplementary group";
    for namespace in [USUAL, "--user-namespace allow:65532_100000_1:65532_100000_1"] {
        let start = format!("--groups-outside 7 {namespace} {user}");
        let end = ends(&start, BECOME, 0, &[group]);
        assert!(end.err.contains("65534, which may be any id"), "{end:?}");
        ends(&start, &strict(BECOME), 125, &["--require-non-root: ", group]);
        // None.
        ends(&format!("--groups-outside none {namespace} {user}"), &strict(BECOME), 0, &[]);
    }
    // The user's own group is mostly what it seems.
    let plain = format!("--groups-outside 7 {USUAL} --bounding 0 --uid 65534 --gid 65534");
    ends(&plain, &strict(nobody), 0, &["the server has the supplementary group 65534, which may be any id"]);
    // Really nogroup.
    ends(&format!("--groups-outside 65534 {user}"), &strict(BECOME), 0, &[]);
    ends(&format!("{USUAL} {user} --groups 2000"), &strict(BECOME), 0, &[]);

    // Root of a namespace that becomes a user.
    let end = ends(&format!("{USUAL} --uid 0 --gid 0 --groups 0,2000"), BECOME, 0, &[]);
    assert_eq!(Credentials::of("server", &end.out).groups, [2000]);
    // Groups of the host's are dropped, if they can be.
    let end = ends(&format!("--groups-outside 7 {USUAL} --uid 0 --gid 0"), BECOME, 0, &[]);
    assert!(Credentials::of("server", &end.out).groups.is_empty());
    let denied = "--user-namespace deny:0_0_1,65532_65532_1:0_0_1,65532_65532_1";
    let forbidden = "the user namespace forbids it (/proc/self/setgroups is deny)";
    ends(&format!("--groups-outside 7 {denied}"), BECOME, 125, &["at supplementary groups", forbidden]);
    ends(&format!("--groups-outside none {denied}"), BECOME, 125, &["at supplementary groups", forbidden]);
    ends(&format!("--groups-outside none {denied}"), &format!("{BECOME} --groups 7"), 125, &[forbidden]);
    // Already that user, with the capability for it: the reason is the namespace all the same.
    let end = ends(&format!("--groups-outside 65532 {denied} --uid 65532 --gid 65532"), BECOME, 0, &["bounding set"]);
    assert_eq!(Credentials::of("server", &end.out).groups, [65532]);
    let capable = "--bounding 40 --uid 65532 --gid 65532 --inheritable 40 --ambient 40";
    let words = ["the server has the supplementary groups 65534", "bounding set"];
    let end = ends(&format!("--groups-outside 7 {denied} {capable}"), BECOME, 0, &words);
    assert!(end.err.contains(forbidden), "{end:?}");
    for (namespace, options, why) in [
        ("allow:0_0_1:0_0_1", BECOME, "gid 65532 is not mapped in this user namespace (/proc/self/gid_map)"),
        ("allow:0_0_1:0_0_70000", BECOME, "uid 65532 is not mapped in this user namespace (/proc/self/uid_map)"),
        ("allow:0_0_70000:0_0_70000", "--user 65532:65532 --groups 7,70001", "gid 70001 is not mapped"),
    ] {
        ends(&format!("--user-namespace {namespace}"), options, 125, &[why]);
    }
    ends("--user-namespace allow:0_0_70000:0_0_70000", "--user 65532:65532 --groups 7,69999", 0, &[]);
}

#[test]
fn root_by_another_of_its_ids_is_root() {
    if !root() {
        return;
    }
    let refused = "--require-non-root: the server would run as root";
    ends("--uid 0 --effective-uid 65532", "--require-non-root", 125, &[refused]);
    ends("--uid 65532 --effective-uid 0", "--require-non-root", 125, &[refused]);
    ends("--uid 65532 --effective-uid 65531", "--require-non-root", 0, &[]);
}
