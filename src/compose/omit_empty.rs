//! What says nothing, left out of a canonical tree: empty text, lists and maps, zeros, switches that are off (Go's
//! `omitempty`), and what docker compose has no room for. The tables say where nothing is something.

use serde_json::Value;

use super::schema::{Field, Shape, Standing, Table, is_extension};

/// Leaves it out of an object, and of all that is below.
pub(super) fn omit(value: &mut Value, table: &'static Table) {
    let Some(map) = value.as_object_mut() else {
        return;
    };
    map.retain(|key, value| match table.field(key) {
        Some(field) => {
            below(value, field.shape.canonical());
            is_kept(value, field) || value.is_null() && table.needs.contains(&field.name)
        }
        None => is_extension(key) || !table.open,
    });
}

fn below(value: &mut Value, shape: &'static Shape) {
    match (shape, value) {
        (Shape::Fields(table), value) => omit(value, table),
        (Shape::Named(inner) | Shape::Map(inner), Value::Object(map)) => {
            for value in map.values_mut() {
                below(value, inner.canonical());
            }
        }
        (Shape::List(inner) | Shape::Items(_, _, inner), Value::Array(items)) => {
            for value in items {
                below(value, inner.canonical());
            }
        }
        _ => {}
    }
}

fn is_kept(value: &Value, field: &Field) -> bool {
    let zero = match field.shape.canonical() {
        Shape::Size => value == "0",
        Shape::Duration => value == "0s",
        _ => false,
    };
    let nothing = value.is_null() || !field.kept && (zero || says_nothing(value));
    field.standing != Standing::Dropped && !nothing
}

/// Whether a value is as good as none.
pub(super) fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(bool) => !bool,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::attributes::SERVICE;
    use super::*;

    #[test]
    fn what_says_nothing_is_left_out_at_every_depth() {
        let mut service = json!({
            "image": "", "tty": false, "cap_add": [], "scale": 0, "init": false, "command": [], "mem_limit": "0",
            "healthcheck": {"disable": false, "retries": 0, "interval": "0s"},
            "volumes": [{"type": "bind", "source": "/a", "target": "/b", "read_only": false, "bind": {"selinux": ""}}],
            "networks": {"a": null, "b": {"priority": 0}}, "labels": {"a": ""}, "environment": {"A": null},
            "pull_refresh_after": "1h", "gpus": [{"count": 1, "cuont": 2, "driver": ""}], "x-a": null
        });
        omit(&mut service, &SERVICE);
        let left = json!({
            "scale": 0, "init": false, "command": [], "healthcheck": {"retries": 0, "interval": "0s"},
            "volumes": [{"type": "bind", "source": "/a", "target": "/b", "bind": {}}],
            "networks": {"a": null, "b": {}}, "labels": {"a": ""}, "environment": {"A": null},
            "gpus": [{"count": 1}], "x-a": null
        });
        assert_eq!(service, left);
    }
}
