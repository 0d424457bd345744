//! The attributes of what larder does not do, as tables: providers and AI models. They are checked as all others, and
//! refused only where they are switched on.

use serde_json::Value;

use super::error::{Error, ErrorKind};
use super::path::At;
use super::scalar;
use super::schema::Shape::{Fields, Int, List, Map, NoText, Parsed, Text};
use super::schema::{Shape, Table, field, table};

/// Another program that stands for a service.
pub(super) static PROVIDER: Table = table(&[
    field(
        "options",
        Map(&Parsed(option, "a value or a list of them", &List(&Text))),
    ),
    field("type", Text),
])
.needs(&["type"]);

/// An option as a list of texts: it may be said more than once.
fn option(value: Value, at: At<'_>) -> Result<Value, Error> {
    let items = match value {
        Value::Array(items) => items,
        Value::Null | Value::Object(_) => return Ok(value),
        one => vec![one],
    };
    let texts = items.iter().enumerate().map(|(index, item)| {
        let text = scalar::text(item).filter(|_| !item.is_null());
        text.ok_or_else(|| {
            let path = at.index(index).path();
            let reason = "text, a number, true or false is expected here".to_owned();
            Error::from(ErrorKind::Invalid { path, reason })
        })
    });
    let texts: Vec<String> = texts.collect::<Result<_, _>>()?;
    Ok(texts.into())
}

/// A model at the top level.
pub(super) static MODEL: Shape = Fields(&MODEL_TABLE);
static MODEL_TABLE: Table = table(&[
    field("context_size", NoText(&Int)),
    field("model", Text).kept(),
    field("name", Text),
    field("runtime_flags", List(&Text)),
])
.needs(&["model"]);

/// What a service is told of a model.
pub(super) static MODEL_VARIABLES: Table =
    table(&[field("endpoint_var", Text), field("model_var", Text)]);
