//! Words as BuildKit's shell lexer reads them (`frontend/dockerfile/shell/lex.go`): quotes, escapes,
//! `$name` and every `${…}` form. What a variable holds is the caller's to say.

use std::iter::Peekable;
use std::str::Chars;

use super::trim;

/// What a variable holds: `Ok(None)` when it is not set.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Result<Option<String>, Unclear>;

/// Why a word has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unclear {
    /// It depends on the environment of a base image that is not known yet.
    NeedsBase,
    /// BuildKit refuses it, or reads it in a way that is not known here.
    NotUnderstood(String),
}

fn refused<T>(what: &str) -> Result<T, Unclear> {
    Err(Unclear::NotUnderstood(what.to_owned()))
}

/// `word` with its variables put in, its quotes and escapes taken off.
pub(super) fn expand(word: &str, escape: char, lookup: Lookup<'_>) -> Result<String, Unclear> {
    Ok(Lexer::new(word, escape, lookup).text(None, false)?.0)
}

/// `line` split at white space, quotes kept as written, variables left alone: how BuildKit looks for
/// here-documents.
pub(super) fn split_raw(line: &str) -> Result<Vec<String>, Unclear> {
    let mut lexer = Lexer::new(line, '\\', &|_| Ok(None));
    lexer.raw_quotes = true;
    lexer.keep_unset = true;
    Ok(lexer.text(None, true)?.1)
}

/// `text` split at white space after quotes and escapes are taken off, variables left alone; with
/// `raw_quotes` the quotes stay.
pub(super) fn split(text: &str, raw_quotes: bool) -> Result<Vec<String>, Unclear> {
    let mut lexer = Lexer::new(text, '\\', &|_| Ok(None));
    lexer.raw_quotes = raw_quotes;
    lexer.keep_unset = true;
    Ok(lexer.text(None, false)?.1)
}

/// `${a:-${b:-…}}` deeper than this is refused: it is read by recursion.
const MAX_DEPTH: usize = 64;

/// `ENV A=$A$A`, sixty times over, is no value: Linux takes 128 KiB in one variable.
const MAX_LENGTH: usize = 128 * 1024;

struct Lexer<'a> {
    chars: Peekable<Chars<'a>>,
    escape: char,
    lookup: Lookup<'a>,
    raw_quotes: bool,
    keep_unset: bool,
    depth: usize,
}

/// The words that a text falls into while it is read.
#[derive(Default)]
struct Words {
    done: Vec<String>,
    open: String,
}

impl Words {
    /// A character that splits words when it is white space.
    fn push(&mut self, c: char) {
        if c.is_whitespace() {
            if !self.open.is_empty() {
                self.done.push(std::mem::take(&mut self.open));
            }
        } else {
            self.open.push(c);
        }
    }

    fn finish(mut self) -> Vec<String> {
        if !self.open.is_empty() {
            self.done.push(self.open);
        }
        self.done
    }
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str, escape: char, lookup: Lookup<'a>) -> Self {
        Self {
            chars: text.chars().peekable(),
            escape,
            lookup,
            raw_quotes: false,
            keep_unset: false,
            depth: 0,
        }
    }

    /// Reads to `stop`, or to the end when there is none: the text, and the words it falls into.
    fn text(
        &mut self,
        stop: Option<char>,
        raw_escapes: bool,
    ) -> Result<(String, Vec<String>), Unclear> {
        let mut text = String::new();
        let mut words = Words::default();
        while let Some(c) = self.chars.next() {
            if Some(c) == stop {
                return Ok((text, words.finish()));
            }
            match c {
                '$' => {
                    let value = self.variable()?;
                    if text.len() + value.len() > MAX_LENGTH {
                        return refused("a value is too long");
                    }
                    value.chars().for_each(|c| words.push(c));
                    text.push_str(&value);
                }
                '\'' | '"' => {
                    let quoted = if c == '"' {
                        self.double_quoted(raw_escapes)?
                    } else {
                        self.single_quoted()?
                    };
                    words.open.push_str(&quoted);
                    text.push_str(&quoted);
                }
                '<' => {
                    let mark = self.angle();
                    words.open.push_str(&mark);
                    text.push_str(&mark);
                }
                c if c == self.escape => {
                    if raw_escapes {
                        words.open.push(c);
                        text.push(c);
                    }
                    if let Some(c) = self.chars.next() {
                        words.open.push(c);
                        text.push(c);
                    }
                }
                c => {
                    words.push(c);
                    text.push(c);
                }
            }
        }
        match stop {
            None => Ok((text, words.finish())),
            Some(stop) => refused(&format!("`{stop}` is missing")),
        }
    }

    /// `<` or `<<`, with the white space behind it kept in the word.
    fn angle(&mut self) -> String {
        let mut mark = "<".to_owned();
        if self.chars.next_if_eq(&'<').is_some() {
            mark.push('<');
            while let Some(space) = self.chars.next_if(|c| matches!(c, ' ' | '\t' | '\r')) {
                mark.push(space);
            }
        }
        mark
    }

    fn single_quoted(&mut self) -> Result<String, Unclear> {
        let mut text = String::from(if self.raw_quotes { "'" } else { "" });
        loop {
            match self.chars.next() {
                None => return refused("a single quote is not closed"),
                Some('\'') => {
                    if self.raw_quotes {
                        text.push('\'');
                    }
                    return Ok(text);
                }
                Some(c) => text.push(c),
            }
        }
    }

    fn double_quoted(&mut self, raw_escapes: bool) -> Result<String, Unclear> {
        let mut text = String::from(if self.raw_quotes { "\"" } else { "" });
        loop {
            match self.chars.next() {
                None => return refused("a double quote is not closed"),
                Some('"') => {
                    if self.raw_quotes {
                        text.push('"');
                    }
                    return Ok(text);
                }
                Some('$') => {
                    text.push_str(&self.variable()?);
                    if text.len() > MAX_LENGTH {
                        return refused("a value is too long");
                    }
                }
                Some(c) if c == self.escape => {
                    if raw_escapes {
                        text.push(c);
                    }
                    let escape = self.escape;
                    match self
                        .chars
                        .next_if(|next| *next == '"' || *next == '$' || *next == escape)
                    {
                        Some(escaped) => text.push(escaped),
                        None if self.chars.peek().is_some() => text.push(c),
                        None => {}
                    }
                }
                Some(c) => text.push(c),
            }
        }
    }

    /// What stands behind a `$`.
    fn variable(&mut self) -> Result<String, Unclear> {
        if self.chars.next_if_eq(&'{').is_none() {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".to_owned());
            }
            return Ok(match (self.lookup)(&name)? {
                None if self.keep_unset => format!("${name}"),
                value => value.unwrap_or_default(),
            });
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return refused("`${…}` is nested too deeply");
        }
        let value = self.braced();
        self.depth -= 1;
        value
    }

    /// What stands behind `${`.
    fn braced(&mut self) -> Result<String, Unclear> {
        if matches!(self.chars.peek(), None | Some('{' | '}' | ':')) {
            return refused("bad substitution");
        }
        let name = self.name();
        let value = (self.lookup)(&name)?;
        let mut operator = self.chars.next();
        if operator == Some('}') {
            return Ok(match value {
                None if self.keep_unset => format!("${{{name}}}"),
                value => value.unwrap_or_default(),
            });
        }
        let colon = operator == Some(':');
        if colon {
            operator = self.chars.next();
        }
        let is_set = value
            .as_deref()
            .is_some_and(|value| !(colon && value.is_empty()));
        let Some(operator) = operator else {
            return refused("`}` is missing");
        };
        match operator {
            '-' | '+' | '?' => {
                let word = self.text(Some('}'), false)?.0;
                match (operator, is_set) {
                    ('-', false) | ('+', true) => Ok(word),
                    ('+', false) => Ok(String::new()),
                    ('?', false) => refused(&format!("`{name}` must be set: {word}")),
                    _ => Ok(value.unwrap_or_default()),
                }
            }
            '#' | '%' if !colon => {
                let word = self.text(Some('}'), true)?.0;
                let longest = word.starts_with(operator);
                let pattern = trim::Pattern::parse(if longest { &word[1..] } else { &word })?;
                let value = value.unwrap_or_default();
                if operator == '#' {
                    pattern.without_prefix(&value, longest)
                } else {
                    pattern.without_suffix(&value, longest)
                }
            }
            '/' if !colon => {
                let all = self.chars.next_if_eq(&'/').is_some();
                let pattern = self.text(Some('/'), true)?.0;
                let replacement = self.text(Some('}'), true)?.0;
                trim::Pattern::parse(&pattern)?.replace(
                    &value.unwrap_or_default(),
                    &replacement,
                    all,
                )
            }
            _ => refused(&format!("`{operator}` is no modifier of `${{{name}}}`")),
        }
    }

    /// A name: letters, digits and `_`; digits alone; or one of the shell's special parameters.
    fn name(&mut self) -> String {
        let mut name = String::new();
        match self.chars.peek() {
            Some(c) if c.is_numeric() => {
                while let Some(digit) = self.chars.next_if(|c| c.is_numeric()) {
                    name.push(digit);
                }
            }
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => name.extend(self.chars.next()),
            _ => {
                while let Some(c) = self.chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                    name.push(c);
                }
            }
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_env(word: &str) -> Result<String, Unclear> {
        expand(word, '\\', &|name| {
            Ok(match name {
                "A" => Some("one".to_owned()),
                "EMPTY" => Some(String::new()),
                "FILE" => Some("foo.tar.gz".to_owned()),
                "PATHS" => Some("/a/b/c".to_owned()),
                _ => None,
            })
        })
    }

    #[test]
    fn words_expand_as_in_buildkit() {
        let cases = [
            ("$A", "one"),
            ("${A}x", "onex"),
            ("$A-$NONE-", "one--"),
            ("'$A'", "$A"),
            ("\"$A b\"", "one b"),
            ("\\$A", "$A"),
            ("\"\\$A \\x\"", "$A \\x"),
            ("a\\ b", "a b"),
            ("$", "$"),
            ("a$.b", "a$.b"),
            ("${NONE:-x}", "x"),
            ("${NONE-x}", "x"),
            ("${EMPTY-x}", ""),
            ("${EMPTY:-x}", "x"),
            ("${A:+y}", "y"),
            ("${EMPTY:+y}", ""),
            ("${EMPTY+y}", "y"),
            ("${NONE:-${A}}", "one"),
            ("${A:?no}", "one"),
            ("${FILE#*.}", "tar.gz"),
            ("${FILE##*.}", "gz"),
            ("${FILE%.*}", "foo.tar"),
            ("${FILE%%.*}", "foo"),
            ("${FILE%%o*}", "f"),
            ("${FILE/o/0}", "f0o.tar.gz"),
            ("${FILE//o/0}", "f00.tar.gz"),
            ("${FILE//./}", "footargz"),
            ("${PATHS//\\//-}", "-a-b-c"),
            ("$12a", "a"),
        ];
        for (word, expected) in cases {
            assert_eq!(with_env(word).as_deref(), Ok(expected), "{word}");
        }
    }

    #[test]
    fn what_buildkit_refuses_is_not_understood() {
        for word in [
            "${",
            "${}",
            "${A",
            "'a",
            "\"a",
            "${A:=b}",
            "${A:#x}",
            "${NONE:?gone}",
            "${A/x",
            "${A@Q}",
        ] {
            assert!(
                matches!(with_env(word), Err(Unclear::NotUnderstood(_))),
                "{word}"
            );
        }
        let long = expand(&"$A".repeat(3), '\\', &|_| Ok(Some("x".repeat(100_000))));
        assert!(long.is_err());
        let deep = format!("{}{}", "${N:-".repeat(100_000), "}".repeat(100_000));
        assert!(with_env(&deep).is_err());
    }

    #[test]
    fn raw_words_keep_quotes_and_variables() {
        let words = split_raw("RUN cat <<\"E F\" <<- X > $HOME \\\"a").unwrap();
        assert_eq!(
            words,
            ["RUN", "cat", "<<\"E F\"", "<<-", "X", ">", "$HOME", "\\\"a"]
        );
    }
}
