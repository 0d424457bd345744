//! What stands behind the parser's words for a text that is no YAML: the place a person looks for, and what usually is
//! the cause. Knows nothing of Compose.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::error::{Error, ErrorKind};
use super::suggest;
use super::tree::DEPTH;
use crate::model::Place;

/// What the parser's words become where a tab is the cause.
const TAB: &str = "a tab stands where lines are indented";
/// What they begin with where a quote ends too late.
const LATE: &str = "the quote that begins here ends in";
/// What they become where a quote is.
const QUOTE: &str = "the quote that begins here has no end";

/// So many anchors are looked at for one that is like an unknown one.
const KNOWN: usize = 1_000;

/// The error that a failed read of `text` is.
pub(super) fn error(error: &serde_yaml::Error, text: &str) -> Error {
    let words = error.to_string();
    let at = error
        .location()
        .map(|location| (location.line(), location.column()));
    let (at, kind) = if words.contains("repetition limit") {
        (at, ErrorKind::Expansion)
    } else if words.contains("recursion limit") {
        (at, ErrorKind::Depth(DEPTH))
    } else if let (Some(begin), true) = (quote(&words), words.contains("end of stream")) {
        (Some(begin), ErrorKind::Yaml(QUOTE.to_owned()))
    } else if let Some((begin, end)) = at.and_then(|at| closed_late(&words, text, at)) {
        let words = format!("{LATE} line {end}, and more text follows");
        (Some(begin), ErrorKind::Yaml(words))
    } else if let Some(tab) = at.and_then(|at| tab(&words, text, at)) {
        (Some(tab), ErrorKind::Yaml(TAB.to_owned()))
    } else if let Some(kind) = at.and_then(|at| anchor(&words, text, at)) {
        (at, kind)
    } else {
        // The place is printed on a line of its own.
        let words = words.split(" at line ").next().unwrap_or(&words);
        (at, ErrorKind::Yaml(words.to_owned()))
    };
    let place = at.map(|at| Place {
        file: PathBuf::new(),
        at: Some(at),
    });
    Error {
        place,
        ..Error::from(kind)
    }
}

/// Where the quote begins that the parser was in.
fn quote(words: &str) -> Option<(usize, usize)> {
    let (_, place) = words.split_once("quoted scalar at line ")?;
    let (line, column) = place.split_once(" column ")?;
    Some((line.parse().ok()?, column.parse().ok()?))
}

/// Where a quote begins that takes in some lines up to the one where the parser stumbles, right behind its end: it was to
/// end before, and the next one ended it. And that line.
fn closed_late(words: &str, text: &str, at: (usize, usize)) -> Option<((usize, usize), usize)> {
    if !words.starts_with("did not find expected") {
        return None;
    }
    let lines: Vec<&str> = text.lines().take(at.0).collect();
    let (last, above) = lines.split_last()?;
    let before: String = last.chars().take(at.1 - 1).collect();
    let before = before.trim_end();
    let quote = before.chars().last().filter(|c| matches!(c, '"' | '\''))?;
    if before[..before.len() - 1].contains(quote) {
        return None;
    }
    let (number, line) = above
        .iter()
        .enumerate()
        .rev()
        .find(|(_, line)| line.contains(quote))?;
    let begin = line.rfind(quote)?;
    let begins = line[..begin].ends_with([' ', '\t', '[', '{', ',']) || begin == 0;
    let column = line[..begin].chars().count() + 1;
    begins.then_some(((number + 1, column), at.0))
}

/// The tab that lies in front of what the parser stumbles at.
fn tab(words: &str, text: &str, at: (usize, usize)) -> Option<(usize, usize)> {
    let about = ["found a tab character", "cannot start any token"];
    let is_about = about.iter().any(|about| words.contains(about));
    let line = text.lines().nth(at.0 - 1).filter(|_| is_about)?;
    let indented = line.chars().take_while(|c| matches!(c, ' ' | '\t'));
    let tab = indented.take(at.1).position(|c| c == '\t')?;
    Some((at.0, tab + 1))
}

/// An alias of nothing, with the names that there are.
fn anchor(words: &str, text: &str, at: (usize, usize)) -> Option<ErrorKind> {
    let line = text.lines().nth(at.0 - 1);
    let line = line.filter(|_| words.contains("unknown anchor"))?;
    let written: String = line.chars().skip(at.1 - 1).collect();
    let name = name(written.strip_prefix('*')?);
    let mut known = BTreeSet::new();
    let mut later = None;
    for (number, line) in text.lines().enumerate() {
        for found in anchors(line) {
            if found == name {
                later.get_or_insert(number + 1);
            } else if number < at.0 && known.len() < KNOWN {
                known.insert(found);
            }
        }
    }
    Some(ErrorKind::Anchor {
        name: name.to_owned(),
        known: known.into_iter().map(str::to_owned).collect(),
        later,
    })
}

/// What a line has of `&name` behind a blank, a bracket or nothing.
fn anchors(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices('&').filter_map(|(at, _)| {
        let begins = line[..at].ends_with([' ', '\t', '[', '{', ',']) || at == 0;
        let name = name(&line[at + 1..]);
        (begins && !name.is_empty()).then_some(name)
    })
}

/// The letters, digits, `-` and `_` that a text begins with.
fn name(text: &str) -> &str {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    &text[..text.find(ends).unwrap_or(text.len())]
}

/// What may help against an alias of nothing.
pub(super) fn anchor_hint(name: &str, known: &[String], later: Option<usize>) -> String {
    if let Some(line) = later {
        return format!(
            "`&{name}` stands in line {line}: an anchor stands in front of its aliases"
        );
    }
    let near = suggest::nearest(name, known.iter().map(String::as_str));
    near.map_or_else(
        || "an anchor, `&name`, stands in front of its aliases, in the same file".to_owned(),
        |near| format!("did you mean `*{near}`?"),
    )
}

/// What usually stands behind the parser's words.
pub(super) fn hint(words: &str) -> Option<&'static str> {
    let causes = [
        (TAB, NO_TABS),
        (
            LATE,
            "was it to end in its own line? one that is part of the text is written twice, or with `\\` in double quotes",
        ),
        ("found a tab character", NO_TABS),
        (
            QUOTE,
            "it ends with the same quote; one that is part of the text is written twice, or with `\\` in double quotes",
        ),
        (
            "did not find expected ',' or",
            "a `[` or `{` before it is not closed, or a text in it that has a `{`, `}` or `: ` of its own, as `${…}`, needs quotes",
        ),
        (
            "cannot start any token",
            "text that starts with `@`, `%` or a backtick stands in quotes",
        ),
        (
            "mapping values are not allowed",
            "a value with `: ` in it stands in quotes; a key of a new line is indented as those beside it",
        ),
        (
            "did not find expected key",
            "the keys of one map are indented alike, the lines of a text further than the key with its `|` or `>`, and \
             each quote is closed",
        ),
        (
            "did not find expected '-' indicator",
            "the items of one list are indented alike, each with its `-`",
        ),
        ("did not find expected comment or line break", BLOCK),
        ("found an indentation indicator", BLOCK),
        (
            "found unexpected end of stream",
            "a quote before it is not closed",
        ),
    ];
    let known = causes.iter().find(|(cause, _)| words.contains(cause));
    known.map(|(_, hint)| *hint)
}

/// Of tabs, wherever they are.
const NO_TABS: &str = "YAML takes spaces, no tabs";
/// Of a text in a block.
const BLOCK: &str = "behind `|` or `>` stand at most `+` or `-` and a digit from 1 on: the text begins in the next line";

#[cfg(test)]
mod tests {
    use super::super::tree::parse;
    use super::super::weight::Budget;

    fn shown(text: &str) -> String {
        let error = parse(text, &mut Budget::default()).unwrap_err();
        let at = error.place().and_then(|place| place.at);
        let (line, column) = at.unwrap();
        format!("{error} {line}:{column} {}", error.hints().join("; "))
    }

    #[test]
    fn the_place_is_where_a_person_has_to_look() {
        let cases = [
            (
                "a: 1\nb: \"x\nc: 2\nd: 3\n",
                "the file is not valid YAML: the quote that begins here has no end 2:4 it ends with the same quote",
            ),
            (
                "a:\n  b: 'x\n  c: 'y'\n  d: z\n",
                "the file is not valid YAML: the quote that begins here ends in line 3, and more text follows 2:6 was it",
            ),
            (
                "a:\n  b: \"x\n  c: \"y\"\n  d: z\n",
                "the file is not valid YAML: the quote that begins here ends in line 3, and more text follows 2:6 was it",
            ),
            (
                "a: [\"x, y,\n  \"z\"]\n",
                "the file is not valid YAML: the quote that begins here ends in line 2, and more text follows 1:5 was it",
            ),
            (
                "a:\n  b: 1\n\tc: 2\n",
                "the file is not valid YAML: a tab stands where lines are indented 3:1 YAML takes spaces, no tabs",
            ),
            (
                "a:\n  \tb:\n  c: @\n",
                "the file is not valid YAML: a tab stands where lines are indented 2:3 YAML takes spaces, no tabs",
            ),
            (
                "a: @b\n",
                "the file is not valid YAML: found character that cannot start any token 1:4 text that starts with",
            ),
            (
                "a: |-B\n  c\n",
                "the file is not valid YAML: did not find expected comment or line break 1:6 behind `|` or `>` stand",
            ),
            (
                "x: &base {a: b}\ny: *bse\n",
                "the file is not valid YAML: unknown anchor `bse` 2:4 did you mean `*base`?",
            ),
            (
                "y: [*base]\nx: &base {a: b}\n",
                "the file is not valid YAML: unknown anchor `base` 1:5 `&base` stands in line 2",
            ),
            (
                "y: *base\n",
                "the file is not valid YAML: unknown anchor `base` 1:4 an anchor, `&name`, stands",
            ),
        ];
        for (text, expected) in cases {
            let shown = shown(text);
            assert!(shown.starts_with(expected), "{shown}");
        }
    }
}
