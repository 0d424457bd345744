//! docker compose's own hash of a service, which it keeps as a container's label and goes by when it decides whether to
//! recreate one: SHA-256 of the service as Go's `encoding/json` writes it (docker/compose 2.40 `pkg/compose/hash.go`).

use serde_json::{Map, Value};

use super::key_order::SERVICE;
use super::layout::arrange;
use super::{Digest, Service};

/// Attributes that are no part of the hash.
const LEFT_OUT: &[&str] = &["build", "depends_on", "profiles", "pull_policy", "scale"];

impl Service {
    /// The service's hash, as `docker compose config --hash` prints it for a project that was loaded the same way. It is
    /// docker compose 2.40's; other versions count some attributes differently.
    pub fn compose_hash(&self) -> Digest {
        // A service is plain data; it has no keys that are not strings.
        let mut tree = serde_json::to_value(self).unwrap_or_default();
        without_extensions(&mut tree);
        if let Some(service) = tree.as_object_mut() {
            service.retain(|name, _| !LEFT_OUT.contains(&name.as_str()));
            let files = service.get_mut("env_file").and_then(Value::as_array_mut);
            files.into_iter().flatten().for_each(required_by_path);
            if let Some(deploy) = service.get_mut("deploy").and_then(Value::as_object_mut) {
                deploy.shift_remove("replicas");
            }
        }
        arrange(&mut tree, &SERVICE, true);
        as_in_go(&mut tree);
        Digest::of(go_json(&tree).as_bytes())
    }
}

/// Go writes an env file that must be there as its path, whatever its format (`types.EnvFile`).
fn required_by_path(file: &mut Value) {
    if file.get("required") == Some(&Value::Bool(true)) {
        *file = file.get("path").cloned().unwrap_or_default();
    }
}

/// `x-*` keys are no part of Go's JSON; but they are keys like others where the user chooses them.
fn without_extensions(service: &mut Value) {
    const OWN_KEYS: &[&str] = &[
        "annotations",
        "depends_on",
        "driver_opts",
        "environment",
        "labels",
        "models",
        "networks",
        "options",
        "storage_opt",
        "sysctls",
        "ulimits",
    ];
    fn leave_out(map: &mut Map<String, Value>) {
        map.retain(|name, _| !name.starts_with("x-"));
        for (name, value) in map {
            walk(name, value);
        }
    }
    fn walk(name: &str, value: &mut Value) {
        match value {
            Value::Object(map) if OWN_KEYS.contains(&name) => {
                map.values_mut().for_each(|value| walk("", value));
            }
            Value::Object(map) => leave_out(map),
            Value::Array(items) => items.iter_mut().for_each(|item| walk("", item)),
            _ => {}
        }
    }
    walk("", service);
}

/// What Go's JSON says of a service in its own way: the devices of `blkio_config` have no names for JSON
/// (`types.WeightDevice`, `types.ThrottleDevice`), so their fields' stand there, and a limit of 0 is left out.
fn as_in_go(service: &mut Value) {
    let blkio = service
        .get_mut("blkio_config")
        .and_then(Value::as_object_mut);
    let lists = blkio
        .into_iter()
        .flatten()
        .filter_map(|(_, list)| list.as_array_mut());
    for device in lists.flatten().filter_map(Value::as_object_mut) {
        let fields = std::mem::take(device).into_iter();
        device.extend(fields.map(|(name, value)| {
            let (first, rest) = name.split_at(1);
            (first.to_uppercase() + rest, value)
        }));
    }
    without_zero_limits(service.get_mut("build"));
    without_zero_limits(Some(service));
}

fn without_zero_limits(owner: Option<&mut Value>) {
    let limits = owner.and_then(|owner| owner.get_mut("ulimits")?.as_object_mut());
    for (_, limit) in limits.into_iter().flatten() {
        if let Value::Object(both) = limit {
            both.retain(|_, number| number != 0);
        }
    }
}

/// A tree as Go writes it: without blanks, and with what HTML would take for its own as `\u` escapes.
fn go_json(tree: &Value) -> String {
    let mut text = String::new();
    for char in tree.to_string().chars() {
        match char {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hash(service: Value) -> String {
        let service: Service = serde_json::from_value(service).unwrap();
        service.compose_hash().to_string()
    }

    /// The figure is docker compose 2.40.3's for this service.
    #[test]
    fn a_plain_service_has_docker_composes_hash() {
        let service = json!({"image": "larder-rel-probe:1", "networks": {"default": null}});
        assert!(hash(service).starts_with("1ed45ba4"));
    }

    #[test]
    fn what_docker_compose_leaves_out_does_not_count() {
        let plain = json!({"image": "a", "deploy": {}, "labels": {"x-a": "1"}});
        let more = json!({"image": "a", "deploy": {"replicas": 3}, "labels": {"x-a": "1"}, "scale": 3,
            "build": {"context": "/x"}, "pull_policy": "always", "profiles": ["p"], "x-note": {"a": 1}});
        assert_eq!(hash(plain), hash(more));
        assert_ne!(
            hash(json!({"image": "a", "labels": {"x-a": "1"}})),
            hash(json!({"image": "a", "labels": {"x-a": "2"}}))
        );
    }

    #[test]
    fn text_is_escaped_as_go_does() {
        assert_eq!(
            go_json(&json!({"a": "<&>\u{2028}\"\n"})),
            r#"{"a":"\u003c\u0026\u003e\u2028\"\n"}"#
        );
    }
}
