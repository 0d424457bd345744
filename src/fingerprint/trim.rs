//! The patterns of `${name#…}`, `${name%…}` and `${name/…/…}`: literal characters, `?` and `*`, nothing
//! else (`shell/lex.go`, `convertShellPatternToRegex`).

use super::words::Unclear;

/// More comparisons than this are left to BuildKit.
const MAX_WORK: usize = 4 * 1024 * 1024;

#[derive(Clone, Copy, PartialEq)]
enum Piece {
    Char(char),
    Any,
    Star,
}

/// A parsed pattern.
pub(super) struct Pattern(Vec<Piece>);

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, Unclear> {
        let mut pieces = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            pieces.push(match c {
                '*' => Piece::Star,
                '?' => Piece::Any,
                '\\' => match chars.next() {
                    Some(escaped @ ('}' | '/' | '*' | '?' | '\\')) => Piece::Char(escaped),
                    _ => {
                        return Err(Unclear::NotUnderstood(format!(
                            "`{text}` has an escape of nothing"
                        )));
                    }
                },
                c => Piece::Char(c),
            });
        }
        Ok(Self(pieces))
    }

    pub(super) fn without_prefix(&self, value: &str, longest: bool) -> Result<String, Unclear> {
        self.check_work(value.len())?;
        let chars: Vec<char> = value.chars().collect();
        let end = matched(&self.0, &chars, longest).unwrap_or(0);
        Ok(chars[end..].iter().collect())
    }

    pub(super) fn without_suffix(&self, value: &str, longest: bool) -> Result<String, Unclear> {
        self.check_work(value.len())?;
        let pieces: Vec<Piece> = self.0.iter().rev().copied().collect();
        let chars: Vec<char> = value.chars().rev().collect();
        let end = matched(&pieces, &chars, longest).unwrap_or(0);
        Ok(chars[end..].iter().rev().collect())
    }

    /// Each piece is compared up to `times` times.
    fn check_work(&self, times: usize) -> Result<(), Unclear> {
        if times.saturating_mul(self.0.len()) > MAX_WORK {
            return Err(Unclear::NotUnderstood(
                "a value is too long to match in".to_owned(),
            ));
        }
        Ok(())
    }

    /// The value with the first longest match, or all of them, replaced.
    pub(super) fn replace(&self, value: &str, with: &str, all: bool) -> Result<String, Unclear> {
        let not_understood = |why: &str| Err(Unclear::NotUnderstood(why.to_owned()));
        self.check_work(value.len().saturating_mul(value.len()))?;
        if all && with.contains('$') {
            return not_understood("a replacement holds `$`");
        }
        if self.0.iter().all(|piece| *piece == Piece::Star) {
            return not_understood("a replaced pattern matches nothing at all");
        }
        let chars: Vec<char> = value.chars().collect();
        let (mut text, mut at) = (String::new(), 0);
        while at < chars.len() {
            if let Some(length) = matched(&self.0, &chars[at..], true) {
                text.push_str(with);
                at += length;
                if !all {
                    break;
                }
            } else {
                text.push(chars[at]);
                at += 1;
            }
        }
        text.extend(&chars[at..]);
        Ok(text)
    }
}

/// The length of the shortest or the longest match at the start of `chars`. A wildcard does not match a
/// line break, as `.` does not in Go's regular expressions.
fn matched(pieces: &[Piece], chars: &[char], longest: bool) -> Option<usize> {
    let mut best = None;
    let mut active = vec![false; pieces.len() + 1];
    enter(pieces, &mut active, 0);
    for at in 0..=chars.len() {
        if active[pieces.len()] {
            best = Some(at);
            if !longest {
                return best;
            }
        }
        let Some(&c) = chars.get(at) else { break };
        let mut next = vec![false; pieces.len() + 1];
        for (index, piece) in pieces
            .iter()
            .enumerate()
            .filter(|(index, _)| active[*index])
        {
            match piece {
                Piece::Char(expected) if *expected == c => enter(pieces, &mut next, index + 1),
                Piece::Any if c != '\n' => enter(pieces, &mut next, index + 1),
                Piece::Star if c != '\n' => enter(pieces, &mut next, index),
                _ => {}
            }
        }
        active = next;
        if !active.contains(&true) {
            break;
        }
    }
    best
}

/// Marks a position, and those behind it that are reached without a character.
fn enter(pieces: &[Piece], active: &mut [bool], mut index: usize) {
    active[index] = true;
    while pieces.get(index) == Some(&Piece::Star) {
        index += 1;
        active[index] = true;
    }
}
