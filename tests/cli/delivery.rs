//! Configs and secrets in containers, on a real engine. Needs `redis:7-alpine` on it.

use insta::assert_snapshot;

use crate::stack::Stack;

const COMPOSE: &str = "\
services:
  app:
    image: redis:7-alpine
    entrypoint: [sh, -c, sleep 1000]
    stop_grace_period: 0s
    secrets:
      - token
      - {source: token, target: /etc/deep/er, uid: '103', gid: '104', mode: 0440}
      - file
      - nothing
    configs:
      - settings
      - {source: inline, target: etc/inline}
  other:
    image: redis:7-alpine
    entrypoint: [sh, -c, sleep 1000]
    stop_grace_period: 0s
secrets:
  token: {environment: TOKEN}
  file: {file: ./secret.txt}
  nothing: {environment: NOTHING}
configs:
  settings: {environment: SETTINGS}
  inline: {content: hello}
";

#[test]
fn texts_and_files_reach_the_container_and_a_changed_value_recreates_it() {
    let mut stack = Stack::new("delivery", COMPOSE)
        .env("TOKEN", "t1")
        .env("NOTHING", "");
    stack.sandbox.write("secret.txt", "in a file");
    // The environment wins over `.env`, here as everywhere.
    stack
        .sandbox
        .write(".env", "SETTINGS=from .env\nTOKEN=no\n");
    stack.larder("up");
    let look =
        "exec -T app stat -c %n:%a:%u:%g /run/secrets/token /etc/deep/er /settings /etc/inline";
    let listed = "\
/run/secrets/token:444:0:0
/etc/deep/er:440:103:104
/settings:444:0:0
/etc/inline:444:0:0
";
    assert_eq!(stack.larder(look), listed);
    let read =
        "exec -T app cat /run/secrets/token /etc/deep/er /run/secrets/file /settings /etc/inline";
    assert_eq!(stack.larder(read), "t1t1in a filefrom .envhello");
    let nothing = stack
        .sandbox
        .run("exec -T app test -e /run/secrets/nothing");
    assert_eq!(nothing.status.code(), Some(1));

    let (app, other) = (stack.containers("app"), stack.containers("other"));
    stack.larder("up");
    assert_eq!(stack.containers("app"), app);
    stack.sandbox.set("TOKEN", "t2");
    stack.larder("up");
    assert_ne!(stack.containers("app"), app);
    assert_eq!(stack.containers("other"), other);
    assert_eq!(stack.larder("exec -T app cat /etc/deep/er"), "t2");
    assert!(!stack.larder("config").contains("t2"));
}

#[test]
fn a_seccomp_profile_that_changed_reaches_the_container() {
    let compose = "\
services:
  app:
    image: redis:7-alpine
    entrypoint: [sh, -c, sleep 1000]
    stop_grace_period: 0s
    security_opt: ['seccomp:profile.json']
";
    let stack = Stack::new("seccomp", compose);
    let allow = r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#;
    stack.sandbox.write("profile.json", allow);
    stack.larder("up");
    let free = stack.containers("app");
    stack.sandbox.write("profile.json", &format!("{allow}\n"));
    stack.larder("up");
    assert_eq!(stack.containers("app"), free, "the engine gets the same");
    let strict = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}"#;
    stack.sandbox.write("profile.json", strict);
    stack.larder("up");
    assert_ne!(stack.containers("app"), free);
    let made = stack.sandbox.run("exec -T app mkdir /made");
    assert_eq!(made.status.code(), Some(1), "{made:?}");
}

#[test]
fn a_build_mounts_the_variable_and_does_without_one_that_is_not_set() {
    let compose = "\
services:
  app:
    build:
      context: .
      labels: {dev.larder.test: '${COMPOSE_PROJECT_NAME}'}
      secrets: [token, none]
      dockerfile_inline: |
        FROM redis:7-alpine
        RUN --mount=type=secret,id=token --mount=type=secret,id=none \\
            cat /run/secrets/token > /seen; ls /run/secrets >> /seen
    entrypoint: [sh, -c, sleep 1000]
    stop_grace_period: 0s
secrets:
  token: {environment: TOKEN}
  none: {environment: NONE}
";
    let stack = Stack::new("build-secret", compose);
    stack.sandbox.write(".env", "TOKEN=t1\n");
    let output = stack.sandbox.run("--builder docker --progress quiet up");
    assert_snapshot!(stack.sandbox.shown(&output), @r#"
        exit 0
        --- stderr
        warning: `secrets.none` is the variable `NONE`, which is not set: builds get no such secret
          at compose.yaml:15:10
        "#);
    assert_eq!(stack.larder("exec -T app cat /seen"), "t1token\n");
}
