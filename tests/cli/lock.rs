//! `larder.lock`: what it pins, who writes it, and that nothing else than what it pins is built. With registries of the
//! tests' own.

use crate::registry::Registry;
use crate::sandbox::Sandbox;
use crate::stack::{Stack, docker};

/// A stack whose service `app` is built by a Dockerfile; `BASE` in it is a registry's `base`.
fn stack(test: &str, registry: &Registry, dockerfile: &str) -> Stack {
    let compose = "services: {app: {build: {context: .}, stop_grace_period: 0s}}\n";
    let stack = Stack::new(test, compose);
    dockerfile_of(&stack, registry, dockerfile);
    stack.sandbox.write("f", "content");
    stack
}

fn dockerfile_of(stack: &Stack, registry: &Registry, dockerfile: &str) {
    let text = dockerfile.replace("BASE", &registry.name("base"));
    let label = format!("LABEL dev.larder.test={}", stack.name);
    let text = text.replace("LABEL", &label);
    stack.sandbox.write("Dockerfile", &text);
}

fn fingerprint(stack: &Stack) -> String {
    stack.larder("fingerprint")
}

fn lock_file(stack: &Stack) -> String {
    std::fs::read_to_string(stack.sandbox.path().join("larder.lock")).unwrap()
}

/// What larder gives, the registry's name and what follows a digest's first digits left out.
fn show(stack: &Stack, registry: &Registry, line: &str) -> String {
    let shown = stack.sandbox.show(line);
    let shown = shown.replace(&registry.name("base"), "BASE");
    let mut parts = shown.split("sha256:");
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        out.push_str("DIGEST");
        out.push_str(part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    out
}

/// The file of an image.
fn content(image: &str, path: &str) -> String {
    let container = docker(&["create", image, "x"]);
    let container = container.trim();
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("content");
    let from = format!("{container}:{path}");
    docker(&["cp", &from, to.to_str().unwrap()]);
    docker(&["rm", container]);
    std::fs::read_to_string(to).unwrap()
}

#[test]
fn what_is_locked_is_built_whatever_the_tag_means() {
    let registry = Registry::start();
    registry.push("base:1", "one");
    let stack = stack(
        "lock",
        &registry,
        "ARG V=1\nFROM BASE:$V\nLABEL\nCOPY f /f\n",
    );
    docker(&["pull", "-q", &registry.name("base:1")]);
    let unlocked = fingerprint(&stack);
    let written = show(&stack, &registry, "lock");
    let expected = "exit 0\n--- stdout\nCHANGE   IMAGE    DIGEST\nadded    BASE:1   DIGEST\n\
        larder.lock written: 1 base image\n";
    assert_eq!(squeezed(&written), squeezed(expected));
    assert_eq!(fingerprint(&stack), unlocked, "to lock changes nothing");
    let text = lock_file(&stack);
    let written = show(&stack, &registry, "lock");
    assert!(
        written.contains("larder.lock is up to date: 1 base image"),
        "{written}"
    );

    // It moves in the registry and on the engine.
    registry.push("base:1", "two");
    docker(&["pull", "-q", &registry.name("base:1")]);
    registry.asked("base:1");
    assert_eq!(fingerprint(&stack), unlocked);
    stack.larder("--frozen up");
    assert_eq!(stack.environment("app", "WHAT"), "one");
    let image = format!("{}-app", stack.name);
    assert_eq!(content(&image, "/what"), "one");
    assert_eq!(registry.asked("base:1"), 0, "the engine has it");
    stack.larder("lock");
    assert_eq!(lock_file(&stack), text);

    let upgraded = show(&stack, &registry, "lock --upgrade");
    assert!(upgraded.contains("DIGEST → DIGEST"), "{upgraded}");
    assert_ne!(lock_file(&stack), text);
    assert_ne!(fingerprint(&stack), unlocked);
    stack.larder("up");
    assert_eq!(stack.environment("app", "WHAT"), "two");
    assert_eq!(content(&image, "/what"), "two");
}

/// Runs of spaces as one: columns are as wide as a registry's port.
fn squeezed(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_locked_is_pulled_where_the_engine_does_not_have_it() {
    let registry = Registry::start();
    registry.push("base:1", "one");
    let stack = stack("lockpull", &registry, "FROM BASE:1\nLABEL\nCOPY f /f\n");
    stack.larder("lock");
    assert_eq!(registry.asked("base:1"), 1, "its digest");
    registry.push("base:1", "two");
    docker(&["pull", "-q", &registry.name("base:1")]);
    registry.asked("base:1");
    let plan = show(&stack, &registry, "plan");
    assert!(plan.contains("pull BASE@DIGEST"), "{plan}");
    stack.larder("up");
    assert_eq!(stack.environment("app", "WHAT"), "one");
    assert_eq!(registry.asked("base:1"), 0);
}

#[test]
fn all_that_a_dockerfile_names_is_pinned() {
    let registry = Registry::start();
    for (name, what) in [("base:1", "one"), ("base:2", "two"), ("base:node", "stage")] {
        registry.push(name, what);
        docker(&["pull", "-q", &registry.name(name)]);
    }
    // A stage that is called as an image is that stage.
    let dockerfile = "FROM BASE:node AS node\nCOPY f /own\nFROM debian:bookworm-slim\nLABEL\n\
        COPY --from=BASE:1 /what /1\nRUN --mount=from=BASE:2,target=/m cp /m/what /2\n\
        COPY --from=node /own /3\n";
    let stack = stack("lockall", &registry, dockerfile);
    let unlocked = fingerprint(&stack);
    let written = show(&stack, &registry, "lock");
    for row in [
        "added BASE:1 DIGEST",
        "added BASE:2 DIGEST",
        "added BASE:node DIGEST",
    ] {
        assert!(squeezed(&written).contains(row), "{written}");
    }
    for name in ["base:1", "base:2", "base:node"] {
        registry.push(name, "other");
        docker(&["pull", "-q", &registry.name(name)]);
    }
    assert_eq!(fingerprint(&stack), unlocked);
    stack.larder("build");
    let image = format!("{}-app", stack.name);
    let built = ["/1", "/2", "/3"].map(|path| content(&image, path));
    assert_eq!(built, ["one", "two", "content"]);

    let other = registry.name("base:2");
    let upgraded = show(&stack, &registry, &format!("lock --upgrade {other}"));
    let upgraded = squeezed(&upgraded);
    assert!(
        upgraded.contains("upgraded BASE:2 DIGEST → DIGEST"),
        "{upgraded}"
    );
    assert!(upgraded.contains("kept BASE:1 DIGEST"), "{upgraded}");
    stack.larder("build");
    let built = ["/1", "/2", "/3"].map(|path| content(&image, path));
    assert_eq!(built, ["one", "other", "content"]);

    // What nobody names any more goes, and of what is new the rest is kept.
    dockerfile_of(&stack, &registry, "FROM BASE:1\nLABEL\n");
    let written = squeezed(&show(&stack, &registry, "lock"));
    assert!(written.contains("kept BASE:1"), "{written}");
    assert!(written.contains("removed BASE:2"), "{written}");
}

#[test]
fn a_copy_is_pinned_where_the_from_of_its_image_is_built_elsewhere() {
    let registry = Registry::start();
    registry.push("base:1", "one");
    let dockerfile = "FROM debian:bookworm-slim AS s\nCOPY --from=BASE:1 /what /1\nRUN cp /1 /dependency\n\
        COPY f /f\nFROM BASE:1\nLABEL\nCOPY --from=s /dependency /2\nCOPY --from=BASE:1 /what /3\n";
    let stack = stack("lockcopy", &registry, dockerfile);
    stack.larder("lock");
    stack.larder("build");
    registry.push("base:1", "two");
    docker(&["pull", "-q", &registry.name("base:1")]);
    // Everything is made anew but for the digest.
    let anew = dockerfile.replace("/1 /dependency", "/1 /dependency; true");
    dockerfile_of(&stack, &registry, &anew);
    stack.larder("build");
    let image = format!("{}-app", stack.name);
    for path in ["/2", "/3"] {
        assert_eq!(content(&image, path), "one", "{path}");
    }
}

#[test]
fn what_cannot_be_pinned_is_refused_when_its_name_moved() {
    let registry = Registry::start();
    registry.push("base:1", "one");
    let dockerfile = "FROM debian:bookworm-slim\nLABEL\nRUN \\\n  # --mount=FROM=BASE:1,target=/x\n  \
        --mount=from=BASE:1,target=/x cp /x/what /1\nCOPY --chown=\"1:1\" --from=BASE:1 /what /2\n";
    let stack = stack("lockodd", &registry, dockerfile);
    stack.larder("lock");
    // It comes by its digest, and gets the name that only this engine's text has.
    stack.larder("build");
    let image = format!("{}-app", stack.name);
    assert_eq!(content(&image, "/1"), "one");
    registry.push("base:1", "two");
    docker(&["pull", "-q", &registry.name("base:1")]);
    dockerfile_of(
        &stack,
        &registry,
        &dockerfile.replace("/x/what", "/x//what"),
    );
    let refused = show(&stack, &registry, "build");
    assert!(refused.starts_with("exit 1"), "{refused}");
    assert!(refused.contains("than was fingerprinted"), "{refused}");
}

#[test]
fn an_image_of_this_engine_or_of_the_project_is_not_locked() {
    let registry = Registry::start();
    registry.push("base:1", "one");
    let stack = stack("lockown", &registry, "FROM BASE:1\nLABEL\nCOPY f /f\n");
    let alone = registry.name("alone:1");
    docker(&["pull", "-q", &registry.name("base:1")]);
    docker(&["tag", &registry.name("base:1"), &alone]);
    let compose = format!(
        "services:\n  app: {{build: {{context: .}}, image: '{0}-own'}}\n  \
         two: {{build: {{dockerfile_inline: \"FROM {0}-own\\nCOPY --from={alone} /what /w\\n\"}}, profiles: [p]}}\n",
        stack.name
    );
    stack.sandbox.write("compose.yaml", &compose);
    let written = show(&stack, &registry, "lock");
    let written = squeezed(
        &written
            .replace(&alone, "ALONE")
            .replace(&stack.name, "NAME"),
    );
    assert!(written.contains("added BASE:1 DIGEST"), "{written}");
    assert!(
        written.contains("not locked ALONE only on this engine: its registry does not have it"),
        "{written}"
    );
    let own = "not locked NAME-own:latest built by a service of the project";
    assert!(written.contains(own), "{written}");
    assert!(
        written.contains("larder.lock written: 1 base image"),
        "{written}"
    );
    stack.larder("--frozen build app");
    let output = stack.sandbox.run("--frozen --profile p build");
    assert_eq!(
        output.status.code(),
        Some(2),
        "{}",
        stack.sandbox.shown(&output)
    );
    docker(&["rmi", &alone]);
}

#[test]
fn frozen_takes_nothing_that_is_not_locked_and_says_so_before_anything_is_touched() {
    let registry = Registry::start();
    registry.push("base:1", "one");
    registry.push("base:2", "two");
    let dockerfile = "FROM BASE:1 AS a\nFROM BASE:2\nLABEL\nCOPY --from=a /what /w\n";
    let stack = stack("frozen", &registry, dockerfile);
    for command in ["up", "plan", "build", "fingerprint"] {
        let shown = show(&stack, &registry, &format!("{command} --frozen"));
        let expected = "exit 2\n--- stderr\n\
            error: there is no `larder.lock` with a digest for `BASE:1`\n  at Dockerfile:1:1\n\
            \nerror: there is no `larder.lock` with a digest for `BASE:2`\n  at Dockerfile:2:1\n\
            hint: `larder lock` looks them up and writes them down, where a registry has them; without `--frozen` larder takes what the engine has\n";
        assert_eq!(shown, expected, "{command}");
    }
    assert_eq!((registry.asked("base:1"), registry.asked("base:2")), (0, 0));
    assert!(stack.containers("app").is_empty());
    stack.larder("lock");
    stack.larder("build --frozen");
    let text = lock_file(&stack);
    let without = text.lines().filter(|line| !line.contains("base:2"));
    let without = without.collect::<Vec<_>>().join("\n");
    stack.sandbox.write("larder.lock", &without);
    let stack = stack.env("LARDER_FROZEN", "1");
    let shown = show(&stack, &registry, "plan");
    assert!(
        shown.contains("error: `larder.lock` has no digest for `BASE:2`\n  at Dockerfile:2:1"),
        "{shown}"
    );
    let shown = show(&stack, &registry, "lock");
    assert!(shown.starts_with("exit 2\n"), "{shown}");
    assert_eq!(lock_file(&stack), without);
}

#[test]
fn a_digest_that_is_gone_is_told_with_its_line() {
    let registry = Registry::start();
    registry.push("base:1", "one");
    let stack = stack("lockgone", &registry, "FROM BASE:1\nLABEL\n");
    stack.larder("lock");
    let text = lock_file(&stack);
    let digest = text.split("sha256:").nth(1).unwrap().trim();
    let other = text.replace(digest, &"a".repeat(64));
    stack.sandbox.write("larder.lock", &other);
    let shown = show(&stack, &registry, "--progress quiet up");
    assert!(
        shown
            .contains("exit 1\n--- stderr\nerror: pulling `BASE@DIGEST` failed\n  at larder.lock:"),
        "{shown}"
    );
    assert!(
        shown.contains("hint: `larder lock --upgrade BASE:1` pins what the registry has now"),
        "{shown}"
    );
    assert_eq!(lock_file(&stack), other);
}

#[test]
fn build_pull_renews_nothing_that_is_locked() {
    let registry = Registry::start();
    registry.push("base:1", "one");
    let stack = stack("lockrenew", &registry, "FROM BASE:1\nLABEL\n");
    let compose = "services: {app: {build: {context: ., pull: true}, stop_grace_period: 0s}}\n";
    stack.sandbox.write("compose.yaml", compose);
    stack.larder("lock");
    registry.push("base:1", "two");
    for _ in 0..2 {
        let output = stack.sandbox.run("up");
        let shown = stack.sandbox.shown(&output);
        assert!(output.status.success(), "{shown}");
        let told = shown.matches("`build.pull` brings no newer").count();
        assert_eq!(told, 1, "{shown}");
        assert_eq!(stack.environment("app", "WHAT"), "one");
    }
}

#[test]
fn a_broken_lock_is_told_with_its_line_and_left_alone() {
    let broken = "# mine\nversion 1\n<<<<<<< HEAD\nredis:7 sha256:aa\n";
    let sandbox = Sandbox::with("services: {app: {build: {dockerfile_inline: FROM redis:7}}}\n")
        .file("larder.lock", broken);
    for command in ["lock", "plan", "lock --upgrade redis"] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(sandbox.show(command), @r"
            exit 2
            --- stderr
            error: `larder.lock` is broken: `<<<<<<<` is left of a merge
              at larder.lock:3:1
            hint: keep one line for each image, `IMAGE sha256:…`; one that is taken out is written anew by `larder lock`
            ");
        }
    }
    let kept = std::fs::read_to_string(sandbox.path().join("larder.lock")).unwrap();
    assert_eq!(kept, broken);
}

#[test]
fn an_upgrade_of_what_nobody_names_is_told_with_what_there_is() {
    let registry = Registry::start();
    registry.push("base:1", "one");
    let stack = stack("locknone", &registry, "FROM BASE:1\nLABEL\n");
    let shown = show(
        &stack,
        &registry,
        &format!("lock --upgrade {}:2", registry.name("base")),
    );
    let expected = "exit 2\n--- stderr\nerror: no Dockerfile of this project names the base image `BASE:2`\n\
        hint: did you mean `BASE:1`?";
    assert!(shown.starts_with(expected), "{shown}");
    assert!(!stack.sandbox.path().join("larder.lock").exists());
    // Without a tag it is all of its tags.
    stack.larder(&format!("lock --upgrade {}", registry.name("base")));
    assert!(lock_file(&stack).contains("base:1 sha256:"));
}

#[test]
fn a_registry_that_does_not_answer_costs_no_line() {
    let registry = Registry::start();
    registry.push("base:1", "one");
    let stack = stack("lockaway", &registry, "FROM BASE:1\nLABEL\n");
    stack.larder("lock");
    let text = lock_file(&stack);
    stack.sandbox.write("Dockerfile", "FROM 127.0.0.1:1/x:1\n");
    for command in ["lock", "lock --upgrade"] {
        let shown = stack.sandbox.show(command);
        let expected = "error: the digest of `127.0.0.1:1/x:1` is not known\n  at Dockerfile:1:1\n";
        assert!(
            shown.starts_with("exit 3\n") && shown.contains(expected),
            "{shown}"
        );
        let asked_again = "the registry does not answer; again in ";
        assert_eq!(shown.matches(asked_again).count(), 3, "{shown}");
        assert_eq!(lock_file(&stack), text);
    }
    stack
        .sandbox
        .write("Dockerfile", &format!("FROM {}\n", registry.name("none:1")));
    let shown = stack.sandbox.show("lock");
    assert!(shown.starts_with("exit 1\n"), "{shown}");
    assert!(
        shown.contains("is neither on the engine nor in its registry"),
        "{shown}"
    );
}
