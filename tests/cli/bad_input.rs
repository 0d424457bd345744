//! Input that is wrong: exit code 2, one message with its place, a hint. The engine of these tests is not
//! there, so none of this asks it anything.

use std::fmt::Write;
use std::time::{Duration, Instant};

use insta::assert_snapshot;

use crate::sandbox::Sandbox;

/// `up` of this Compose file.
fn up(compose: &str) -> String {
    Sandbox::with(compose).show("up")
}

#[test]
fn no_compose_file() {
    assert_snapshot!(Sandbox::new().show("up"), @r#"
        exit 2
        --- stderr
        error: no Compose file in `[hub]` or a folder above it
        hint: looked for `compose.yaml`, `compose.yml`, `docker-compose.yml`, `docker-compose.yaml`; `-f FILE` names another
        "#);
}

#[test]
fn a_named_file_that_is_not_there() {
    assert_snapshot!(Sandbox::new().show("-f other.yaml up"), @r#"
        exit 2
        --- stderr
        error: the file `[hub]/other.yaml` does not exist
        "#);
}

#[test]
fn a_yaml_error() {
    assert_snapshot!(up("services:\n  api:\n    image: [redis\n"), @r#"
        exit 2
        --- stderr
        error: the file is not valid YAML: did not find expected ',' or ']'
          at compose.yaml:4:1
        "#);
}

#[test]
fn an_unknown_key() {
    assert_snapshot!(up("services:\n  api:\n    imaeg: redis\n"), @r#"
        exit 2
        --- stderr
        error: `services.api` has no attribute `imaeg`
          at compose.yaml:3:5
        hint: did you mean `image`?
        "#);
}

#[test]
fn a_cycle() {
    let compose = "\
services:
  a: {image: redis, depends_on: [b]}
  b: {image: redis, depends_on: [a]}
";
    assert_snapshot!(up(compose), @r#"
        exit 2
        --- stderr
        error: services wait for each other: a → b → a
          at compose.yaml:2:34
        "#);
}

#[test]
fn a_dependency_that_is_not_there() {
    let compose = "\
services:
  api:
    image: redis
    depends_on:
      - cache
  redis:
    image: redis
";
    assert_snapshot!(up(compose), @r#"
        exit 2
        --- stderr
        error: service `api` waits for `cache`, but no compose file defines `cache`
          at compose.yaml:5:9
        hint: services here: `api`, `redis`
        "#);
}

#[test]
fn an_undefined_network() {
    let compose = "services:\n  a:\n    image: redis\n    networks: [front]\n";
    assert_snapshot!(up(compose), @r#"
        exit 2
        --- stderr
        error: service `a` is attached to `front`, but no compose file defines the network `front`
          at compose.yaml:4:16
        hint: there are no networks here
        "#);
}

#[test]
fn an_undefined_volume() {
    let compose = "services:\n  a:\n    image: redis\n    volumes: ['data:/data']\n";
    assert_snapshot!(up(compose), @r#"
        exit 2
        --- stderr
        error: service `a` mounts `data`, but no compose file defines the volume `data`
          at compose.yaml:4:15
        hint: there are no volumes here
        "#);
}

#[test]
fn an_undefined_secret() {
    let compose = "services:\n  a:\n    image: redis\n    secrets: [key]\n";
    assert_snapshot!(up(compose), @r#"
        exit 2
        --- stderr
        error: service `a` reads `key`, but no compose file defines the secret `key`
          at compose.yaml:4:15
        hint: there are no secrets here
        "#);
}

#[test]
fn a_bad_port() {
    let compose = "services:\n  a:\n    image: redis\n    ports: ['80:http']\n";
    assert_snapshot!(up(compose), @r#"
        exit 2
        --- stderr
        error: `services.a.ports[0]`: `80:http`: `http` is not a port (0 to 65535)
          at compose.yaml:4:13
        "#);
}

#[test]
fn a_variable_that_must_be_set() {
    let compose = "services:\n  a:\n    image: redis:${TAG:?choose one}\n";
    assert_snapshot!(up(compose), @r#"
        exit 2
        --- stderr
        error: the variable `TAG` is needed: choose one
          at compose.yaml:3:5
        hint: set it in the environment or in `.env`: `TAG=…`
        "#);
}

#[test]
fn no_dockerfile() {
    let sandbox = Sandbox::with("services: {api: {build: ./api}}").file("api/main.py", "");
    assert_snapshot!(sandbox.show("up"), @r#"
        exit 2
        --- stderr
        error: service `api` is built from `[hub]/api/Dockerfile`, which is no file
        "#);
}

#[test]
fn no_context() {
    assert_snapshot!(up("services: {api: {build: ./api}}"), @r#"
        exit 2
        --- stderr
        error: service `api` is built from `[hub]/api`, which is no folder
        "#);
}

#[test]
fn a_service_that_nobody_defines() {
    let sandbox = Sandbox::with("services: {api: {image: redis}, db: {image: redis}}");
    assert_snapshot!(sandbox.show("up web"), @r#"
        exit 2
        --- stderr
        error: no service is named `web`
        hint: services here: `api`, `db`
        "#);
}

/// Root may read every file of a disk, so this one is the kernel's: larder's own memory, which is not mapped
/// where a file begins.
#[test]
fn a_file_in_the_context_that_nobody_can_read() {
    let compose = "\
services:
  api:
    build:
      context: /proc/self
      dockerfile_inline: |
        FROM redis
        COPY mem /
";
    assert_snapshot!(up(compose), @r#"
        exit 2
        --- stderr
        error: cannot read `/proc/self/mem`
        caused by: Input/output error (os error 5)
        "#);
}

/// Aliases of aliases: 10^9 nodes when followed. docker compose reads it until the machine's memory is gone.
#[test]
fn an_alias_bomb_is_refused_at_once_and_in_little_memory() {
    let mut bomb = "x-a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for (level, below) in ('b'..='i').zip('a'..) {
        let aliases = vec![format!("*{below}"); 10].join(", ");
        let _ = writeln!(bomb, "x-{level}: &{level} [{aliases}]");
    }
    bomb.push_str("services: {a: {image: redis, labels: *i}}\n");
    let sandbox = Sandbox::with(&bomb);
    let limited = format!(
        "ulimit -v 2000000; exec {} config",
        env!("CARGO_BIN_EXE_larder")
    );
    let begun = Instant::now();
    let output = sandbox
        .command("sh")
        .args(["-c", &limited])
        .output()
        .unwrap();
    let took = begun.elapsed();
    assert_snapshot!(sandbox.shown(&output), @r#"
        exit 2
        --- stderr
        error: the YAML aliases stand for more than the file may expand to
          at compose.yaml
        "#);
    // 40 ms for a release build on a quiet machine; following the aliases would take minutes.
    assert!(took < Duration::from_secs(10), "{took:?}");
}
