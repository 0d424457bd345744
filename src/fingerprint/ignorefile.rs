//! `.dockerignore`: its lines and what they match, as moby/patternmatcher and BuildKit's context transfer
//! (fsutil `filter.go`) have it. The same matcher serves `COPY --exclude` and `--parents`. Reads no files.

use memchr::memmem;

use super::glob::{Class, Malformed, class, runes};
use crate::model::{Digest, DigestWriter, clean};

/// The patterns of an ignore file, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Patterns {
    patterns: Vec<Pattern>,
}

/// Which of the patterns a folder matches: what is in it matches them too.
#[derive(Clone, Debug, Default)]
pub(super) struct Matched(Vec<bool>);

/// Those of the patterns that may match something right in one folder, in order, and whether the folder matches them.
pub(super) struct Within<'a>(Vec<(&'a Pattern, bool)>);

/// A pattern that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadPattern {
    /// The line it stands on, from 1.
    pub(super) line: usize,
    pub(super) pattern: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    /// `!`: what it matches is taken in again.
    exception: bool,
    /// Where it stands, from 1.
    line: usize,
    text: String,
    matcher: Matcher,
}

/// patternmatcher tells four kinds apart, and they differ in more than speed: `**/x` is a plain suffix.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Matcher {
    Exact,
    Prefix(usize),
    Suffix,
    /// With the plain characters that a match begins with and ends with, and the longest run of them in it.
    Pieces {
        pieces: Vec<Piece>,
        head: String,
        tail: String,
        inner: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Char(u32),
    /// `?`
    Any,
    /// `*`
    Star,
    /// `**/` in front of something: nothing, or any number of folders.
    Folders,
    /// `**` at the end.
    Rest,
    /// A bare `^` is left to mean the start of the path.
    Start,
    Class(Class),
}

impl Patterns {
    /// The digest of the patterns, in order; `None` where there are none.
    pub(super) fn digest(&self) -> Option<Digest> {
        let mut writer = DigestWriter::new("larder-record ignore");
        for pattern in &self.patterns {
            writer.number(pattern.exception.into()).text(&pattern.text);
        }
        (!self.patterns.is_empty()).then(|| writer.finish())
    }

    /// The patterns of an ignore file's text (moby/patternmatcher `ignorefile.ReadAll`).
    pub(super) fn parse(text: &str) -> Result<Self, BadPattern> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut patterns = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let bad = |_| BadPattern {
                line: index + 1,
                pattern: line.trim().to_owned(),
            };
            let (exception, rest) = match line.trim().strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, line.trim()),
            };
            if rest.is_empty() {
                return Err(bad(Malformed));
            }
            let cleaned = clean(rest);
            let relative = if cleaned.len() > 1 {
                cleaned.trim_start_matches('/')
            } else {
                &cleaned
            };
            patterns.push(Pattern::parse(exception, relative, index + 1).map_err(bad)?);
        }
        Ok(Self { patterns })
    }

    /// Patterns given one by one, as flags of COPY and ADD have them.
    pub(super) fn of<'a>(list: impl IntoIterator<Item = &'a str>) -> Result<Self, Malformed> {
        let mut patterns = Vec::new();
        for (index, pattern) in list.into_iter().enumerate() {
            let pattern = pattern.trim();
            if pattern.is_empty() {
                continue;
            }
            let cleaned = clean(pattern);
            let (exception, rest) = match cleaned.strip_prefix('!') {
                Some("") => return Err(Malformed),
                Some(rest) => (true, rest),
                None => (false, cleaned.as_str()),
            };
            patterns.push(Pattern::parse(exception, rest, index + 1)?);
        }
        Ok(Self { patterns })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether `path` is matched, given what the folder it stands in matches
    /// (`MatchesUsingParentResults`): the last pattern that matches decides.
    pub(super) fn matches(&self, path: &[u8], parent: &Matched) -> (bool, Matched) {
        let mut matched = false;
        let mut info = vec![false; self.patterns.len()];
        for (index, pattern) in self.patterns.iter().enumerate() {
            let inherited = parent.0.get(index).copied().unwrap_or(false);
            // A pattern that cannot change the verdict is not tried, and then does not reach what is below.
            if inherited || (pattern.exception == matched && pattern.is_match(path)) {
                info[index] = true;
                matched = !pattern.exception;
            }
        }
        (matched, Matched(info))
    }

    /// The patterns that matter right in `folder`, which matches some of them.
    pub(super) fn within(&self, folder: &[u8], matched: &Matched) -> Within<'_> {
        let start = match folder {
            b"" => Vec::new(),
            folder => [folder, b"/"].concat(),
        };
        let patterns = self.patterns.iter().enumerate().filter_map(|(index, own)| {
            let inherited = matched.0.get(index).copied().unwrap_or(false);
            (inherited || own.may_match_in(&start)).then_some((own, inherited))
        });
        Within(patterns.collect())
    }

    /// Whether `path` is matched, by walking down to it.
    pub(super) fn matches_path(&self, path: &[u8]) -> (bool, Matched) {
        let mut verdict = (false, Matched::default());
        if self.is_empty() || path.is_empty() {
            return verdict;
        }
        let ends = path
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'/')
            .map(|(at, _)| at);
        for end in ends.chain([path.len()]) {
            verdict = self.matches(&path[..end], &verdict.1);
        }
        verdict
    }

    /// The line and the text of the pattern that leaves `path` out, where one does.
    pub(super) fn leaves_out(&self, path: &[u8]) -> Option<(usize, &str)> {
        let (excluded, matched) = self.matches_path(path);
        let both = self.patterns.iter().zip(matched.0).rev();
        let mut excluding = both.filter(|(pattern, matched)| *matched && !pattern.exception);
        let (pattern, _) = excluding.next().filter(|_| excluded)?;
        Some((pattern.line, &pattern.text))
    }

    /// Whether an exception could take in something below the folder `path`, which is matched itself.
    pub(super) fn may_except_below(&self, path: &[u8]) -> bool {
        let mut exceptions = self
            .patterns
            .iter()
            .filter(|pattern| pattern.exception)
            .peekable();
        if exceptions.peek().is_none() {
            return false;
        }
        let below = [path, b"/"].concat();
        exceptions.any(|pattern| {
            let text = pattern.text.strip_suffix("/**").unwrap_or(&pattern.text);
            let text = text.strip_suffix("/*").unwrap_or(text);
            text.contains(['*', '[', ']', '?', '^', '\\'])
                || format!("{text}/").as_bytes().starts_with(&below)
        })
    }
}

impl Within<'_> {
    /// Whether `path`, which lies right in the folder, is matched, as [`Patterns::matches`] has it.
    pub(super) fn is_match(&self, path: &[u8]) -> bool {
        let mut matched = false;
        for (pattern, inherited) in &self.0 {
            if *inherited || (pattern.exception == matched && pattern.is_match(path)) {
                matched = !pattern.exception;
            }
        }
        matched
    }
}

impl Pattern {
    fn parse(exception: bool, text: &str, line: usize) -> Result<Self, Malformed> {
        let matcher = Matcher::parse(text)?;
        Ok(Self {
            exception,
            line,
            text: text.to_owned(),
            matcher,
        })
    }

    /// Whether it can match something right in the folder whose path, with a slash behind it, is `start`.
    fn may_match_in(&self, start: &[u8]) -> bool {
        let text = self.text.as_bytes();
        let may_begin = |head: &[u8]| head.starts_with(start) || start.starts_with(head);
        match &self.matcher {
            Matcher::Exact => text
                .strip_prefix(start)
                .is_some_and(|name| !name.contains(&b'/')),
            Matcher::Prefix(length) => may_begin(&text[..*length]),
            Matcher::Suffix => true,
            Matcher::Pieces { head, .. } => may_begin(head.as_bytes()),
        }
    }

    fn is_match(&self, path: &[u8]) -> bool {
        match &self.matcher {
            Matcher::Exact => path == self.text.as_bytes(),
            Matcher::Prefix(length) => path.starts_with(&self.text.as_bytes()[..*length]),
            Matcher::Suffix => {
                let suffix = &self.text.as_bytes()[2..];
                ends_with(path, suffix) || suffix.strip_prefix(b"/") == Some(path)
            }
            Matcher::Pieces {
                pieces,
                head,
                tail,
                inner,
            } => {
                ends_with(path, tail.as_bytes())
                    && path.starts_with(head.as_bytes())
                    && memmem::find(path, inner.as_bytes()).is_some()
                    && run(pieces, &runes(path))
            }
        }
    }
}

/// As the slice's own, which is a call; most paths differ in their last byte.
fn ends_with(path: &[u8], end: &[u8]) -> bool {
    end.is_empty() || (path.last() == end.last() && path.ends_with(end))
}

impl Matcher {
    /// patternmatcher `compile`. `|`, `{` and `}` are plain characters here; there a slip in its table of
    /// escapes hands them to the regular expression in patterns that also hold a wildcard.
    fn parse(text: &str) -> Result<Self, Malformed> {
        let mut pieces = Vec::new();
        let mut kind = Matcher::Exact;
        let mut plain = true;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let first = pieces.is_empty();
            let piece = match c {
                '*' if chars.next_if_eq(&'*').is_some() => {
                    let _ = chars.next_if_eq(&'/');
                    let at_end = chars.peek().is_none();
                    if first {
                        kind = Matcher::Suffix;
                    } else if at_end && plain && matches!(kind, Matcher::Exact) {
                        kind = Matcher::Prefix(text.len() - 2);
                    } else {
                        plain = false;
                    }
                    if at_end { Piece::Rest } else { Piece::Folders }
                }
                '*' => Piece::Star,
                '?' => Piece::Any,
                '[' => Piece::Class(regex_class(&mut chars)?),
                '\\' => match chars.next().ok_or(Malformed)? {
                    // There these become classes of the regular expression, `\d` for one.
                    escaped if escaped.is_ascii_alphanumeric() => return Err(Malformed),
                    escaped => {
                        plain = false;
                        Piece::Char(escaped.into())
                    }
                },
                ']' => {
                    plain = false;
                    Piece::Char(']'.into())
                }
                '^' => Piece::Start,
                c => Piece::Char(c.into()),
            };
            plain &= !matches!(piece, Piece::Star | Piece::Any | Piece::Class(_));
            pieces.push(piece);
        }
        if plain {
            return Ok(kind);
        }
        let runs: Vec<String> = pieces
            .split(|piece| piece.plain().is_none())
            .map(literal)
            .collect();
        let (head, tail) = (runs.first().cloned(), runs.last().cloned());
        Ok(Matcher::Pieces {
            head: head.unwrap_or_default(),
            tail: tail.unwrap_or_default(),
            inner: runs.into_iter().max_by_key(String::len).unwrap_or_default(),
            pieces,
        })
    }
}

impl Piece {
    /// The one character that it matches. What stands for bytes that are no UTF-8 matches more than itself.
    fn plain(&self) -> Option<char> {
        match self {
            Piece::Char(c) => char::from_u32(*c).filter(|c| *c != char::REPLACEMENT_CHARACTER),
            _ => None,
        }
    }
}

/// The plain characters of some pieces.
fn literal(pieces: &[Piece]) -> String {
    pieces.iter().filter_map(Piece::plain).collect()
}

/// A class that means the same to `filepath.Match`, which checks a pattern, and to the regular expression
/// that it becomes.
fn regex_class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Class, Malformed> {
    let inner: String = chars.clone().take_while(|c| *c != ']').collect();
    if inner.contains(['[', '*', '?', '\\']) {
        return Err(Malformed);
    }
    let class = class(chars)?;
    if class.ranges.iter().any(|(low, high)| low > high) {
        return Err(Malformed);
    }
    Ok(class)
}

/// Whether the pieces match the whole path; every piece is tried once per character.
fn run(pieces: &[Piece], path: &[u32]) -> bool {
    const SLASH: u32 = b'/' as u32;
    const LINE_BREAK: u32 = b'\n' as u32;
    let mut active = vec![false; pieces.len() + 1];
    let mut next = active.clone();
    enter(pieces, &mut active, 0, true);
    for &rune in path {
        next.fill(false);
        for index in (0..pieces.len()).filter(|index| active[*index]) {
            match &pieces[index] {
                Piece::Char(c) if *c == rune => enter(pieces, &mut next, index + 1, false),
                Piece::Any if rune != SLASH => enter(pieces, &mut next, index + 1, false),
                Piece::Class(class) if class.contains(rune) => {
                    enter(pieces, &mut next, index + 1, false);
                }
                Piece::Star if rune != SLASH => enter(pieces, &mut next, index, false),
                Piece::Rest if rune != LINE_BREAK => enter(pieces, &mut next, index, false),
                Piece::Folders if rune != LINE_BREAK => {
                    next[index] = true;
                    if rune == SLASH {
                        enter(pieces, &mut next, index + 1, false);
                    }
                }
                _ => {}
            }
        }
        if !next.contains(&true) {
            return false;
        }
        std::mem::swap(&mut active, &mut next);
    }
    active[pieces.len()]
}

/// Marks a piece as the next to match, and those behind it that may match nothing.
fn enter(pieces: &[Piece], active: &mut [bool], mut index: usize, at_start: bool) {
    loop {
        match pieces.get(index) {
            Some(Piece::Start) if !at_start => return,
            Some(Piece::Start) => {}
            Some(Piece::Star | Piece::Rest | Piece::Folders) => active[index] = true,
            _ => {
                active[index] = true;
                return;
            }
        }
        index += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignored(text: &str, path: &str) -> bool {
        Patterns::parse(text)
            .unwrap()
            .matches_path(path.as_bytes())
            .0
    }

    #[test]
    fn the_table_of_moby_holds() {
        let cases = [
            ("node_modules", "a/node_modules/x", false),
            ("dir\n!dir/keep", "dir/keep", false),
            ("dir\n!dir/keep", "dir/other", true),
            ("[!a].txt", "b.txt", false),
            ("[!a].txt", "!.txt", true),
            ("[^a].txt", "b.txt", true),
            ("*.{js,ts}", "a.js", false),
            ("*.{js,ts}", "a.{js,ts}", true),
            ("build/", "build", true),
            ("*.log", "sub/x.log", false),
            ("**/*.log", "x.log", true),
            ("**/*.log", "sub/x.log", true),
            ("**/*.log", "a/b/c/x.log", true),
            ("/foo", "foo", true),
            ("a/**", "a", false),
            ("a/**", "a/b/c", true),
            (" foo ", "foo", true),
            ("*\n!src", "src/a.rs", false),
            ("*\n!src", "lib/a.rs", true),
            ("../x", "x", false),
            ("# foo", "foo", false),
            ("\u{feff}foo", "foo", true),
            ("foo\r\nbar\r\n", "foo", true),
            ("foo\r\nbar\r\n", "bar", true),
            ("**", "a/b", true),
            ("**\n!**/*.md", "docs/a.md", false),
            ("**/foo", "foo", true),
            ("**/foo", "a/foo", true),
            ("**/foo", "a/barfoo", false),
            ("**foo", "a/barfoo", true),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("a/**/b", "a/xb", false),
            ("foo**", "foobar/x", true),
            ("a?c", "a/c", false),
            ("a?c", "abc", true),
            ("*/temp*", "x/temporary", true),
            ("*/temp*", "temporary", false),
            ("*/*/temp*", "x/y/temp", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            (".git", ".git/config", true),
            (".", "a", false),
            ("./a", "a", true),
            ("a/../b", "b", true),
            (
                "*.md\n!README*.md\nREADME-secret.md",
                "README-secret.md",
                true,
            ),
            ("*.md\n!README*.md", "README-a.md", false),
            ("a.b", "axb", false),
            ("a+*", "a+x", true),
            ("! dir/keep\ndir", "dir/keep", true),
            ("dir\n! dir/keep", "dir/keep", false),
            ("café?", "caféé", true),
        ];
        for (text, path, expected) in cases {
            assert_eq!(ignored(text, path), expected, "{text:?} {path}");
            let patterns = Patterns::parse(text).unwrap();
            let (folder, _) = path.rsplit_once('/').unwrap_or_default();
            let matched = patterns.matches_path(folder.as_bytes()).1;
            let within = patterns.within(folder.as_bytes(), &matched);
            assert_eq!(
                within.is_match(path.as_bytes()),
                expected,
                "{text:?} {path}"
            );
        }
    }

    #[test]
    fn only_patterns_that_can_match_in_a_folder_are_tried_there() {
        let text = "a/b\nsrc\nsrc/*\nlib/**\nx/*.js\nsrc/x/deep\n**/y\n*/z\n[ab]/c\n^q*";
        let patterns = Patterns::parse(text).unwrap();
        let tried = |folder: &str| -> Vec<&str> {
            let matched = patterns.matches_path(folder.as_bytes()).1;
            let within = patterns.within(folder.as_bytes(), &matched);
            within.0.iter().map(|(own, _)| own.text.as_str()).collect()
        };
        let everywhere = ["**/y", "*/z", "[ab]/c", "^q*"];
        let also = |some: &[&'static str]| [some, &everywhere[..]].concat();
        assert_eq!(tried(""), also(&["src", "src/*", "lib/**", "x/*.js"]));
        assert_eq!(tried("a"), also(&["a/b"]));
        assert_eq!(tried("lib/deep"), also(&["lib/**"]));
        // The folder matches the first two itself.
        assert_eq!(tried("src/x"), also(&["src", "src/*", "src/x/deep"]));
        assert_eq!(tried("sr"), everywhere);
    }

    #[test]
    fn malformed_lines_are_told_with_their_number() {
        for (text, line) in [
            ("a\n[", 2),
            ("!", 1),
            ("a\n\n!\n", 3),
            ("[]", 1),
            ("x\\", 1),
        ] {
            assert_eq!(Patterns::parse(text).unwrap_err().line, line, "{text:?}");
        }
    }

    #[test]
    fn a_folder_is_pruned_only_when_no_exception_reaches_below() {
        let patterns = Patterns::parse("dir\nother\n!dir/keep").unwrap();
        assert!(patterns.may_except_below(b"dir"));
        assert!(!patterns.may_except_below(b"other"));
        assert!(
            Patterns::parse("dir\n!*/keep")
                .unwrap()
                .may_except_below(b"dir")
        );
        assert!(!Patterns::parse("dir").unwrap().may_except_below(b"dir"));
    }

    #[test]
    fn an_exception_for_a_folder_does_not_reach_a_deeper_exclusion() {
        // fsutil passes each folder's own matches down, so this is not what a fresh look at the path gives.
        assert!(ignored("dir/sub\n!dir", "dir/sub/x"));
    }

    #[test]
    fn hostile_patterns_stay_linear() {
        let text = format!("{}b", "*a".repeat(200));
        assert!(!ignored(&text, &"a".repeat(2_000)));
        let text = format!("{}b", "**/a*/".repeat(100));
        assert!(!ignored(&text, &"a/".repeat(500)));
    }

    #[test]
    fn names_need_not_be_utf8() {
        let patterns = Patterns::parse("a?\n*.log").unwrap();
        assert!(patterns.matches_path(b"a\xff").0);
        assert!(patterns.matches_path(b"\xfe\xff.log").0);
        assert!(
            Patterns::parse("\u{fffd}*")
                .unwrap()
                .matches_path(b"\xfe")
                .0
        );
        assert!(!patterns.matches_path(b"\xfe\xff.txt").0);
    }
}
