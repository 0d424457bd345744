//! Text made fit to be shown: durations in words, other people's bytes made harmless.

use std::fmt::Write;
use std::time::Duration;

use anstream::adapter::strip_str;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A duration as people say it: `12 ms`, `3.2 s`, `41 s`, `2 min 05 s`.
pub fn duration(took: Duration) -> String {
    let millis = took.as_millis();
    let tenths = (millis + 50) / 100;
    let seconds = (millis + 500) / 1000;
    match millis {
        0..1000 => format!("{millis} ms"),
        _ if tenths < 100 => format!("{}.{} s", tenths / 10, tenths % 10),
        _ if seconds < 60 => format!("{seconds} s"),
        _ => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

/// A line that somebody else wrote, harmless on a terminal: no escape sequences, no control characters, no
/// turning of the writing direction. Of a line that was overwritten with carriage returns the last version.
pub fn visible(line: &str) -> String {
    let line = line.trim_end_matches(['\r', '\n']);
    let last = line.rsplit('\r').next().unwrap_or(line);
    strip_str(last)
        .to_string()
        .chars()
        .filter(|char| *char == '\t' || !(char.is_control() || turns_direction(*char)))
        .collect()
}

/// A line that somebody else wrote, harmless as [`visible`] makes it, but with its colours, which end with it, and with all
/// else that a terminal would obey in sight, as `cat -v` has it: `^[[2J`.
pub(super) fn shown(line: &str) -> String {
    let mut rest = line.trim_end_matches(['\r', '\n']);
    let mut out = String::new();
    let mut colours = false;
    while let Some((before, sequence, behind)) = colour(rest) {
        caret(before, &mut out);
        out.push_str(sequence);
        rest = behind;
        colours = true;
    }
    caret(rest, &mut out);
    if colours {
        out.push_str("\u{1b}[0m");
    }
    out
}

/// A text with its control characters, and those that turn the writing direction, written out.
fn caret(text: &str, out: &mut String) {
    for char in text.chars() {
        match char {
            '\t' => out.push(char),
            '\0'..='\u{1f}' => out.extend(['^', char::from(char as u8 + b'@')]),
            '\u{7f}' => out.push_str("^?"),
            _ if char.is_control() || turns_direction(char) => {
                let _ = write!(out, "<U+{:04X}>", u32::from(char));
            }
            _ => out.push(char),
        }
    }
}

/// The first sequence that sets colours (ECMA-48, SGR), with what stands before and behind it.
fn colour(text: &str) -> Option<(&str, &str, &str)> {
    text.match_indices("\u{1b}[").find_map(|(start, open)| {
        let parameters = &text[start + open.len()..];
        let end = parameters.find(|char: char| !matches!(char, '0'..='9' | ';' | ':'))?;
        let behind = parameters[end..].strip_prefix('m')?;
        let sequence = &text[start..text.len() - behind.len()];
        Some((&text[..start], sequence, behind))
    })
}

/// How many columns of a terminal a text takes, its colours left out.
pub(super) fn columns(text: &str) -> usize {
    strip_str(text).map(UnicodeWidthStr::width).sum()
}

/// A text in at most so many columns: what is cut off at its end is told by an ellipsis.
pub(super) fn fit(text: &str, most: usize) -> String {
    if columns(text) <= most {
        return text.to_owned();
    }
    let Some(room) = most.checked_sub(1) else {
        return String::new();
    };
    let mut kept = take(text.chars(), room);
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept
}

/// A name in at most so many columns, with its beginning and its end: names differ at either.
pub(super) fn fit_name(name: &str, most: usize) -> String {
    if columns(name) <= most || most < 3 {
        return fit(name, most);
    }
    let tail: String = take(name.chars().rev(), (most - 1) / 2);
    let head = take(name.chars(), most - 1 - columns(&tail));
    format!("{head}…{}", tail.chars().rev().collect::<String>())
}

/// The first characters, as many as fit.
fn take(chars: impl Iterator<Item = char>, most: usize) -> String {
    let mut taken = 0;
    chars
        .take_while(|char| {
            taken += char.width().unwrap_or(0);
            taken <= most
        })
        .collect()
}

/// Names in a sentence: `api`, `api and db`, `api, db and web`.
pub(super) fn enumerate<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.into_iter().collect();
    match names.pop() {
        None => String::new(),
        Some(last) if names.is_empty() => last.to_owned(),
        Some(last) => format!("{} and {last}", names.join(", ")),
    }
}

/// The characters behind which text may look like other text (Unicode TR 36, "Trojan Source").
fn turns_direction(char: char) -> bool {
    matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        let shown = |millis| duration(Duration::from_millis(millis));
        assert_eq!(shown(0), "0 ms");
        assert_eq!(shown(999), "999 ms");
        assert_eq!(shown(1000), "1.0 s");
        assert_eq!(shown(9_949), "9.9 s");
        assert_eq!(shown(9_950), "10 s");
        assert_eq!(shown(59_499), "59 s");
        assert_eq!(shown(59_500), "1 min 00 s");
        assert_eq!(shown(125_000), "2 min 05 s");
    }

    #[test]
    fn what_a_terminal_would_obey_is_taken_out() {
        assert_eq!(visible("\u{1b}[31mred\u{1b}[0m\n"), "red");
        assert_eq!(visible("\u{1b}]0;title\u{7}text"), "text");
        assert_eq!(visible("a\u{8}\u{7}b\u{9b}c\td"), "abc\td");
        assert_eq!(visible("user\u{202e}txt"), "usertxt");
    }

    #[test]
    fn of_what_a_terminal_would_obey_the_colours_stay() {
        let line = "10 %\r\u{1b}[1;38:5:9mred\u{1b}[2J\u{1b}]0;title\u{7} text\u{8}";
        assert_eq!(
            shown(line),
            "10 %^M\u{1b}[1;38:5:9mred^[[2J^[]0;title^G text^H\u{1b}[0m"
        );
        assert_eq!(shown("\u{1b}[31"), "^[[31");
        assert_eq!(shown("plain\u{1b}[Hmade"), "plain^[[Hmade");
        assert_eq!(
            shown("a\u{9b}b\u{202e}c\u{7f}\td"),
            "a<U+009B>b<U+202E>c^?\td"
        );
    }

    #[test]
    fn what_does_not_fit_says_so() {
        assert_eq!(fit("short", 5), "short");
        assert_eq!(fit("too long", 5), "too…");
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(fit("x", 0), "");
        assert_eq!(columns("\u{1b}[31mred\u{1b}[0m"), 3);
        assert_eq!(fit_name("a-service-of-many", 9), "a-se…many");
        assert_eq!(fit_name("abcdef", 2), "a…");
    }

    #[test]
    fn names_are_told_in_a_sentence() {
        assert_eq!(enumerate(["api"]), "api");
        assert_eq!(enumerate(["api", "db"]), "api and db");
        assert_eq!(enumerate(["api", "db", "web"]), "api, db and web");
    }

    #[test]
    fn of_an_overwritten_line_the_last_version_stays() {
        assert_eq!(visible("10 %\r50 %\r100 %\r\n"), "100 %");
    }
}
