//! What changed since the image that is there was made, and the chain that a plan shows.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use crate::sandbox::Sandbox;
use crate::stack::{Stack, docker};

const DOCKERFILE: &str =
    "ARG BASE\nFROM $BASE\nARG VERSION\nCOPY requirements.txt /r\nRUN cat /r > /all\nCOPY . /app\n";

/// A stack whose service `api` is built on an image that only this test has.
fn stack(test: &str) -> (Stack, String) {
    let own = format!("larder-cli-{}-{test}", std::process::id());
    let base = format!("{own}-base:1");
    let compose = format!(
        "services:\n  api:\n    build:\n      context: .\n      args: {{BASE: '{base}', VERSION: '${{VERSION:-hunter2}}'}}\n      \
         labels: {{dev.larder.test: {own}}}\n    init: true\n    command: sleep 1000\n    stop_grace_period: 0s\n"
    );
    let stack = Stack::new(test, &compose);
    let write = |path: &str, text: &str| stack.sandbox.write(path, text);
    write("Dockerfile", DOCKERFILE);
    write(
        ".dockerignore",
        "Dockerfile\n.dockerignore\ncompose.yaml\n.cache\n.docker\n",
    );
    write("requirements.txt", "one\n");
    write("app/main.py", &format!("{own}\n"));
    label(&own, &base, "one");
    (stack, base)
}

/// Makes a base image of a value.
fn label(own: &str, name: &str, value: &str) {
    let dockerfile =
        format!("FROM debian:bookworm-slim\nLABEL dev.larder.test={own} value={value}\n");
    let mut child = Command::new("docker")
        .args(["build", "-q", "-t", name, "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), dockerfile.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// What `why` says, and its exit code.
fn why(stack: &Stack, line: &str) -> (Option<i32>, String) {
    let output = stack.sandbox.run(&format!("why api {line}"));
    (output.status.code(), stack.sandbox.shown(&output))
}

fn says(stack: &Stack, line: &str, code: i32, words: &[&str]) -> String {
    let (ended, shown) = why(stack, line);
    assert_eq!(ended, Some(code), "{shown}");
    for word in words {
        assert!(shown.contains(word), "{word} is not in {shown}");
    }
    shown
}

#[test]
fn what_changed_is_named_and_nothing_else() {
    let (stack, base) = stack("why");
    says(&stack, "", 2, &["has no container and no image"]);
    stack.larder("build");
    let image = format!("{}-api:latest", stack.name);
    let nothing = format!("nothing changed since image `{image}`");
    says(&stack, "", 0, &[&nothing]);
    stack.larder("up");
    says(
        &stack,
        "",
        0,
        &["nothing changed since image", "of container `"],
    );

    stack.sandbox.write("app/main.py", "edited\n");
    let odd = stack
        .sandbox
        .path()
        .join(OsStr::from_bytes(b"app/\xffodd\x1b[31m"));
    std::fs::write(&odd, "").unwrap();
    let shown = says(
        &stack,
        "",
        1,
        &["line 6  COPY . /app", "changed  app/main.py  "],
    );
    assert!(shown.contains(r"added    app/\xffodd\u{1b}[31m"), "{shown}");
    assert!(
        shown.contains("on the dependency image that is kept"),
        "{shown}"
    );
    assert!(!shown.contains("requirements"), "{shown}");
    let plan = stack.larder("plan");
    assert!(
        plan.contains("and 1 more file changed (line 6, `COPY . /app`)"),
        "{plan}"
    );
    let json = says(
        &stack,
        "--format json",
        1,
        &[r#""hex": "6170702fff6f6464"#, r#""how": "changed""#],
    );
    assert!(!json.contains("hunter2"), "{json}");
    std::fs::remove_file(odd).unwrap();

    // The image of now, compared with the one before by its name, its ID and its fingerprint.
    let before = docker(&["images", "-q", "--no-trunc", &image]);
    let list = "{{index .Config.Labels \"dev.larder.fingerprint\"}}";
    let full = docker(&["inspect", "--format", list, &image]);
    let kept = stack
        .sandbox
        .path()
        .join(".cache/larder/records")
        .join(full.trim());
    assert!(kept.is_file());
    stack.larder("up");
    says(&stack, "", 0, &[]);
    for name in [
        before.trim(),
        &before.trim()[7..19],
        full.trim(),
        &format!("localhost/larder/image:{}", full.trim()),
    ] {
        says(
            &stack,
            &format!("--against {name}"),
            1,
            &["changed  app/main.py"],
        );
    }
    says(
        &stack,
        &format!("--against {image}"),
        0,
        &["nothing changed"],
    );
    says(
        &stack,
        &format!("--against {base}"),
        2,
        &["larder did not build image"],
    );
    says(
        &stack,
        "--against nothing:here",
        2,
        &["no image on the engine is called `nothing:here`"],
    );

    stack.sandbox.write("requirements.txt", "two\n");
    says(
        &stack,
        "",
        1,
        &["line 4  COPY requirements.txt /r", "the dependencies too"],
    );
    stack.sandbox.write("requirements.txt", "one\n");
    label(&stack.name, &base, "two");
    says(
        &stack,
        "",
        1,
        &[
            "line 2  FROM $BASE",
            &format!("base {base}  sha256:"),
            "larder lock",
        ],
    );
    let plan = stack.larder("plan");
    assert!(
        plan.contains("is another image") && plan.contains("larder lock"),
        "{plan}"
    );
    label(&stack.name, &base, "one");

    let text = std::fs::read(&kept).unwrap();
    std::fs::write(&kept, &text[..text.len() / 2]).unwrap();
    says(
        &stack,
        &format!("--against {}", full.trim()),
        2,
        &["is not known: it is damaged"],
    );
    std::fs::remove_file(&kept).unwrap();
    says(
        &stack,
        &format!("--against {}", full.trim()),
        2,
        &["not in the cache folder"],
    );
    let _ = docker(&["rmi", "-f", &base]);
}

#[test]
fn an_argument_is_named_without_its_value_and_a_missing_record_comes_back() {
    let (mut stack, base) = stack("whyarg");
    stack.larder("build");
    let folder = stack.sandbox.path().join(".cache/larder/records");
    std::fs::remove_dir_all(&folder).unwrap();
    stack.sandbox.write("app/main.py", "edited\n");
    says(&stack, "", 2, &["what image `", "was made of is not known"]);
    let own = format!("{}\n", stack.name);
    stack.sandbox.write("app/main.py", &own);
    // Nothing is built: the manifest of what is reused is written all the same.
    stack.larder("build");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    stack.sandbox.set("VERSION", "swordfish");
    let shown = says(
        &stack,
        "",
        1,
        &["line 3  ARG VERSION", "argument VERSION  "],
    );
    assert!(
        !shown.contains("swordfish") && !shown.contains("hunter2"),
        "{shown}"
    );
    for file in std::fs::read_dir(&folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
    }
    let chain = stack.larder("plan -v");
    assert!(chain.contains("── the dependencies end here ──"), "{chain}");
    assert!(
        chain.contains("COPY requirements.txt /r  [requirements.txt]"),
        "{chain}"
    );
    assert!(
        chain.contains(&format!("starts from {base}: sha256:")),
        "{chain}"
    );
    let json = stack.larder("plan -v --format json");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let instructions = &json["services"]["api"]["chain"]["instructions"];
    assert_eq!(instructions[3]["instruction"], "RUN cat /r > /all");
    assert_eq!(
        (&instructions[3]["cut"], &instructions[2]["files"]),
        (&true.into(), &1.into())
    );
    let _ = docker(&["rmi", "-f", &base]);
}

#[test]
fn a_service_that_is_not_built_or_not_there_is_told() {
    let host = std::env::var("DOCKER_HOST");
    let host = host.unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    let sandbox =
        Sandbox::with("services: {db: {image: 'redis:7-alpine'}}\n").env("DOCKER_HOST", &host);
    let shown = sandbox.show("why db");
    assert!(
        shown.starts_with("exit 2") && shown.contains("service `db` has no `build`"),
        "{shown}"
    );
    let shown = sandbox.show("why api");
    assert!(
        shown.starts_with("exit 2") && shown.contains("no service is named `api`"),
        "{shown}"
    );
}
