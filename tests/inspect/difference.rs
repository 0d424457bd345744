//! Where two trees differ, one line for each path.

use std::collections::BTreeSet;

use serde_json::Value;

pub(crate) fn between(ours: &Value, theirs: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    walk(Some(ours), Some(theirs), "", &mut lines);
    lines
}

fn walk(ours: Option<&Value>, theirs: Option<&Value>, path: &str, lines: &mut Vec<String>) {
    match (ours, theirs) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                walk(a.get(key), b.get(key), &format!("{path}.{key}"), lines);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for index in 0..a.len().max(b.len()) {
                walk(
                    a.get(index),
                    b.get(index),
                    &format!("{path}[{index}]"),
                    lines,
                );
            }
        }
        (a, b) if a == b => {}
        (a, b) => lines.push(format!("{path}: ours {}, theirs {}", shown(a), shown(b))),
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), Value::to_string)
}
