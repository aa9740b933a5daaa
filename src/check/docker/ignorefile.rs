//! .dockerignore, by the rules of BuildKit (moby/patternmatcher): the last pattern that matches a path or a directory above it
//! decides, and `!` takes back. Pure.

/// The patterns of a file.
#[derive(Debug, Default)]
pub(crate) struct Patterns(Vec<Pattern>);

#[derive(Debug)]
struct Pattern {
    /// It begins with `!`: what it matches is let through.
    takes_back: bool,
    tokens: Vec<Token>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Is(char),
    /// `?`
    One,
    /// `*`: any number of characters, but no slash.
    Within,
    /// `**`: any number of any characters.
    All,
    /// `**/`: any number of whole directories.
    Directories,
}

/// More than this of one file is not followed.
const MOST: usize = 1000;

impl Patterns {
    pub(crate) fn read(text: &str) -> Patterns {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Patterns(lines.filter_map(Pattern::read).take(MOST).collect())
    }

    /// Whether a path of the context is left out.
    pub(crate) fn leave_out(&self, path: &str) -> bool {
        let mut left_out = false;
        for pattern in &self.0 {
            // What would change nothing need not be matched.
            let changes = pattern.takes_back == left_out;
            let mut above = path.match_indices('/').filter_map(|(end, _)| path.get(..end));
            if changes && (pattern.matches(path) || above.any(|directory| pattern.matches(directory))) {
                left_out = !pattern.takes_back;
            }
        }
        left_out
    }

    /// Whether something below a directory may be let through, though the directory itself is left out.
    pub(crate) fn may_take_back_below(&self, directory: &str) -> bool {
        let directory = format!("{directory}/");
        let taken_back = self.0.iter().filter(|pattern| pattern.takes_back);
        taken_back.into_iter().any(|pattern| pattern.reach(&directory).contains(&true))
    }
}

impl Pattern {
    fn read(line: &str) -> Option<Pattern> {
        let line = line.trim();
        let (takes_back, path) = line.strip_prefix('!').map_or((false, line), |path| (true, path.trim()));
        let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.is_empty() {
            return None;
        }
        let mut tokens = Vec::new();
        let text = parts.join("/");
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            tokens.push(match c {
                '*' if rest.peek() == Some(&'*') => {
                    rest.next();
                    if rest.next_if_eq(&'/').is_some() { Token::Directories } else { Token::All }
                }
                '*' => Token::Within,
                '?' => Token::One,
                '\\' => Token::Is(rest.next().unwrap_or('\\')),
                // What a class holds is not followed: it is taken for any one character.
                '[' if rest.clone().any(|c| c == ']') => {
                    let _ = rest.by_ref().find(|c| *c == ']');
                    Token::One
                }
                c => Token::Is(c),
            });
        }
        Some(Pattern { takes_back, tokens })
    }

    fn matches(&self, path: &str) -> bool {
        self.reach(path).last() == Some(&true)
    }

    /// Which places of the pattern a path leads to. All are followed at once: no pattern takes longer than its length times
    /// the path's.
    fn reach(&self, path: &str) -> Vec<bool> {
        let mut reached = vec![false; self.tokens.len() + 1];
        reached[0] = true;
        self.skip_empty(&mut reached, true);
        for c in path.chars() {
            let mut next = vec![false; reached.len()];
            for (at, token) in self.tokens.iter().enumerate() {
                let here = reached.get(at) == Some(&true);
                let mut reach = |place: usize| next.get_mut(place).into_iter().for_each(|place| *place = true);
                match token {
                    _ if !here => {}
                    Token::Is(wanted) if *wanted == c => reach(at + 1),
                    Token::Is(_) => {}
                    Token::One | Token::Within if c == '/' => {}
                    Token::One => reach(at + 1),
                    Token::Within | Token::All | Token::Directories => reach(at),
                }
            }
            reached = next;
            self.skip_empty(&mut reached, c == '/');
        }
        reached
    }

    /// What may match nothing is stepped over; `**/` only where a directory ends.
    fn skip_empty(&self, reached: &mut [bool], at_directory: bool) {
        for (at, token) in self.tokens.iter().enumerate() {
            let empty = matches!(token, Token::Within | Token::All) || (*token == Token::Directories && at_directory);
            if empty && reached.get(at) == Some(&true) {
                reached.get_mut(at + 1).into_iter().for_each(|place| *place = true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_buildkit_does_it() {
        for (file, path, left_out) in [
            ("*\n!go.mod\n!*.go\n", "go.sum", true),
            ("*\n!go.mod\n!*.go\n", "go.mod", false),
            ("*\n!go.mod\n!*.go\n", "main.go", false),
            ("*\n!*.go\n", "cmd/main.go", true),
            ("*\n!**/*.go\n", "cmd/main.go", false),
            ("*\n!cmd\n", "cmd/a/main.go", false),
            ("/vendor/\n", "vendor/modules.txt", true),
            ("./a", "a/b/c", true),
            ("**/testdata", "x/y/testdata/z", true),
            ("**/testdata", "testdata", true),
            ("**/testdata", "mytestdata", false),
            ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", true),
            ("*.md\n!README*.md", "README.md", false),
            ("*.md", "docs/a.md", false),
            ("# a comment\n\n  bin  ", "bin/x", true),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("a/**", "a/b", true),
            ("**", "any/thing", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("", "a", false),
        ] {
            assert_eq!(Patterns::read(file).leave_out(path), left_out, "{file:?} {path}");
        }
    }

    #[test]
    fn what_is_let_through_below() {
        let below = |file: &str, directory: &str| Patterns::read(file).may_take_back_below(directory);
        assert!(below("*\n!cmd/server\n", "cmd") && below("*\n!**/*.go", "cmd"));
        assert!(!below("*\n!cmd/server\n", "internal") && !below("*\n", "cmd"));
    }

    #[test]
    fn long_patterns_take_no_time() {
        let pattern = "*a".repeat(2000);
        assert!(!Patterns::read(&pattern).leave_out(&"a".repeat(1999)));
    }
}
