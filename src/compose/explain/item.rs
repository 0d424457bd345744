//! Which item of a list, as a document writes it, is an item of the model. By what it means once its variables are
//! replaced, as its number is another one there; where that is not sure, none.

use std::path::Path;

use serde_json::{Map, Value};

use super::rule::Rule;
use crate::compose::interpolate::{self, Scope, Unset};
use crate::compose::lower::lower;
use crate::compose::path::At;
use crate::compose::scalar;
use crate::model::clean;

/// What tells items of a list apart.
const NAMES: [&str; 12] = [
    "target",
    "published",
    "protocol",
    "host_ip",
    "path",
    "name",
    "command",
    "subnet",
    "driver",
    "action",
    "test",
    "service",
];

/// A list's item that was found: its number in the list as it is written, and which of those that it stands for.
pub(super) struct Position {
    pub(super) number: usize,
    pub(super) part: usize,
}

/// The item of the list as it is written that `model` is from, its number there being `index`. Of several one that says
/// nothing else than the model, best the one of that number; or else the last, which takes the place of the others.
pub(super) fn position(
    items: &[&Value],
    (index, model): (usize, &Value),
    rule: Rule,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Option<Position> {
    let found = items.iter().enumerate().filter_map(|(number, item)| {
        let meant = canonical(meant((*item).clone(), lookup), rule, At::ROOT);
        let part = meant.iter().position(|meant| is_same(meant, model))?;
        let agrees = agrees(&meant[part], model);
        // Beside it there may be one of another file that is told apart by what it says alone.
        if rule.appends && !agrees {
            return None;
        }
        Some((
            (agrees, agrees && number == index),
            Position { number, part },
        ))
    });
    // Of equals the last.
    let best = found.max_by_key(|(rank, _)| *rank)?;
    Some(best.1)
}

/// Whether all that an item says in a word the model says, too.
fn agrees(own: &Value, model: &Value) -> bool {
    let (Value::Object(own), Value::Object(model)) = (own, model) else {
        return true;
    };
    let mut words = own.iter().filter_map(|(key, own)| Some((key, text(own)?)));
    words.all(|(key, own)| {
        model.get(key).is_none_or(|model| match key.as_str() {
            "path" => is_path(&own.as_str().into(), model),
            "target" => text(model).is_some_and(|model| clean(&model) == clean(&own)),
            _ => text(model) == Some(own),
        })
    })
}

/// The items that one stands for, in canonical form; itself where it has none. `rule` is that of the list.
pub(super) fn canonical(item: Value, rule: Rule, root: At<'_>) -> Vec<Value> {
    let mut list = Value::Array(vec![item.clone()]);
    let lowered = rule.shape.map(|shape| lower(&mut list, shape, root));
    match (lowered, list) {
        (Some(Ok(())), Value::Array(items)) => items,
        _ => vec![item],
    }
}

/// A value with its variables replaced.
pub(super) fn meant(mut value: Value, lookup: &dyn Fn(&str) -> Option<String>) -> Value {
    let mut copy = value.clone();
    let scope = Scope::new(lookup);
    if interpolate::tree(&mut copy, At::ROOT, &scope, &mut Unset::default()).is_ok() {
        value = copy;
    }
    value
}

/// Whether an item of a document is that of the model, which has defaults in it and absolute paths.
fn is_same(own: &Value, model: &Value) -> bool {
    match (own, model) {
        (Value::Object(own_map), Value::Object(map)) => {
            let both = || {
                let names = NAMES.iter();
                names.filter_map(|name| Some((*name, own_map.get(*name)?, map.get(*name)?)))
            };
            let equal = |(name, own, model): (&str, &Value, &Value)| match name {
                "target" => {
                    text(own).map(|own| clean(&own)) == text(model).map(|model| clean(&model))
                }
                "path" => is_path(own, model),
                _ => own == model || text(own).is_some() && text(own) == text(model),
            };
            // A host port that only the model does not have is another item's.
            let lacks = ["published", "host_ip"]
                .iter()
                .any(|name| own_map.contains_key(*name) != map.contains_key(*name));
            let by_source = || {
                let source = own_map.get("source");
                !own_map.contains_key("target")
                    && source.is_some()
                    && source == map.get("source")
                    && has_default_target(map)
            };
            !lacks && both().all(equal) && (both().next().is_some() || by_source()) || own == model
        }
        _ => own == model || text(own).is_some() && text(own) == text(model),
    }
}

/// Whether a path may be an absolute one of the model: one that is relative has the same end.
fn is_path(own: &Value, model: &Value) -> bool {
    let (Some(own), Some(model)) = (text(own), text(model)) else {
        return false;
    };
    let end = Path::new(&own).file_name();
    clean(&own) == model
        || !own.starts_with('/') && end.is_none_or(|end| Path::new(&model).ends_with(end))
}

/// Whether a config or secret is where one is that says not where.
fn has_default_target(item: &Map<String, Value>) -> bool {
    let part = |key| item.get(key).and_then(Value::as_str);
    let target = part("target").zip(part("source"));
    target.is_none_or(|(target, source)| {
        let folder = target.strip_suffix(source);
        folder.is_some_and(|folder| matches!(folder, "" | "/" | "/run/secrets/"))
    })
}

fn text(value: &Value) -> Option<String> {
    scalar::text(value)
}
