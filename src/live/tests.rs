//! On recorded memory: tests/live/small as it was built by Go 1.27, without symbols and paths.

use super::recording::Recording;
use super::*;
use crate::goroutines::{self, diagnose};
use proptest::prelude::*;

fn recorded() -> Recording {
    Recording::parse(include_bytes!("../../tests/live/recorded/amd64.recording"))
}

fn printed(recording: &Recording) -> Result<String, String> {
    let mut text = String::new();
    recording.look(|program| print(program, None, &mut |goroutine| text.push_str(goroutine)))?;
    Ok(text)
}

#[test]
fn goroutines_come_out_as_they_were() {
    assert_eq!(printed(&recorded()).unwrap(), include_str!("../../tests/live/recorded/amd64.txt"));
}

#[test]
fn equal_ones_are_a_group() {
    let about = goroutines::Program::default();
    let collected = recorded().look(|program| collect(program, "recorded".to_owned(), &about, None)).unwrap();
    let summary = &collected.summary;
    assert_eq!((collected.broken, summary.user, summary.reason.as_str()), (0, 6, "recorded"));
    let largest = summary.groups.iter().max_by_key(|group| group.count).unwrap();
    assert_eq!((largest.state.as_str(), largest.count, largest.ids.len()), ("chan receive", 3, 3));
    // All of them wait on one channel, which the runtime's own frame tells.
    assert_eq!(largest.objects.len(), 1);
    assert_eq!(largest.samples[0].parent, Some(1));
    let deep = summary.groups.iter().find(|group| group.state == "sync.Mutex.Lock").unwrap();
    assert_eq!(deep.frames.len(), 100);
    assert!(deep.elided.is_some_and(|(after, count)| after == 50 && count > 100), "{:?}", deep.elided);
    assert!(!diagnose(summary, &about).is_empty());
}

/// While the collector marks, the list of goroutines is in the bss twice, cut at its length (work.stackRoots).
#[test]
fn a_copy_of_the_list_hides_nothing() {
    let mut recording = recorded();
    let (all, list, room) = recording
        .look(|program| {
            let [all] = program.layout.all[..] else { panic!("{:?}", program.layout.all) };
            let words = |at: u64| program.memory.words::<3>(at);
            let room = (1..1 << 14).map(|step| all + 8 * step).find(|at| words(*at) == Some([0; 3])).unwrap();
            Ok((all, words(all).unwrap(), room))
        })
        .unwrap();
    let [pointer, length, capacity] = list;
    // All of them, those of an earlier moment, and once the collector is done, none.
    for copy in [[pointer, length, length], [pointer, length - 2, length - 2], [0; 3]] {
        recording.write(room, &copy);
        assert_eq!(printed(&recording).unwrap(), include_str!("../../tests/live/recorded/amd64.txt"), "{copy:x?}");
    }
    // Two different ones are one too many.
    let elsewhere = room + 64;
    recording.write(room, &[list[0] + 8, length - 1, length - 1]);
    recording.write(elsewhere, &[list[0] + 8]);
    let refused = printed(&recording).unwrap_err();
    assert!(refused.contains("runtime.allgs"), "{refused}");
    assert!(length <= capacity && all != room);
}

/// A goroutine of the recording: where its `g` is, and how many there are before it.
fn place_of(recording: &Recording, id: u64) -> (u64, u64) {
    recording
        .look(|program| {
            let (list, length) = program.layout.list(&program.memory).ok_or("no list")?;
            let addresses = (0..length).map(|at| program.memory.words::<1>(list + at * 8).unwrap()[0]);
            let found = addresses.filter(|g| {
                program.memory.words::<{ layout::WORDS }>(*g).is_some_and(|words| words[program.layout.id] == id)
            });
            Ok((found.last().ok_or("no such goroutine")?, program.layout.id as u64))
        })
        .unwrap()
}

/// What goroutine 1 of the recording looks like if parts of its stack are gone the first `times` that they are read. `moves`: the runtime
/// has counted that it ran meanwhile.
fn torn(times: u32, moves: bool) -> (Recording, String) {
    let recording = recorded();
    let (g, id) = place_of(&recording, 1);
    let stack = recording.look(|program| Ok(program.memory.words::<2>(g).unwrap())).unwrap();
    let counter = g + (id + layout::RUNS as u64) * 8;
    let reads = std::cell::Cell::new(0);
    let memory = |address: u64, buffer: &mut [u8]| {
        let read = recording.read(address, buffer);
        let covers = |at: u64| (address..address + read as u64).contains(&at);
        // All but the innermost frame, as if another call had been there.
        if (stack[0]..stack[1]).contains(&address) && reads.get() < times {
            reads.set(reads.get() + 1);
            buffer[64..].fill(0);
        }
        if moves && covers(counter) {
            buffer[(counter - address) as usize] ^= reads.get() as u8;
        }
        read
    };
    let mut text = String::new();
    recording.look_at(&memory, |program| print(program, None, &mut |goroutine| text.push_str(goroutine))).unwrap();
    (recording.clone(), text)
}

/// It went on, and came back to the very place where it had waited, while its stack was read.
#[test]
fn a_stack_that_changes_while_it_is_read_is_read_again() {
    let wanted = include_str!("../../tests/live/recorded/amd64.txt");
    for times in 1..4 {
        assert_eq!(torn(times, true).1, wanted, "{times} times");
        assert_eq!(torn(times, false).1, wanted, "{times} times, and it is not counted");
    }
}

/// A stack is never shorter than it is without a word, in any form.
#[test]
fn a_stack_that_cannot_be_followed_says_so() {
    let (_, text) = torn(u32::MAX, false);
    let first = text.split("\n\n").next().unwrap();
    assert!(first.starts_with("goroutine 1 [sleep]:\nruntime.gopark("), "{first}");
    assert!(first.ends_with("...additional frames elided...") && !first.contains("goexit"), "{first}");
    // It always moves: then it runs.
    let (_, text) = torn(u32::MAX, true);
    assert!(text.starts_with("goroutine 1 [running]:\n\tgoroutine running on other thread"), "{text}");
}

#[test]
fn names_are_printed_as_the_runtime_does() {
    for (name, shown) in [
        ("main.main", "main.main"),
        ("main.wait[go.shape.int]", "main.wait[...]"),
        ("main.(*queue[go.shape.[]uint8]).wait", "main.(*queue[...]).wait"),
        ("main.f[go.shape.int].func1", "main.f[...].func1"),
        ("runtime.gopanic", "panic"),
        ("main.broken[", "main.broken["),
    ] {
        assert_eq!(functions::printed(name), shown);
    }
}

/// What a terminal would obey is not printed, wherever it is in the tables.
#[test]
fn no_name_has_control_characters() {
    for text in ["runtime/proc.go", "main.(*queue", "chan receive"] {
        let mut recording = recorded();
        recording.replace(text.as_bytes(), &text.replacen(|c: char| c.is_ascii_lowercase(), "\u{1b}", 1).into_bytes());
        if let Ok(printed) = printed(&recording) {
            assert!(!printed.replace(['\n', '\t'], "").contains(char::is_control), "{printed:?}");
        }
    }
}

#[test]
fn labels_are_quoted_as_the_runtime_does() {
    for (label, shown) in
        [("/api/v1", "/api/v1"), ("al x", "\"al x\""), ("\"é\n", "\"\\\"\\u00e9\\n\""), ("a-b", "\"a-b\"")]
    {
        assert_eq!(goroutine::quoted(label), shown);
    }
}

#[test]
fn maps_are_read_line_by_line() {
    let text =
        b"00400000-00401000 r-xp 00000000 fd:01 17 /a b (deleted)\n7f00-7f10 rw-p 00000000 00:00 0 \nx\n5-4 r 0 0 0\n";
    let maps = parse_maps(text);
    let mapping = |start, end, writable, offset| Mapping { start, end, readable: true, writable, offset };
    assert_eq!(maps, [mapping(0x40_0000, 0x40_1000, false, Some(0)), mapping(0x7f00, 0x7f10, true, None)]);
}

#[test]
fn versions_are_read_from_their_names() {
    for (name, wanted) in
        [("go1.27.3", Some(27)), ("go1.27rc1", Some(27)), ("go1.21.13 X:x", Some(21)), ("devel go1.28-0a", None)]
    {
        assert_eq!(minor(name), wanted);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the memory is: a sentence, or goroutines; and it comes to an end.
    #[test]
    fn broken_memory_is_no_end(changes in proptest::collection::vec((0usize..1 << 20, any::<u8>()), 1..200)) {
        let mut recording = recorded();
        for (at, to) in changes {
            recording.corrupt(at, to);
        }
        if let Err(why) = printed(&recording) {
            prop_assert!(!why.is_empty() && !why.contains('\n'));
        }
    }
}
