//! `larder export`: what it writes is run by docker compose alone, from an empty folder, and on an engine that has nothing.

#![allow(clippy::print_stderr, reason = "what is not run is said aloud")]

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::registry::Registry;
use crate::sandbox::Sandbox;
use crate::stack::{Stack, docker};

/// A registry that images can be pushed to.
struct Store {
    running: Child,
    host: String,
    _data: TempDir,
}

impl Store {
    /// Nothing where there is no such program, which is said aloud.
    fn start() -> Option<Self> {
        let data = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let config = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '{free}'}}\n",
            data.path().display()
        );
        let file = data.path().join("config.yml");
        fs::write(&file, config).unwrap();
        let mut command = Command::new("docker-registry");
        let command = command
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let Ok(running) = command.spawn() else {
            eprintln!("NOT RUN: no image registry is installed");
            return None;
        };
        let begun = Instant::now();
        while TcpStream::connect(free).is_err() {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "the registry does not answer"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(Self {
            running,
            host: free.to_string(),
            _data: data,
        })
    }

    /// Puts an image there, under a name.
    fn push(&self, image: &str, name: &str) -> String {
        let name = format!("{}/{name}", self.host);
        docker(&["tag", image, &name]);
        docker(&["push", "-q", &name]);
        name
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.running.kill();
        let _ = self.running.wait();
        let names = ["images", "--format", "{{.Repository}}:{{.Tag}}"];
        let names = Command::new("docker").args(names).output().unwrap();
        for name in String::from_utf8_lossy(&names.stdout).lines() {
            if name.starts_with(&self.host) {
                let _ = Command::new("docker").args(["rmi", name]).output();
            }
        }
    }
}

/// The fingerprint of a stack's service.
fn fingerprint(stack: &Stack, service: &str) -> String {
    let document = stack.larder("fingerprint --format json");
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    document["services"][service]["full"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Runs docker compose in a folder of its own, with a file that lies there and nothing of the stack's.
fn compose(folder: &Path, project: &str, host: Option<&str>, line: &str) -> Output {
    let mut command = Command::new("docker");
    command
        .current_dir(folder)
        .args(["compose", "-p", project, "-f", "compose.yaml"]);
    if let Some(host) = host {
        command.env("DOCKER_HOST", host);
    }
    command.args(line.split_whitespace()).output().unwrap()
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A stack of an app that is built and a database that is named; `cache` is where its images are.
fn stack(test: &str, database: &str, cache: &str) -> Stack {
    let compose = format!(
        "x-larder: {{cache: '{cache}'}}\n\
         services:\n  app:\n    build: {{context: ., args: {{V: '1'}}}}\n    command: [sleep, '60']\n    \
         stop_grace_period: 0s\n    environment: [TOKEN, 'LEVEL=${{LEVEL:-info}}']\n    env_file: app.env\n    \
         secrets: [pass]\n    configs: [motd]\n    depends_on: {{db: {{condition: service_started}}}}\n    \
         healthcheck: {{test: [CMD, 'true'], interval: 1s}}\n  \
         db: {{image: '{database}', stop_grace_period: 0s}}\n  \
         tools: {{image: '{database}', profiles: [dev]}}\n\
         secrets: {{pass: {{environment: PASS}}}}\nconfigs: {{motd: {{content: \"level ${{LEVEL:-info}}\"}}}}\n"
    );
    let stack = Stack::new(test, &compose)
        .env("TOKEN", "t0ken")
        .env("PASS", "passw0rd");
    let dockerfile = format!(
        "FROM busybox:stable\nLABEL dev.larder.test={}\nCOPY src /src\n",
        stack.name
    );
    stack.sandbox.write("Dockerfile", &dockerfile);
    stack.sandbox.write("src", "first");
    stack.sandbox.write("app.env", "FROM_FILE=f1le\n");
    stack
}

#[test]
fn what_is_exported_runs_with_docker_compose_alone() {
    let Some(store) = Store::start() else { return };
    let base = Registry::start();
    base.push("db:1", "database");
    let cache = format!("{}/cache", store.host);
    let stack = stack("export", &base.name("db:1"), &cache);
    stack.larder("build");

    // It is on no registry yet.
    let refused = stack.sandbox.show("export -o deploy/compose.yaml");
    assert!(refused.starts_with("exit 1\n"), "{refused}");
    let told = "error: `app` is built here, and no registry is known to have its image\nhint: `larder prewarm` pushes";
    assert!(refused.contains(told), "{refused}");
    assert!(!stack.sandbox.path().join("deploy").exists());

    let key = fingerprint(&stack, "app");
    store.push(
        &format!("localhost/larder/image:{key}"),
        &format!("cache:fp-{key}"),
    );
    stack.sandbox.write("deploy/keep", "");
    let shown = stack.sandbox.show("export -o deploy/compose.yaml");
    assert!(shown.starts_with("exit 0\n--- stderr\n"), "{shown}");
    assert!(
        shown.contains("`../app.env` (services.app.env_file)"),
        "{shown}"
    );
    assert!(
        shown.contains("variables from where it is started: PASS, TOKEN"),
        "{shown}"
    );
    let text = fs::read_to_string(stack.sandbox.path().join("deploy/compose.yaml")).unwrap();
    insta::assert_snapshot!(without_digests(&text, &stack, &store, &base), @"
    # Made by `larder export`: a plain Compose file, for `docker compose` alone.
    # Each image is pinned to its digest on a registry.
    # What is edited here is lost when it is made anew, by `larder export`.
    name: NAME
    services:
      app:
        command:
        - sleep
        - '60'
        configs:
        - source: motd
        depends_on:
          db:
            condition: service_started
            required: true
        environment:
          LEVEL: info
          TOKEN: null
        env_file:
        - ../app.env
        healthcheck:
          test:
          - CMD
          - 'true'
          interval: 1s
        image: STORE/cache@DIGEST
        networks:
          default: null
        secrets:
        - source: pass
          target: /run/secrets/pass
        stop_grace_period: 0s
      db:
        image: BASE/db:1@DIGEST
        networks:
          default: null
        stop_grace_period: 0s
    networks:
      default: {}
    secrets:
      pass:
        environment: PASS
    configs:
      motd:
        content: level info
    ");
    for secret in ["t0ken", "passw0rd", "f1le"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert_eq!(
        stack.larder("export -o deploy/compose.yaml"),
        "",
        "an export is written over"
    );
    let again = fs::read_to_string(stack.sandbox.path().join("deploy/compose.yaml")).unwrap();
    assert_eq!(again, text);

    // Somewhere else, with the one file that it needs, and nothing of the engine's own names.
    let elsewhere = tempfile::tempdir().unwrap();
    let below = elsewhere.path().join("deploy");
    fs::create_dir(&below).unwrap();
    fs::write(below.join("compose.yaml"), &text).unwrap();
    fs::write(elsewhere.path().join("app.env"), "FROM_FILE=theirs\n").unwrap();
    let project = format!("{}-elsewhere", stack.name);
    for name in [
        format!("{}-app", stack.name),
        format!("localhost/larder/image:{key}"),
        format!("{cache}:fp-{key}"),
    ] {
        docker(&["rmi", &name]);
    }
    let mut up = Command::new("docker");
    up.current_dir(&below)
        .env("PASS", "other")
        .env("TOKEN", "mine");
    let up = up
        .args(["compose", "-p", &project, "up", "-d", "--wait"])
        .output()
        .unwrap();
    let mut exec = Command::new("docker");
    exec.current_dir(&below)
        .args(["compose", "-p", &project, "exec", "-T", "app", "sh", "-c"]);
    let exec = exec
        .arg("cat /src /motd /run/secrets/pass; echo $FROM_FILE $LEVEL $TOKEN")
        .output()
        .unwrap();
    let down = compose(&below, &project, None, "down -v -t 0");
    assert!(up.status.success(), "{}", said(&up));
    assert!(down.status.success(), "{}", said(&down));
    let told = String::from_utf8_lossy(&exec.stdout).into_owned();
    assert_eq!(
        told,
        "firstlevel infoothertheirs info mine\n",
        "{}",
        said(&exec)
    );
}

/// An export with the digests, hosts and names of one run left out.
fn without_digests(text: &str, stack: &Stack, store: &Store, base: &Registry) -> String {
    let host = base.name("");
    let text = text
        .replace(&stack.name, "NAME")
        .replace(&store.host, "STORE");
    let text = text.replace(host.trim_end_matches('/'), "BASE");
    let mut parts = text.split("sha256:");
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        out.push_str("DIGEST");
        out.push_str(part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    out
}

#[test]
fn an_export_that_is_out_of_date_is_told() {
    let Some(store) = Store::start() else { return };
    let base = Registry::start();
    base.push("db:1", "database");
    let stack = stack(
        "exportcheck",
        &base.name("db:1"),
        &format!("{}/cache", store.host),
    );
    stack.larder("build");
    let push = |stack: &Stack| {
        let key = fingerprint(stack, "app");
        store.push(
            &format!("localhost/larder/image:{key}"),
            &format!("cache:fp-{key}"),
        );
    };
    push(&stack);
    let shown = stack.sandbox.show("export --check deployed.yaml");
    assert_eq!(shown, "exit 1\n--- stdout\ndeployed.yaml is not there\n");
    stack.larder("export -o deployed.yaml");
    let shown = stack.sandbox.show("export --check deployed.yaml");
    assert_eq!(shown, "exit 0\n--- stderr\ndeployed.yaml is up to date\n");
    let before = fs::read(stack.sandbox.path().join("deployed.yaml")).unwrap();

    stack.sandbox.write("src", "second");
    stack.larder("build");
    let shown = stack.sandbox.show("export --check deployed.yaml");
    assert!(
        shown.starts_with("exit 1\n--- stderr\nerror: `app` is built here"),
        "{shown}"
    );
    push(&stack);
    let stack = stack.env("LEVEL", "debug");
    let shown = stack.sandbox.show("export --check deployed.yaml");
    let shown = without_digests(&shown, &stack, &store, &base);
    insta::assert_snapshot!(shown, @"
    exit 1
    --- stdout
    configs.motd.content: level info → level debug
    services.app.environment.LEVEL: info → debug
    services.app.image: STORE/cache@DIGEST → STORE/cache@DIGEST
    --- stderr
    deployed.yaml is out of date: `larder export -o deployed.yaml` writes it anew
    ");
    assert_eq!(
        fs::read(stack.sandbox.path().join("deployed.yaml")).unwrap(),
        before
    );

    stack.sandbox.write("mine.yaml", "services: {}\n");
    insta::assert_snapshot!(stack.sandbox.show("export -o mine.yaml"), @"
    exit 2
    --- stderr
    error: `[hub]/mine.yaml` is there, and no export of larder's
    hint: `--force` writes over it, another path beside it
    ");
    stack.larder("export --force -o mine.yaml");
    assert_eq!(
        stack.sandbox.show("export --check mine.yaml"),
        "exit 0\n--- stderr\nmine.yaml is up to date\n"
    );
}

#[test]
fn variables_are_kept_where_that_is_asked_for() {
    let base = Registry::start();
    base.push("db:1", "database");
    let compose = format!(
        "services:\n  db:\n    image: {}\n    ports: ['${{PORT:-8080}}:80']\n    environment: [TOKEN, 'A=${{A}}']\n    \
         volumes: ['./data:/data', '${{ROOT:-/srv}}:/srv']\n    depends_on: {{dev: {{condition: service_started, required: false}}}}\n  \
         dev: {{image: nowhere.invalid/x, profiles: [dev]}}\n",
        base.name("db:1")
    );
    let stack = Stack::new("exportvars", &compose)
        .env("A", "value")
        .env("TOKEN", "t0ken");
    let kept = stack.larder("export --no-interpolate");
    for text in [
        "- ${PORT:-8080}:80",
        "A: ${A}",
        "TOKEN: null",
        "source: ./data",
        "- ${ROOT:-/srv}:/srv",
        "@sha256:",
    ] {
        assert!(kept.contains(text), "{text}: {kept}");
    }
    assert!(!kept.contains("dev:") && !kept.contains("t0ken"), "{kept}");
    let resolved = stack.larder("export");
    for text in [
        "published: '8080'",
        "A: value",
        "TOKEN: null",
        "source: /srv",
    ] {
        assert!(resolved.contains(text), "{text}: {resolved}");
    }
    assert!(!resolved.contains("dev:"), "{resolved}");
    // docker compose reads both.
    for text in [kept, resolved] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("compose.yaml"), text).unwrap();
        let config = self::compose(folder.path(), "x", None, "config -q");
        assert!(config.status.success(), "{}", said(&config));
    }
}

#[test]
fn what_is_not_there_cannot_be_packed() {
    let sandbox = Stack::new(
        "exportnone",
        "services: {app: {build: {dockerfile_inline: FROM scratch}}}\n",
    );
    let shown = sandbox.sandbox.show("export --with-images out");
    assert!(
        shown.starts_with(
            "exit 1\n--- stderr\nerror: no image on the engine has the fingerprint of `app` ("
        ),
        "{shown}"
    );
    assert!(
        shown.contains("hint: `larder build app` makes it"),
        "{shown}"
    );
    assert!(!sandbox.sandbox.path().join("out").exists());
    let none = Sandbox::with("services: {}\n");
    assert!(none.show("export").starts_with("exit 2\n"));
}

/// An engine that has nothing; gone with the test.
struct Empty {
    folder: TempDir,
    running: Child,
}

impl Empty {
    fn start() -> Option<Self> {
        let there = |program: &str| {
            Command::new("which")
                .arg(program)
                .output()
                .is_ok_and(|own| own.status.success())
        };
        let root = rustix::process::geteuid().is_root();
        if !root
            || !["dockerd", "mkfs.ext4", "unshare", "mount"]
                .into_iter()
                .all(there)
        {
            eprintln!(
                "NOT RUN: an engine of its own needs root, dockerd, mkfs.ext4, unshare and mount"
            );
            return None;
        }
        let folder = tempfile::Builder::new()
            .prefix("larder-engine-")
            .tempdir()
            .unwrap();
        let mut script = Command::new("bash");
        let script = script.arg(Self::script()).arg(folder.path());
        let running = script
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let engine = Self { folder, running };
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_mins(1) {
            let mut version = Command::new("docker");
            let version = version
                .args(["version"])
                .env("DOCKER_HOST", engine.host())
                .output();
            if version.unwrap().status.success() {
                return Some(engine);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        eprintln!("NOT RUN: an engine of its own does not start here");
        None
    }

    fn script() -> String {
        format!(
            "{}/tests/faults/private-engine.sh",
            env!("CARGO_MANIFEST_DIR")
        )
    }

    fn host(&self) -> String {
        format!("unix://{}/sock", self.folder.path().display())
    }
}

impl Drop for Empty {
    fn drop(&mut self) {
        let mut pid = String::new();
        if let Ok(mut file) = fs::File::open(self.folder.path().join("pid")) {
            let _ = file.read_to_string(&mut pid);
        }
        let _ = Command::new("kill").arg(pid.trim()).output();
        let _ = self.running.wait();
        let _ = Command::new("bash")
            .arg(Self::script())
            .arg(self.folder.path())
            .arg("end")
            .output();
    }
}

#[test]
fn with_its_images_an_export_runs_on_an_engine_that_has_nothing() {
    let Some(empty) = Empty::start() else { return };
    // An image that no other test gives a name to.
    let registry = Registry::start();
    registry.push("job:1", "job");
    let named = registry.name("job:1");
    docker(&["pull", "-q", &named]);
    let compose = "services:\n  app:\n    build: .\n    command: [sleep, '60']\n    network_mode: none\n    stop_signal: SIGKILL\n    \
        depends_on: {job: {condition: service_started}}\n  \
        job: {image: 'NAMED', network_mode: none}\n";
    let stack = Stack::new("exportpack", &compose.replace("NAMED", &named));
    let dockerfile = format!(
        "FROM busybox:stable\nLABEL dev.larder.test={}\nCOPY src /src\n",
        stack.name
    );
    stack.sandbox.write("Dockerfile", &dockerfile);
    stack.sandbox.write("src", "packed");
    stack.larder("build");
    let tags = || docker(&["inspect", "--format", "{{.RepoTags}}", &named]);
    let before = tags();
    let shown = stack.sandbox.show("export --with-images out");
    assert!(
        shown.starts_with("exit 0\n") && shown.contains("2 images exported, "),
        "{shown}"
    );
    assert_eq!(tags(), before);

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for file in ["compose.yaml", "images.tar", "load.sh"] {
        fs::rename(
            stack.sandbox.path().join("out").join(file),
            folder.join(file),
        )
        .unwrap();
    }
    assert_eq!(
        fs::metadata(folder.join("load.sh"))
            .unwrap()
            .permissions()
            .mode()
            & 0o111,
        0o111
    );
    let host = empty.host();
    let load = |shell: &[&str]| {
        let mut load = Command::new(shell[0]);
        load.args(&shell[1..])
            .arg(folder.join("load.sh"))
            .env("DOCKER_HOST", &host)
            .output()
            .unwrap()
    };
    let loaded = load(&["sh"]);
    assert!(loaded.status.success(), "{}", said(&loaded));
    assert!(
        said(&loaded).starts_with("loaded: start it with docker compose"),
        "{}",
        said(&loaded)
    );
    let up = self::compose(folder, "packed", Some(&host), "up -d --wait app");
    let cat = self::compose(folder, "packed", Some(&host), "exec -T app cat /src");
    let down = self::compose(folder, "packed", Some(&host), "down -t 0");
    assert!(
        up.status.success() && down.status.success(),
        "{}{}",
        said(&up),
        said(&down)
    );
    assert_eq!(said(&cat), "packed");

    // What was cut off on the way is not loaded.
    let archive = fs::OpenOptions::new()
        .write(true)
        .open(folder.join("images.tar"))
        .unwrap();
    archive.set_len(4096).unwrap();
    let refused = load(&["sh"]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(
        said(&refused),
        "load.sh: images.tar is not what was exported\n"
    );
}
