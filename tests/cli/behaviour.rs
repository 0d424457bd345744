//! Attributes that are carried out beside the container's own definition, on a real engine: links, volumes, namespaces and
//! sockets of others, hooks. Needs `busybox:stable` on it.

use insta::assert_snapshot;

use crate::stack::{Stack, docker};

/// A service that sleeps, with more attributes.
fn sleeper(name: &str, more: &str) -> String {
    format!(
        "  {name}:\n    image: busybox:stable\n    command: [sleep, '1000']\n    stop_grace_period: 0s\n{more}"
    )
}

fn stack(test: &str, services: &[String]) -> Stack {
    Stack::new(test, &format!("services:\n{}", services.concat()))
}

fn rewrite(stack: &Stack, services: &[String]) {
    let compose = format!("services:\n{}", services.concat());
    stack.sandbox.write("compose.yaml", &compose);
}

fn variable(value: &str) -> String {
    format!("    environment: {{WHAT: '{value}'}}\n")
}

fn nothing_to_do(stack: &Stack) {
    let plan = stack.larder("plan");
    assert!(plan.contains("\nnothing to do\n"), "{plan}");
}

#[test]
fn links_lead_to_the_other_container_by_every_alias() {
    let links = "    links: ['db:data']\n    external_links: [nowhere]\n";
    let services = |what: &str| [sleeper("db", &variable(what)), sleeper("web", links)];
    let stack = stack("links", &services("one"));
    stack.larder("up");
    let reached = |alias: &str| {
        let output = stack
            .sandbox
            .run(&format!("exec -T web ping -c 1 -w 2 {alias}"));
        output.status.success()
    };
    let whole = format!("{}-db-1", stack.name);
    for alias in ["data", "db-1", &whole] {
        assert!(reached(alias), "{alias}");
    }
    assert!(!reached("data-1"));
    // What it links to is replaced: it is the same container, started once more.
    let (web, db) = (stack.containers("web"), stack.containers("db"));
    let started = || docker(&["inspect", "-f", "{{.State.StartedAt}}", &web[0]]);
    let before = started();
    rewrite(&stack, &services("two"));
    stack.larder("up");
    assert_ne!(stack.containers("db"), db);
    assert_eq!(stack.containers("web"), web);
    assert_ne!(started(), before);
    assert!(reached("data"));
    nothing_to_do(&stack);
}

#[test]
fn links_on_the_engines_bridge_go_by_container() {
    let bridge = "    network_mode: bridge\n";
    let services = |what: &str| {
        [
            sleeper("db", &format!("{bridge}{}", variable(what))),
            sleeper("web", &format!("{bridge}    links: ['db:data']\n")),
        ]
    };
    let stack = stack("bridge", &services("one"));
    stack.larder("up");
    let reached = || stack.larder("exec -T web ping -c 1 -w 2 data");
    reached();
    let web = stack.containers("web");
    rewrite(&stack, &services("two"));
    stack.larder("up");
    // docker compose fails here: "Cannot link to a non running container".
    assert_ne!(stack.containers("web"), web);
    reached();
    nothing_to_do(&stack);
}

#[test]
fn volumes_of_another_are_there_to_be_read() {
    let services = |what: &str| {
        [
            sleeper("base", &format!("    volumes: [/data]\n{}", variable(what))),
            sleeper("side", "    volumes_from: ['base:ro']\n"),
        ]
    };
    let stack = stack("volumes-from", &services("one"));
    stack.larder("up");
    stack.larder("exec -T base touch /data/seen");
    assert_eq!(stack.larder("exec -T side ls /data"), "seen\n");
    // docker compose forgets the `ro`.
    let written = stack.sandbox.run("exec -T side touch /data/written");
    assert!(
        !written.status.success(),
        "{}",
        stack.sandbox.shown(&written)
    );

    let side = stack.containers("side");
    rewrite(&stack, &services("two"));
    let plan = stack.larder("plan");
    assert!(
        plan.contains("the container whose volumes it mounts is replaced"),
        "{plan}"
    );
    stack.larder("up");
    assert_ne!(stack.containers("side"), side);
    assert_eq!(stack.larder("exec -T side ls /data"), "seen\n");
    nothing_to_do(&stack);

    // Another start of the other one takes nothing away.
    let side = stack.containers("side");
    stack.larder("stop base");
    stack.larder("up");
    assert_eq!(stack.containers("side"), side);
    nothing_to_do(&stack);
}

#[test]
fn processes_and_memory_of_another_are_shared_for_as_long_as_it_is_there() {
    let services = |what: &str| {
        [
            sleeper("base", &format!("    ipc: shareable\n{}", variable(what))),
            sleeper("side", "    pid: 'service:base'\n    ipc: 'service:base'\n"),
        ]
    };
    let stack = stack("namespaces", &services("one"));
    stack.larder("up");
    let shared = || {
        let listed = stack.larder("exec -T side ps -o pid,args");
        stack.larder("exec -T base touch /dev/shm/seen");
        let seen = stack.larder("exec -T side ls /dev/shm");
        listed.matches("sleep 1000").count() == 2 && seen == "seen\n"
    };
    assert!(shared());
    nothing_to_do(&stack);

    let side = stack.containers("side");
    rewrite(&stack, &services("two"));
    stack.larder("up");
    assert_ne!(stack.containers("side"), side);
    assert!(shared());
    nothing_to_do(&stack);

    // Started anew by others: its processes are gone, and with them those of whoever shares them.
    docker(&["restart", "-t", "0", &stack.containers("base")[0]]);
    stack.larder("up");
    assert!(shared());
    nothing_to_do(&stack);

    // By larder, with the one that shares them.
    stack.larder("restart base");
    assert!(shared());
    nothing_to_do(&stack);
}

#[test]
fn a_container_that_is_named_must_be_there() {
    let more = "    pid: 'container:larder-behave-none'\n";
    let stack = stack("named", &[sleeper("side", more)]);
    let shown = stack.sandbox.show("up");
    assert_snapshot!(shown, @"
    exit 2
    --- stderr
    error: service `side` shares the processes of container `larder-behave-none`, but the engine has none of that name
    hint: start it first, or name a service of this project in `pid`
    ");
}

const HOOKED: &str = "\
services:
  app:
    image: busybox:stable
    command:
    - sh
    - -c
    - 'trap \"echo stopped >> /log/all; exit 0\" TERM; echo started >> /log/all; while :; do sleep 0.05; done'
    environment: {OWN: own, LOST: lost}
    volumes: ['log:/log']
    post_start:
    - command: [sh, -c, 'sleep 0.3; echo one $$WHAT $$OWN $$(id -un) $$(pwd) $${LOST-none} >> /log/all; echo told']
      environment: {WHAT: what, LOST: null}
      working_dir: /tmp
    - command: echo two >> /log/all
    - command: [sh, -c, 'echo two $$(id -un) >&2']
      user: daemon
    pre_stop:
    - command: [sh, -c, 'echo last >> /log/all']
  look:
    image: busybox:stable
    command: [sleep, '1000']
    stop_grace_period: 0s
    volumes: ['log:/log']
volumes:
  log:
";

#[test]
fn hooks_run_behind_the_start_and_before_the_stop() {
    let stack = Stack::new("hooks", HOOKED);
    let output = stack.sandbox.run("up --progress plain");
    let shown = stack.sandbox.shown(&output);
    assert!(output.status.success(), "{shown}");
    assert!(
        shown.contains("told") && shown.contains("two daemon"),
        "{shown}"
    );
    let log = || {
        let log = stack.larder("exec -T look cat /log/all");
        stack.larder("exec -T look rm /log/all");
        log
    };
    assert_eq!(log(), "started\none what own root /tmp none\n");
    nothing_to_do(&stack);
    stack.larder("stop app");
    assert_eq!(log(), "last\nstopped\n");
    stack.larder("start app");
    assert_eq!(log(), "started\none what own root /tmp none\n");
    stack.larder("restart app");
    assert_eq!(
        log(),
        "last\nstopped\nstarted\none what own root /tmp none\n"
    );

    // Made anew: the old one's hooks, too, and one that fails holds nobody up.
    let hook = "echo last >> /log/all";
    let failing = HOOKED.replace(hook, &format!("{hook}; exit 3"));
    stack.sandbox.write("compose.yaml", &failing);
    let shown = stack.sandbox.show("up --progress plain");
    assert!(
        shown.contains("ended with code 3; it is stopped all the same"),
        "{shown}"
    );
    assert_eq!(
        log(),
        "last\nstopped\nstarted\none what own root /tmp none\n"
    );
    // A stop that was asked for does not come about without its hook, as with docker compose.
    let output = stack.sandbox.run("stop app");
    let shown = stack.sandbox.shown(&output);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(
        shown.contains("`pre_stop` hook 1 of service `app`"),
        "{shown}"
    );
    assert_eq!(log(), "last\n");
    assert_eq!(stack.larder("ps").matches("app-1").count(), 1);
    // Nobody runs hooks in what does not run.
    docker(&["kill", &stack.containers("app")[0]]);
    stack.larder("down");
}

#[test]
fn a_hook_that_fails_after_the_start_fails_the_service() {
    let hook = |command: &str| {
        let more = format!("    post_start:\n    - command: {command}\n");
        [
            sleeper("app", &more),
            sleeper("web", "    depends_on: [app]\n"),
        ]
    };
    let stack = stack(
        "hook-fails",
        &hook("[sh, -c, 'echo no such table; exit 7']"),
    );
    let errors = |line: &str| {
        let output = stack.sandbox.run(line);
        assert_eq!(output.status.code(), Some(1));
        let errors = String::from_utf8(output.stderr).unwrap();
        let own = errors.lines().filter(|line| !line.contains(" skipped"));
        own.collect::<Vec<_>>().join("\n")
    };
    let first = errors("up --progress quiet");
    assert_snapshot!(first, @"
      no such table
    error: `post_start` hook 1 of service `app`, `sh`, ended with code 7
    hint: the container of `app` was stopped: the next `up` starts it anew
    ");
    // It was not done: the next run tries once more.
    assert_eq!(errors("up --progress quiet"), first);
    assert_eq!(stack.containers("web").len(), 1);
    assert!(!stack.larder("ps").contains("-1 "));

    rewrite(&stack, &hook("[nothing-of-that-name]"));
    let refused = errors("up --progress quiet");
    assert!(refused.contains("nothing-of-that-name"), "{refused}");
    rewrite(&stack, &hook("'true'"));
    stack.larder("up");
    nothing_to_do(&stack);

    let short = [
        sleeper("app", "    post_start: [{command: [sleep, '5']}]\n").replace("'1000'", "'0.3'"),
    ];
    rewrite(&stack, &short);
    let ended = errors("up --progress quiet");
    let expected = "error: service `app` ended with code 0 before its `post_start` hook 1 was done";
    assert!(ended.contains(expected), "{ended}");
}

#[test]
fn the_api_socket_is_the_engines_own() {
    let stack = stack(
        "api-socket",
        &[sleeper("app", "    use_api_socket: true\n")],
    );
    let auth = "{\"auths\": {\"r.example\": {\"auth\": \"bWU6c2VjcmV0\"}}}";
    stack.sandbox.write("docker/config.json", auth);
    let folder = stack.sandbox.path().join("docker");
    let stack = stack.env("DOCKER_CONFIG", folder.to_str().unwrap());
    let output = stack.sandbox.run("up");
    let shown = stack.sandbox.shown(&output);
    assert!(output.status.success(), "{shown}");
    assert!(shown.contains("gets the engine's socket"), "{shown}");
    assert_eq!(
        stack.environment("app", "DOCKER_CONFIG"),
        "/run/secrets/docker"
    );
    let config = stack.larder("exec -T app cat /run/secrets/docker/config.json");
    assert!(config.contains("\"auth\": \"bWU6c2VjcmV0\""), "{config}");
    stack.larder("exec -T app test -S /var/run/docker.sock");
    nothing_to_do(&stack);
}
