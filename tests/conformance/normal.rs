//! What does not count as a difference, each with its reason, and the differences that are left.

use larder::model::Project;
use serde_json::{Map, Value};

/// larder's project as `docker compose config` would print it.
pub(crate) fn ours(project: Project) -> Value {
    let mut tree = serde_json::to_value(project).expect("a project is JSON");
    for service in services(&mut tree) {
        // docker compose's JSON has no extensions below the top level; its YAML has them.
        service.retain(|key, _| !key.starts_with("x-"));
    }
    drop_empty(&mut tree);
    tree
}

/// docker compose's output with its escapes undone.
pub(crate) fn theirs(mut tree: Value) -> Value {
    unescape(&mut tree);
    for service in services(&mut tree) {
        // One number for both limits, or both written the same: Go keeps the writing, the model the meaning.
        for (_, limit) in service
            .get_mut("ulimits")
            .and_then(Value::as_object_mut)
            .into_iter()
            .flatten()
        {
            if limit["soft"] == limit["hard"] && limit.is_object() {
                *limit = limit["soft"].clone();
            }
        }
    }
    drop_empty(&mut tree);
    tree
}

fn services(tree: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    let services = tree.get_mut("services").and_then(Value::as_object_mut);
    services
        .into_iter()
        .flatten()
        .filter_map(|(_, service)| service.as_object_mut())
}

/// `config` doubles every dollar sign, so that its output can be loaded again.
fn unescape(tree: &mut Value) {
    match tree {
        Value::String(text) => *text = text.replace("$$", "$"),
        Value::Array(items) => items.iter_mut().for_each(unescape),
        Value::Object(map) => {
            map.values_mut().for_each(unescape);
            *map = std::mem::take(map)
                .into_iter()
                .map(|(key, value)| (key.replace("$$", "$"), value))
                .collect();
        }
        _ => {}
    }
}

/// Go's JSON prints empty structs (`ipam`, `placement`, `resources`, a watch's `exec`), which say nothing.
fn drop_empty(tree: &mut Value) {
    match tree {
        Value::Object(map) => {
            map.values_mut().for_each(drop_empty);
            map.retain(|key, value| {
                let says_nothing = matches!(
                    key.as_str(),
                    "ipam" | "placement" | "resources" | "volume" | "bind"
                );
                let no_command = key == "exec" && value["command"].is_null();
                let empty = value.as_object().is_some_and(Map::is_empty);
                !(no_command || says_nothing && empty)
            });
        }
        Value::Array(items) => items.iter_mut().for_each(drop_empty),
        _ => {}
    }
}

/// One line for every path at which the trees differ.
pub(crate) fn differences(ours: &Value, theirs: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    walk(ours, theirs, "", &mut lines);
    lines
}

fn walk(ours: &Value, theirs: &Value, path: &str, lines: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let at = format!("{path}.{key}");
                match (a.get(key), b.get(key)) {
                    (Some(a), Some(b)) => walk(a, b, &at, lines),
                    (a, b) => lines.push(format!("{at}: ours {}, theirs {}", shown(a), shown(b))),
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                walk(a, b, &format!("{path}[{index}]"), lines);
            }
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
        (a, b) if a == b => {}
        (a, b) => lines.push(format!("{path}: ours {a}, theirs {b}")),
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), Value::to_string)
}
