//! Which fields a service has, and which of the values that versions of docker compose may leave unsaid. Versions write the
//! JSON that they hash in different ways field by field; what names, paths and texts say makes no difference to that. So a
//! formula that gave a version's hash gives it for every other service whose shape has nothing more in it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Service;
use super::key_order::SERVICE;
use super::layout::Layout;

/// Words that may be somebody's default are no longer than this: `tcp`, `ingress`, `rprivate`.
const WORD: usize = 12;

impl Service {
    /// Its shape, as paths: `volumes[].bind.create_host_path=true`, `environment.*=text`.
    pub fn compose_shape(&self) -> BTreeSet<String> {
        let mut shape = BTreeSet::new();
        walk(&self.hashed(), &SERVICE, "", &mut shape);
        shape
    }
}

fn walk(value: &Value, layout: &Layout, path: &str, shape: &mut BTreeSet<String>) {
    match (layout, value) {
        (Layout::Always(inner), value) => walk(value, inner, path, shape),
        (Layout::Fields(fields), Value::Object(map)) if !map.is_empty() => {
            for (name, value) in map {
                let own = fields.iter().find(|(field, _)| field == name);
                let inner = own.map_or(&Layout::Own, |(_, layout)| layout);
                let below = format!("{path}.{name}");
                match value {
                    // A part's own word may be what it is by default; a service's is a name, a path or a text.
                    Value::String(word) if !path.is_empty() && is_word(name, word) => {
                        shape.insert(format!("{below}={word}"));
                    }
                    value => walk(value, inner, &below, shape),
                }
            }
        }
        (layout, Value::Array(items)) if !items.is_empty() => {
            let path = format!("{path}[]");
            for item in items {
                walk(item, each(layout), &path, shape);
            }
        }
        (layout, Value::Object(map)) if !map.is_empty() => {
            let path = format!("{path}.*");
            for item in map.values() {
                walk(item, each(layout), &path, shape);
            }
        }
        (_, value) => {
            shape.insert(format!("{path}={}", kind(value)));
        }
    }
}

fn each(layout: &Layout) -> &Layout {
    match layout {
        Layout::Each(inner) => inner,
        _ => &Layout::Own,
    }
}

fn is_word(name: &str, text: &str) -> bool {
    let is_path = matches!(name, "source" | "target");
    !is_path
        && (1..=WORD).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(true) => "true",
        Value::Bool(false) => "false",
        Value::Number(number) if number.as_f64() == Some(0.0) => "0",
        Value::Number(_) => "number",
        Value::String(text) if text.is_empty() => "empty",
        Value::String(_) => "text",
        Value::Array(_) => "[]",
        Value::Object(_) => "{}",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shape(service: Value) -> BTreeSet<String> {
        let service: Service = serde_json::from_value(service).unwrap();
        service.compose_shape()
    }

    #[test]
    fn names_and_texts_are_no_part_of_it_and_fields_and_their_defaults_are() {
        let bind = |source: &str, make: bool| {
            json!({"image": "a", "environment": {"A": "1"}, "volumes":
                [{"type": "bind", "source": source, "target": "b", "bind": {"create_host_path": make}}]})
        };
        let one = shape(bind("/one", true));
        let expected = [
            ".command=null",
            ".entrypoint=null",
            ".environment.*=text",
            ".image=text",
            ".volumes[].bind.create_host_path=true",
            ".volumes[].source=text",
            ".volumes[].target=text",
            ".volumes[].type=bind",
        ];
        assert_eq!(one.iter().collect::<Vec<_>>(), expected);
        assert_eq!(one, shape(bind("/two", true)));
        assert_ne!(one, shape(bind("/one", false)));
        assert!(shape(json!({"image": "b", "environment": {"B": "x"}})).is_subset(&one));
        assert!(!shape(json!({"image": "b", "user": "x"})).is_subset(&one));
    }
}
