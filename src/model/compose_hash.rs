//! docker compose's own hash of a service, which it keeps as a container's label and goes by when it decides whether to
//! recreate one: SHA-256 of the service as Go's `encoding/json` writes it (docker/compose 2.40 `pkg/compose/hash.go`).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::key_order::{NETWORK, SERVICE, VOLUME};
use super::layout::{Layout, arrange};
use super::{Digest, FileReference, Mount, MountKind, Network, Owner, Project, Service, Volume};

/// Attributes that are no part of the hash.
const LEFT_OUT: &[&str] = &["build", "depends_on", "profiles", "pull_policy", "scale"];

impl Service {
    /// The service's hash, as `docker compose config --hash` prints it for a project that was loaded the same way. It is
    /// docker compose 2.40's; other versions count some attributes differently.
    pub fn compose_hash(&self) -> Digest {
        Digest::of(go_json(&self.hashed()).as_bytes())
    }

    /// The hash that its containers are labelled with: what it has of other services is said by the IDs of their
    /// containers, `service:NAME` → ID (docker/compose `resolveServiceReferences`).
    pub fn container_hash(&self, shares: &BTreeMap<String, String>) -> Digest {
        self.as_created(shares).compose_hash()
    }

    /// The service as docker compose has it when it makes a container: the containers that it has something of by their IDs,
    /// where they are known, and what `use_api_socket` stands for (`useAPISocket`).
    #[must_use]
    pub fn as_created(&self, shares: &BTreeMap<String, String>) -> Self {
        let id = |owner: Owner<'_>| shares.get(&owner.to_string());
        let mode = |mode: &Option<String>| {
            let owner = Owner::of_mode(mode.as_deref()?);
            let of_service = owner.filter(|owner| owner.container().is_none());
            let id = of_service.and_then(id).map(|id| format!("container:{id}"));
            id.or_else(|| mode.clone())
        };
        let volumes = self.volumes_from.iter();
        // Its modes are forgotten.
        let volumes = volumes.map(|entry| match Owner::of_volumes(entry).0 {
            Owner::Container(name) => name.to_owned(),
            owner @ Owner::Service(_) => id(owner).unwrap_or(entry).clone(),
        });
        let mut created = Self {
            network_mode: mode(&self.network_mode),
            ipc: mode(&self.ipc),
            pid: mode(&self.pid),
            volumes_from: volumes.collect(),
            ..self.clone()
        };
        if self.use_api_socket == Some(true) {
            created.add_api_socket();
        }
        created
    }

    fn add_api_socket(&mut self) {
        const SOCKET: &str = "/var/run/docker.sock";
        const FOLDER: &str = "/run/secrets/docker";
        self.volumes.push(Mount {
            kind: MountKind::Bind,
            source: Some(SOCKET.to_owned()),
            target: SOCKET.to_owned(),
            ..Mount::default()
        });
        let folder = Some(FOLDER.to_owned());
        let variable = "DOCKER_CONFIG".to_owned();
        self.environment.entry(variable).or_insert(folder);
        self.configs.push(FileReference {
            source: "#apisocket".to_owned(),
            target: Some(format!("{FOLDER}/config.json")),
            ..FileReference::default()
        });
    }

    /// What is hashed, in the order of Go's fields.
    pub(super) fn hashed(&self) -> Value {
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
        tree
    }
}

impl Project {
    /// docker compose's hash of a network, which it goes by when it decides whether to make another.
    pub fn network_hash(&self, key: &str) -> Digest {
        let network = self.networks.get(key).cloned().unwrap_or_default();
        hash(
            &Network {
                name: Some(self.network_name(key)),
                ..network
            },
            &NETWORK,
        )
    }

    /// docker compose's hash of a volume. Where it says no driver, that is the engine's own.
    pub fn volume_hash(&self, key: &str) -> Digest {
        let volume = self.volumes.get(key).cloned().unwrap_or_default();
        let driver = volume.driver.filter(|driver| !driver.is_empty());
        let volume = Volume {
            name: Some(self.volume_name(key)),
            driver: Some(driver.unwrap_or_else(|| "local".to_owned())),
            ..volume
        };
        hash(&volume, &VOLUME)
    }
}

fn hash(resource: &impl serde::Serialize, layout: &Layout) -> Digest {
    // As above.
    let mut tree = serde_json::to_value(resource).unwrap_or_default();
    if let Some(map) = tree.as_object_mut() {
        map.retain(|name, _| !name.starts_with("x-"));
    }
    arrange(&mut tree, layout, true);
    Digest::of(go_json(&tree).as_bytes())
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
    fn what_a_service_has_of_others_counts_by_the_ids_of_their_containers() {
        let service: Service = serde_json::from_value(json!({
            "image": "a", "network_mode": "service:db", "ipc": "container:x", "volumes_from": ["db:ro", "container:y:ro"]
        }))
        .unwrap();
        let shares = BTreeMap::from([
            ("service:db".to_owned(), "1f".to_owned()),
            ("container:x".to_owned(), "2f".to_owned()),
        ]);
        let by_id = service.as_created(&shares);
        assert_eq!(by_id.network_mode.as_deref(), Some("container:1f"));
        assert_eq!(by_id.ipc.as_deref(), Some("container:x"));
        assert_eq!(by_id.volumes_from, ["1f", "y"]);
        assert_eq!(service.container_hash(&shares), by_id.compose_hash());
        assert_ne!(service.container_hash(&shares), service.compose_hash());
    }

    /// The network's is docker compose 2.40.3's.
    #[test]
    fn networks_and_volumes_have_docker_composes_hashes() {
        let project = Project {
            name: "iop".to_owned(),
            ..Project::default()
        };
        let network = project.network_hash("default").to_string();
        assert!(network.starts_with("b25b0abee1df"), "{network}");
        let volume = |driver: Option<&str>| {
            let volume = Volume {
                driver: driver.map(str::to_owned),
                ..Volume::default()
            };
            let volumes = [("data".to_owned(), volume)].into();
            Project {
                volumes,
                ..project.clone()
            }
            .volume_hash("data")
        };
        assert_eq!(volume(None), volume(Some("local")));
        assert_ne!(volume(None), volume(Some("other")));
    }

    #[test]
    fn text_is_escaped_as_go_does() {
        assert_eq!(
            go_json(&json!({"a": "<&>\u{2028}\"\n"})),
            r#"{"a":"\u003c\u0026\u003e\u2028\"\n"}"#
        );
    }
}
