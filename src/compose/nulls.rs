//! Attributes with nothing behind their colon. What another file, or an extended service, says there stays; only where
//! nobody says anything is an empty one an error, as with docker compose, which checks what is merged.

use serde_json::Value;

use super::error::Error;
use super::lower::lower;
use super::path::{At, Segment};
use super::schema::Shape;
use super::top_level::ROOT_TABLE;

/// Whether `value` is empty where that is no value of its own.
pub(super) fn is_unsaid(value: &Value, shape: &Shape, at: At<'_>) -> bool {
    value.is_null() && refused(shape, at).is_err()
}

/// The errors that the empty attributes of a document are, unless somebody says something there.
pub(super) fn unsaid(document: &Value, shape: &Shape) -> Vec<Error> {
    let mut errors = Vec::new();
    collect(document, shape, At::ROOT, &mut errors);
    errors
}

fn collect(value: &Value, shape: &Shape, at: At<'_>, errors: &mut Vec<Error>) {
    let mut inside = |value: &Value, shape: &Shape, at: At<'_>| {
        if value.is_null() {
            errors.extend(refused(shape, at).err());
        } else {
            collect(value, shape, at, errors);
        }
    };
    match (shape.canonical(), value) {
        (Shape::Fields(table), Value::Object(map)) => {
            for (key, value) in map {
                if let Some(field) = table.field(key) {
                    inside(value, &field.shape, at.key(key));
                }
            }
        }
        (Shape::Named(shape) | Shape::Map(shape), Value::Object(map)) => {
            for (key, value) in map {
                inside(value, shape, at.key(key));
            }
        }
        (Shape::List(shape) | Shape::Items(_, _, shape), Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                inside(item, shape, at.index(index));
            }
        }
        // Every shape is named, so that none that holds others is forgotten.
        (
            Shape::Any
            | Shape::Text
            | Shape::Scalar
            | Shape::Digits
            | Shape::Bool
            | Shape::Int
            | Shape::Whole
            | Shape::Number
            | Shape::Size
            | Shape::Duration
            | Shape::OneOf(_)
            | Shape::List(_)
            | Shape::Texts
            | Shape::Variables
            | Shape::Labels
            | Shape::Fields(_)
            | Shape::Named(_)
            | Shape::Map(_)
            | Shape::Items(..)
            // No canonical shape is one of these.
            | Shape::Distinct(_)
            | Shape::OnlyText(_)
            | Shape::NoText(_)
            | Shape::Maybe(_)
            | Shape::Checked(..)
            | Shape::IntOr(..)
            | Shape::Long(..)
            | Shape::Parsed(..),
            _,
        ) => {}
    }
}

/// Whether nobody says anything where the error is, now that its document is merged. Items of lists are nobody else's.
pub(super) fn still_unsaid(tree: &Value, error: &Error) -> bool {
    let Some(path) = &error.path else { return true };
    let mut node = Some(tree);
    for segment in &path.0 {
        node = match segment {
            Segment::Key(key) => node.and_then(|node| node.get(key)),
            Segment::Index(_) | Segment::Item(..) => return true,
        };
    }
    node.is_none_or(Value::is_null)
}

/// The error that emptiness is where that is no value.
pub(super) fn refused(shape: &Shape, at: At<'_>) -> Result<(), Error> {
    lower(&mut Value::Null, shape, at)
}

/// Looks at `services`, which docker compose wants to be a map before it merges.
///
/// # Errors
/// It is empty.
pub(super) fn services_are_said(document: &Value) -> Result<(), Error> {
    match (document.get("services"), ROOT_TABLE.field("services")) {
        (Some(Value::Null), Some(field)) => refused(&field.shape, At::ROOT.key("services")),
        _ => Ok(()),
    }
}
