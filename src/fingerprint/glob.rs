//! One path component against one pattern, as Go's `filepath.Match` does it: `*`, `?`, `[a-z]`, `[^a]` and
//! `\`; nothing else is special. Linear in name times pattern, over bytes that need not be UTF-8.

/// A pattern for one path component.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Glob(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Piece {
    Char(u32),
    Any,
    Star,
    Class(Class),
}

/// A character class.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Class {
    pub(super) negated: bool,
    pub(super) ranges: Vec<(u32, u32)>,
}

impl Class {
    pub(super) fn contains(&self, rune: u32) -> bool {
        self.ranges
            .iter()
            .any(|(low, high)| (*low..=*high).contains(&rune))
            != self.negated
    }
}

/// A pattern that Go calls malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Whether a text holds a wildcard that is not escaped.
pub(super) fn has_wildcard(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'*' | b'?' | b'[' => return true,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
    false
}

impl Glob {
    pub(super) fn parse(pattern: &str) -> Result<Self, Malformed> {
        let mut pieces = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            pieces.push(match c {
                '*' if pieces.last() == Some(&Piece::Star) => continue,
                '*' => Piece::Star,
                '?' => Piece::Any,
                '\\' => Piece::Char(chars.next().ok_or(Malformed)?.into()),
                '[' => Piece::Class(class(&mut chars)?),
                c => Piece::Char(c.into()),
            });
        }
        Ok(Self(pieces))
    }

    pub(super) fn matches(&self, name: &[u8]) -> bool {
        let name = runes(name);
        let (mut piece, mut at) = (0, 0);
        // Where the last `*` stands, and how far it reaches so far.
        let mut star: Option<(usize, usize)> = None;
        while at < name.len() {
            let fits = match self.0.get(piece) {
                Some(Piece::Star) => {
                    star = Some((piece, at));
                    piece += 1;
                    continue;
                }
                Some(Piece::Char(c)) => *c == name[at],
                Some(Piece::Any) => true,
                Some(Piece::Class(class)) => class.contains(name[at]),
                None => false,
            };
            if fits {
                piece += 1;
                at += 1;
            } else if let Some((index, reach)) = star {
                star = Some((index, reach + 1));
                piece = index + 1;
                at = reach + 1;
            } else {
                return false;
            }
        }
        self.0[piece..].iter().all(|piece| *piece == Piece::Star)
    }
}

#[cfg(any(test, fuzzing))]
impl Glob {
    /// As `matches`, by trying everything.
    pub(super) fn matches_plainly(&self, name: &[u8]) -> bool {
        fn rest(pieces: &[Piece], name: &[u32]) -> bool {
            match (pieces, name) {
                ([], name) => name.is_empty(),
                ([Piece::Star, behind @ ..], name) => {
                    (0..=name.len()).any(|taken| rest(behind, &name[taken..]))
                }
                (_, []) => false,
                ([piece, behind @ ..], [first, others @ ..]) => {
                    let fits = match piece {
                        Piece::Char(c) => c == first,
                        Piece::Class(class) => class.contains(*first),
                        Piece::Any | Piece::Star => true,
                    };
                    fits && rest(behind, others)
                }
            }
        }
        rest(&self.0, &runes(name))
    }
}

/// The class behind a `[`.
pub(super) fn class(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
) -> Result<Class, Malformed> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && chars.next_if_eq(&']').is_some() {
            return Ok(Class { negated, ranges });
        }
        let low = class_char(chars)?;
        let high = if chars.next_if_eq(&'-').is_some() {
            class_char(chars)?
        } else {
            low
        };
        ranges.push((low, high));
    }
}

fn class_char(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<u32, Malformed> {
    match chars.next().ok_or(Malformed)? {
        '-' | ']' => Err(Malformed),
        '\\' => Ok(chars.next().ok_or(Malformed)?.into()),
        c => Ok(c.into()),
    }
}

/// The characters of a name; a byte that is not UTF-8 counts as one U+FFFD, as in Go.
pub(super) fn runes(name: &[u8]) -> Vec<u32> {
    let mut runes = Vec::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        runes.extend(chunk.valid().chars().map(u32::from));
        runes.extend(
            chunk
                .invalid()
                .iter()
                .map(|_| u32::from(char::REPLACEMENT_CHARACTER)),
        );
    }
    runes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_match_as_in_go() {
        let cases = [
            ("*", "abc", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("a*b*c", "a-b-b-c", true),
            ("?", "é", true),
            ("??", "é", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[!a]", "!", true),
            ("[!a]", "b", false),
            ("{a,b}", "a", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("[\\]]", "]", true),
            ("", "", true),
            ("*", "", true),
            (".*", ".env", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(
                Glob::parse(pattern).unwrap().matches(name.as_bytes()),
                expected,
                "{pattern} {name}"
            );
        }
        assert!(Glob::parse("a?").unwrap().matches(b"a\xff"));
    }

    #[test]
    fn malformed_patterns_are_told() {
        for pattern in ["[", "[a", "[]a]", "[-a]", "[a-]", "a\\", "[]"] {
            assert_eq!(Glob::parse(pattern), Err(Malformed), "{pattern}");
        }
    }

    #[test]
    fn many_stars_stay_linear() {
        let glob = Glob::parse(&"*a".repeat(2_000)).unwrap();
        assert!(!glob.matches("a".repeat(1_999).as_bytes()));
    }
}
