//! Images that services name: pulled when and as the Compose file says, from a registry of the test's own.

use crate::registry::{Registry, host_arch};
use crate::stack::{Stack, docker};

/// A platform that no machine of ours has.
const OTHER: &str = "s390x";

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

/// Of the image that is there by the name nothing is made.
#[test]
fn what_nobody_runs_is_made_from_the_image_that_comes() {
    let registry = Registry::start();
    for policy in ["always", "every_1s"] {
        registry.push("app:1", "one");
        let test = policy.replace('_', "-");
        let stack = stack(&test, &registry, &format!("pull_policy: {policy}"));
        docker(&["pull", &registry.name("app:1")]);
        std::thread::sleep(std::time::Duration::from_secs(2));
        registry.push("app:1", "two");
        stack.larder("up");
        assert_eq!(stack.environment("app", "WHAT"), "two", "{policy}");
    }
}

#[test]
fn an_image_that_is_old_is_pulled_once_and_is_young_again() {
    let registry = Registry::start();
    registry.push("app:1", "one");
    let stack = stack("aged", &registry, "pull_policy: every_5s");
    stack.larder("up");
    let first = stack.containers("app");
    registry.push("app:1", "two");
    registry.asked("app:1");
    stack.larder("up");
    assert_eq!(
        (registry.asked("app:1"), stack.containers("app")),
        (0, first.clone())
    );
    std::thread::sleep(std::time::Duration::from_secs(6));
    stack.larder("up");
    assert_ne!(stack.containers("app"), first);
    assert_eq!(stack.environment("app", "WHAT"), "two");
    std::thread::sleep(std::time::Duration::from_secs(6));
    let second = stack.containers("app");
    registry.asked("app:1");
    // The same image comes: its age counts from now all the same.
    stack.larder("up");
    assert!(registry.asked("app:1") > 0);
    stack.larder("up");
    assert_eq!(
        (registry.asked("app:1"), stack.containers("app")),
        (0, second)
    );
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

#[test]
fn an_image_for_another_platform_is_pulled_for_the_one_asked() {
    let registry = Registry::start();
    let name = registry.name("app:1");
    registry.push_index("app:1", "one", &[host_arch(), OTHER]);
    docker(&["pull", "-q", &name]);
    let stack = stack("platform", &registry, "platform: linux/s390x");
    registry.asked("app:1");
    let plan = stack.larder("plan");
    assert!(
        plan.contains(&format!("pull {name} for linux/s390x")),
        "{plan}"
    );
    assert_eq!(registry.asked("app:1"), 0);
    stack.larder("up");
    assert_eq!(stack.environment("app", "WHAT"), "one for s390x");
    let first = stack.containers("app");

    registry.asked("app:1");
    let report = stack.larder("up");
    assert!(report.contains("1 service up to date in"), "{report}");
    assert_eq!(registry.asked("app:1"), 0);

    // Somebody takes the name away; what comes back is what runs.
    docker(&["pull", "-q", &name]);
    stack.larder("up");
    assert_eq!(stack.containers("app"), first);
}

#[test]
fn a_platform_that_the_registry_does_not_have_is_an_error() {
    let registry = Registry::start();
    registry.push("app:1", "one");
    let stack = stack("nowhere", &registry, "platform: linux/s390x");
    let output = stack.sandbox.run("--progress quiet up");
    let shown = stack.sandbox.shown(&output);
    assert!(!output.status.success());
    assert!(shown.contains("for linux/s390x failed"), "{shown}");
    let only = format!("the registry has it for linux/{} only", host_arch());
    assert!(shown.contains(&only), "{shown}");
    assert!(stack.containers("app").is_empty());
}

#[test]
fn one_name_in_two_platforms_is_refused_before_anything_is_pulled() {
    let registry = Registry::start();
    registry.push_index("app:1", "one", &[host_arch(), OTHER]);
    let stack = stack("two", &registry, "platform: linux/s390x");
    let image = registry.name("app:1");
    let compose = format!(
        "services:\n  a: {{image: '{image}', platform: linux/s390x}}\n  \
         b: {{image: '{image}', platform: linux/ppc64le}}\n"
    );
    stack.sandbox.write("compose.yaml", &compose);
    let output = stack.sandbox.run("up");
    let shown = stack.sandbox.shown(&output);
    assert_eq!(output.status.code(), Some(2), "{shown}");
    assert!(shown.contains("services `a` and `b` want image"), "{shown}");
    assert_eq!(registry.asked("app:1"), 0);
}

/// A service `name` built on `base:1` of a registry.
fn built(name: &str, more: &str) -> String {
    format!(
        "  {name}:\n    build: {{context: ., labels: {{dev.larder.test: '${{COMPOSE_PROJECT_NAME}}'}}, {more}}}\n    \
         stop_grace_period: 0s\n"
    )
}

fn built_stack(test: &str, registry: &Registry, services: &[String]) -> Stack {
    let stack = Stack::new(test, &format!("services:\n{}", services.concat()));
    let dockerfile = format!("FROM {}\nCOPY own /own\n", registry.name("base:1"));
    stack.sandbox.write("Dockerfile", &dockerfile);
    stack.sandbox.write("own", test);
    stack
}

#[test]
fn of_several_platforms_one_is_built_and_build_says_so() {
    let registry = Registry::start();
    registry.push("base:1", "base");
    let service = built("app", "platforms: [linux/amd64, linux/arm64, linux/s390x]");
    let stack = built_stack("several", &registry, &[service]);
    let output = stack.sandbox.run("--builder docker build");
    let shown = stack.sandbox.shown(&output);
    let warning = "`app` is built for the engine's own platform alone";
    assert!(
        output.status.success() && shown.contains(warning),
        "{shown}"
    );
    let output = stack.sandbox.run("--builder docker up");
    let shown = stack.sandbox.shown(&output);
    // As docker compose does it.
    assert!(
        output.status.success() && !shown.contains("platform"),
        "{shown}"
    );
    assert_eq!(stack.environment("app", "WHAT"), "base");
}

#[test]
fn a_build_for_another_platform_starts_from_the_base_for_it() {
    let registry = Registry::start();
    registry.push_index("base:1", "base", &[host_arch(), OTHER]);
    docker(&["pull", "-q", &registry.name("base:1")]);
    let service = built("app", "platforms: [linux/s390x]");
    let stack = built_stack("built-for", &registry, &[service]);
    registry.asked("base:1");
    let plan = stack.larder("plan");
    assert!(
        plan.contains("for linux/s390x is not on the engine yet"),
        "{plan}"
    );
    assert_eq!(registry.asked("base:1"), 0);
    stack.larder("--builder docker up");
    assert_eq!(stack.environment("app", "WHAT"), "base for s390x");
    let first = stack.containers("app");
    registry.asked("base:1");
    let report = stack.larder("up");
    assert!(report.contains("1 service up to date in"), "{report}");
    assert_eq!(
        (registry.asked("base:1"), stack.containers("app")),
        (0, first)
    );
}

#[test]
fn builds_for_two_platforms_on_one_base_are_never_taken_for_each_other() {
    let registry = Registry::start();
    registry.push_index("base:1", "base", &[host_arch(), OTHER]);
    let services = [built("own", ""), built("other", "platforms: [linux/s390x]")];
    let stack = built_stack("contested", &registry, &services);
    let own = format!("base for {}", host_arch());
    stack.larder("--builder docker up");
    assert_eq!(stack.environment("own", "WHAT"), own);
    assert_eq!(stack.environment("other", "WHAT"), "base for s390x");
    let containers = [stack.containers("own"), stack.containers("other")];

    let plan = stack.larder("plan");
    // containerd's image store keeps both.
    let store = docker(&["info", "--format", "{{.DriverStatus}}"]);
    let expected = if store.contains("containerd") {
        "nothing to do"
    } else {
        "is wanted for two platforms"
    };
    assert!(plan.contains(expected), "{plan}");
    stack.larder("--builder docker up");
    assert_eq!(
        [stack.containers("own"), stack.containers("other")],
        containers
    );

    // Both are what the engine has under the name, whatever the registry has now.
    registry.push_index("base:1", "new", &[host_arch(), OTHER]);
    stack.larder("--builder docker up");
    assert_eq!(stack.environment("own", "WHAT"), own);
    assert_eq!(stack.environment("other", "WHAT"), "base for s390x");
    docker(&["pull", "-q", &registry.name("base:1")]);
    stack.larder("--builder docker up");
    assert_eq!(stack.environment("other", "WHAT"), "new for s390x");
}

#[test]
fn a_base_that_moved_is_seen_where_the_build_asks_for_it() {
    let registry = Registry::start();
    registry.push("base:1", "one");
    let stack = built_stack("newest", &registry, &[built("app", "pull: true")]);
    stack.larder("--builder docker up");
    assert_eq!(stack.environment("app", "WHAT"), "one");
    let first = stack.containers("app");
    stack.larder("--builder docker up");
    assert_eq!(stack.containers("app"), first);

    registry.push("base:1", "two");
    registry.asked("base:1");
    let output = stack.sandbox.run("plan");
    let shown = stack.sandbox.shown(&output);
    assert!(shown.contains("nothing to do"), "{shown}");
    assert!(shown.contains("`larder up` pulls it first"), "{shown}");
    assert_eq!(registry.asked("base:1"), 0);

    stack.larder("--builder docker build");
    stack.larder("--builder docker up");
    assert_ne!(stack.containers("app"), first);
    assert_eq!(stack.environment("app", "WHAT"), "two");
}
