//! How docker compose lays out a Compose file: every object's keys in the order of `key_order`, and what its JSON says of
//! what is absent. Its config hash is taken over that text.

use serde_json::{Map, Value};

use super::key_order::{FILE_OBJECT, NETWORK, SERVICE, VOLUME};

/// How a value is laid out.
pub(super) enum Layout {
    /// Keys of the user's own, sorted; no order for anything else.
    Own,
    /// Known keys in this order, and others, which are extensions, sorted behind them.
    Fields(&'static [(&'static str, Layout)]),
    /// Each item of a list, or each value under keys of the user's own.
    Each(&'static Layout),
    /// A value that Go's JSON prints as `null` where it is absent.
    Nullable,
    /// An object that Go's JSON prints where it is absent, too: empty.
    Always(&'static Layout),
}

use Layout::{Always, Each, Fields, Nullable, Own};

/// Brings `value` into its layout. With `absent`, what Go's JSON says of what is absent is added.
pub(super) fn arrange(value: &mut Value, layout: &Layout, absent: bool) {
    match (layout, value) {
        (Own | Nullable, value) => sort(value),
        (Always(layout), value) => arrange(value, layout, absent),
        (Each(layout), Value::Array(items)) => {
            for item in items {
                arrange(item, layout, absent);
            }
        }
        (Each(layout), Value::Object(map)) => {
            map.sort_keys();
            for item in map.values_mut() {
                arrange(item, layout, absent);
            }
        }
        (Fields(fields), Value::Object(map)) => {
            let mut given = std::mem::take(map);
            for (name, layout) in *fields {
                let found = given.shift_remove(*name);
                let missing = || absent.then(|| empty(layout)).flatten();
                if let Some(mut value) = found.or_else(missing) {
                    arrange(&mut value, layout, absent);
                    map.insert((*name).to_owned(), value);
                }
            }
            given.sort_keys();
            given.values_mut().for_each(sort);
            map.extend(given);
        }
        _ => {}
    }
}

/// What Go's JSON prints of an absent value, where it prints anything.
fn empty(layout: &Layout) -> Option<Value> {
    match layout {
        Nullable => Some(Value::Null),
        Always(_) => Some(Map::new().into()),
        _ => None,
    }
}

fn sort(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(sort),
        Value::Object(map) => {
            map.sort_keys();
            map.values_mut().for_each(sort);
        }
        _ => {}
    }
}

/// A Compose file: the sections in `order`, then the extensions.
pub(super) fn arrange_project(tree: &mut Value, order: &[&str], absent: bool) {
    let Value::Object(map) = tree else { return };
    let mut given = std::mem::take(map);
    for name in order {
        if let Some(mut section) = given.shift_remove(*name) {
            let layout = match *name {
                "services" => &Each(&SERVICE),
                "networks" => &Each(&NETWORK),
                "volumes" => &Each(&VOLUME),
                "configs" | "secrets" => &Each(&FILE_OBJECT),
                _ => &Own,
            };
            arrange(&mut section, layout, absent);
            map.insert((*name).to_owned(), section);
        }
    }
    given.sort_keys();
    given.values_mut().for_each(sort);
    map.extend(given);
}
