//! Secrets stay where they are meant to be: nothing that larder prints, keeps or labels has one of them. Needs
//! `busybox:stable` on a real engine.

use std::fs;
use std::path::Path;

use crate::stack::{Stack, docker};

const COMPOSE: &str = r#"
services:
  web:
    build:
      context: .
      dockerfile_inline: |
        FROM busybox:stable
        ARG KEY
        COPY app /app
        RUN --mount=type=secret,id=token test -s /run/secrets/token
      args: {KEY: "${BUILD_KEY}"}
      secrets: [token]
      labels: {dev.larder.test: "${COMPOSE_PROJECT_NAME}"}
    command: [sleep, '1000']
    stop_grace_period: 0s
    secrets: [password, token]
    environment: {API_KEY: "${API_KEY}"}
    env_file: secret.env
    healthcheck: {test: ["CMD-SHELL", "test -n $$API_KEY"], interval: 1s}
  broken:
    image: busybox:stable
    command: [sh, -c, 'exit 3']
    environment: {API_KEY: "${API_KEY}"}
    secrets: [password]
    profiles: [broken]
secrets:
  password: {environment: PASSWORD}
  token: {file: token.txt}
"#;

/// What must not be seen, by where it is from.
const CANARIES: [(&str, &str); 5] = [
    ("a secret of the environment", "canary-password-7431"),
    ("a secret of a file", "canary-token-9920"),
    ("a variable", "canary-apikey-1187"),
    ("an env file", "canary-envfile-5506"),
    ("a build argument", "canary-buildkey-3348"),
];

fn check(text: &[u8], place: &str) {
    let text = String::from_utf8_lossy(text);
    for (what, canary) in CANARIES {
        assert!(!text.contains(canary), "{what} is in {place}");
    }
}

/// All that is kept below a folder, the project's own files left out.
fn check_folder(folder: &Path, own: &[&str]) -> usize {
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if own.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        if path.is_dir() {
            files += check_folder(&path, own);
        } else {
            check(&fs::read(&path).unwrap(), &path.display().to_string());
            files += 1;
        }
    }
    files
}

#[test]
fn nothing_that_is_printed_kept_or_labelled_has_a_secret() {
    let stack = Stack::new("secrets", COMPOSE)
        .env("PASSWORD", CANARIES[0].1)
        .env("API_KEY", CANARIES[2].1)
        .env("BUILD_KEY", CANARIES[4].1);
    stack.sandbox.write("token.txt", CANARIES[1].1);
    stack
        .sandbox
        .write("secret.env", &format!("TOKEN={}\n", CANARIES[3].1));
    stack.sandbox.write("app", "one");
    let runs = |line: &str, code: i32| {
        let output = stack.sandbox.run(line);
        let shown = stack.sandbox.shown(&output);
        assert_eq!(output.status.code(), Some(code), "{line}: {shown}");
        check(shown.as_bytes(), &format!("what `{line}` says"));
    };
    runs("plan -v", 0);
    runs("-v -v up", 0);
    stack.sandbox.write("app", "two");
    runs("why web -v", 1);
    runs("why web --format json", 1);
    runs("-v -v --progress json up", 0);
    runs("plan --format json", 0);
    runs("-v -v --progress json --profile broken up", 1);
    for line in [
        "fingerprint",
        "ps -a",
        "ps -a --format json",
        "logs",
        "images",
        "port web",
        "top",
        "doctor",
    ] {
        let output = stack.sandbox.run(line);
        check(stack.sandbox.shown(&output).as_bytes(), line);
    }
    let project = format!("label=com.docker.compose.project={}", stack.name);
    for container in docker(&["ps", "-aq", "--filter", &project]).lines() {
        let labels = docker(&["inspect", "-f", "{{json .Config.Labels}}", container]);
        check(labels.as_bytes(), "labels of a container");
    }
    for image in docker(&[
        "images",
        "-q",
        "--filter",
        &format!("label=dev.larder.test={}", stack.name),
    ])
    .lines()
    {
        let labels = docker(&["inspect", "-f", "{{json .Config.Labels}}", image]);
        check(labels.as_bytes(), "labels of an image");
    }
    runs("run --rm web true", 0);
    runs("down -v", 0);
    let kept = check_folder(
        stack.sandbox.path(),
        &["token.txt", "secret.env", "compose.yaml", "app"],
    );
    assert!(kept > 0, "nothing was kept, so nothing was looked at");
}
