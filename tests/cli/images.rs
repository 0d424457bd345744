//! Images that services name: pulled when and as the Compose file says, from a registry of the test's own.

use crate::registry::Registry;
use crate::stack::Stack;

/// A stack whose service `app` runs `app:1` of a registry.
fn stack(test: &str, registry: &Registry, more: &str) -> Stack {
    let image = registry.name("app:1");
    let compose =
        format!("services: {{app: {{image: '{image}', stop_grace_period: 0s, {more}}}}}\n");
    Stack::new(test, &compose)
}

#[test]
fn always_pulls_each_time_and_recreates_when_another_image_comes() {
    let registry = Registry::start();
    registry.push("app:1", "one");
    let stack = stack("always", &registry, "pull_policy: always");
    stack.larder("up");
    let first = stack.containers("app");
    assert_eq!(first.len(), 1);
    assert!(registry.asked("app:1") > 0);

    let plan = stack.larder("plan");
    assert!(
        plan.contains("app  pull    `pull_policy` says always"),
        "{plan}"
    );
    assert_eq!(registry.asked("app:1"), 0, "a plan changes nothing");

    let report = stack.larder("up");
    assert!(report.contains("1 service up to date in"), "{report}");
    assert!(registry.asked("app:1") > 0);
    assert_eq!(stack.containers("app"), first);

    registry.push("app:1", "two");
    stack.larder("up");
    let second = stack.containers("app");
    assert_ne!(second, first);
    assert_eq!(stack.environment("app", "WHAT"), "two");
    stack.larder("up");
    assert_eq!(stack.containers("app"), second);
}

#[test]
fn what_is_there_is_not_asked_for_and_what_is_not_comes() {
    let registry = Registry::start();
    registry.push("app:1", "one");
    let stack = stack("missing", &registry, "pull_policy: if_not_present");
    stack.larder("up");
    let first = stack.containers("app");
    registry.push("app:1", "two");
    registry.asked("app:1");
    stack.larder("up");
    assert_eq!(
        (registry.asked("app:1"), stack.containers("app")),
        (0, first)
    );
}

#[test]
fn never_is_told_before_anything_is_made() {
    let registry = Registry::start();
    registry.push("app:1", "one");
    let stack = stack("never", &registry, "pull_policy: never");
    let base = registry.name("base:1");
    registry.push("base:1", "base");
    let compose = format!(
        "services:\n  app: {{image: '{}', pull_policy: never}}\n  api: {{build: {{context: .}}}}\n",
        registry.name("app:1")
    );
    stack.sandbox.write("compose.yaml", &compose);
    stack.sandbox.write("Dockerfile", &format!("FROM {base}\n"));
    let output = stack.sandbox.run("up");
    let shown = stack.sandbox.shown(&output);
    assert_eq!(output.status.code(), Some(2), "{shown}");
    assert!(
        shown.contains("service `app` has `pull_policy: never`, but image"),
        "{shown}"
    );
    assert!(
        shown.contains("hint: bring it with `docker pull"),
        "{shown}"
    );
    assert_eq!((registry.asked("app:1"), registry.asked("base:1")), (0, 0));
}
