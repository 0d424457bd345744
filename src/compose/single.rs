//! Single values brought to the canonical form of their shape: text, numbers, switches, sizes, durations.

use serde_json::Value;

use super::error::{Error, ErrorKind};
use super::lower::wrong;
use super::path::At;
use super::scalar;
use super::schema::Shape;
use crate::model::{Bytes, InvalidUnit, Span};

/// Brings a value to the canonical form of a shape that is made of no others.
///
/// # Errors
/// A wrong type, a value that its notation does not have.
pub(super) fn lower(value: &mut Value, shape: &Shape, at: At<'_>) -> Result<(), Error> {
    match shape {
        Shape::Text if !value.is_string() => Err(wrong(value, "text", at)),
        Shape::Digits if value.is_f64() => Err(not_whole(value, at)),
        Shape::Scalar | Shape::Digits => {
            replace(value, "text or a number", at, scalar::text_or_number)
        }
        Shape::Bool => replace(value, "true or false", at, scalar::bool),
        Shape::Int => int(value, at),
        Shape::Whole => {
            if let Some(float) = value.as_f64().filter(|_| value.is_f64()) {
                *value = scalar::cut(float);
            }
            int(value, at)
        }
        Shape::Number => replace(value, "a number", at, scalar::number),
        Shape::Size => size(value, at),
        Shape::Duration => duration(value, at),
        Shape::OneOf(choices) => one_of(value, choices, at),
        _ => Ok(()),
    }
}

fn int(value: &mut Value, at: At<'_>) -> Result<(), Error> {
    match scalar::int(value) {
        None if value.is_number() => Err(not_whole(value, at)),
        int => replace(value, "a whole number", at, |_| int),
    }
}

fn duration(value: &mut Value, at: At<'_>) -> Result<(), Error> {
    let Some(text) = value.as_str() else {
        return Err(wrong(value, "a duration, as in `30s`", at));
    };
    let span: Span = text.parse().map_err(|error| unit(error, at))?;
    *value = span.to_string().into();
    Ok(())
}

fn replace(
    value: &mut Value,
    expected: &'static str,
    at: At<'_>,
    cast: impl FnOnce(&Value) -> Option<Value>,
) -> Result<(), Error> {
    *value = cast(value).ok_or_else(|| wrong(value, expected, at))?;
    Ok(())
}

fn size(value: &mut Value, at: At<'_>) -> Result<(), Error> {
    let bytes = match &*value {
        // docker compose takes `1.5` for nothing at all.
        Value::Number(_) if value.is_f64() => {
            let reason = "it is a whole number of bytes, or text with a unit, as in `64m`";
            let (path, reason) = (at.path(), reason.to_owned());
            return Err(ErrorKind::Invalid { path, reason }.into());
        }
        Value::Number(number) if number.as_i64().is_some_and(|bytes| bytes < -1) => {
            let (path, reason) = (at.path(), format!("`{number}` is less than nothing"));
            return Err(ErrorKind::Invalid { path, reason }.into());
        }
        Value::Number(number) => number.as_i64().map(Bytes),
        // Unlimited, where a limit can be that; only as a number for compose-go 2.9, as text too for later ones.
        Value::String(text) if text == "-1" => Some(Bytes(-1)),
        Value::String(text) => Some(text.parse().map_err(|error| unit(error, at))?),
        _ => None,
    };
    let bytes = bytes.ok_or_else(|| wrong(value, "a size, as in `64m`", at))?;
    *value = bytes.to_string().into();
    Ok(())
}

fn one_of(value: &Value, choices: &[&str], at: At<'_>) -> Result<(), Error> {
    let Some(text) = value.as_str() else {
        return Err(wrong(value, "text", at));
    };
    if choices.contains(&text) {
        return Ok(());
    }
    let choices = choices
        .iter()
        .map(|choice| format!("`{choice}`"))
        .collect::<Vec<_>>()
        .join(", ");
    Err(ErrorKind::Invalid {
        path: at.path(),
        reason: format!("`{text}` is not one of {choices}"),
    }
    .into())
}

fn not_whole(value: &Value, at: At<'_>) -> Error {
    let number = scalar::text(value).unwrap_or_default();
    let (path, reason) = (at.path(), format!("`{number}` is not a whole number"));
    ErrorKind::Invalid { path, reason }.into()
}

fn unit(unit: InvalidUnit, at: At<'_>) -> Error {
    ErrorKind::Unit {
        path: at.path(),
        unit,
    }
    .into()
}
