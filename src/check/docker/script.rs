//! Just enough of a shell to see what a RUN or an entrypoint does: simple commands, their assignments, what stands between
//! them. Pure.

use crate::check::launch::base_name;

/// A command with its words, unquoted, variables as they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Command {
    /// `CGO_ENABLED=0` before the first word.
    pub(crate) assigned: Vec<(String, String)>,
    pub(crate) words: Vec<String>,
    /// What ends it.
    pub(crate) end: End,
    /// The variables that the shell looks up for it: none in single quotes, none with a default. `NAME=` was `${NAME:=x}`.
    pub(crate) uses: Vec<String>,
    /// A `for` loop carries it out for one word after the other.
    pub(crate) repeated: bool,
    /// It stands in `$(…)`, and comes before the command that its output is a word of.
    pub(crate) inner: bool,
}

/// What stands after a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing more, or a new line.
    #[default]
    Line,
    /// `&&` or `||`
    And,
    /// `;`
    Semicolon,
    /// `|`
    Pipe,
    /// `&`
    Background,
}

impl Command {
    /// Its words without an exec before them.
    pub(crate) fn own(&self) -> &[String] {
        match self.words.split_first() {
            Some((first, rest)) if first == "exec" => rest,
            Some(_) | None => &self.words,
        }
    }

    /// The program without its path.
    pub(crate) fn name(&self) -> &str {
        base_name(self.words.first().map_or("", String::as_str))
    }
}

/// The commands of a script, also those in parentheses, braces, loops and `$(…)`.
pub(crate) fn commands(script: &str) -> Vec<Command> {
    Reader { text: script, ..Reader::default() }.all()
}

/// Words that only begin or end what is around commands.
const GRAMMAR: [&str; 16] = [
    "if", "then", "else", "elif", "fi", "do", "done", "while", "until", "!", "{", "}", "time", "case", "esac",
    "function",
];

#[derive(Default)]
struct Reader<'a> {
    text: &'a str,
    at: usize,
    commands: Vec<Command>,
    depth: u8,
    uses: Vec<String>,
    /// Of each loop that is open whether it is `for`.
    loops: Vec<bool>,
}

impl Reader<'_> {
    fn all(mut self) -> Vec<Command> {
        self.list();
        self.commands
    }

    /// Whatever means something here is of one byte.
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn list(&mut self) {
        let mut current = Command::default();
        while let Some(c) = self.peek(0) {
            match c {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\\' if self.peek(1) == Some(b'\n') => self.at += 2,
                b'#' => self.skip_line(),
                b'\n' => self.end(&mut current, End::Line, 1),
                b';' => self.end(&mut current, End::Semicolon, 1),
                b'&' if self.peek(1) == Some(b'&') => self.end(&mut current, End::And, 2),
                b'&' if self.peek(1) == Some(b'>') => self.redirection(),
                b'&' => self.end(&mut current, End::Background, 1),
                b'|' if self.peek(1) == Some(b'|') => self.end(&mut current, End::And, 2),
                b'|' => self.end(&mut current, End::Pipe, 1),
                b'(' | b')' => self.end(&mut current, End::Line, 1),
                b'<' | b'>' => self.redirection(),
                _ => {
                    let (word, quoted) = self.word();
                    // 2>&1: the number belongs to the arrow.
                    let arrow = self.peek(0).is_some_and(|c| matches!(c, b'<' | b'>'));
                    if !(arrow && !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit())) {
                        self.push(&mut current, word, quoted);
                    }
                }
            }
        }
        self.end(&mut current, End::Line, 0);
    }

    fn end(&mut self, current: &mut Command, end: End, length: usize) {
        self.at += length;
        let command = std::mem::take(current);
        if !command.words.is_empty() || !command.assigned.is_empty() {
            let uses = std::mem::take(&mut self.uses);
            let repeated = self.loops.contains(&true);
            self.commands.push(Command { end, uses, repeated, ..command });
        }
    }

    fn skip_line(&mut self) {
        while self.peek(0).is_some_and(|c| c != b'\n') {
            self.at += 1;
        }
    }

    /// `> file`, `2>&1`, `<<EOF`: the word after it is no argument.
    fn redirection(&mut self) {
        while self.peek(0).is_some_and(|c| matches!(c, b'<' | b'>' | b'&' | b'-' | b'|')) {
            self.at += 1;
        }
        while self.peek(0).is_some_and(|c| matches!(c, b' ' | b'\t')) {
            self.at += 1;
        }
        if self.peek(0).is_some_and(|c| !matches!(c, b'\n' | b';' | b'&' | b'|' | b')')) {
            self.word();
        }
    }

    /// A word without its quotes, and whether it had any.
    fn word(&mut self) -> (String, bool) {
        let mut word = Vec::new();
        let mut quoted = false;
        let from = self.at;
        while let Some(c) = self.peek(0) {
            match c {
                b'\'' => {
                    quoted = true;
                    self.at += 1;
                    while let Some(c) = self.peek(0) {
                        self.at += 1;
                        if c == b'\'' {
                            break;
                        }
                        word.push(c);
                    }
                }
                b'"' => {
                    quoted = true;
                    self.at += 1;
                    self.double(&mut word);
                }
                b'\\' => {
                    match self.peek(1) {
                        Some(b'\n') | None => {}
                        Some(c) => word.push(c),
                    }
                    self.at += 2;
                }
                b'$' if self.peek(1) == Some(b'(') => self.substitution(&mut word),
                b'$' if self.peek(1) == Some(b'{') => self.braces(&mut word),
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>' => break,
                c => {
                    self.variable(c);
                    word.push(c);
                    self.at += 1;
                }
            }
        }
        // Whatever stands there, it goes on.
        if self.at == from {
            self.at += 1;
        }
        (String::from_utf8(word).unwrap_or_default(), quoted)
    }

    fn double(&mut self, word: &mut Vec<u8>) {
        while let Some(c) = self.peek(0) {
            match c {
                b'"' => {
                    self.at += 1;
                    return;
                }
                b'\\' => {
                    if let Some(c) = self.peek(1).filter(|c| *c != b'\n') {
                        if !matches!(c, b'"' | b'$' | b'`' | b'\\') {
                            word.push(b'\\');
                        }
                        word.push(c);
                    }
                    self.at += 2;
                }
                b'$' if self.peek(1) == Some(b'(') => self.substitution(word),
                b'$' if self.peek(1) == Some(b'{') => self.braces(word),
                c => {
                    self.variable(c);
                    word.push(c);
                    self.at += 1;
                }
            }
        }
    }

    /// `$NAME` begins with this.
    fn variable(&mut self, c: u8) {
        if c == b'$' {
            let name = self.name(1);
            self.uses.extend(Some(name).filter(|name| !name.is_empty()));
        }
    }

    fn name(&self, ahead: usize) -> String {
        let rest = self.text.get(self.at + ahead..).unwrap_or_default();
        let end = rest.bytes().position(|c| !c.is_ascii_alphanumeric() && c != b'_').unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default().to_owned()
    }

    fn braces(&mut self, word: &mut Vec<u8>) {
        let name = self.name(2);
        let operator = (self.peek(2 + name.len()), self.peek(3 + name.len()));
        match operator {
            _ if name.is_empty() => {}
            (Some(b'='), _) | (Some(b':'), Some(b'=')) => self.uses.push(name + "="),
            (Some(b'-' | b'+' | b'?'), _) | (Some(b':'), Some(b'-' | b'+' | b'?')) => {}
            _ => self.uses.push(name),
        }
        let mut depth = 0;
        while let Some(c) = self.peek(0) {
            // The default of a variable: ${VERSION:-$(git describe)}
            if c == b'$' && self.peek(1) == Some(b'(') {
                self.substitution(word);
                continue;
            }
            word.push(c);
            self.at += 1;
            match c {
                b'{' => depth += 1,
                b'}' if depth <= 1 => return,
                b'}' => depth -= 1,
                _ => {}
            }
        }
    }

    /// `$(git describe)`: its commands are commands too; in the word it stays as it stands, for it is known only when built.
    fn substitution(&mut self, word: &mut Vec<u8>) {
        let start = self.at;
        let mut depth = 0;
        while let Some(c) = self.peek(0) {
            self.at += 1;
            match c {
                b'(' => depth += 1,
                b')' if depth <= 1 => break,
                b')' => depth -= 1,
                _ => {}
            }
        }
        let whole = self.text.get(start..self.at).unwrap_or_default();
        word.extend_from_slice(whole.as_bytes());
        let inside = whole.get(2..whole.len().saturating_sub(1)).unwrap_or_default();
        if self.depth < 4 {
            let inner = Reader { text: inside, depth: self.depth + 1, ..Reader::default() };
            self.commands.extend(inner.all().into_iter().map(|command| Command { inner: true, ..command }));
        }
    }

    fn push(&mut self, current: &mut Command, word: String, quoted: bool) {
        if current.words.is_empty() {
            match word.as_str() {
                _ if quoted => {}
                "for" | "select" => self.loops.push(true),
                "while" | "until" => self.loops.push(false),
                "done" => drop(self.loops.pop()),
                _ => {}
            }
            if !quoted && GRAMMAR.contains(&word.as_str()) {
                return;
            }
            if let Some((name, value)) = word.split_once('=')
                && !name.is_empty()
                && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
            {
                current.assigned.push((name.to_owned(), value.to_owned()));
                return;
            }
        }
        current.words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(script: &str) -> Vec<String> {
        commands(script).iter().map(|command| command.words.join(" ")).collect()
    }

    #[test]
    fn what_is_run() {
        assert_eq!(words("a b && c; d | e & f\ng"), ["a b", "c", "d", "e", "f", "g"]);
        assert_eq!(words("set -e; if [ -f x ]; then (a 'b c'); fi >x 2>&1"), ["set -e", "[ -f x ]", "a b c"]);
        assert_eq!(
            words("echo \"a; $(git describe --tags) \\\"b\" # c"),
            ["git describe --tags", "echo a; $(git describe --tags) \"b"]
        );
        assert_eq!(words("x \\\n y ${A:-b c} z"), ["x y ${A:-b c} z"]);
        assert_eq!(words("x=${A:-$(b \"}\")} y"), ["b }", "y"]);
        assert_eq!(words("cat <<EOF > out && b"), ["cat", "b"]);
        assert_eq!(words("é \"ü$(ö)\" \\ä'ß' ${Ä"), ["ö", "é ü$(ö) äß ${Ä"]);
    }

    #[test]
    fn assignments() {
        let all = commands("CGO_ENABLED=0 GOOS=linux go build -ldflags='-s -w' && A=1; B=\"2 3\" && x y=1");
        assert_eq!(all[0].assigned.len(), 2);
        assert_eq!(all[0].words, ["go", "build", "-ldflags=-s -w"]);
        assert_eq!((all[1].words.len(), all[1].end), (0, End::Semicolon));
        assert_eq!((all[2].assigned[0].1.as_str(), all[2].end), ("2 3", End::And));
        assert_eq!(all[3].words, ["x", "y=1"]);
        assert_eq!(commands("/usr/local/go/bin/go x")[0].name(), "go");
    }

    #[test]
    fn commands_in_words() {
        let all = commands("a | b $(c | d \"$(e)\"); f");
        let inner: Vec<(&str, bool)> = all.iter().map(|command| (command.name(), command.inner)).collect();
        assert_eq!(inner, [("a", false), ("c", true), ("e", true), ("d", true), ("b", false), ("f", false)]);
    }

    #[test]
    fn loops() {
        let all = commands("for a in b c; do\n  while d; do e; done; f\ndone\necho done; g");
        let repeated: Vec<&str> = all.iter().filter(|command| command.repeated).map(Command::name).collect();
        assert_eq!(repeated, ["for", "d", "e", "f"]);
        assert!(commands("while a; do b; done").iter().all(|command| !command.repeated));
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in r#"([a-z $(){}'"\\;&|<>=#\n-]|\$\(){0,120}"#) {
            let _ = commands(&text);
        }
    }
}
