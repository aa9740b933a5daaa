//! What always holds: no byte is lost, whatever comes; how the bytes are cut into reads changes nothing; log lines inside a
//! dump come out whole.

use super::*;
use proptest::prelude::*;

#[derive(Default)]
struct Seen {
    passed: Vec<u8>,
    dumped: Vec<u8>,
    summaries: Vec<Summary>,
}

impl Output for Seen {
    fn pass(&mut self, bytes: &[u8]) {
        self.passed.extend_from_slice(bytes);
    }
    fn dump(&mut self, bytes: &[u8]) {
        self.dumped.extend_from_slice(bytes);
    }
    fn ended(&mut self, summary: Summary) {
        self.summaries.push(summary);
    }
}

fn read<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Seen {
    let mut seen = Seen::default();
    let mut reader = Reader::new(Program::default());
    chunks.into_iter().for_each(|chunk| reader.feed(chunk, &mut seen));
    reader.finish(&mut seen);
    seen
}

fn whole(bytes: &[u8]) -> Seen {
    read([bytes])
}

macro_rules! dump {
    ($name:literal) => {
        include_bytes!(concat!("../../tests/dumps/", $name, ".stderr"))
    };
}

/// Small dumps of every kind.
const DUMPS: [&[u8]; 7] = [
    dump!("waitgroup_wait"),
    dump!("pprof_labels"),
    dump!("leaked"),
    dump!("crash_repeats"),
    dump!("arm64_elided"),
    dump!("panic_all_mixed_logs"),
    dump!("fatal_overflow"),
];

fn is_split_of(seen: &Seen, all: &[u8]) -> bool {
    super::is_split_of(&seen.passed, &seen.dumped, all)
}

/// Old issues have it that way.
#[test]
fn what_markdown_took_for_emphasis_is_a_pointer() {
    let dump = "goroutine 1 [semacquire, 12 minutes]:\nsync.(*Mutex).Lock(0xc000123450)\n\t/usr/local/go/src/sync/mutex.go:66 +0xdd\nmain.(*store).get(0xc000123440)\n\t/src/main.go:9 +0x1d\ncreated by main.(*store).start\n\t/src/main.go:5 +0x3f\n";
    let underscored = dump.replace("(*", "(_");
    let [one, other] = [dump, &*underscored].map(|text| whole(text.as_bytes()));
    let groups =
        |seen: &Seen| format!("{:?}", seen.summaries.iter().map(|summary| &summary.groups).collect::<Vec<_>>());
    assert_eq!(groups(&one), groups(&other));
    assert_eq!(other.dumped, underscored.as_bytes());
    assert_eq!(other.summaries[0].groups[0].objects, [(0xc0_0012_3450, 1)]);
}

/// What a dump says, for comparing.
fn told(seen: &Seen) -> String {
    format!("{:?}", seen.summaries)
}

/// The pieces the runtime writes by themselves, by their looks: an approximation that is finer than what is true nowhere.
fn tokens(dump: &[u8]) -> Vec<usize> {
    let text = String::from_utf8_lossy(dump);
    let mut ends = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let end = at + line.len();
        let mut here = |offset: usize| ends.push(at + offset);
        if line.starts_with("\tgoroutine running") {
            // One print.
        } else if let Some(rest) = line.strip_prefix('\t') {
            here(1);
            if let Some(colon) = rest.rfind(':') {
                here(1 + colon);
                here(2 + colon);
                for mark in [" +", " fp=", " sp=", " pc="] {
                    if let Some(found) = line.find(mark) {
                        here(found);
                        here(found + mark.len());
                    }
                }
            }
        } else if line.starts_with("goroutine ") {
            here(10);
            for mark in [" gp=", " m=", " mp=", " [", "]"] {
                if let Some(found) = line.find(mark) {
                    here(found);
                    if !line[found..].starts_with(" m=nil") && mark != "]" {
                        here(found + mark.len());
                    }
                }
            }
        } else if let Some(name) = line.strip_prefix("created by ") {
            here(11);
            if let Some(space) = name.find(' ') {
                here(11 + space);
                here(11 + space + " in goroutine ".len());
            }
        } else if line.ends_with(")\n")
            && let Some(open) = line.rfind('(')
        {
            here(open);
            here(open + 1);
            line.match_indices(", ").for_each(|(found, _)| {
                here(found);
                here(found + 2);
            });
            if line.as_bytes()[open + 1] != b'.' {
                here(line.len() - 2);
            }
        }
        at = end;
        ends.push(at);
    }
    ends.sort_unstable();
    ends.dedup();
    ends
}

/// Of many equal bytes each may be of the one kind or of the other.
#[test]
fn equal_bytes_are_not_lost() {
    let text = ["\ngoroutine 1 [r]:\n", &"x".repeat(64), "\n", &"x".repeat(65)].concat();
    let seen = read(text.as_bytes().chunks(11));
    assert!(is_split_of(&seen, text.as_bytes()));
    assert!(!super::is_split_of(&seen.passed, &seen.dumped, &text.as_bytes()[1..]));
}

proptest! {
    // Each case reads whole dumps.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 8))]

    #[test]
    fn reads_of_any_size_give_the_same(which in 0usize..7, mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..60)) {
        let text = DUMPS[which];
        let mut at: Vec<usize> = cuts.drain(..).map(|cut| cut.index(text.len())).collect();
        at.extend([0, text.len()]);
        at.sort_unstable();
        let cut = read(at.windows(2).map(|pair| &text[pair[0]..pair[1]]));
        let one = whole(text);
        prop_assert_eq!(told(&cut), told(&one));
        prop_assert_eq!(cut.passed, one.passed);
        prop_assert_eq!(cut.dumped, one.dumped);
    }

    #[test]
    fn a_dump_that_is_cut_loses_no_byte(which in 0usize..7, end in any::<prop::sample::Index>(), start in 0usize..200) {
        let text = DUMPS[which];
        let end = end.index(text.len());
        let part = &text[start.min(end)..end];
        prop_assert!(is_split_of(&whole(part), part));
    }

    #[test]
    fn damage_loses_no_byte(which in 0usize..7, damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40)) {
        let mut text = DUMPS[which].to_vec();
        for (at, byte) in damage {
            let at = at.index(text.len());
            text[at] = byte;
        }
        prop_assert!(is_split_of(&whole(&text), &text));
    }

    #[test]
    fn pauses_lose_no_byte(which in 0usize..7, cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20)) {
        let text = DUMPS[which];
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len())).collect();
        at.extend([0, text.len()]);
        at.sort_unstable();
        let mut seen = Seen::default();
        let mut reader = Reader::new(Program::default());
        for pair in at.windows(2) {
            reader.feed(&text[pair[0]..pair[1]], &mut seen);
            reader.quiet(&mut seen);
        }
        reader.finish(&mut seen);
        prop_assert!(is_split_of(&seen, text));
    }

    #[test]
    fn json_lines_between_tokens_come_out_whole(which in 0usize..5, places in prop::collection::vec(any::<prop::sample::Index>(), 1..80)) {
        interleave(DUMPS[which], &places, |n| format!("{{\"time\":\"2026-01-01T00:00:{n:02}Z\",\"msg\":\"tick (0x1, {{2}}) main.go:{n}\"}}\n"))?;
    }

    #[test]
    fn dated_lines_between_tokens_come_out_whole(which in 0usize..5, places in prop::collection::vec(any::<prop::sample::Index>(), 1..80)) {
        interleave(DUMPS[which], &places, |n| format!("2026/11/23 05:55:{n:02} request {n} handled by main.work(0x{n})\n"))?;
    }
}

/// Puts lines between tokens, and reads what comes out. The logger has logged before the dump.
fn interleave(
    dump: &[u8],
    places: &[prop::sample::Index],
    line: impl Fn(usize) -> String,
) -> Result<(), TestCaseError> {
    let tokens = tokens(dump);
    let mut at: Vec<usize> = places.iter().map(|place| tokens[place.index(tokens.len())]).collect();
    at.sort_unstable();
    let mut logged = line(0).into_bytes();
    let mut text = logged.clone();
    let mut from = 0;
    for (n, to) in at.into_iter().enumerate() {
        text.extend_from_slice(&dump[from..to]);
        text.extend_from_slice(line(n % 60).as_bytes());
        logged.extend_from_slice(line(n % 60).as_bytes());
        from = to;
    }
    text.extend_from_slice(&dump[from..]);
    let seen = whole(&text);
    prop_assert_eq!(String::from_utf8_lossy(&seen.passed), String::from_utf8_lossy(&logged));
    prop_assert_eq!(told(&seen), told(&whole(dump)));
    Ok(())
}

/// Feeds and tells what was given away at once.
fn passed(reader: &mut Reader, text: &str) -> String {
    let mut seen = Seen::default();
    reader.feed(text.as_bytes(), &mut seen);
    String::from_utf8(seen.passed).unwrap()
}

#[test]
fn what_is_no_dump_passes_at_once() {
    let mut reader = Reader::new(Program::default());
    assert_eq!(passed(&mut reader, "ready\n50%"), "ready\n50%");
    assert_eq!(passed(&mut reader, " 60%\nno panic: no matter\nS"), " 60%\nno panic: no matter\n");
    // It could still be SIGQUIT.
    assert_eq!(passed(&mut reader, "IG"), "");
    assert_eq!(passed(&mut reader, "N"), "SIGN");
    assert_eq!(passed(&mut reader, "ED\nPC"), "ED\n");
    let mut seen = Seen::default();
    reader.quiet(&mut seen);
    assert_eq!(seen.passed, b"PC");
    assert_eq!(passed(&mut reader, "=0x1\n"), "=0x1\n");
    assert!(!reader.in_dump());
}

#[test]
fn what_only_looks_like_a_dump_passes() {
    for text in [
        "SIGQUIT: quit\nbye\n",
        "SIGQUIT: quit received, bye\nPC=here\n",
        "got SIGQUIT: quit\n\n\n",
        "SIGQUIT: quit",
        "PC=0x1 m=0 sigcode=0 and more\n",
        "panic: no goroutine follows\nnext\n",
        "goroutine 7 [running]: not a header\n",
        "goroutine 7 [running",
    ] {
        let seen = whole(text.as_bytes());
        assert_eq!(String::from_utf8(seen.passed).unwrap(), text);
        assert!(seen.summaries.is_empty() && seen.dumped.is_empty(), "{text}");
    }
}

const SMALL: &str = "SIGQUIT: quit\nPC=0x1 m=0 sigcode=0\n\ngoroutine 1 gp=0x1 m=nil [select, 3 minutes]:\nmain.main()\n\t/src/my \
                     app: ä/main.go:7 +0x1 fp=0x1 sp=0x1 pc=0x1\n\nrax    0x0\ngs     0x0\n";

#[test]
fn a_dump_in_the_middle_of_a_line() {
    for chunk in [1, 7, 1000] {
        let text = format!("50%{SMALL}after\n");
        let seen = read(text.as_bytes().chunks(chunk));
        assert_eq!(String::from_utf8(seen.passed).unwrap(), "50%after\n");
        assert_eq!(seen.summaries.len(), 1);
        assert_eq!(seen.summaries[0].groups[0].minutes, (3, 3));
        assert_eq!(seen.summaries[0].groups[0].frames[0].file, "/src/my app: ä/main.go");
        assert!(!seen.summaries[0].cut);
    }
}

/// A prompt has no end, and is followed by what the runtime says. A log may say the same of somebody else.
#[test]
fn a_deadlock_behind_a_prompt() {
    const DEADLOCK: &str = "fatal error: all goroutines are asleep - deadlock!";
    let stack = "goroutine 1 [chan receive]:\nmain.main()\n\t/src/main.go:5 +0x1d\nexit status 2\n";
    for chunk in [1, 7, 1000] {
        for end in ["\n", "\r\n"] {
            let seen = read(format!("A number: {DEADLOCK}{end}{end}{stack}").as_bytes().chunks(chunk));
            assert_eq!(String::from_utf8(seen.passed).unwrap(), "A number: exit status 2\n");
            assert_eq!((seen.summaries[0].kind, &*seen.summaries[0].reason), (Kind::Fatal, DEADLOCK));
        }
    }
    // Near misses: no goroutine follows; it is not what the line ends with; a panic that was logged.
    let none = format!("it said {DEADLOCK}\nand went on\n");
    assert!(whole(none.as_bytes()).summaries.is_empty());
    for reason in [format!("it said {DEADLOCK} again"), "recovered from panic: x".to_owned()] {
        let seen = whole(format!("{reason}\n\n{stack}").as_bytes());
        assert_eq!(seen.summaries[0].kind, Kind::Unknown, "{reason}");
    }
}

#[test]
fn line_ends_of_windows() {
    let text = SMALL.replace('\n', "\r\n");
    let seen = whole(text.as_bytes());
    assert_eq!(seen.dumped, text.as_bytes());
    assert_eq!((seen.summaries[0].user, seen.summaries[0].cut), (1, false));
}

#[test]
fn its_first_line_was_let_go() {
    let mut seen = Seen::default();
    let mut reader = Reader::new(Program::default());
    let (first, rest) = SMALL.split_at(13);
    reader.feed(first.as_bytes(), &mut seen);
    assert!(seen.passed.is_empty() && !reader.in_dump());
    reader.quiet(&mut seen);
    assert_eq!(seen.passed, b"SIGQUIT: quit");
    reader.feed(rest.as_bytes(), &mut seen);
    assert!(reader.in_dump());
    // It is whole: nothing need follow.
    reader.quiet(&mut seen);
    assert_eq!((seen.summaries.len(), seen.summaries[0].user), (1, 1));
    assert_eq!(seen.summaries[0].reason, "");
    assert!(!reader.in_dump());
}

#[test]
fn cut_at_every_byte() {
    let text = DUMPS[0];
    let counted = |summary: &Summary| summary.user + summary.system;
    let all = counted(&whole(text).summaries[0]);
    let mut last = 0;
    for end in (0..text.len()).filter(|end| end % 13 == 0) {
        let seen = whole(&text[..end]);
        assert_eq!(seen.passed.len() + seen.dumped.len(), end);
        let Some(summary) = seen.summaries.first() else {
            assert!(end < 40, "no dump in {end} bytes");
            continue;
        };
        assert!(summary.cut || end + 2 > text.len(), "{end}");
        assert!(counted(summary) >= last && seen.passed.is_empty(), "{end}: {}", String::from_utf8_lossy(&seen.passed));
        last = counted(summary);
    }
    assert_eq!(last, all);
}

#[test]
fn memory_is_bounded() {
    struct Nothing(Option<Summary>);
    impl Output for Nothing {
        fn pass(&mut self, _: &[u8]) {}
        fn dump(&mut self, _: &[u8]) {}
        fn ended(&mut self, summary: Summary) {
            self.0 = Some(summary);
        }
    }
    let mut out = Nothing(None);
    let mut reader = Reader::new(Program::default());
    reader.feed(b"SIGQUIT: quit\nPC=0x1 m=0 sigcode=0\n\n", &mut out);
    for n in 1..=20_000 {
        let block = format!("goroutine {n} gp=0x1 m=nil [select]:\nmain.f{n}()\n\t/src/main.go:{n} +0x1\n\n");
        reader.feed(block.as_bytes(), &mut out);
    }
    // A line without an end is nobody's goroutine.
    for _ in 0..100 {
        reader.feed(&[b'x'; 4096], &mut out);
    }
    assert!(reader.line_length() < 256 << 10);
    reader.feed(
        b"\n\ngoroutine 20001 gp=0x1 m=nil [select]:\nmain.f1()\n\t/src/main.go:1 +0x1\n\nrax    0x0\ngs     0x0\n",
        &mut out,
    );
    reader.finish(&mut out);
    let summary = out.0.unwrap();
    assert_eq!(summary.user, 20_001);
    assert_eq!(summary.groups.iter().map(|group| group.count).sum::<u64>() + summary.ungrouped, 20_001);
    assert!(summary.groups.len() < 5000 && summary.ungrouped > 10_000 && !summary.cut);
}

fn own_frames(module: Option<&str>, frames: &[(&str, &str)]) -> Option<String> {
    let stack: String = frames.iter().map(|(function, file)| format!("{function}(...)\n\t{file}:1\n")).collect();
    let mut seen = Seen::default();
    let mut reader = Reader::new(Program { module: module.map(str::to_owned), ..Program::default() });
    reader.feed(format!("goroutine 1 [select]:\n{stack}").as_bytes(), &mut seen);
    reader.finish(&mut seen);
    seen.summaries[0].groups[0].own().map(|frame| frame.function.clone())
}

#[test]
fn whose_frame_it_is() {
    let go = ("net/http.(*Server).Serve", "/usr/local/go/src/net/http/server.go");
    let trimmed = ("net/http.(*Server).Serve", "net/http/server.go");
    let downloaded = ("github.com/lib/pq.(*conn).Query", "/go/pkg/mod/github.com/lib/pq@v1.10.9/conn.go");
    let trimmed_download = ("gopkg.in/yaml%2ev3.Unmarshal", "gopkg.in/yaml.v3@v3.0.1/yaml.go");
    let shop = ("github.com/acme/shop/cart.(*Cart).Add", "/src/cart/cart.go");
    let main = ("main.main", "/src/main.go");
    let plain = ("shop/cart.Add", "/src/shop/cart/cart.go");
    let is = |own: Option<&str>, module, frames: &[_]| assert_eq!(own_frames(module, frames).as_deref(), own);
    is(Some(shop.0), None, &[go, downloaded, shop, main]);
    is(Some(shop.0), Some("github.com/acme/shop"), &[go, downloaded, shop, main]);
    is(Some(main.0), Some("github.com/acme/other"), &[go, shop, main]);
    is(None, Some("github.com/acme/sho"), &[go, shop]);
    is(Some("gopkg.in/shop%2ev2.Run"), Some("gopkg.in/shop.v2"), &[("gopkg.in/shop%2ev2.Run", "/src/x.go")]);
    is(None, None, &[trimmed, trimmed_download]);
    is(Some(shop.0), None, &[trimmed, (shop.0, "github.com/acme/shop/cart/cart.go")]);
    is(Some(plain.0), None, &[go, plain]);
    is(None, None, &[go, ("os.(*File).Read-fm", "<autogenerated>")]);
}

#[test]
fn a_flood_of_log_lines_is_no_end() {
    let (before, after) = SMALL.split_at(SMALL.find("main.main()").unwrap() + 9);
    let flood = "2026/11/23 05:55:22 all is well\n".repeat(5000);
    let seen = whole(format!("{flood}{before}{flood}{after}").as_bytes());
    assert_eq!(seen.passed.len(), 2 * flood.len());
    assert_eq!(seen.summaries[0].groups[0].frames[0].function, "main.main");
}

#[path = "../../tests/support/hostile.rs"]
mod hostile;

/// Whole, byte by byte, and in the pieces that end at `cuts`.
fn split_anywhere(text: &[u8], cuts: &[prop::sample::Index]) -> [Seen; 3] {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    at.extend([0, text.len()]);
    at.sort_unstable();
    [whole(text), read(text.chunks(1)), read(at.windows(2).map(|pair| &text[pair[0]..pair[1]]))]
}

/// Every dump there is, shortened where it is long: the damage is to be where something depends on it.
#[allow(clippy::disallowed_methods, reason = "a test reads a directory as it likes")]
fn every_dump() -> &'static [Vec<u8>] {
    static DUMPS: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
    DUMPS.get_or_init(|| {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dumps");
        let files = ["", "causes", "causes-go122"].into_iter().flat_map(|folder| {
            std::fs::read_dir(format!("{root}/{folder}")).unwrap().map(|entry| entry.unwrap().path())
        });
        let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "stderr")).collect();
        files.sort();
        assert!(files.len() > 30, "{files:?}");
        let short = |path: &std::path::PathBuf| {
            let text = std::fs::read(path).unwrap();
            let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
            match lines.len() {
                ..=150 => text.clone(),
                count => [&lines[..110], &lines[count - 40..]].concat().concat(),
            }
        };
        files.iter().map(short).collect()
    })
}

/// What can happen to a dump on its way.
#[derive(Clone, Debug)]
enum Damage {
    Byte(prop::sample::Index, u8),
    Cut(prop::sample::Index, usize),
    Twice(prop::sample::Index),
    Moved(prop::sample::Index, prop::sample::Index),
    Foreign(prop::sample::Index, usize, usize),
    Junk(prop::sample::Index, u8, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    use Damage::*;
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), prop_oneof![any::<u8>(), prop::sample::select(&b"\n\r \t(){}[]:.0xa"[..])])
            .prop_map(|(a, b)| Byte(a, b)),
        (at(), 0usize..40).prop_map(|(a, n)| Cut(a, n)),
        at().prop_map(Twice),
        (at(), at()).prop_map(|(a, b)| Moved(a, b)),
        (at(), 0usize..6, 1usize..5).prop_map(|(a, which, n)| Foreign(a, which, n)),
        (at(), any::<u8>(), prop_oneof![9 => 0usize..100, 1 => Just(70_000)]).prop_map(|(a, b, n)| Junk(a, b, n)),
    ]
}

impl Damage {
    fn to(&self, text: &mut Vec<u8>) {
        const FOREIGN: [&str; 6] = [
            "2026/11/23 05:55:22 request 7 took 12ms\n",
            "{\"time\":\"2026-01-01T00:00:00Z\",\"msg\":\"tick (0x1, {2}) main.go:7\"}\n",
            "level=info msg=\"x\"\n",
            "hello\n",
            "\tat x.y.z(Main.java:7)\n",
            "goroutine count is 7\n",
        ];
        let line = |text: &[u8], at: usize| {
            let from = text[..at].iter().rposition(|b| *b == b'\n').map_or(0, |before| before + 1);
            from..text[at..].iter().position(|b| *b == b'\n').map_or(text.len(), |end| at + end + 1)
        };
        if text.is_empty() {
            return;
        }
        match self {
            Damage::Byte(at, byte) => *at.get_mut(text) = *byte,
            Damage::Cut(at, count) => {
                let at = at.index(text.len());
                text.drain(at..text.len().min(at + count));
            }
            Damage::Twice(at) => {
                let line = line(text, at.index(text.len()));
                let copy = text[line.clone()].to_vec();
                text.splice(line.start..line.start, copy);
            }
            Damage::Moved(at, to) => {
                let line: Vec<u8> = text.drain(line(text, at.index(text.len()))).collect();
                let to = to.index(text.len() + 1);
                text.splice(to..to, line);
            }
            Damage::Foreign(at, which, times) => {
                let at = at.index(text.len());
                text.splice(at..at, FOREIGN[*which].repeat(*times).into_bytes());
            }
            Damage::Junk(at, byte, count) => {
                let at = at.index(text.len());
                text.splice(at..at, vec![*byte; *count]);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 2))]

    #[test]
    fn a_damaged_dump_says_the_same_wherever_it_is_split(
        which in any::<prop::sample::Index>(),
        damage in prop::collection::vec(damage(), 1..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let mut text = which.get(every_dump()).clone();
        damage.iter().for_each(|damage| damage.to(&mut text));
        let [one, bytes, pieces] = split_anywhere(&text, &cuts);
        for other in [bytes, pieces] {
            prop_assert_eq!(told(&other), told(&one));
            prop_assert_eq!(String::from_utf8_lossy(&other.passed), String::from_utf8_lossy(&one.passed));
            prop_assert_eq!(String::from_utf8_lossy(&other.dumped), String::from_utf8_lossy(&one.dumped));
        }
    }

    #[test]
    fn what_is_hostile_loses_no_byte_wherever_it_is_split(
        which in 0..hostile::ALL.len(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let text = hostile::ALL[which].1(3000);
        let [one, bytes, pieces] = split_anywhere(&text, &cuts);
        for other in [bytes, pieces] {
            prop_assert_eq!(told(&other), told(&one));
            prop_assert!(other.passed == one.passed && other.dumped == one.dumped);
        }
        prop_assert_eq!(one.passed.len() + one.dumped.len(), text.len());
    }
}

/// What the processor needed for it: other tests run at the same time.
fn cost(work: impl FnOnce()) -> u64 {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;
    let used = || {
        let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
        (usage.user_time() + usage.system_time()).num_microseconds() as u64
    };
    let before = used();
    work();
    used() - before
}

/// Eight times as much takes some eight times as long. What took seconds when this was written takes milliseconds now.
fn grows_with_its_length(name: &str, work: impl Fn(usize)) {
    const SMALL: usize = 4 << 10;
    let measured = || [1, 8].map(|times| cost(|| work(SMALL * times)));
    // The machine may be busy with something else: it is measured again before it fails.
    let tries: Vec<_> = (0..3).map(|_| measured()).take_while(|[one, eight]| *eight > 16 * one.max(&2_000)).collect();
    assert!(tries.len() < 3, "{name}: {tries:?} microseconds for {SMALL} bytes and for eight times as many");
}

/// Where a dump ends, all that is made of it.
struct Shown(usize);

impl Output for Shown {
    fn pass(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
    fn dump(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
    fn ended(&mut self, summary: Summary) {
        let findings = diagnose(&summary, &Program { signal: Some("SIGTERM".to_owned()), ..Program::default() });
        std::hint::black_box(table(&summary, &findings, &Style::default()));
        std::hint::black_box(json(&summary, &findings, false));
    }
}

#[test]
fn the_cost_of_reading_grows_with_the_length_whatever_it_is() {
    for (name, make) in hostile::ALL {
        grows_with_its_length(name, |length| {
            let (text, mut shown) = (make(length), Shown(0));
            let mut reader = Reader::new(Program::default());
            reader.feed(&text, &mut shown);
            reader.finish(&mut shown);
            assert_eq!(shown.0, text.len());
        });
    }
}

/// As a server writes it that makes a system call for each byte.
#[test]
fn the_cost_of_bytes_that_come_one_by_one_grows_with_their_number() {
    for (name, make) in hostile::ALL {
        grows_with_its_length(name, |length| {
            let text = make(length);
            let mut reader = Reader::new(Program::default());
            text.chunks(1).for_each(|byte| reader.feed(byte, &mut Shown(0)));
        });
    }
}

type Prefix<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

#[test]
fn the_cost_of_prefixes_grows_with_the_length() {
    let surrogates = |line: &[u8]| [b"{\"log\":\"", &b"\\ud83d".repeat(line.len() / 8)[..], b"\"}"].concat();
    let prefixes: [Prefix; 9] = [
        &|line| [b"2026-11-23T05:55:22.297480536Z ", line].concat(),
        &|line| [b"web-1  | ", line].concat(),
        &|line| [b"2026-11-23T05:55:22.1Z stderr P ", line].concat(),
        &|line| [b"{\"log\":\"", line, b"\\n\"}"].concat(),
        &|line| [b"{\"log\":\"", line].concat(),
        &|line| [b"a goroutine 1 [x]: \"", line].concat(),
        &|line| [b"m=\"goroutine 1 [x]:\\n", line].concat(),
        &|line| [b"<br>&lt;\x1b[", line].concat(),
        &surrogates,
    ];
    let inputs =
        ["frames without end", "names of dots", "empty lines", "arguments of 60 KB", "no line at all", "a log"];
    for (name, make) in hostile::ALL.iter().filter(|(name, _)| inputs.contains(name)) {
        for prefix in prefixes {
            grows_with_its_length(name, |length| {
                let text = make(length);
                let line = |line: &[u8]| [&prefix(line), &b"\n"[..]].concat();
                let prefixed: Vec<u8> = text.split(|b| *b == b'\n').flat_map(line).collect();
                let mut reader = logs::LogReader::new(&Program::default());
                prefixed.chunks(4096).for_each(|chunk| reader.feed(chunk, &mut |_| {}));
                reader.finish(&mut |_| {});
            });
        }
    }
}

#[test]
fn what_is_never_borne_out_is_not_held_for_ever() {
    for (name, head, line) in
        [("notes", "SIGQUIT: quit\n", "instruction bytes: 0x1\n"), ("a panic's value", "panic: x\n", "\tmore of it\n")]
    {
        let text = format!("{head}{}", line.repeat(10_000));
        let (mut reader, mut seen) = (Reader::new(Program::default()), Seen::default());
        reader.feed(text.as_bytes(), &mut seen);
        assert!(seen.passed.len() > text.len() - (80 << 10), "{name}: {} of {} passed", seen.passed.len(), text.len());
        assert!(seen.summaries.is_empty());
        // A near miss: as many are part of the dump if it comes.
        let text = format!("{head}{}\ngoroutine 1 [running]:\nmain.main()\n\t/m.go:1 +0x1\n", line.repeat(20));
        let seen = whole(text.replace("quit\n", "quit\nPC=0x1 m=0 sigcode=0\n").as_bytes());
        assert_eq!((seen.summaries.len(), seen.passed.len()), (1, 0), "{name}");
    }
}

#[test]
fn names_and_labels_of_any_length_are_kept_as_far_as_they_help() {
    let long = "l".repeat(50_000);
    let text = format!("{}a.b{long}()\n\t/m.go:7 +0x1\n...1 frames elided...\n", HEADER.replace("LABELS", &long));
    let seen = whole([text.as_bytes(), &b"...1 frames elided...\n".repeat(10_000)].concat().as_slice());
    let [summary] = seen.summaries.as_slice() else { panic!("{} dumps", seen.summaries.len()) };
    let group = &summary.groups[0];
    assert_eq!((group.frames[0].line, group.frames.len(), group.elided), (7, 1, Some((1, 1))));
    assert!(group.frames[0].function.len() == 1024 && group.labels.as_ref().is_some_and(|labels| labels.len() == 1024));
}

const HEADER: &str = "SIGQUIT: quit\nPC=0x1 m=0 sigcode=0\n\ngoroutine 1 [select] {LABELS}:\n";

#[test]
fn the_sigcode_of_what_may_be_a_fault_is_kept() {
    let notes = |reason: &str, pc: &str| {
        let text = format!("{reason}\n{pc}\n\ngoroutine 1 [running]:\nmain.main()\n\t/m.go:1 +0x1\n");
        whole(text.as_bytes()).summaries.remove(0).notes
    };
    let pc = "PC=0x48bc01 m=0 sigcode=0 addr=0x79a2";
    assert_eq!(notes("SIGSEGV: segmentation violation", pc), [pc]);
    assert_eq!(notes("SIGQUIT: quit", pc), Vec::<String>::new());
}
