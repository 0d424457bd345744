//! What does not count as a difference, each with its reason. Everything else that the engine shows does.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::engine::Shown;

/// What the engine shows of a project, by the names that its parts have in the Compose file.
pub(crate) fn normal(shown: Shown, project: &str) -> Value {
    let ids = shown.containers.iter().filter_map(|own| {
        let id = own["Id"].as_str()?.to_owned();
        Some((id, own["Name"].as_str()?.to_owned()))
    });
    let ids: Vec<(String, String)> = ids.collect();
    let mut tree = json!({
        "containers": by_name(shown.containers, container),
        "networks": by_name(shown.networks, network),
        "volumes": {},
    });
    let volumes = shown.volumes.into_iter().map(volume);
    tree["volumes"] = volumes.collect::<Map<String, Value>>().into();
    drop_empty(&mut tree);
    name_containers(&mut tree, &ids);
    rename(&mut tree, project);
    tree
}

/// Each creation has IDs of its own, also where one container names another.
fn name_containers(tree: &mut Value, ids: &[(String, String)]) {
    match tree {
        Value::String(text) => {
            for (id, name) in ids {
                *text = text.replace(id, name);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| name_containers(item, ids)),
        Value::Object(map) => map
            .values_mut()
            .for_each(|value| name_containers(value, ids)),
        _ => {}
    }
}

fn by_name(objects: Vec<Value>, normal: fn(&mut Map<String, Value>)) -> Value {
    let named = objects.into_iter().map(|mut object| {
        let name = object["Name"].as_str().unwrap_or_default().to_owned();
        normal(object.as_object_mut().expect("an object"));
        (name, object)
    });
    named.collect::<Map<String, Value>>().into()
}

fn container(object: &mut Map<String, Value>) {
    let id = object.remove("Id").unwrap_or_default();
    // Each creation has its own, and none of these has been started.
    for name in [
        "Created",
        "State",
        "GraphDriver",
        "Storage",
        "HostnamePath",
        "HostsPath",
        "LogPath",
        "ResolvConfPath",
    ] {
        object.remove(name);
    }
    let config = &mut object["Config"];
    labels(&mut config["Labels"]);
    // Where nobody says one, it is the beginning of the ID.
    let own = config["Hostname"].as_str().unwrap_or_default();
    if id.as_str().is_some_and(|id| id.starts_with(own)) {
        config["Hostname"] = Value::Null;
    }
    // docker compose walks maps of Go, which have no order.
    sort(&mut config["Env"]);
    // The hash of one that has something of others is one of their IDs.
    let host = &object["HostConfig"];
    if host.to_string().contains("\"container:") || host["VolumesFrom"].is_array() {
        object["Config"]["Labels"]["com.docker.compose.config-hash"] = Value::Null;
    }
    let host = &mut object["HostConfig"];
    for name in ["Binds", "ExtraHosts", "Links", "Mounts", "Ulimits"] {
        sort(&mut host[name]);
    }
    ports(&mut object["Config"]["ExposedPorts"]);
    let mounts = object["Mounts"].as_array_mut().expect("a list");
    for mount in mounts {
        anonymous(mount, "Name");
        anonymous(mount, "Source");
    }
    sort(&mut object["Mounts"]);
    let networks = object["NetworkSettings"]["Networks"].as_object_mut();
    let id = id.as_str().unwrap_or_default();
    for own in networks.expect("a map").values_mut() {
        endpoint(own, id);
    }
}

fn network(object: &mut Map<String, Value>) {
    for name in ["Id", "Created"] {
        object.remove(name);
    }
    labels(&mut object["Labels"]);
    // The next one that is free, where the file has none.
    let pools = object["IPAM"]["Config"].as_array_mut().expect("a list");
    pools.retain(|pool| {
        let subnet = pool["Subnet"].as_str().unwrap_or_default();
        FIXTURES.iter().any(|own| subnet.starts_with(own))
    });
}

/// The subnets in the fixtures.
const FIXTURES: [&str; 2] = ["10.213.", "fd00:213:"];

/// A volume, by its name, or by its labels where it has none.
fn volume(mut volume: Value) -> (String, Value) {
    anonymous(&mut volume, "Name");
    let object = volume.as_object_mut().expect("an object");
    for name in ["CreatedAt", "Mountpoint"] {
        object.remove(name);
    }
    labels(&mut object["Labels"]);
    let name = object["Name"].as_str().unwrap_or_default();
    let labels = object["Labels"].as_object().into_iter().flatten();
    let labels: BTreeMap<_, _> = labels.collect();
    (format!("{name} {labels:?}"), volume)
}

/// Each tool has a version of its own, and larder more labels. docker compose's hash is on both, and the same where no ID is
/// in it.
fn labels(labels: &mut Value) {
    let Some(labels) = labels.as_object_mut() else {
        return;
    };
    labels.retain(|name, _| !name.starts_with("dev.larder."));
    labels.remove("com.docker.compose.version");
    // A map of Go's, too.
    if let Some(Value::String(text)) = labels.get_mut("com.docker.compose.depends_on") {
        let mut entries: Vec<&str> = text.split(',').collect();
        entries.sort_unstable();
        *text = entries.join(",");
    }
}

/// docker compose hands `3000-3002` and `3000` over as they are written, which `docker ps` then shows as they are; larder
/// says each port with its protocol, as the engine itself has them.
fn ports(ports: &mut Value) {
    let Some(map) = ports.as_object_mut() else {
        return;
    };
    let mut all = Map::new();
    for written in map.keys() {
        let (range, protocol) = written.split_once('/').unwrap_or((written, "tcp"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |text: &str| text.parse::<u16>().expect("a port");
        for port in number(first)..=number(last) {
            all.insert(format!("{port}/{protocol}"), json!({}));
        }
    }
    *map = all;
}

fn endpoint(endpoint: &mut Value, id: &str) {
    let Some(endpoint) = endpoint.as_object_mut() else {
        return;
    };
    // docker compose says the addresses twice, the IPv6 one as a gateway's; both are the engine's to fill in when the
    // container starts, and `IPAMConfig`, which is compared, is what it goes by.
    for name in ["IPAddress", "IPv6Gateway", "NetworkID"] {
        endpoint.remove(name);
    }
    // docker compose says an alias twice that is the service's name. An engine below API 1.44 adds the beginning of the
    // container's ID to networks that are attached behind the create call.
    if let Some(aliases) = endpoint.get_mut("Aliases").and_then(Value::as_array_mut) {
        let is_id = |alias: &str| alias.len() == 12 && id.starts_with(alias);
        aliases.retain(|alias| !alias.as_str().is_some_and(is_id));
        aliases.sort_by_key(Value::to_string);
        aliases.dedup();
    }
}

/// The name of a volume that nobody named is 64 digits, and so is its folder.
fn anonymous(value: &mut Value, field: &str) {
    let text = value[field].as_str().unwrap_or_default();
    let is_random = |part: &str| part.len() == 64 && part.bytes().all(|b| b.is_ascii_hexdigit());
    if text.split('/').any(is_random) {
        value[field] = "anonymous".into();
    }
}

fn sort(list: &mut Value) {
    if let Some(list) = list.as_array_mut() {
        list.sort_by_key(Value::to_string);
    }
}

/// Go prints nothing, an empty list and an empty map in as many ways; the engine takes them for the same.
fn drop_empty(tree: &mut Value) {
    let says_nothing = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    };
    match tree {
        Value::Object(map) => {
            map.values_mut().for_each(drop_empty);
            // The value of an exposed port is an empty map, and of a network one without settings.
            map.retain(|key, value| key.contains('/') || !says_nothing(value));
        }
        Value::Array(items) => items.iter_mut().for_each(drop_empty),
        _ => {}
    }
}

/// The two projects have different names.
fn rename(tree: &mut Value, project: &str) {
    match tree {
        Value::String(text) => *text = text.replace(project, "PROJECT"),
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, project)),
        Value::Object(map) => {
            map.values_mut().for_each(|value| rename(value, project));
            *map = std::mem::take(map)
                .into_iter()
                .map(|(key, value)| (key.replace(project, "PROJECT"), value))
                .collect();
        }
        _ => {}
    }
}
