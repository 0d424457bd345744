//! The grammar of `.env`, `env_file` and `label_file` (compose-go `dotenv/parser.go`), and docker's plainer
//! `format: raw`. Knows text and a look-up function; which file it is, and what wins over what, is the caller's.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::error::{Error, ErrorKind};
use super::interpolate::{Scope, substitute};

/// So much may all env files of a project hold together, each counted as often as it is read.
const ALL: usize = 64 << 20;
/// What a variable costs besides its text.
const VARIABLE: usize = 128;

/// What is left of [`ALL`].
#[derive(Debug)]
pub(super) struct Meter(Cell<usize>);

impl Default for Meter {
    fn default() -> Self {
        Self(Cell::new(ALL))
    }
}

impl Meter {
    fn spend(&self, line: usize, bytes: usize) -> Result<(), BadLine> {
        let left = self.0.get().checked_sub(bytes);
        let reason = || format!("the env files hold more than {} MiB", ALL >> 20);
        let left = left.ok_or_else(|| BadLine {
            line,
            reason: reason(),
        })?;
        self.0.set(left);
        Ok(())
    }
}

/// A line that cannot be read.
#[derive(Debug)]
pub(super) struct BadLine {
    pub(super) line: usize,
    pub(super) reason: String,
}

/// A variable that a line asks for and that is not set.
#[derive(Debug, PartialEq)]
pub(super) struct Hole {
    pub(super) line: usize,
    pub(super) name: String,
}

/// Adds the variables of `text` to `vars`; what they ask for in vain. `lookup` is asked first for the variables in values, then `vars`;
/// a name without a value takes `lookup`'s, and is left out when that has none.
///
/// # Errors
/// A name with characters that names do not have, a quote without its end, a bad variable in a value, more than `meter`
/// has left.
pub(super) fn parse(
    text: &str,
    vars: &mut BTreeMap<String, String>,
    lookup: &dyn Fn(&str) -> Option<String>,
    meter: &Meter,
) -> Result<Vec<Hole>, BadLine> {
    meter.spend(1, text.len())?;
    let mut cursor = Cursor {
        rest: text,
        line: 1,
    };
    let mut holes = Vec::new();
    while cursor.skip_to_statement() {
        let line = cursor.line;
        let (key, has_value) = cursor.key()?;
        if !has_value {
            if let Some(value) = lookup(&key) {
                meter.spend(line, value.len() + VARIABLE)?;
                vars.insert(key, value);
            }
            continue;
        }
        let value = cursor.value(&key)?;
        let value = match value {
            Quoted::Literally(value) => value,
            Quoted::Not(value) => {
                let known = |name: &str| lookup(name).or_else(|| vars.get(name).cloned());
                let scope = Scope::new(&known);
                let value = substitute(&value, &scope).map_err(|error| BadLine {
                    line,
                    reason: without_value(&error, &key),
                })?;
                let unset = scope.take_unset().into_iter();
                holes.extend(unset.map(|name| Hole { line, name }));
                value
            }
        };
        meter.spend(line, value.len() + VARIABLE)?;
        vars.insert(key, value);
    }
    Ok(holes)
}

/// Why a value cannot be read. It may be a secret: nothing of it is told.
fn without_value(error: &Error, key: &str) -> String {
    match error.kind.as_ref() {
        ErrorKind::Template(_) => format!(
            "`{key}` has a `${{` that is not a variable: write `${{NAME}}`, or `$$` for a dollar sign"
        ),
        // Its words may have values of other variables in them.
        ErrorKind::MissingVariable { name, .. } => {
            format!("the variable `{name}`, which `{key}` asks for, is needed")
        }
        _ => error.to_string(),
    }
}

/// Line, name, and what is written behind it.
pub(super) type Definition = (usize, String, Option<String>);

/// What a text defines, in its order. As far as it can be read.
pub(super) fn definitions(text: &str) -> Vec<Definition> {
    let mut cursor = Cursor {
        rest: text,
        line: 1,
    };
    let mut found = Vec::new();
    while cursor.skip_to_statement() {
        let line = cursor.line;
        let Ok((key, has_value)) = cursor.key() else {
            break;
        };
        let written = has_value.then(|| cursor.value(&key));
        match written.transpose() {
            Ok(written) => {
                let written = written.map(|value| match value {
                    Quoted::Literally(text) | Quoted::Not(text) => text,
                });
                found.push((line, key, written));
            }
            Err(_) => break,
        }
    }
    found
}

/// The same of a text of `format: raw`.
pub(super) fn raw_definitions(text: &str) -> Vec<Definition> {
    let lines = text.lines().enumerate();
    let lines = lines.map(|(index, line)| (index + 1, line.trim_start_matches(BLANKS)));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let named = lines.map(|(number, line)| match line.split_once('=') {
        Some((name, value)) => (number, name.to_owned(), Some(value.to_owned())),
        None => (number, line.to_owned(), None),
    });
    named.collect()
}

/// What docker's own env files know as blanks.
const BLANKS: [char; 2] = [' ', '\t'];

/// docker's own env files (`format: raw`): every line `NAME=value` as it stands, `#` only at a line's start.
pub(super) fn parse_raw(
    text: &str,
    vars: &mut BTreeMap<String, String>,
    lookup: &dyn Fn(&str) -> Option<String>,
    meter: &Meter,
) -> Result<(), BadLine> {
    meter.spend(1, text.len())?;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start_matches(BLANKS);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line
            .split_once('=')
            .map_or((line, None), |(name, value)| (name, Some(value)));
        if name.is_empty() || name.contains(BLANKS) {
            // What stands there may be a part of a value.
            let reason = match name {
                "" => "there is no name in front of `=`",
                _ => "a variable's name cannot have a blank",
            };
            return Err(BadLine {
                line: index + 1,
                reason: reason.to_owned(),
            });
        }
        if let Some(value) = value.map(str::to_owned).or_else(|| lookup(name)) {
            meter.spend(index + 1, value.len() + VARIABLE)?;
            vars.insert(name.to_owned(), value);
        }
    }
    Ok(())
}

impl BadLine {
    pub(super) fn of(self, path: &std::path::Path) -> Error {
        ErrorKind::EnvFile {
            path: path.to_owned(),
            line: self.line,
            reason: self.reason,
        }
        .into()
    }
}

/// A value, and whether its variables count.
enum Quoted {
    Literally(String),
    Not(String),
}

struct Cursor<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Cursor<'a> {
    fn advance(&mut self, length: usize) -> &'a str {
        let (passed, rest) = self.rest.split_at(length);
        self.line += passed.bytes().filter(|b| *b == b'\n').count();
        self.rest = rest;
        passed
    }

    /// Passes blanks and comments; whether anything follows.
    fn skip_to_statement(&mut self) -> bool {
        loop {
            let blanks = self.rest.len() - self.rest.trim_start().len();
            self.advance(blanks);
            if !self.rest.starts_with('#') {
                return !self.rest.is_empty();
            }
            let comment = self.rest.find('\n').unwrap_or(self.rest.len());
            self.advance(comment);
        }
    }

    /// A name, and whether `=` or `:` follows it on its line.
    fn key(&mut self) -> Result<(String, bool), BadLine> {
        // What follows `export` is white space of Go's expressions, which knows fewer blanks, and the end of a line.
        if let Some(rest) = self.rest.strip_prefix("export")
            && rest.starts_with([' ', '\t', '\x0c', '\r', '\n'])
        {
            self.rest = rest.trim_start_matches(is_blank);
        }
        let allowed = |c: char| {
            is_blank(c) || matches!(c, '_' | '.' | '-' | '[' | ']') || c.is_alphanumeric()
        };
        let end = self.rest.find(|c| !allowed(c)).unwrap_or(self.rest.len());
        let key = self.rest[..end].trim_end().to_owned();
        let next = self.rest[end..].chars().next();
        if !matches!(next, None | Some('=' | ':' | '\n')) {
            // What stands there may be a part of a value.
            let reason = format!(
                "a variable's name cannot have `{}`",
                next.unwrap_or_default()
            );
            return Err(BadLine {
                line: self.line,
                reason,
            });
        }
        if key.contains(' ') {
            // What stands there may be a part of a value.
            return Err(BadLine {
                line: self.line,
                reason: "a variable's name cannot have a blank".to_owned(),
            });
        }
        self.advance(end + usize::from(next.is_some()));
        let has_value = matches!(next, Some('=' | ':'));
        if has_value {
            self.rest = self.rest.trim_start_matches(is_blank);
        }
        Ok((key, has_value))
    }

    /// The value of `key`.
    fn value(&mut self, key: &str) -> Result<Quoted, BadLine> {
        let no_end = |line| BadLine {
            line,
            reason: format!("the quote of `{key}` has no end"),
        };
        let line = self.line;
        let open = |value: Option<String>| value.ok_or_else(|| no_end(line));
        match self.rest.chars().next() {
            Some('\'') => open(self.quoted('\'')).map(Quoted::Literally),
            Some('"') => open(self.quoted('"')).map(|value| Quoted::Not(unescape(&value))),
            _ => {
                let line = self.rest.find('\n').unwrap_or(self.rest.len());
                let value = self.advance(line);
                let value = value.split(" #").next().unwrap_or(value);
                Ok(Quoted::Not(value.trim_end().to_owned()))
            }
        }
    }

    /// A value in quotes, over as many lines as it takes; `None` where they do not end. `\` before the quote keeps it in
    /// the value.
    fn quoted(&mut self, quote: char) -> Option<String> {
        let mut value = String::new();
        let mut escaped = false;
        let body = &self.rest[1..];
        for (at, char) in body.char_indices() {
            if char == quote && !escaped {
                self.advance(1 + at + quote.len_utf8());
                return Some(value);
            }
            if escaped && char != quote {
                value.push('\\');
            }
            escaped = char == '\\' && !escaped;
            if !escaped {
                value.push(char);
            }
        }
        None
    }
}

/// A blank within a line.
fn is_blank(c: char) -> bool {
    matches!(c, '\t' | '\x0b' | '\x0c' | '\r' | ' ' | '\u{85}' | '\u{a0}')
}

/// The escapes of double quotes; `\$` becomes `$$`, which the substitution that follows turns into `$`.
fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let plain = match after.chars().next() {
            Some('n') => Some("\n"),
            Some('r') => Some("\r"),
            Some('t') => Some("\t"),
            Some('a') => Some("\x07"),
            Some('b') => Some("\x08"),
            Some('f') => Some("\x0c"),
            Some('v') => Some("\x0b"),
            Some('\\') => Some("\\"),
            Some('"') => Some("\""),
            Some('$') => Some("$$"),
            _ => None,
        };
        if let Some(plain) = plain {
            out.push_str(plain);
            rest = &after[1..];
        } else if let Some(digits) = after.strip_prefix('0') {
            rest = octal(digits, &mut out);
        } else {
            out.push('\\');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// What stands behind `\0`: the code of a character in three digits. With fewer, or a code too large, only the 0 goes, as
/// in compose-go (`expandEscapes`).
fn octal<'a>(text: &'a str, out: &mut String) -> &'a str {
    let digits = text.bytes().take(3).take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(digits);
    match u8::from_str_radix(digits, 8) {
        Ok(code) if digits.len() == 3 => out.push(char::from(code)),
        _ => {
            out.push('\\');
            out.push_str(digits);
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        (name == "SHELL").then(|| "/bin/sh".to_owned())
    }

    fn parsed(text: &str) -> Result<Vec<(String, String)>, String> {
        let mut vars = BTreeMap::new();
        parse(text, &mut vars, &lookup, &Meter::default())
            .map_err(|bad| format!("{}: {}", bad.line, bad.reason))?;
        Ok(vars.into_iter().collect())
    }

    fn value(text: &str) -> String {
        let vars = parsed(text).unwrap();
        vars.into_iter().find(|(name, _)| name == "A").unwrap().1
    }

    #[test]
    fn values_and_quotes() {
        let cases = [
            ("A=b c # d", "b c"),
            ("A=a#c", "a#c"),
            ("A= b  ", "b"),
            ("A=", ""),
            ("A: yaml", "yaml"),
            ("export A=1", "1"),
            ("A=1\r\n", "1"),
            ("A='$SHELL \\n'", "$SHELL \\n"),
            ("A='it\\'s'", "it's"),
            (
                "A=\"$SHELL\\n\\\"x\\\" \\$X \\0101 \\q\" # c",
                "/bin/sh\n\"x\" $X A \\q",
            ),
            ("A=\"two\nlines\"\nB=1", "two\nlines"),
            ("B=x\nA=${B}-${SHELL}-${C:-d}", "x-/bin/sh-d"),
            ("A=$$B", "$B"),
            ("A=\"\\0\\011\\0777\\0089\"", "\\\\11\\777\\089"),
        ];
        for (text, expected) in cases {
            assert_eq!(value(text), expected, "{text:?}");
        }
    }

    #[test]
    fn export_counts_for_nothing_in_front_of_white_space() {
        for blanks in [" ", "\t", "\x0c", "\r ", " \x0b", "\n", " \n\n"] {
            assert_eq!(value(&format!("export{blanks}A=1")), "1", "{blanks:?}");
        }
        for blank in ["\x0b", "\u{85}", "\u{a0}"] {
            let name = format!("export{blank}A");
            let read = parsed(&format!("{name}=1")).unwrap();
            assert_eq!(read, [(name, "1".to_owned())]);
        }
    }

    #[test]
    fn a_bare_name_is_inherited_or_dropped() {
        assert_eq!(
            parsed("SHELL\nNOTHING\n").unwrap(),
            [("SHELL".to_owned(), "/bin/sh".to_owned())]
        );
    }

    #[test]
    fn what_is_asked_for_in_vain_is_told_with_its_line() {
        let text = "A=p$w0rd\n\nB=$2y$10$abc$A\nC='$d'\nD=$$e\nE=${f:-g}\n";
        let holes = parse(text, &mut BTreeMap::new(), &lookup, &Meter::default()).unwrap();
        let holes: Vec<_> = holes
            .iter()
            .map(|hole| (hole.line, hole.name.as_str()))
            .collect();
        assert_eq!(holes, [(1, "w0rd"), (3, "abc")]);
    }

    #[test]
    fn bad_lines_have_a_number() {
        assert!(parsed("# c\n\nA&B=1").unwrap_err().starts_with("3: "));
        assert!(parsed("A B=1").unwrap_err().contains("blank"));
        assert!(parsed("X=1\nA=\"open\n\n").unwrap_err().starts_with("2: "));
        assert!(parsed("A=${").unwrap_err().starts_with("1: "));
    }

    #[test]
    fn no_value_is_told() {
        let secret = "hunter2";
        for text in [
            "A=\"hunter2\nB=1",
            "A='hunter2",
            "A=hunter2${",
            "A=\"hunter2${x!}\"",
            "hunter2/x",
            "hunter2 x",
            "A=1\n  hunter2/x=\n",
        ] {
            let error = parsed(text).unwrap_err();
            assert!(!error.contains(secret), "{error}");
        }
        let (mut vars, meter) = (BTreeMap::new(), Meter::default());
        let error = parse_raw("hunter2 x", &mut vars, &lookup, &meter).unwrap_err();
        assert!(!error.reason.contains(secret), "{}", error.reason);
        assert!(parsed("A='x").unwrap_err().contains("`A`"));
    }

    #[test]
    fn variables_of_variables_have_an_end() {
        let line = |(name, of): (char, char)| format!("{name}={}\n", format!("${of}").repeat(16));
        let lines: String = ('b'..='z').zip('a'..).map(line).collect();
        assert!(parsed(&format!("a=0123456789abcdef\n{lines}")).is_err());
    }

    #[test]
    fn raw_files_are_taken_as_they_stand() {
        let mut vars = BTreeMap::new();
        let meter = Meter::default();
        parse_raw("# c\nA='$B' # x\nSHELL\nNONE\n", &mut vars, &lookup, &meter).unwrap();
        assert_eq!(vars["A"], "'$B' # x");
        assert_eq!(vars["SHELL"], "/bin/sh");
        assert_eq!(vars.len(), 2);
        assert!(parse_raw("A B=1", &mut vars, &lookup, &meter).is_err());
    }
}
