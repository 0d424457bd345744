//! A service in the engine's words, attribute by attribute.

use std::collections::BTreeMap;

use super::super::sharing;
use super::*;
use crate::model::{
    Attachment, BindOptions, Bytes, Condition, Dependency, Deploy, DeployRestart, Digest, ImageId,
    Limits, Mount, MountKind, Project, Resources, TmpfsOptions, VolumeOptions, labels as keys,
};

/// The definition of `service`, called `app` in project `p`, on an engine with `api`.
fn defined(service: Service, api: &str) -> Result<Definition, EngineError> {
    with_inherits(service, api, &[])
}

fn with_inherits(
    service: Service,
    api: &str,
    inherits: &[(&str, &str)],
) -> Result<Definition, EngineError> {
    with_others(service, api, inherits, &[("service:db", "1db")])
}

/// The same where other containers are there, and the project has a service `db` with two of them.
fn with_others(
    service: Service,
    api: &str,
    inherits: &[(&str, &str)],
    shares: &[(&str, &str)],
) -> Result<Definition, EngineError> {
    let db = Service {
        scale: Some(2),
        ..Service::default()
    };
    let project = Project {
        name: "p".to_owned(),
        services: BTreeMap::from([("app".to_owned(), service), ("db".to_owned(), db)]),
        working_dir: "/shop".into(),
        files: vec!["/shop/a.yaml".into(), "/shop/b.yaml".into()],
        ..Project::default()
    };
    let owned = |(target, volume): &(&str, &str)| ((*target).to_owned(), (*volume).to_owned());
    let shares = shares.iter().map(owned).collect();
    let inherits = inherits.iter().map(owned).collect();
    let image = ImageId("sha256:abc".to_owned());
    let spec = ContainerSpec {
        project: &project,
        service: "app",
        number: 2,
        name: "0123456789ab_p-app-2",
        image: &image,
        fingerprint: Some(Digest::of(b"f")),
        dependencies: Some(Digest::of(b"d")),
        shadowed: None,
        config: Digest::of(b"c"),
        compose_hash: None,
        mounted: None,
        inherits: &inherits,
        image_mounts: &[],
        shares: &shares,
    };
    let own = &project.services["app"];
    let surroundings = Surroundings {
        api: api.parse().unwrap(),
        proxies: BTreeMap::from([("HTTP_PROXY".to_owned(), "http://p".to_owned())]),
        sharing: sharing(&spec, own)?,
        mounted_by_others: (!own.volumes_from.is_empty())
            .then(|| "/of/others".to_owned())
            .into_iter()
            .collect(),
        api_credentials: own.use_api_socket.map(|_| "{}".to_owned()),
        security_opt: Vec::new(),
        unconfined_paths: false,
        image_volumes: ["/declared/by/image", "/of/others"]
            .map(ToOwned::to_owned)
            .into(),
    };
    definition(&spec, &surroundings)
}

fn host(service: Service) -> bollard::models::HostConfig {
    defined(service, "1.41").unwrap().body.host_config.unwrap()
}

fn text(text: &str) -> String {
    text.to_owned()
}

#[test]
fn composes_labels_win_over_the_users() {
    let dependency = Dependency {
        condition: Condition::Healthy,
        required: true,
        restart: false,
    };
    let service = Service {
        labels: BTreeMap::from([
            (text("own"), text("kept")),
            (text(keys::PROJECT), text("forged")),
        ]),
        depends_on: BTreeMap::from([(text("db"), dependency)]),
        ..Service::default()
    };
    let hash = service.compose_hash().to_string();
    let labels = defined(service, "1.41").unwrap().body.labels.unwrap();
    let expected = [
        ("own", text("kept")),
        (keys::PROJECT, text("p")),
        (keys::SERVICE, text("app")),
        (keys::NUMBER, text("2")),
        (keys::ONE_OFF, text("False")),
        (keys::IMAGE, text("sha256:abc")),
        (keys::DEPENDS_ON, text("db:service_healthy:false")),
        (keys::WORKING_DIR, text("/shop")),
        (keys::CONFIG_FILES, text("/shop/a.yaml,/shop/b.yaml")),
        (keys::CONFIG_HASH, hash),
        (keys::CONFIG, Digest::of(b"c").to_string()),
        (keys::FINGERPRINT, Digest::of(b"f").to_string()),
        (keys::DEPENDENCIES, Digest::of(b"d").to_string()),
    ];
    for (key, value) in expected {
        assert_eq!(labels.get(key), Some(&value), "{key}");
    }
    assert!(!labels.contains_key(keys::ENVIRONMENT_FILE));
}

#[test]
fn absent_and_empty_commands_stay_apart() {
    let sent = |command: Option<Vec<String>>| {
        let service = Service {
            command: command.clone(),
            entrypoint: command,
            ..Service::default()
        };
        serde_json::to_value(defined(service, "1.41").unwrap().body).unwrap()
    };
    assert_eq!(sent(None).get("Cmd"), None);
    assert_eq!(sent(Some(Vec::new()))["Cmd"], serde_json::json!([]));
    assert_eq!(sent(Some(Vec::new()))["Entrypoint"], serde_json::json!([]));
}

#[test]
fn a_variable_without_a_value_takes_the_images_away() {
    let service = Service {
        environment: BTreeMap::from([
            (text("B"), Some(text("1=2"))),
            (text("A"), None),
            (text("HTTP_PROXY"), Some(String::new())),
        ]),
        ..Service::default()
    };
    let body = defined(service, "1.41").unwrap().body;
    assert_eq!(body.env.unwrap(), ["A", "B=1=2", "HTTP_PROXY="]);
}

#[test]
fn one_endpoint_below_1_44_and_all_from_there() {
    let attachment = |priority| {
        Some(Box::new(Attachment {
            priority: Some(priority),
            aliases: vec![text("api"), text("app")],
            ..Attachment::default()
        }))
    };
    let service = || Service {
        networks: BTreeMap::from([
            (text("a"), None),
            (text("b"), attachment(5)),
            (text("c"), attachment(0)),
        ]),
        ..Service::default()
    };
    let at_create = |definition: &Definition| {
        let config = definition.body.networking_config.clone().unwrap();
        let mut names: Vec<_> = config.endpoints_config.unwrap().into_keys().collect();
        names.sort_unstable();
        names
    };
    let old = defined(service(), "1.41").unwrap();
    assert_eq!(at_create(&old), ["p_b"]);
    let later: Vec<_> = old.networks.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(later, ["p_a", "p_c"]);
    let mode = old.body.host_config.unwrap().network_mode;
    assert_eq!(mode.as_deref(), Some("p_b"));
    // The final name, not the one it has while the old container is there.
    let aliases = old.networks[1].1.aliases.as_deref().unwrap();
    assert_eq!(aliases, ["p-app-2", "app", "api"]);

    let new = defined(service(), "1.44").unwrap();
    assert_eq!(at_create(&new), ["p_a", "p_b", "p_c"]);
    assert!(new.networks.is_empty());
}

#[test]
fn a_network_mode_excludes_networks() {
    let service = Service {
        network_mode: Some(text("host")),
        networks: BTreeMap::from([(text("a"), None)]),
        ..Service::default()
    };
    let definition = defined(service, "1.41").unwrap();
    assert!(definition.body.networking_config.is_none());
    let mode = definition.body.host_config.unwrap().network_mode;
    assert_eq!(mode.as_deref(), Some("host"));
}

fn mount(kind: MountKind, source: Option<&str>, target: &str) -> Mount {
    Mount {
        kind,
        source: source.map(ToOwned::to_owned),
        target: text(target),
        ..Mount::default()
    }
}

#[test]
fn plain_mounts_are_binds_as_docker_compose_sends_them() {
    let service = Service {
        volumes: vec![
            Mount {
                read_only: true,
                bind: Some(BindOptions {
                    create_host_path: true,
                    selinux: Some(text("z")),
                    ..BindOptions::default()
                }),
                ..mount(MountKind::Bind, Some("/src"), "/app")
            },
            mount(MountKind::Volume, Some("data"), "/data"),
        ],
        tmpfs: vec![text("/run:size=1m,mode=700"), text("/tmp")],
        ..Service::default()
    };
    let host = host(service);
    assert_eq!(host.binds.unwrap(), ["/src:/app:ro,z", "p_data:/data:rw"]);
    assert_eq!(host.mounts.unwrap().len(), 0);
    let tmpfs = host.tmpfs.unwrap();
    assert_eq!(tmpfs["/run"], "size=1m,mode=700");
    assert_eq!(tmpfs["/tmp"], "");
}

#[test]
fn a_bind_that_is_to_be_created_and_propagates_is_a_mount_where_that_can_create() {
    let bind = |selinux: Option<&str>| Service {
        volumes: vec![Mount {
            bind: Some(BindOptions {
                create_host_path: true,
                selinux: selinux.map(text),
                propagation: Some(text("rshared")),
                ..BindOptions::default()
            }),
            ..mount(MountKind::Bind, Some("/src"), "/app")
        }],
        ..Service::default()
    };
    let binds = |service: Service, api: &str| {
        let host = defined(service, api).unwrap().body.host_config.unwrap();
        host.binds.unwrap()
    };
    assert_eq!(binds(bind(None), "1.41"), ["/src:/app:rw,rshared"]);
    assert_eq!(binds(bind(Some("Z")), "1.51"), ["/src:/app:rw,Z,rshared"]);
    let host = defined(bind(None), "1.42").unwrap().body.host_config;
    let mounts = host.unwrap().mounts.unwrap();
    let options = mounts[0].bind_options.as_ref().unwrap();
    assert_eq!(options.create_mountpoint, Some(true));
    assert_eq!(options.propagation.unwrap().as_ref(), "rshared");
}

#[test]
fn a_volume_that_stays_empty_is_a_mount() {
    let nocopy = |selinux: Option<&str>| Service {
        volumes: vec![Mount {
            bind: selinux.map(|label| BindOptions {
                selinux: Some(text(label)),
                ..BindOptions::default()
            }),
            volume: Some(VolumeOptions {
                nocopy: true,
                ..VolumeOptions::default()
            }),
            ..mount(MountKind::Volume, Some("data"), "/data")
        }],
        ..Service::default()
    };
    let mounts = host(nocopy(None)).mounts.unwrap();
    let options = mounts[0].volume_options.as_ref().unwrap();
    assert_eq!(options.no_copy, Some(true));
    assert_eq!(
        host(nocopy(Some("z"))).binds.unwrap(),
        ["p_data:/data:rw,z,nocopy"]
    );
}

#[test]
fn a_hardware_address_is_the_containers_below_1_44_and_an_endpoints_from_there() {
    let on = |mode: Option<&str>| Service {
        mac_address: Some(text("02:00:00:00:00:01")),
        network_mode: mode.map(text),
        networks: match mode {
            Some(_) => BTreeMap::new(),
            None => BTreeMap::from([(text("a"), None), (text("b"), None)]),
        },
        ..Service::default()
    };
    let endpoints = |definition: &Definition| {
        let config = definition.body.networking_config.clone();
        let endpoints = config.and_then(|config| config.endpoints_config);
        let endpoints = endpoints.unwrap_or_default().into_iter();
        let endpoints = endpoints.map(|(name, own)| (name, own.mac_address));
        endpoints.collect::<BTreeMap<_, _>>()
    };
    let mac = || Some(text("02:00:00:00:00:01"));
    let old = defined(on(None), "1.41").unwrap();
    assert_eq!(old.mac_address, mac());
    assert_eq!(endpoints(&old)["p_a"], None);
    let new = defined(on(None), "1.44").unwrap();
    assert_eq!(new.mac_address, None);
    assert_eq!(
        (&endpoints(&new)["p_a"], &endpoints(&new)["p_b"]),
        (&mac(), &None)
    );
    let bridge = defined(on(Some("bridge")), "1.44").unwrap();
    assert_eq!(endpoints(&bridge)["bridge"], mac());
    assert_eq!(
        defined(on(Some("bridge")), "1.41").unwrap().mac_address,
        mac()
    );
}

#[test]
fn what_an_older_engine_has_no_field_for_is_left_out() {
    let service = || Service {
        annotations: BTreeMap::from([(text("a"), text("b"))]),
        networks: BTreeMap::from([(
            text("a"),
            Some(Box::new(Attachment {
                gw_priority: Some(3),
                interface_name: Some(text("eth9")),
                ..Attachment::default()
            })),
        )]),
        ..Service::default()
    };
    let sent = |api: &str| {
        let body = defined(service(), api).unwrap().body;
        let host = body.host_config.unwrap();
        let endpoints = body.networking_config.unwrap().endpoints_config.unwrap();
        let endpoint = endpoints["p_a"].clone();
        (
            host.annotations.is_some(),
            endpoint.gw_priority,
            endpoint.driver_opts.map_or(0, |options| options.len()),
        )
    };
    assert_eq!(sent("1.41"), (false, None, 0));
    assert_eq!(sent("1.43"), (true, None, 0));
    assert_eq!(sent("1.48"), (true, Some(3), 0));
    assert_eq!(sent("1.49"), (true, Some(3), 1));
}

#[test]
fn what_a_bind_cannot_say_is_a_mount() {
    let service = Service {
        volumes: vec![
            Mount {
                bind: Some(BindOptions::default()),
                ..mount(MountKind::Bind, Some("/must/exist"), "/a")
            },
            mount(MountKind::Bind, Some("/with:colon"), "/b"),
            Mount {
                tmpfs: Some(TmpfsOptions {
                    size: Some(Bytes(4096)),
                    mode: Some(0o1777),
                }),
                ..mount(MountKind::Tmpfs, None, "/c")
            },
        ],
        ..Service::default()
    };
    let host = host(service);
    assert_eq!(host.binds.unwrap().len(), 0);
    let mounts = host.mounts.unwrap();
    let sources: Vec<_> = mounts.iter().map(|m| m.source.as_deref()).collect();
    assert_eq!(sources, [Some("/must/exist"), Some("/with:colon"), None]);
    let tmpfs = mounts[2].tmpfs_options.as_ref().unwrap();
    assert_eq!((tmpfs.size_bytes, tmpfs.mode), (Some(4096), Some(0o1777)));
}

#[test]
fn anonymous_volumes_are_handed_over() {
    let service = Service {
        volumes: vec![
            mount(MountKind::Volume, None, "/kept"),
            mount(MountKind::Volume, None, "/new"),
        ],
        ..Service::default()
    };
    let inherits = [
        ("/kept", "v1"),
        ("/declared/by/image", "v2"),
        ("/declared/no/more", "v3"),
    ];
    let definition = with_inherits(service, "1.41", &inherits).unwrap();
    let mounts = definition.body.host_config.unwrap().mounts.unwrap();
    let pairs: Vec<_> = mounts
        .iter()
        .map(|m| (m.target.as_deref().unwrap(), m.source.as_deref()))
        .collect();
    assert_eq!(
        pairs,
        [
            ("/kept", Some("v1")),
            ("/new", None),
            ("/declared/by/image", Some("v2"))
        ]
    );
}

#[test]
fn a_folder_of_a_volume_needs_api_1_45() {
    let service = || Service {
        volumes: vec![Mount {
            volume: Some(VolumeOptions {
                nocopy: false,
                subpath: Some(text("sub")),
                ..VolumeOptions::default()
            }),
            ..mount(MountKind::Volume, Some("data"), "/data")
        }],
        ..Service::default()
    };
    let error = defined(service(), "1.41").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`volumes.volume.subpath` of service `app` needs a Docker Engine with API 1.45 or later; this one has 1.41"
    );
    assert!(defined(service(), "1.45").is_ok());
}

#[test]
fn deploy_limits_stand_over_the_services_own() {
    let limits = Limits {
        memory: Some(Bytes(2048)),
        pids: Some(7),
        ..Limits::default()
    };
    let host = host(Service {
        mem_limit: Some(Bytes(1024)),
        cpus: Some(0.5),
        mem_reservation: Some(Bytes(512)),
        deploy: Some(Box::new(Deploy {
            resources: Some(Resources {
                limits: Some(limits),
                reservations: None,
            }),
            ..Deploy::default()
        })),
        ..Service::default()
    });
    assert_eq!(host.memory, Some(2048));
    assert_eq!(host.nano_cpus, Some(500_000_000));
    assert_eq!(host.pids_limit, Some(7));
    assert_eq!(host.memory_reservation, Some(512));
}

#[test]
fn restart_policies_are_read_as_docker_compose_reads_them() {
    use bollard::models::RestartPolicyNameEnum as Name;
    let policy = |text: &str| {
        let service = Service {
            restart: Some(text.to_owned()),
            ..Service::default()
        };
        let policy = host(service).restart_policy.unwrap();
        (policy.name.unwrap(), policy.maximum_retry_count)
    };
    assert_eq!(policy("no"), (Name::NO, None));
    assert_eq!(policy("always"), (Name::ALWAYS, None));
    assert_eq!(policy("unless-stopped"), (Name::UNLESS_STOPPED, None));
    assert_eq!(policy("on-failure:3"), (Name::ON_FAILURE, Some(3)));

    let deployed = |condition: Option<&str>, max_attempts| {
        let restart_policy = Some(DeployRestart {
            condition: condition.map(text),
            max_attempts,
            ..DeployRestart::default()
        });
        let service = Service {
            restart: Some(text("always")),
            deploy: Some(Box::new(Deploy {
                restart_policy,
                ..Deploy::default()
            })),
            ..Service::default()
        };
        let policy = host(service).restart_policy.unwrap();
        (policy.name.unwrap(), policy.maximum_retry_count)
    };
    assert_eq!(deployed(Some("any"), None), (Name::ALWAYS, None));
    assert_eq!(deployed(Some("none"), None), (Name::NO, None));
    assert_eq!(
        deployed(Some("on-failure"), Some(2)),
        (Name::ON_FAILURE, Some(2))
    );
    assert_eq!(deployed(None, None), (Name::EMPTY, None));
}

#[test]
fn a_grace_period_is_cut_to_whole_seconds() {
    let timeout = |nanoseconds| {
        let service = Service {
            stop_grace_period: Some(Span(nanoseconds)),
            ..Service::default()
        };
        defined(service, "1.41").unwrap().body.stop_timeout
    };
    assert_eq!(timeout(1_500_000_000), Some(1));
    assert_eq!(timeout(500_000_000), Some(0));
}

#[test]
fn a_health_check_is_in_nanoseconds_and_leaves_out_what_is_not_said() {
    let check = |api: &str, check: Healthcheck| {
        let service = Service {
            healthcheck: Some(check),
            ..Service::default()
        };
        defined(service, api).unwrap().body.healthcheck.unwrap()
    };
    let declared = || Healthcheck {
        test: Some(vec![text("CMD"), text("true")]),
        interval: Some(Span(2_000_000_000)),
        start_interval: Some(Span(1_000_000)),
        ..Healthcheck::default()
    };
    let old = check("1.41", declared());
    assert_eq!(old.interval, Some(2_000_000_000));
    assert_eq!((old.timeout, old.retries), (None, None));
    assert_eq!(old.start_interval, None);
    assert_eq!(check("1.44", declared()).start_interval, Some(1_000_000));
    let off = Healthcheck {
        disable: true,
        ..declared()
    };
    assert_eq!(check("1.44", off).test.unwrap(), ["NONE"]);
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

#[test]
fn what_others_have_is_asked_for_by_container() {
    let service = || Service {
        network_mode: Some(text("service:db")),
        ipc: Some(text("service:db")),
        pid: Some(text("container:x")),
        uts: Some(text("host")),
        volumes_from: texts(&["db:ro", "container:y", "container:z:rw"]),
        ..Service::default()
    };
    let shares = [("service:db", "1db"), ("container:y", "1y")];
    let body = with_others(service(), "1.41", &[], &shares).unwrap().body;
    let host = body.host_config.unwrap();
    let mode = |mode: &Option<String>| mode.clone().unwrap_or_default();
    assert_eq!(mode(&host.network_mode), "container:1db");
    assert_eq!(mode(&host.ipc_mode), "container:1db");
    assert_eq!(mode(&host.pid_mode), "container:x");
    assert_eq!(mode(&host.uts_mode), "host");
    let from = texts(&["1db:ro", "1y", "z:rw"]);
    assert_eq!(host.volumes_from, Some(from));
    let label = &body.labels.unwrap()[keys::SHARES];
    assert_eq!(
        label,
        "ipc=1db,pid=x,volumes_from=1db,volumes_from=1y,volumes_from=z"
    );
    let error = with_others(service(), "1.41", &[], &[]).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(
        cause,
        "it asks for `service:db`, and service `db` has no container"
    );
}

#[test]
fn links_have_the_aliases_that_docker_compose_gives() {
    let service = Service {
        links: texts(&["db:data"]),
        external_links: texts(&["other", "that:there", "a:b:c"]),
        networks: BTreeMap::from([(text("one"), None), (text("two"), None)]),
        ..Service::default()
    };
    let all = defined(service, "1.44").unwrap().body;
    // The number is that of the container that links.
    let expected = texts(&[
        "p-db-1:data",
        "p-db-1:db-2",
        "p-db-1:p-db-2",
        "p-db-2:data",
        "p-db-2:db-2",
        "p-db-2:p-db-2",
        "other:other",
        "that:there",
        "a:a",
    ]);
    assert_eq!(all.host_config.unwrap().links, Some(expected.clone()));
    let endpoints = all.networking_config.unwrap().endpoints_config.unwrap();
    assert_eq!(endpoints.len(), 2);
    for endpoint in endpoints.values() {
        assert_eq!(endpoint.links, Some(expected.clone()));
    }
    assert!(!all.labels.unwrap().contains_key(keys::SHARES));
    assert_eq!(host(Service::default()).links, None);
}

#[test]
fn a_volume_that_comes_from_another_is_not_handed_over() {
    let service = Service {
        volumes_from: texts(&["db"]),
        ..Service::default()
    };
    let old = [("/of/others", "old"), ("/declared/by/image", "own")];
    let body = with_inherits(service, "1.41", &old).unwrap().body;
    let mounts = body.host_config.unwrap().mounts.unwrap();
    let targets: Vec<_> = mounts.into_iter().filter_map(|own| own.target).collect();
    assert_eq!(targets, ["/declared/by/image"]);
}

#[test]
fn the_api_socket_comes_with_credentials() {
    let service = |environment: &[(&str, &str)]| Service {
        use_api_socket: Some(true),
        environment: environment
            .iter()
            .map(|(name, value)| (text(name), Some(text(value))))
            .collect(),
        ..Service::default()
    };
    let given = defined(service(&[]), "1.41").unwrap();
    let socket = "/var/run/docker.sock:/var/run/docker.sock:rw";
    assert_eq!(
        given.body.host_config.unwrap().binds,
        Some(texts(&[socket]))
    );
    let variable = text("DOCKER_CONFIG=/run/secrets/docker");
    assert!(given.body.env.unwrap().contains(&variable));
    assert!(given.files.is_some());
    let own = defined(service(&[("DOCKER_CONFIG", "/own")]), "1.41").unwrap();
    assert!(!own.body.env.unwrap().contains(&variable));
    assert!(defined(Service::default(), "1.41").unwrap().files.is_none());
}
