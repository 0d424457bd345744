//! What a tree must have once all files are merged, also in services that are off (compose-go `validation`): the
//! attributes that an object needs, and those that exclude each other.

use serde_json::Value;

use super::error::{Error, ErrorKind};
use super::path::At;
use super::schema::{Shape, Table};
use super::top_level::ROOT_TABLE;

/// Looks through the whole tree.
///
/// # Errors
/// The first thing that is missing, or too much.
pub(super) fn check(tree: &Value) -> Result<(), Error> {
    table(tree, &ROOT_TABLE, At::ROOT)
}

fn table(value: &Value, attributes: &'static Table, at: At<'_>) -> Result<(), Error> {
    let Value::Object(map) = value else {
        return Ok(());
    };
    if let Some(missing) = attributes.needs.iter().find(|key| !map.contains_key(**key)) {
        let path = at.key(missing).path();
        return Err(ErrorKind::Required { path }.into());
    }
    for (key, value) in map {
        if let Some(field) = attributes.field(key) {
            shape(value, field.shape.canonical(), at.key(key))?;
        }
    }
    // Only what asks for devices of a driver has both of them.
    if map.contains_key("count") && map.contains_key("device_ids") {
        let reason = "`count` and `device_ids` exclude each other".to_owned();
        let path = at.key("device_ids").path();
        return Err(ErrorKind::Invalid { path, reason }.into());
    }
    Ok(())
}

fn shape(value: &Value, shape: &'static Shape, at: At<'_>) -> Result<(), Error> {
    match (shape, value) {
        (Shape::Fields(attributes), _) => table(value, attributes, at),
        (Shape::Named(inner) | Shape::Map(inner), Value::Object(map)) => map
            .iter()
            .try_for_each(|(key, value)| self::shape(value, inner.canonical(), at.key(key))),
        (Shape::List(inner) | Shape::Items(_, _, inner), Value::Array(items)) => {
            items.iter().enumerate().try_for_each(|(index, value)| {
                self::shape(value, inner.canonical(), at.of_item(index, value))
            })
        }
        _ => Ok(()),
    }
}
