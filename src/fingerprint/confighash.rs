//! What a container is made of besides its image, as one digest: what the Compose file says about running
//! it, and the content of the files that are put into it.

use serde_json::{Map, Value};

use super::delivery;
use super::error::Error;
use crate::model::{Digest, DigestWriter, MountKind, Project, Service, link};

/// Attributes that say how a service is built, ordered, chosen or counted, and not what its container is; and
/// those whose content is in `environment` and `labels` already.
const BESIDE_THE_CONTAINER: &[&str] = &[
    "build",
    "depends_on",
    "profiles",
    "pull_policy",
    "pull_refresh_after",
    "scale",
    "develop",
    "attach",
    "env_file",
    "label_file",
    "configs",
    "secrets",
];

/// Attributes that were in the hash before they were in the container: one that was made then is made anew.
const CARRIED_LATER: &[&str] = &[
    "annotations",
    "blkio_config",
    "cgroup",
    "cgroup_parent",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_shares",
    "cpuset",
    "credential_spec",
    "device_cgroup_rules",
    "devices",
    "dns_opt",
    "dns_search",
    "domainname",
    "external_links",
    "gpus",
    "group_add",
    "ipc",
    "isolation",
    "links",
    "mac_address",
    "mem_swappiness",
    "memswap_limit",
    "oom_kill_disable",
    "oom_score_adj",
    "pid",
    "post_start",
    "runtime",
    "storage_opt",
    "use_api_socket",
    "userns_mode",
    "uts",
    "volumes_from",
];

/// The same in a part of the service.
fn was_carried_later(service: &Value) -> bool {
    const OF_DEPLOY: [&str; 2] = ["/restart_policy", "/resources/reservations/devices"];
    const OF_NETWORK: [&str; 5] = [
        "driver_opts",
        "gw_priority",
        "interface_name",
        "link_local_ips",
        "mac_address",
    ];
    const OF_MOUNT: [&str; 2] = ["/bind/recursive", "/volume/labels"];
    let has = |name: &&str| service.get(*name).is_some();
    let deploy = service.get("deploy");
    let mut of_deploy = OF_DEPLOY.iter();
    let networks = service.get("networks").and_then(Value::as_object);
    let mut networks = networks.into_iter().flatten();
    let mounts = service.get("volumes").and_then(Value::as_array);
    let mut mounts = mounts.into_iter().flatten();
    CARRIED_LATER.iter().any(has)
        || deploy.is_some_and(|deploy| of_deploy.any(|path| deploy.pointer(path).is_some()))
        || networks.any(|(_, network)| OF_NETWORK.iter().any(|key| network.get(key).is_some()))
        || mounts.any(|mount| OF_MOUNT.iter().any(|path| mount.pointer(path).is_some()))
}

/// The digest of a service's container: its canonical definition, the engine's names of its networks and
/// volumes, and the content of its configs, secrets and seccomp profiles. Only what is set is in it, so that a new version of
/// larder that knows more attributes gives the same digest for a file that does not use them.
///
/// # Errors
/// A service, config or secret that the project does not have, one that cannot be put into the container, or a
/// file that cannot be read.
pub fn config_hash(project: &Project, name: &str) -> Result<Digest, Error> {
    let unknown = || Error::Unknown {
        kind: "service",
        name: name.to_owned(),
    };
    let service = project.services.get(name).ok_or_else(unknown)?;
    let mut writer = DigestWriter::new("larder-config-v1");
    let tree = definition(service);
    writer.tree(&tree);
    if was_carried_later(&tree) {
        writer.text("carried out");
    }
    writer.number(service.networks.len() as u64);
    for key in service.networks.keys() {
        writer.text(key).text(&project.network_name(key));
    }
    // Links go by the names that the containers of the other service have.
    for entry in &service.links {
        let (other, _) = link(entry);
        let replicas = project.services.get(other).map_or(1, Service::replicas);
        for number in 1..=replicas {
            writer.text(&project.container_name(other, number));
        }
    }
    let named = service
        .volumes
        .iter()
        .filter(|mount| mount.kind == MountKind::Volume);
    let volumes: Vec<&str> = named.filter_map(|mount| mount.source.as_deref()).collect();
    writer.number(volumes.len() as u64);
    for key in volumes {
        writer.text(key).text(&project.volume_name(key));
    }
    let written = delivery::write(&mut writer, project, name, service);
    written.map_err(|error| error.written_in(project))?;
    Ok(writer.finish())
}

/// The service's canonical tree without what stays beside the container.
fn definition(service: &Service) -> Value {
    // A service is plain data; it has no keys that are not strings.
    let tree = serde_json::to_value(service).unwrap_or_default();
    let Value::Object(tree) = tree else {
        return tree;
    };
    let mut kept = Map::new();
    for (name, mut value) in tree {
        if BESIDE_THE_CONTAINER.contains(&name.as_str())
            || name.starts_with("x-")
            || value.is_null()
        {
            continue;
        }
        if name == "ulimits" {
            for (_, limit) in value.as_object_mut().into_iter().flatten() {
                one_number(limit);
            }
        }
        if name == "deploy"
            && let Some(deploy) = value.as_object_mut()
        {
            deploy.retain(|name, value| name != "replicas" && !value.is_null());
            if deploy.is_empty() {
                continue;
            }
        }
        kept.insert(name, value);
    }
    Value::Object(kept)
}

/// Two limits of one value, and that value, are the same to the container.
fn one_number(limit: &mut Value) {
    if let Some(soft) = limit
        .get("soft")
        .filter(|soft| limit.get("hard") == Some(soft))
    {
        *limit = soft.clone();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::FileObject;

    fn hash(service: &Value, change: impl FnOnce(&mut Project)) -> Digest {
        let mut project = Project {
            name: "p".to_owned(),
            ..Project::default()
        };
        project.services.insert(
            "s".to_owned(),
            serde_json::from_value(service.clone()).unwrap(),
        );
        change(&mut project);
        config_hash(&project, "s").unwrap()
    }

    fn plain() -> Value {
        json!({"image": "a", "environment": {"A": "1"}, "networks": {"default": null},
            "volumes": [{"type": "volume", "source": "data", "target": "/d"}]})
    }

    fn with(name: &str, value: Value) -> Value {
        let mut service = plain();
        service[name] = value;
        service
    }

    #[test]
    fn what_reaches_the_container_counts() {
        let before = hash(&plain(), |_| ());
        let changes = [
            ("environment", json!({"A": "2"})),
            ("environment", json!({"A": null})),
            ("command", json!([])),
            ("entrypoint", json!(["x"])),
            ("ports", json!([{"target": 80, "protocol": "tcp"}])),
            ("networks", json!({"default": {"aliases": ["b"]}})),
            ("deploy", json!({"resources": {"limits": {"memory": "1"}}})),
            ("labels", json!({"a": "b"})),
            ("pid", json!("host")),
        ];
        let mut hashes = vec![before];
        for (name, value) in changes {
            let hash = hash(&with(name, value.clone()), |_| ());
            assert!(!hashes.contains(&hash), "{name} {value}");
            hashes.push(hash);
        }
        let renamed = hash(&plain(), |project| project.name = "q".to_owned());
        assert!(
            !hashes.contains(&renamed),
            "the engine's names of networks and volumes"
        );
    }

    #[test]
    fn what_stays_beside_the_container_does_not() {
        let before = hash(&plain(), |_| ());
        let changes = [
            ("build", json!({"context": "/x"})),
            ("depends_on", json!({"b": {"condition": "service_started"}})),
            ("profiles", json!(["x"])),
            ("pull_policy", json!("always")),
            ("scale", json!(3)),
            ("deploy", json!({"replicas": 3})),
            ("develop", json!({"watch": []})),
            ("x-larder", json!({"a": 1})),
            ("command", json!(null)),
        ];
        for (name, value) in changes {
            assert_eq!(hash(&with(name, value), |_| ()), before, "{name}");
        }
    }

    #[test]
    fn the_content_of_configs_and_secrets_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        let path = file.to_str().unwrap().to_owned();
        let service = with("secrets", json!([{"source": "key"}]));
        let of = |content: &str| {
            std::fs::write(&file, content).unwrap();
            let object = FileObject {
                file: Some(path.clone()),
                ..FileObject::default()
            };
            hash(&service, |project| {
                drop(project.secrets.insert("key".to_owned(), object));
            })
        };
        assert_eq!(of("one"), of("one"));
        assert_ne!(of("one"), of("two"));
        let project = Project {
            services: [("s".to_owned(), serde_json::from_value(service).unwrap())].into(),
            ..Project::default()
        };
        assert!(matches!(
            config_hash(&project, "s"),
            Err(Error::Unknown { kind: "secret", .. })
        ));
    }

    #[test]
    fn the_content_of_a_seccomp_profile_counts() {
        let folder = tempfile::tempdir().unwrap();
        let service = with("security_opt", json!(["seccomp=p.json"]));
        let of = |content: &str| {
            std::fs::write(folder.path().join("p.json"), content).unwrap();
            hash(&service, |project| {
                project.working_dir = folder.path().into();
            })
        };
        assert_eq!(
            of("{\"a\": 1}"),
            of("{ \"a\": 1 }\n"),
            "as the engine gets it"
        );
        assert_ne!(of("{\"a\": 1}"), of("{\"a\": 2}"));
        let project = Project {
            services: [("s".to_owned(), serde_json::from_value(service).unwrap())].into(),
            ..Project::default()
        };
        assert!(matches!(
            config_hash(&project, "s"),
            Err(Error::Seccomp { .. })
        ));
        let endless = with("security_opt", json!(["seccomp=/dev/zero"]));
        let project = Project {
            services: [("s".to_owned(), serde_json::from_value(endless).unwrap())].into(),
            ..Project::default()
        };
        assert!(matches!(
            config_hash(&project, "s"),
            Err(Error::Seccomp { .. })
        ));
    }

    #[test]
    fn the_value_of_a_variable_counts_and_must_be_there() {
        let object = |value: Option<&str>| FileObject {
            environment: Some("TOKEN".to_owned()),
            value: value.map(str::to_owned),
            ..FileObject::default()
        };
        let of = |service: &Value, object: FileObject| {
            let project = Project {
                services: [(
                    "s".to_owned(),
                    serde_json::from_value(service.clone()).unwrap(),
                )]
                .into(),
                secrets: [("key".to_owned(), object)].into(),
                ..Project::default()
            };
            config_hash(&project, "s")
        };
        let service = with("secrets", json!([{"source": "key"}]));
        let hash = |value| of(&service, object(Some(value))).unwrap();
        assert_eq!(hash("one"), hash("one"));
        assert_ne!(hash("one"), hash("two"));
        assert_ne!(hash("one"), hash(""));
        assert!(matches!(
            of(&service, object(None)),
            Err(Error::Unset { .. })
        ));
        let owned = with("secrets", json!([{"source": "key", "uid": "root"}]));
        assert!(matches!(
            of(&owned, object(Some("x"))),
            Err(Error::Owner { .. })
        ));
        let mut read_only = service.clone();
        read_only["read_only"] = json!(true);
        assert!(matches!(
            of(&read_only, object(Some("x"))),
            Err(Error::ReadOnly { .. })
        ));
        let external = FileObject {
            external: true,
            ..FileObject::default()
        };
        assert!(matches!(
            of(&service, external),
            Err(Error::External { .. })
        ));
    }

    #[test]
    fn a_container_keeps_its_hash_from_version_to_version() {
        // Every container that is running was labelled with such a value: a change recreates all of them.
        insta::assert_snapshot!(hash(&plain(), |_| ()), @"8305a80782e46166e5fa7cd3725657740dfdf9e029a2544f1cad15bab85b98f7");
    }
}
