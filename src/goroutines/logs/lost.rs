//! Lines by which a log says that others are not there: who limits, cuts or shortens logs says so in the middle of them.

/// No such line is longer.
const LONGEST: usize = 400;

/// What lines are called.
const LINES: [&[u8]; 10] =
    [b"messages", b"message", b"lines", b"line", b"entries", b"records", b"events", b"callbacks", b"output", b"rows"];
/// What else may be said beside it, where nothing else is in the line.
const BESIDE: [&[u8]; 9] = [b"log", b"logs", b"were", b"was", b"have", b"has", b"been", b"more", b"some"];

/// Whether a line says that lines are lost where it stands.
pub(super) fn says_lost(line: &[u8]) -> bool {
    if line.len() > LONGEST {
        return false;
    }
    let words = || line.split(|b| !b.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let has_marks =
        || line.windows(2).any(|two| two == b".." || two == b"--") || line.iter().any(|b| b"[<(".contains(b));
    if !words().any(is_lost) {
        // Dots alone, and in brackets.
        let is_mark = |b: &u8| b".[](){}<>*- \t".contains(b);
        return line.iter().all(is_mark) && line.windows(3).any(|dots| dots == b"...");
    }
    let is = |word: &[u8], list: &[&[u8]]| list.iter().any(|known| word.eq_ignore_ascii_case(known));
    let is_number = |word: &[u8]| word.iter().all(u8::is_ascii_digit);
    let is_all = words().all(|word| is_lost(word) || is_number(word) || is(word, &LINES) || is(word, &BESIDE));
    if is_all && (has_marks() || words().any(|word| is(word, &LINES))) {
        return true;
    }
    // Behind the name of who says it, and before whose lines they were. A program's own messages may be dropped too.
    let all: Vec<&[u8]> = words().collect();
    all.windows(3).any(|three| match three {
        [verb, number, lines] if is_limited(verb) => is_number(number) && is(lines, &LINES),
        [number, lines, verb] => is_number(number) && is(lines, &LINES) && is_limited(verb),
        _ => false,
    })
}

/// What has become of lines.
fn is_lost(word: &[u8]) -> bool {
    const WORDS: [&[u8]; 5] = [b"dropped", b"skipped", b"discarded", b"snip", b"snipped"];
    is_limited(word) || WORDS.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// The same, as nobody says it of anything but lines.
fn is_limited(word: &[u8]) -> bool {
    const WORDS: [&[u8]; 4] = [b"suppressed", b"truncated", b"omitted", b"lost"];
    WORDS.iter().any(|known| word.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_say_so() {
        for line in [
            "-- suppressed 14 messages --",
            "Suppressed 14 messages from web.service",
            "Nov 23 05:55:22 host systemd-journald[300]: Suppressed 2209 messages from /system.slice/web.service",
            "Nov 23 05:55:22 host rsyslogd: imuxsock lost 14 messages from pid 71 due to rate-limiting",
            "14 messages dropped",
            "[... truncated ...]",
            "<14 lines omitted>",
            "... 120 more lines were skipped",
            "[...]",
            "    ...",
            "--- snip ---",
        ] {
            assert!(says_lost(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn lines_that_do_not() {
        for line in [
            "",
            "14 messages",
            "2026/11/23 05:55:22 the queue has dropped 14 messages",
            "2026/11/23 05:55:22 connection lost",
            "2026/11/23 05:55:22 14 requests dropped",
            "...additional frames elided...",
            "...406 frames elided...",
            "lost",
            "waiting...",
            "-- Boot 7 --",
            "-----",
        ] {
            assert!(!says_lost(line.as_bytes()), "{line}");
        }
    }
}
