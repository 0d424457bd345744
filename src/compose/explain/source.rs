//! What is known of a value or a variable: plain data, for who prints it.

use std::path::Path;

use serde_json::Value;

use crate::model::Place;

/// What is known of a value or a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The path in the model, or the variable's name.
    pub subject: String,
    /// Its value; of a list or a map as JSON. `None` where it has none.
    pub value: Option<String>,
    /// Who says it, the last word first. None where nobody does: it is a default.
    pub sources: Vec<Source>,
    /// What it is.
    pub kind: Kind,
}

/// What is explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A path that the model has.
    Value,
    /// A path that files write and the model does not have; why, where that is known and no source says so.
    Absent(Option<String>),
    /// A variable.
    Variable,
}

/// One that says something of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it is written; `None` for what no file says, of which `what` tells.
    pub place: Option<Place>,
    /// What it is, where it is more than a place: `the environment`, `service \`base\`, which it extends`.
    pub what: Option<String>,
    /// What is written there.
    pub written: Option<String>,
    /// The variables in it.
    pub variables: Vec<Used>,
    /// What it has to do with the value.
    pub role: Role,
}

/// What a source has to do with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The value is from it.
    Says,
    /// It is merged with stronger ones.
    Adds,
    /// It names the value, and leaves it to a stronger one to say it.
    Asks,
    /// It removes what weaker ones say.
    Removes,
    /// A stronger one takes its place, or removes it.
    Overridden,
}

/// A variable that a value asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// Its name.
    pub name: String,
    /// Its value; `None` where it is not set.
    pub value: Option<String>,
    /// Where that is from, the last word first.
    pub sources: Vec<Source>,
}

impl Source {
    /// One that no file is.
    pub(super) fn elsewhere(what: &str, written: Option<String>) -> Self {
        Self {
            place: None,
            what: Some(what.to_owned()),
            written,
            variables: Vec::new(),
            role: Role::Says,
        }
    }

    /// A place in a file; without `at` the file as a whole.
    pub(super) fn written(file: &Path, at: Option<(usize, usize)>, text: Option<String>) -> Self {
        let place = Place {
            file: file.to_owned(),
            at,
        };
        Self {
            place: Some(place),
            what: None,
            written: text,
            variables: Vec::new(),
            role: Role::Says,
        }
    }
}

/// A value on one line; none where nothing is written.
pub(super) fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(on_one_line(text)),
        other => Some(other.to_string()),
    }
}

/// A text on one line.
pub(super) fn on_one_line(text: &str) -> String {
    if text.contains(char::is_control) {
        Value::from(text).to_string()
    } else {
        text.to_owned()
    }
}
