//! larder and docker compose on one stack: each leaves alone what the other made, as far as that can be proven.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::stack::{Stack, docker};

const STACK: &str = "
services:
  db:
    image: busybox:stable
    command: sleep 1d
    init: true
    env_file: db.env
    volumes: ['data:/data', '/scratch']
    healthcheck: {test: [CMD, 'true'], interval: 1s}
    networks: {back: {aliases: [database]}}
  api:
    build: {context: ./api, labels: {dev.larder.test: '${COMPOSE_PROJECT_NAME}'}}
    command: sleep 1d
    init: true
    environment: {PRICE: '$$5 & more', EDITION: '${EDITION:-one}'}
    volumes: ['./shared:/shared:ro']
    configs: [motd]
    depends_on: {db: {condition: service_healthy}}
    networks: [back, front]
    mem_limit: 64m
  web:
    image: busybox:stable
    command: sleep 1d
    init: true
    environment: {EDITION: '${EDITION:-one}'}
    deploy: {replicas: 2}
    networks: [front]
    extra_hosts: ['elsewhere:10.0.0.1']
  side:
    image: busybox:stable
    command: sleep 1d
    init: true
    network_mode: 'service:api'
  guest:
    image: busybox:stable
    command: sleep 1d
    init: true
    volumes_from: [db]
  extra:
    image: busybox:stable
    command: sleep 1d
    init: true
    profiles: [extra]
networks:
  back: {driver_opts: {com.docker.network.driver.mtu: '1400'}, labels: {kind: inner}}
  front:
volumes: {data: {labels: {kind: kept}}}
configs: {motd: {file: ./motd}}
";

/// Where docker compose is found, as it is by the person who runs the tests.
fn plugins() -> String {
    let own = std::env::var("DOCKER_CONFIG");
    own.unwrap_or_else(|_| format!("{}/.docker", std::env::var("HOME").unwrap()))
}

fn stack(test: &str) -> Stack {
    let stack = Stack::new(test, STACK)
        .env("DOCKER_CONFIG", &plugins())
        .env("COMPOSE_PROFILES", "extra");
    for (path, text) in [
        ("db.env", "USER=hub\nPASSWORD=a$$b\n"),
        ("api/Dockerfile", "FROM busybox:stable\nCOPY main /main\n"),
        ("api/main", "one\n"),
        ("shared/file", "shared\n"),
        ("motd", "hello\n"),
    ] {
        stack.sandbox.write(path, text);
    }
    stack
}

/// The services of a stack with the IDs of their containers.
fn containers(stack: &Stack) -> BTreeMap<String, Vec<String>> {
    let filter = format!("label=com.docker.compose.project={}", stack.name);
    let format = "{{.Label \"com.docker.compose.service\"}} {{.ID}}";
    let listed = docker(&[
        "ps",
        "-a",
        "--no-trunc",
        "--filter",
        &filter,
        "--format",
        format,
    ]);
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in listed.lines() {
        let (service, id) = line.split_once(' ').unwrap();
        all.entry(service.to_owned())
            .or_default()
            .push(id.to_owned());
    }
    for ids in all.values_mut() {
        ids.sort();
    }
    all
}

/// The services whose containers are others than before.
fn changed(stack: &Stack, before: &mut BTreeMap<String, Vec<String>>) -> Vec<String> {
    let now = containers(stack);
    let services = now
        .iter()
        .filter(|(service, ids)| before.get(*service) != Some(ids));
    let services = services.map(|(service, _)| service.clone()).collect();
    *before = now;
    services
}

#[test]
fn docker_compose_leaves_alone_what_larder_started_and_makes_anew_what_was_edited_since() {
    let mut stack = stack("interop-l");
    stack.larder("up");
    let mut ids = containers(&stack);
    assert_eq!(ids["web"].len(), 2);
    assert_eq!(ids.len(), 6);
    let networks = docker(&[
        "network",
        "ls",
        "-q",
        "--filter",
        &format!("name={}", stack.name),
    ]);
    let image = docker(&["images", "-q", &format!("{}-api", stack.name)]);
    let told = stack.compose("up -d");
    assert_eq!(told, "", "nothing is asked");
    assert_eq!(changed(&stack, &mut ids), Vec::<String>::new());
    let after = docker(&[
        "network",
        "ls",
        "-q",
        "--filter",
        &format!("name={}", stack.name),
    ]);
    assert_eq!(networks, after);
    assert_eq!(
        docker(&["images", "-q", &format!("{}-api", stack.name)]),
        image
    );

    // An edit of two services, carried out by docker compose: larder takes over what it made, but for the one whose config
    // nobody has a record of, and what has its network.
    stack.sandbox.set("EDITION", "two");
    stack.compose("up -d");
    assert_eq!(changed(&stack, &mut ids), ["api", "side", "web"]);
    let plan = stack.larder("plan");
    let cause = "docker compose made it, and nobody recorded what its configs held";
    assert!(plan.contains(cause), "{plan}");
    stack.larder("up");
    assert_eq!(changed(&stack, &mut ids), ["api", "side"]);
    stack.compose("up -d");
    stack.larder("up");
    assert_eq!(changed(&stack, &mut ids), Vec::<String>::new());
    assert!(stack.larder("plan").ends_with("\nnothing to do\n"));
    // Both work on what both made.
    assert!(stack.larder("ps").contains("web"));
    assert!(stack.compose("exec -T web hostname").len() > 3);
    stack.compose("down");
    assert!(containers(&stack).is_empty());
}

#[test]
fn larder_leaves_alone_what_docker_compose_started_where_it_can_be_proven() {
    let stack = stack("interop-c");
    stack.compose("up -d");
    let mut ids = containers(&stack);
    let plan = stack.larder("plan");
    let cause = "docker compose made it, and nobody recorded what its image was made of";
    assert!(plan.contains(cause), "{plan}");
    stack.larder("up");
    assert_eq!(changed(&stack, &mut ids), ["api", "side"]);
    stack.compose("up -d");
    stack.larder("up");
    assert_eq!(changed(&stack, &mut ids), Vec::<String>::new());

    // An edited source is built by larder, and used by docker compose.
    stack.sandbox.write("api/main", "two\n");
    stack.larder("up");
    assert_eq!(changed(&stack, &mut ids), ["api", "side"]);
    stack.compose("up -d");
    assert_eq!(changed(&stack, &mut ids), Vec::<String>::new());
    let main = stack.compose("exec -T api cat /main");
    assert_eq!(main, "two\n");

    // And one that docker compose built is built once more by larder, which does not know what it was made of.
    stack.sandbox.write("api/main", "three\n");
    stack.compose("up -d --build");
    assert_eq!(changed(&stack, &mut ids), ["api", "side"]);
    stack.larder("up");
    assert_eq!(changed(&stack, &mut ids), ["api", "side"]);
    stack.compose("up -d");
    stack.larder("up");
    assert_eq!(changed(&stack, &mut ids), Vec::<String>::new());
    stack.larder("down");
    assert!(containers(&stack).is_empty());
}

/// A docker compose of another version, which hashes what is bound in another way. It writes down that it was called.
fn other_version(stack: &Stack) -> PathBuf {
    let folder = stack.sandbox.path().join("docker/cli-plugins");
    let program = folder.join("docker-compose");
    let text = "#!/bin/sh
echo called >> \"$(dirname \"$0\")/calls\"
cat > \"$(dirname \"$0\")/asked\"
for last; do :; done
for name in $(echo $last | tr , ' '); do echo $name $(echo $name | sha256sum | cut -d' ' -f1); done
";
    stack
        .sandbox
        .write("docker/cli-plugins/docker-compose", text);
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    folder
}

#[test]
fn the_hash_is_that_of_the_version_that_is_installed_and_it_is_asked_once() {
    let compose = "
services:
  bound: {image: 'busybox:stable', command: sleep 1d, init: true, volumes: ['./compose.yaml:/file']}
  side: {image: 'busybox:stable', command: sleep 1d, init: true, network_mode: 'service:bound'}
";
    let stack = Stack::new("interop-v", compose);
    let folder = other_version(&stack);
    let docker_config = folder.parent().unwrap().to_str().unwrap().to_owned();
    let stack = stack.env("DOCKER_CONFIG", &docker_config);
    let label = || {
        let format = "{{index .Config.Labels \"com.docker.compose.config-hash\"}}";
        docker(&["inspect", "--format", format, &stack.containers("bound")[0]])
    };
    stack.larder("up --no-wait");
    let hash = label();
    // Of `echo bound`.
    assert!(hash.starts_with("c340efc722efa49f"), "{hash}");
    let calls = || {
        std::fs::read_to_string(folder.join("calls"))
            .unwrap()
            .lines()
            .count()
    };
    // Both at once, and once more about the one whose hash has an ID in it, as this version's is not the formula's.
    let with_id = || {
        let asked = std::fs::read_to_string(folder.join("asked")).unwrap();
        let id = &stack.containers("bound")[0];
        asked.contains(&format!("\"network_mode\":\"container:{id}\""))
            && !asked.contains("bound\"")
    };
    assert!(calls() == 2 && with_id());
    let first = stack.containers("bound");
    stack.larder("down");
    stack.larder("up --no-wait");
    assert_eq!(label(), hash);
    assert_ne!(stack.containers("bound"), first);
    assert!(
        calls() == 3 && with_id(),
        "what it said is remembered, but for the new ID"
    );
    // One that hangs costs no more than a moment, and the formula holds.
    stack.sandbox.write(
        "docker/cli-plugins/docker-compose",
        "#!/bin/sh\nexec sleep 600\n",
    );
    stack.larder("down");
    stack.larder("up --no-wait");
    let formula = stack.larder("config --hash bound");
    assert_eq!(formula.trim(), format!("bound {}", label().trim()));
    assert_ne!(label(), hash);
}
