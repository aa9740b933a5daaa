//! How lines of others look, and how likely it is that one of them begins at a place.

/// How lines of others begin: programs have few loggers, and a logger's lines look the same at the beginning.
#[derive(Default)]
pub(in crate::goroutines) struct Shapes {
    known: [[u8; Shapes::LENGTH]; 4],
    oldest: usize,
    /// The last that passed and was not looked at yet: only a dump needs to know it.
    passed: Vec<u8>,
}

impl Shapes {
    const LENGTH: usize = 10;
    /// So much of what passed is looked at.
    const PASSED: usize = 1024;

    /// Digits, small and capital letters are each the same.
    fn of(line: &[u8]) -> [u8; Shapes::LENGTH] {
        let mut shape = [b'\n'; Shapes::LENGTH];
        for (class, b) in shape.iter_mut().zip(line) {
            *class = class_of(*b);
        }
        shape
    }

    /// What passed outside dumps, in whatever pieces.
    pub(in crate::goroutines) fn pass(&mut self, bytes: &[u8]) {
        let tail = bytes.get(bytes.len().saturating_sub(Shapes::PASSED)..).unwrap_or_default();
        // Not at every piece: a piece may be a byte.
        if self.passed.len() + tail.len() > 2 * Shapes::PASSED {
            let over = (self.passed.len() + tail.len() - Shapes::PASSED).min(self.passed.len());
            self.passed.drain(..over);
        }
        self.passed.extend_from_slice(tail);
    }

    /// A dump begins: the whole lines before it are surely somebody else's.
    pub(in crate::goroutines) fn learn_passed(&mut self) {
        let passed = std::mem::take(&mut self.passed);
        // The first one may be the end of a line.
        let (passed, cut) = match passed.len().checked_sub(Shapes::PASSED) {
            Some(before) => (passed.get(before..).unwrap_or_default(), 1),
            None => (&passed[..], 0),
        };
        let whole = memchr::memrchr(b'\n', passed).and_then(|end| passed.get(..end)).unwrap_or_default();
        whole.split(|b| *b == b'\n').skip(cut).for_each(|line| self.learn(line));
    }

    /// A line that is surely somebody else's. An empty one is like the end of any other.
    pub(in crate::goroutines) fn learn(&mut self, line: &[u8]) {
        let shape = Shapes::of(line);
        if shape.first() != Some(&b'\n') && !self.known.contains(&shape) {
            if let Some(place) = self.known.get_mut(self.oldest) {
                *place = shape;
            }
            self.oldest = (self.oldest + 1) % self.known.len();
        }
    }

    /// How much a text looks like the beginning of a line.
    fn likeness(&self, text: &[u8]) -> u32 {
        let Some(first) = text.first() else { return 0 };
        let class = class_of(*first);
        let mut learnt = 0;
        for known in self.known.iter().filter(|known| known.first() == Some(&class)) {
            let shape = Shapes::of(text);
            learnt = learnt.max(known.iter().zip(&shape).take_while(|(a, b)| a == b).count() as u32);
        }
        let usual = match text {
            [b'{', b'"', ..] => 8,
            [b'1' | b'2', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'/' | b'-', b'0'..=b'9', ..] => 8,
            [b't', ..] if text.starts_with(b"time=") => 8,
            [b'l', ..] if text.starts_with(b"level=") => 8,
            _ => 0,
        };
        usual.max(if learnt > 3 { learnt } else { 0 })
    }
}

fn class_of(b: u8) -> u8 {
    match b {
        b'0'..=b'9' => b'0',
        b'a'..=b'z' => b'a',
        b'A'..=b'Z' => b'A',
        _ => b,
    }
}

/// How likely it is that a line was split here.
pub(super) fn likelihood(line: &[u8], at: usize, shapes: &Shapes) -> u32 {
    let (mine, theirs) = line.split_at_checked(at).unwrap_or_default();
    let mut sum = shapes.likeness(theirs);
    if at > 0 {
        let [before, after] = [mine.last(), theirs.first()].map(|b| b.is_some_and(u8::is_ascii_alphanumeric));
        let whole_path = mine.ends_with(b".go") || mine.ends_with(b".s");
        sum += 1 + if before && after { 0 } else { 2 } + if whole_path { 4 } else { 0 };
    }
    sum
}
