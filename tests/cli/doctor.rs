//! `larder doctor`, on a real engine and without one.

use serde_json::Value;

use crate::sandbox::Sandbox;
use crate::stack::Stack;

fn checks(output: &std::process::Output) -> Vec<(String, String, String)> {
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["schema"], 1);
    let checks = document["checks"].as_array().unwrap().iter();
    let text = |check: &Value, key: &str| check[key].as_str().unwrap().to_owned();
    let checks = checks.map(|own| (text(own, "check"), text(own, "state"), text(own, "text")));
    checks.collect()
}

#[test]
fn an_engine_that_answers_is_looked_at() {
    let stack = Stack::new(
        "doctor",
        "services: {app: {image: 'localhost:1/nowhere/app'}}\n",
    );
    let output = stack.sandbox.run("doctor --format json");
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        stack.sandbox.shown(&output)
    );
    let checks = checks(&output);
    let found = |name: &str| {
        let mut all = checks.iter();
        let found = all.find(|(check, ..)| check == name);
        found.unwrap_or_else(|| panic!("no {name} in {checks:?}"))
    };
    let version = crate::stack::docker(&["version", "--format", "{{.Server.Version}}"]);
    assert!(found("engine").2.starts_with(version.trim()), "{checks:?}");
    assert_eq!(found("buildkit").1, "ok");
    assert_ne!(found("cache").1, "failure");
    // Nobody listens there.
    let registry = found("registry");
    assert_eq!(registry.1, "warning");
    assert!(registry.2.contains("localhost:1"), "{registry:?}");
    assert!(found("project").2.contains(&stack.name));
}

#[test]
fn an_engine_that_is_not_there_is_a_failure_with_what_to_do() {
    let output = Sandbox::new().run("doctor");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let told =
        "failure  engine   no Docker Engine answers at unix:///nowhere/docker.sock (`DOCKER_HOST`)";
    assert!(text.starts_with(told), "{text}");
    assert!(text.contains("hint: is Docker running?"), "{text}");
    assert!(text.contains("no Compose file in this folder"), "{text}");
}

#[test]
fn a_file_that_is_none_is_a_failure() {
    let sandbox = Sandbox::with("services: {app: {imag: a}}\n");
    let output = sandbox.run("doctor --format json");
    assert_eq!(output.status.code(), Some(1));
    let checks = checks(&output);
    let (_, state, text) = checks.iter().find(|(name, ..)| name == "project").unwrap();
    assert_eq!(state, "failure");
    assert!(text.contains("`imag`"), "{text}");
}
