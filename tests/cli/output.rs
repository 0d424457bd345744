//! Where output goes, and what it looks like when no person watches.

use std::process::Stdio;

use insta::assert_snapshot;

use crate::sandbox::Sandbox;

const COMPOSE: &str = "\
services:
  api:
    image: redis:7-alpine
    ports: ['8080:80']
    use_api_socket: true
";

#[test]
fn the_model_goes_to_standard_output_and_warnings_do_not() {
    let sandbox = Sandbox::with(COMPOSE);
    assert_snapshot!(sandbox.show("config"), @r#"
        exit 0
        --- stdout
        name: hub
        services:
          api:
            image: redis:7-alpine
            networks:
              default: null
            ports:
            - mode: ingress
              target: 80
              published: '8080'
              protocol: tcp
            use_api_socket: true
        networks:
          default:
            name: hub_default
        --- stderr
        warning: `api` gets the engine's socket and your credentials for registries: it can do there whatever you can
          at compose.yaml:5:5
        "#);
}

#[test]
fn the_model_as_json() {
    let output = Sandbox::with(COMPOSE).run("config --format json");
    let model: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(model["services"]["api"]["ports"][0]["published"], "8080");
}

#[test]
fn quiet_only_checks() {
    let sandbox = Sandbox::with("services: {api: {image: redis}}");
    assert_snapshot!(sandbox.show("config -q"), @"exit 0");
}

#[test]
fn no_colour_in_a_pipe() {
    let output = Sandbox::with("services: {api: {}}").run("up");
    assert!(!output.stderr.is_empty());
    assert!(!output.stderr.contains(&0x1b));
}

/// `larder config | true`: whoever reads may stop reading.
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let many: String = (0..2_000)
        .map(|number| format!("  s{number}: {{image: redis}}\n"))
        .collect::<Vec<_>>()
        .concat();
    let sandbox = Sandbox::with(&format!("services:\n{many}"));
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_larder"));
    let mut child = command
        .arg("config")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_snapshot!(sandbox.shown(&output), @"exit 0");
}

#[test]
fn a_full_disk_is_an_error() {
    let sandbox = Sandbox::with("services: {api: {image: redis}}");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let Ok(full) = full else { return };
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_larder"));
    command.arg("config").stdout(full).stderr(Stdio::piped());
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    assert_snapshot!(sandbox.shown(&output), @r#"
        exit 1
        --- stderr
        error: standard output cannot be written
        caused by: No space left on device (os error 28)
        "#);
}
