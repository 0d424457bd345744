//! `larder config`, in every form that docker compose has, and where values come from.

use std::io::Write;
use std::process::Stdio;

use insta::assert_snapshot;

use crate::registry::Registry;
use crate::sandbox::Sandbox;
use crate::stack::Stack;

fn sandbox() -> Sandbox {
    let compose = "\
services:
  web:
    image: web:${TAG:-1}
    command: run ${ARGS:?say how}
    depends_on: [db]
    environment: ['${KEY:-A}=1', B=2]
    ports: ['${PORT:-8080}:80']
    volumes: [data:/data, './src:/src']
  db: {build: ./db, env_file: db.env}
  tool: {image: tool, profiles: [tools], networks: [back]}
volumes: {data: }
networks: {back: }
";
    Sandbox::with(compose)
        .file(".env", "TAG=2\nARGS=a b\n")
        .file("db.env", "PASSWORD=x\n")
        .file(
            "compose.override.yaml",
            "services: {web: {environment: {C: $TAG}, image: 'web:${TAG:-3}'}}",
        )
}

/// What `config` prints with these flags, on one line.
fn listed(sandbox: &Sandbox, flags: &str) -> String {
    let output = sandbox.run(&format!("config {flags}"));
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().collect::<Vec<_>>().join(" ")
}

#[test]
fn lists_are_one_name_a_line() {
    let sandbox = sandbox();
    let listed = |flags: &str| listed(&sandbox, flags);
    assert_eq!(listed("--services"), "db web");
    assert_eq!(listed("--volumes"), "data");
    assert_eq!(listed("--networks"), "default");
    assert_eq!(listed("--profiles"), "tools");
    assert_eq!(listed("--images"), "hub-db web:2");
    assert_eq!(listed("--services db"), "db");
    assert_eq!(listed("--services tool"), "tool");
    let hashes = listed("--hash *");
    let hashes: Vec<_> = hashes.split(' ').collect();
    let ["db", db, "web", web] = hashes[..] else {
        panic!("{hashes:?}");
    };
    assert_eq!(listed("--hash web,db"), format!("db {db} web {web}"));
    assert!(listed("--environment").contains("TAG=2"));
    assert_snapshot!(sandbox.show("config --hash wbe"), @r"
    exit 2
    --- stderr
    error: no service is named `wbe`
    hint: did you mean `web`? services here: `db`, `web`
    ");
}

/// As in docker compose the first of several lists counts, in its order, and nothing but documents is left out by `-q`.
#[test]
fn of_several_lists_one_is_printed() {
    let sandbox = sandbox();
    let listed = |flags: &str| listed(&sandbox, flags);
    assert_eq!(listed("--volumes --services --environment"), "db web");
    assert_eq!(listed("--images --networks --profiles"), "default");
    assert_eq!(listed("--variables --images --profiles"), "tools");
    assert_eq!(listed("--services --lock-image-digests"), "db web");
    let hash = listed("--hash web");
    assert_eq!(listed("--hash web --profiles"), hash);
    assert_eq!(listed("--services -q"), "db web");
    assert_eq!(listed("--hash web -q"), hash);
    assert!(listed("--variables -q").contains("ARGS"));
    for silent in [
        "-q",
        "-q --no-interpolate",
        "-q --environment",
        "-q --variables --format yaml",
    ] {
        assert_eq!(listed(silent), "", "{silent}");
    }
}

#[test]
fn names_are_known_without_the_variables() {
    let compose = "\
services:
  web: {image: 'web:${TAG:?no}', ports: ['${PORT?}:80'], scale: '${N}', volumes: ['data:${AT}', '${V}:/v']}
  own: {build: ., networks: {back: }, volumes: [{type: volume, source: more, target: /x}]}
  tool: {image: tool, profiles: [tools], networks: [side]}
volumes: {data: , more: , unused: }
networks: {back: {name: $NAME}, side: , spare: }
";
    let sandbox = Sandbox::with(compose);
    let listed = |flags: &str| {
        let output = sandbox.run(&format!("{flags} --no-interpolate"));
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(listed("config --services"), "own tool web");
    assert_eq!(listed("config --volumes"), "data more");
    assert_eq!(listed("config --networks"), "back default");
    assert_eq!(
        listed("--profile tools config --networks"),
        "back default side"
    );
    assert_eq!(listed("config --profiles"), "tools");
    assert_eq!(listed("config --images"), "hub-own web:${TAG:?no}");
    assert!(listed("config --variables").contains("TAG    true"));
    let shown = sandbox.show("config --hash web --no-interpolate");
    assert!(
        shown.contains("'--hash <SERVICES>' cannot be used with '--no-interpolate'"),
        "{shown}"
    );
}

#[test]
fn variables_are_listed_with_their_defaults() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.show("config --variables"), @r"
    exit 0
    --- stdout
    NAME   REQUIRED   DEFAULT VALUE   ALTERNATE VALUE
    ARGS   true
    KEY    false      A
    PORT   false      8080
    TAG    false      3
    ");
    let json = sandbox.run("config --variables --format json").stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(
        json["PORT"],
        serde_json::json!({"Name": "PORT", "DefaultValue": "8080", "PresenceValue": "", "Required": false})
    );
    let yaml = sandbox.run("config --variables --format yaml").stdout;
    let yaml = String::from_utf8(yaml).unwrap();
    assert!(
        yaml.contains("PORT:\n  name: PORT\n  defaultvalue: '8080'\n"),
        "{yaml}"
    );
}

/// What is printed without values loads to the same project as the files themselves.
#[test]
fn variables_stay_as_they_are_written() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.show("config --no-interpolate"), @r"
    exit 0
    --- stdout
    name: hub
    services:
      db:
        build:
          context: [hub]/db
        env_file:
        - path: [hub]/db.env
      tool:
        profiles:
        - tools
        image: tool
        networks:
          back: null
      web:
        command: run ${ARGS:?say how}
        depends_on:
          db:
            condition: service_started
            required: true
        environment:
        - ${KEY:-A}=1
        - B=2
        - C=$TAG
        image: web:${TAG:-3}
        ports:
        - ${PORT:-8080}:80
        volumes:
        - type: volume
          source: data
          target: /data
          volume: {}
        - type: bind
          source: [hub]/src
          target: /src
          bind:
            create_host_path: true
    networks:
      back: null
    volumes:
      data: null
    ");
    let texts =
        "services: {web: {dns: '${DNS:-1.1.1.1}', tmpfs: /u, env_file: '${FILE:-db.env}'}}\n";
    sandbox.write("more.yaml", texts);
    let more = "services: {web: {dns: [8.8.8.8], tmpfs: '${TMP:-/t}', env_file: db.env}}\n";
    sandbox.write("most.yaml", more);
    let files = "-f compose.yaml -f more.yaml -f most.yaml";
    let shown = sandbox.show(&format!("{files} config web --no-env-resolution"));
    let written = sandbox.show(&format!("{files} config --no-interpolate"));
    for (both, as_written) in [
        (
            "    dns:\n    - 1.1.1.1\n    - 8.8.8.8\n",
            "    dns:\n    - ${DNS:-1.1.1.1}\n    - 8.8.8.8\n",
        ),
        (
            "    tmpfs:\n    - /u\n    - /t\n",
            "    tmpfs:\n    - /u\n    - ${TMP:-/t}\n",
        ),
    ] {
        assert!(shown.contains(both), "{shown}");
        assert!(written.contains(as_written), "{written}");
    }
    let before = sandbox.run("config").stdout;
    let written = sandbox.run("config --no-interpolate -o written.yaml");
    assert!(written.status.success() && written.stdout.is_empty());
    let mut again = sandbox.command(env!("CARGO_BIN_EXE_larder"));
    let again = again
        .args(["-f", "written.yaml", "config"])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(again.stdout).unwrap(),
        String::from_utf8(before).unwrap()
    );
}

#[test]
fn env_files_may_stay_unread() {
    let sandbox = sandbox();
    let shown = sandbox.show("config db --no-env-resolution");
    assert!(shown.contains("env_file:\n    - [hub]/db.env"), "{shown}");
    assert!(!shown.contains("PASSWORD"), "{shown}");
    assert!(sandbox.show("config db").contains("PASSWORD: x"));
}

#[test]
fn a_value_is_explained() {
    let sandbox = sandbox().env("TAG", "9");
    assert_snapshot!(sandbox.show("config --explain services.web.image"), @r"
    exit 0
    --- stdout
    services.web.image = web:9
      from compose.override.yaml:1:42: web:${TAG:-3}
        TAG = 9, from the environment
          over .env:1:1: 2
      over compose.yaml:3:5: web:${TAG:-1}
        TAG = 9, from the environment
          over .env:1:1: 2
    ");
    assert_snapshot!(sandbox.show("config --explain TAG"), @r"
    exit 0
    --- stdout
    TAG = 9
      from the environment: 9
      over .env:1:1: 2
    ");
    assert_snapshot!(sandbox.show("config --explain services.db.environment.PASSWORD"), @r"
    exit 0
    --- stdout
    services.db.environment.PASSWORD = x
      from db.env:1:1: x
    ");
    assert_snapshot!(sandbox.show("config --explain services.db.networks.default"), @r"
    exit 0
    --- stdout
    services.db.networks.default is there, and empty
      no file says so: it is what Compose takes by default
    ");
    assert_snapshot!(sandbox.show("config --explain services.wbe"), @r"
    exit 2
    --- stderr
    error: the model has nothing at `services.wbe`
    hint: did you mean `web`? `services` has `db`, `tool`, `web`
    ");
}

#[test]
fn what_is_removed_or_only_written_is_explained() {
    let compose = "\
x-base: &base
  image: base:1
  restart: always
services:
  web:
    <<: *base
    image: web:1
    ports: ['80:80']
    env_file: web.env
    label_file: web.labels
    environment: {A: '1', B: '1'}
";
    let over = "\
services:
  web:
    ports: !reset null
    environment: !override {B: '2'}
---
services:
  web: {image: 'web:2'}
";
    let sandbox = Sandbox::with(compose)
        .file("compose.override.yaml", over)
        .file("web.env", "A=file\n")
        .file("web.labels", "# labels\ncom.example.team=x\n");
    let explained = |path: &str| {
        let output = sandbox.run(&format!("config --explain {path}"));
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_snapshot!(explained("services.web.ports"), @r#"
    services.web.ports is not in the model
      removed by compose.override.yaml:3:5, `!reset`
      over compose.yaml:8:5: ["80:80"]
    "#);
    assert_snapshot!(explained("services.web.environment"), @r#"
    services.web.environment = {"A":"file","B":"2"}
      from compose.override.yaml:4:5, with `!override`: {"B":"2"}
      and web.env
      over compose.yaml:11:5: {"A":"1","B":"1"}
    "#);
    assert_snapshot!(explained("services.web.environment.A"), @r"
    services.web.environment.A = file
      from web.env:1:1: file
      over what is removed by compose.override.yaml:4:5, `!override` of `services.web.environment`
      over compose.yaml:11:19: 1
    ");
    assert_snapshot!(explained("services.web.image"), @r"
    services.web.image = web:2
      from compose.override.yaml:7:9: web:2
      over compose.yaml:7:5: web:1
      over compose.yaml:2:3, by `<<` in line 6: base:1
    ");
    assert_snapshot!(explained("services.web.labels['com.example.team']"), @r"
    services.web.labels.com.example.team = x
      from web.labels:2:1: x
    ");
    assert_snapshot!(explained("services.web.env_file"), @r"
    services.web.env_file is not in the model: the variables in its files are in `services.web.environment`
      written in compose.yaml:9:5: web.env
    ");
    assert_snapshot!(explained("services.web.command"), @r"
    services.web.command is there, and empty
      no file says so: it is what Compose takes by default
    ");
    assert_snapshot!(sandbox.show("config --explain services.web[\"labels"), @r#"
    exit 2
    --- stderr
    error: `services.web["labels` is not a path: a quote in it has no end
    "#);
}

/// It can be read but once.
#[test]
fn what_standard_input_says_is_explained() {
    let sandbox = Sandbox::new().file("web.env", "A=file\n");
    let mut piped = sandbox.command(env!("CARGO_BIN_EXE_larder"));
    let text = "services: {a: {image: a, env_file: web.env}}";
    let piped = piped
        .args(["-f", "-", "config", "--explain", "services.a.environment.A"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut piped = piped.unwrap();
    let mut stdin = piped.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    let output = piped.wait_with_output().unwrap();
    assert_snapshot!(String::from_utf8(output.stdout).unwrap(), @r"
    services.a.environment.A = file
      from web.env:1:1: file
    ");
}

#[test]
fn images_get_the_digest_that_their_registry_has() {
    let registry = Registry::start();
    registry.push("base:1", "one");
    let image = registry.name("base");
    let compose = format!("services: {{a: {{image: '{image}:1'}}, b: {{image: '{image}:2'}}}}\n");
    let stack = Stack::new("config-digests", &compose);
    let shown = stack
        .sandbox
        .show("config --resolve-image-digests")
        .replace(&image, "BASE");
    assert_snapshot!(shown, @r"
    exit 1
    --- stderr
    error: image `BASE:2` is not in its registry
      at compose.yaml:1:54
    hint: only an image that a registry has, and gives to you (`docker login`), can be pinned
    ");
    stack.sandbox.write(
        "compose.yaml",
        &format!("services: {{a: {{image: '{image}:1', user: '1'}}}}\n"),
    );
    let lock = stack.larder("config --lock-image-digests");
    let pinned = lock.replace(&image, "BASE");
    let (before, digest) = pinned.split_once("sha256:").unwrap();
    assert_eq!(before, "name: ''\nservices:\n  a:\n    image: BASE:1@");
    assert_eq!(digest.trim_end().len(), 64);
    let whole = stack.larder("config --resolve-image-digests");
    assert!(
        whole.contains("user: '1'") && whole.contains(digest.trim_end()),
        "{whole}"
    );
}
