//! What does not count as a difference, each with its reason, and the differences that are left.

use larder::model::Project;
use serde_json::Value;

/// larder's project as `docker compose config` would print it.
pub(crate) fn ours(project: &Project) -> Value {
    let text = project.to_json().expect("a project is JSON");
    let mut tree = serde_json::from_str(&text).expect("it prints JSON");
    unescape(&mut tree);
    for (name, section) in tree.as_object_mut().into_iter().flatten() {
        if name.starts_with("x-") {
            without_empty_lists(section);
        } else {
            without_extensions(section, true);
        }
        if name == "services" {
            let services = section.as_object_mut().into_iter().flatten();
            services.for_each(|(_, service)| as_in_go(service));
        }
    }
    tree
}

/// What Go's JSON says of a service in its own way, which no Compose file can say: the devices of `blkio_config` have no names for JSON
/// (`types.WeightDevice`, `types.ThrottleDevice`), so their fields' stand there, and a limit of 0 is left out. `model::compose_hash` has the same for the hash: written here once
/// more, as what docker compose prints is compared with a tree that larder's own code for its JSON had no part in.
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

/// A list without items is nothing to Go, and stays so in extensions, which it knows nothing of.
fn without_empty_lists(value: &mut Value) {
    match value {
        Value::Object(map) => map.values_mut().for_each(without_empty_lists),
        Value::Array(items) if items.is_empty() => *value = Value::Null,
        Value::Array(items) => items.iter_mut().for_each(without_empty_lists),
        _ => {}
    }
}

/// docker compose's output with its escapes undone.
pub(crate) fn theirs(mut tree: Value) -> Value {
    unescape(&mut tree);
    tree
}

/// docker compose's JSON has no extensions below the top level; its YAML has them. What the user names may begin with
/// `x-`, too: services, networks and so on.
fn without_extensions(value: &mut Value, named: bool) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| named || !key.starts_with("x-"));
            for (key, value) in map {
                let own_keys = [
                    "depends_on",
                    "labels",
                    "environment",
                    "networks",
                    "annotations",
                    "sysctls",
                    "args",
                ];
                without_extensions(value, own_keys.contains(&key.as_str()));
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| without_extensions(item, false)),
        _ => {}
    }
}

/// `config` doubles every dollar sign, so that its output can be loaded again; docker compose in keys, too.
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

/// One line for every path at which the trees differ.
pub(crate) fn differences(ours: &Value, theirs: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    walk(ours, theirs, "", &mut lines);
    lines
}

/// Whether two trees that are equal are written in the same order.
pub(crate) fn order(ours: &Value, theirs: &Value) -> Option<String> {
    // Equality of two trees is blind to the order of keys.
    let (text, other) = (ours.to_string(), theirs.to_string());
    (ours == theirs && text != other).then(|| format!("the order differs:\n{ours}\n{theirs}"))
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
        (a, b) if a == b => {}
        (a, b) => lines.push(format!("{path}: ours {a}, theirs {b}")),
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), Value::to_string)
}
