//! `$NAME` and `${NAME…}` in values, with the six operators and nesting (compose-go `template.go`). Keys are
//! never touched. Knows variables by a look-up function only.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;

use serde_json::Value;

use super::error::{Error, ErrorKind};
use super::path::{At, TreePath};

/// How deep variables may stand in each other's defaults; nobody writes ten.
const DEPTH: usize = 64;

/// So many bytes may variables put into the documents of a project, or into one value of an env file.
pub(super) const EXPANSION: usize = 32 << 20;

/// So many variables that are not set are told apart; nobody reads more.
const UNSET: usize = 10_000;

/// So many characters of what is no variable are shown.
const FAULT: usize = 40;

/// Where variables come from, and which ones were asked for in vain.
pub(super) struct Scope<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    unset: RefCell<Names>,
    /// What is left of [`EXPANSION`].
    left: Cell<usize>,
}

/// Names in the order in which they came, each once.
#[derive(Default)]
struct Names {
    ordered: Vec<String>,
    known: HashSet<String>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self::within(lookup, EXPANSION)
    }

    /// The same where something is spent already.
    pub(super) fn within(lookup: &'a dyn Fn(&str) -> Option<String>, left: usize) -> Self {
        Self {
            lookup,
            unset: RefCell::default(),
            left: Cell::new(left),
        }
    }

    /// What may still be spent.
    pub(super) fn left(&self) -> usize {
        self.left.get()
    }

    /// The variables that were asked for in vain since the last time.
    pub(super) fn take_unset(&self) -> Vec<String> {
        self.unset.take().ordered
    }

    fn spend(&self, text: &str) -> Result<(), Error> {
        let left = self.left.get().checked_sub(text.len());
        left.map(|left| self.left.set(left))
            .ok_or_else(|| ErrorKind::Variables.into())
    }
}

/// Variables that are not set, each with the first text that asks for it.
#[derive(Default)]
pub(super) struct Unset {
    found: Vec<(String, TreePath)>,
    names: HashSet<String>,
}

impl Unset {
    /// Notes a variable; whether it is a new one.
    pub(super) fn add(&mut self, name: &str, path: impl FnOnce() -> TreePath) -> bool {
        let new = self.names.len() < UNSET && !self.names.contains(name);
        if new {
            self.names.insert(name.to_owned());
            self.found.push((name.to_owned(), path()));
        }
        new
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &TreePath)> {
        self.found.iter().map(|(name, path)| (name.as_str(), path))
    }
}

/// Replaces the variables in every text of a tree. Names of variables that are not set and have no default
/// go to `unset`, each with the first place that asks for it.
pub(super) fn tree(
    value: &mut Value,
    at: At<'_>,
    scope: &Scope<'_>,
    unset: &mut Unset,
) -> Result<(), Error> {
    match value {
        Value::String(text) => {
            if text.contains('$') {
                *text = substitute(text, scope).map_err(|error| error.at(at.path()))?;
                for name in scope.take_unset() {
                    unset.add(&name, || at.path());
                }
            }
            Ok(())
        }
        Value::Array(items) => items
            .iter_mut()
            .enumerate()
            .try_for_each(|(index, item)| tree(item, at.index(index), scope, unset)),
        Value::Object(map) => map
            .iter_mut()
            .try_for_each(|(key, item)| tree(item, at.key(key), scope, unset)),
        _ => Ok(()),
    }
}

/// One text with its variables replaced. A `$` before anything but `$`, a name or `{` stands for itself.
///
/// # Errors
/// A `${` that is no variable, a variable that `:?` or `?` demands, variables nested too deep.
pub(super) fn substitute(text: &str, scope: &Scope<'_>) -> Result<String, Error> {
    nested(text, scope, 0)
}

fn nested(text: &str, scope: &Scope<'_>, depth: usize) -> Result<String, Error> {
    if depth > DEPTH {
        return Err(ErrorKind::Nesting(DEPTH).into());
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        let after = &rest[dollar + 1..];
        rest = if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            after
        } else if let Some(braced) = after.strip_prefix('{') {
            let end = last(braced).ok_or_else(|| no_variable(braced))?;
            let (name, operation) = braced[..end].split_at(name_length(&braced[..end]));
            let value = expand(name, operation, scope, depth)?;
            scope.spend(&value)?;
            out.push_str(&value);
            &braced[end + 1..]
        } else {
            match name_length(after) {
                0 => out.push('$'),
                length => {
                    let value = plain(&after[..length], scope);
                    scope.spend(&value)?;
                    out.push_str(&value);
                }
            }
            &after[name_length(after)..]
        };
    }
    out.push_str(rest);
    Ok(out)
}

/// The variables in a text, each with what follows its name in the braces; those within that are not looked for. What is
/// no variable is passed over.
pub(super) fn asked_for(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('$') {
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            rest = after;
        } else if let Some(braced) = rest.strip_prefix('{') {
            let Some(end) = closing_brace(braced) else {
                break;
            };
            let length = name_length(&braced[..end]);
            if length > 0 {
                found.push(braced[..end].split_at(length));
            }
            rest = &braced[end + 1..];
        } else {
            let (name, after) = rest.split_at(name_length(rest));
            if !name.is_empty() {
                found.push((name, ""));
            }
            rest = after;
        }
    }
    found
}

/// `${NAME}` and what may follow the name in the braces. The default is expanded even where it is not used,
/// so a `:?` in it counts always, as in compose-go (`withDefaultWhenAbsence`).
fn expand(name: &str, operation: &str, scope: &Scope<'_>, depth: usize) -> Result<String, Error> {
    let (or_empty, operator) = match operation.strip_prefix(':') {
        Some(operator) => (true, operator),
        None => (false, operation),
    };
    let mut chars = operator.chars();
    let operator = match chars.next() {
        None if !or_empty => return Ok(plain(name, scope)),
        Some(operator @ ('-' | '+' | '?')) => operator,
        _ => return Err(no_variable(&format!("{name}{operation}}}"))),
    };
    let word = nested(chars.as_str(), scope, depth + 1)?;
    let value = (scope.lookup)(name);
    // Also where it is not used: it was copied.
    scope.spend(value.as_deref().unwrap_or_default())?;
    let counts = value
        .as_ref()
        .is_some_and(|value| !(or_empty && value.is_empty()));
    match operator {
        '-' if counts => Ok(value.unwrap_or_default()),
        '-' => Ok(word),
        '+' if counts => Ok(word),
        '?' if !counts => Err(ErrorKind::MissingVariable {
            name: name.to_owned(),
            message: word,
        }
        .into()),
        _ => Ok(value.unwrap_or_default()),
    }
}

fn plain(name: &str, scope: &Scope<'_>) -> String {
    (scope.lookup)(name).unwrap_or_else(|| {
        let mut unset = scope.unset.borrow_mut();
        // `$A$B` a million times is two names.
        if unset.known.len() < UNSET && !unset.known.contains(name) {
            unset.known.insert(name.to_owned());
            unset.ordered.push(name.to_owned());
        }
        String::new()
    })
}

/// What of the text behind `${` is no variable: up to the brace that ends it on its line, or the name and its operator
/// where none does.
fn no_variable(braced: &str) -> Error {
    let line = braced.split('\n').next().unwrap_or_default();
    let end = line.find('}').map_or_else(
        || {
            let name = name_length(line);
            let operator = line[name..].chars().take_while(|c| ":-+?".contains(*c));
            name + operator.take(2).count()
        },
        |brace| brace + 1,
    );
    let mut shown: String = line[..end].chars().take(FAULT).collect();
    if shown.len() < end {
        shown.push('…');
    }
    ErrorKind::Template(format!("${{{shown}")).into()
}

/// Letters, digits and underscores, no digit first.
fn name_length(text: &str) -> usize {
    let end = text
        .bytes()
        .position(|b| !(b.is_ascii_alphanumeric() || b == b'_'))
        .unwrap_or(text.len());
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        0
    } else {
        end
    }
}

/// The brace that ends a variable, behind its `{`. What follows an operator ends with its line, at the brace that has no
/// partner in it, or else at the last one there is (compose-go's pattern, and `getFirstBraceClosingIndex`).
fn last(text: &str) -> Option<usize> {
    let name = name_length(text);
    let rest = &text[name..];
    if name == 0 || rest.starts_with('}') {
        return (name > 0).then_some(name);
    }
    let operator = rest.strip_prefix(':').unwrap_or(rest);
    if !operator.starts_with(['-', '+', '?']) {
        return None;
    }
    closing_brace(text).or_else(|| text.split('\n').next()?.rfind('}'))
}

/// The end of what `${` opened, on its line; braces in between come in pairs, and what directly follows one that opens
/// is not looked at.
fn closing_brace(text: &str) -> Option<usize> {
    let mut open = 1;
    let mut bytes = text.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\n' => return None,
            b'{' => {
                open += 1;
                if bytes.next().is_some_and(|(_, byte)| byte == b'\n') {
                    return None;
                }
            }
            b'}' => {
                open -= 1;
                if open == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "A" => Some("a".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    fn substituted(text: &str) -> Result<String, String> {
        substitute(text, &Scope::new(&lookup)).map_err(|error| error.to_string())
    }

    #[test]
    fn every_operator() {
        let cases = [
            ("$A-${A}", "a-a"),
            ("$$A $", "$A $"),
            ("$5 $. ", "$5 $. "),
            ("${X:-d}${EMPTY:-d}${A:-d}", "dda"),
            ("${X-d}${EMPTY-d}${A-d}", "da"),
            ("${X:+r}${EMPTY:+r}${A:+r}", "r"),
            ("${X+r}${EMPTY+r}${A+r}", "rr"),
            ("${A:?e}${EMPTY?e}", "a"),
            ("${A:-x?y}${X:-x?y}", "ax?y"),
            ("${X:-a${Y:-b}c}", "abc"),
            ("${X:-{\"k\": {}}}", "{\"k\": {}}"),
            ("${X:-$$A}", "$A"),
            ("${X}!", "!"),
            ("${X:-{a}", "{a"),
            ("${X:-{}}", "{}"),
            ("${X:-{}}x}", "{}}x"),
            ("${X:-a}\n${X:-b}", "a\nb"),
        ];
        for (text, expected) in cases {
            assert_eq!(substituted(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_variable_is_an_error() {
        for text in [
            "x${",
            "${}",
            "${1}",
            "${A:}",
            "${A!}",
            "${A",
            "${A:=x}",
            "${X:-${}}",
            "${X:-a\nb}",
            "${X:-{\n}}",
        ] {
            assert!(
                substituted(text).unwrap_err().contains("is not a variable"),
                "{text}"
            );
        }
    }

    #[test]
    fn of_a_long_text_the_fault_alone_is_shown() {
        let cases = [
            ("a long text ${BAD- and more", "${BAD-"),
            ("a ${A:-${B!}} b", "${B!}"),
            ("a ${} b", "${}"),
            ("a ${", "${"),
            ("a ${X:-a\nb} c", "${X:-"),
            ("a ${1x} b ${A}", "${1x}"),
            ("${A:=x} b", "${A:=x}"),
        ];
        for (text, fault) in cases {
            let error = substituted(text).unwrap_err();
            assert!(
                error.starts_with(&format!("`{fault}` is not a variable")),
                "{error}"
            );
        }
        let long = substituted(&format!("${{ {} }}", "x".repeat(1000))).unwrap_err();
        assert!(long.contains("xx…`"), "{long}");
    }

    #[test]
    fn demanded_variables_must_be_there() {
        let missing = |text| substituted(text).unwrap_err();
        assert_eq!(missing("${X?}"), "the variable `X` is needed");
        assert_eq!(
            missing("${EMPTY:?set it to ${A}}"),
            "the variable `EMPTY` is needed: set it to a"
        );
        assert_eq!(missing("${A:-${X:?no}}"), "the variable `X` is needed: no");
    }

    #[test]
    fn unset_variables_are_named_once_with_a_place() {
        let mut value = serde_json::json!({"a": "$X ${Y:-}", "b": ["${X}$Z"]});
        let mut unset = Unset::default();
        tree(&mut value, At::ROOT, &Scope::new(&lookup), &mut unset).unwrap();
        let named: Vec<_> = unset
            .iter()
            .map(|(name, path)| format!("{name} {path}"))
            .collect();
        assert_eq!(named, ["X a", "Z b[0]"]);
    }

    #[test]
    fn nesting_is_no_deep_stack() {
        let text = "${X:-".repeat(100_000) + &"}".repeat(100_000);
        assert!(substituted(&text).unwrap_err().contains("nested"));
    }
}
