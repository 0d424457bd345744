//! Registries that want credentials: those that `docker login` keeps, or a helper.

use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::front::{Front, Question, Say};
use crate::http::{Shelf, ask};
use crate::shop::{Shop, has, has_registry, warnings};

/// Whom the registries of these tests know.
const LOGIN: &str = "larder:secret";
/// The same for a registry: bcrypt of the password.
const KNOWN: &str = "larder:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";

/// A registry of the test's own that asks everybody for a name and a password.
struct Guarded {
    folder: tempfile::TempDir,
    running: Child,
    host: String,
}

impl Guarded {
    /// Nothing where there is no such program, which is said aloud.
    fn start() -> Option<Self> {
        if !has("docker-registry") {
            eprintln!("NOT RUN: a registry of the test's own needs docker-registry");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let host = free.local_addr().unwrap().to_string();
        drop(free);
        let path = folder.path().display();
        std::fs::write(folder.path().join("known"), KNOWN).unwrap();
        let config = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {path}}}}}\nhttp: {{addr: '{host}'}}\n\
             auth: {{htpasswd: {{realm: tests, path: {path}/known}}}}\n"
        );
        let file = folder.path().join("config.yml");
        std::fs::write(&file, config).unwrap();
        let running = Command::new("docker-registry")
            .arg("serve")
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let guarded = Self {
            running: running.unwrap(),
            folder,
            host,
        };
        let begun = Instant::now();
        while std::net::TcpStream::connect(&guarded.host).is_err() {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "no registry in {:?}",
                guarded.folder
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(guarded)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.running.kill();
        let _ = self.running.wait();
    }
}

fn basic() -> String {
    format!("Basic {}", STANDARD.encode(LOGIN))
}

/// Has what `docker login` writes.
fn log_in(shop: &mut Shop, host: &str) {
    let auth = STANDARD.encode(LOGIN);
    let config = format!(r#"{{"auths": {{"{host}": {{"auth": "{auth}"}}}}}}"#);
    shop.stack.sandbox.write("docker/config.json", &config);
    let folder = shop.stack.sandbox.path().join("docker");
    shop.stack
        .sandbox
        .set("DOCKER_CONFIG", folder.to_str().unwrap());
}

/// Has a helper give the credentials.
fn log_in_by_helper(shop: &mut Shop, host: &str) {
    let (user, secret) = LOGIN.split_once(':').unwrap();
    let answer =
        format!(r#"{{"ServerURL": "{host}", "Username": "{user}", "Secret": "{secret}"}}"#);
    let script = format!("#!/bin/sh\n[ \"$1 $(cat)\" = \"get {host}\" ] && echo '{answer}'\n");
    let sandbox = &mut shop.stack.sandbox;
    sandbox.write("bin/docker-credential-standin", &script);
    let file = sandbox.path().join("bin/docker-credential-standin");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config = format!(r#"{{"credHelpers": {{"{host}": "standin"}}}}"#);
    sandbox.write("docker/config.json", &config);
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", file.parent().unwrap().display());
    sandbox.set("PATH", &path);
}

/// Pushes, looks up, pulls and asks what it was made of, all of it with credentials.
fn all_works(shop: &mut Shop, shelf: &Shelf) {
    shop.edit(&format!("{:?}", Instant::now()));
    let before = shelf.tags().len();
    let shown = shop.ends(0, "prewarm");
    assert_eq!(warnings(&shown), 0, "{shown}");
    // Of the dependency image one is enough.
    assert!(shelf.tags().len() >= before + 2, "{:?}", shelf.tags());
    shop.forget();
    assert_eq!(shop.plan().0, "pull");
    let shown = shop.ends(0, "up");
    assert_eq!(warnings(&shown), 0, "{shown}");
    assert!(!shown.contains("building"), "{shown}");
    let elsewhere = tempfile::tempdir().unwrap();
    let folder = elsewhere.path().to_str().unwrap();
    shop.edit("another");
    shop.stack.sandbox.set("XDG_CACHE_HOME", folder);
    let shown = shop.ends(1, "why app");
    assert!(shown.contains("src/what"), "{shown}");
    shop.forget();
}

/// Nothing is had and nothing pushed without credentials; an `up` builds.
fn nothing_works(shop: &mut Shop) {
    shop.stack.sandbox.write("docker/config.json", "{}");
    shop.edit("without");
    let shown = shop.ends(0, "up");
    assert_eq!(warnings(&shown), 1, "{shown}");
    assert!(
        shown.contains("wants other credentials; `docker login "),
        "{shown}"
    );
    let shown = shop.ends(3, "prewarm");
    assert!(shown.contains("hint: `docker login "), "{shown}");
}

#[test]
fn a_name_and_a_password_are_given_to_who_asks_for_them() {
    let Some(guarded) = Guarded::start() else {
        return;
    };
    let mut shop = Shop::at("basic", &guarded.host, "trusted: true");
    let header = format!("Authorization: {}", basic());
    let shelf = shop.shelf().with(&header);
    assert_eq!(ask(&guarded.host, "GET", "/v2/", "", b"").status, 401);
    log_in(&mut shop, &guarded.host);
    all_works(&mut shop, &shelf);
    log_in_by_helper(&mut shop, &guarded.host);
    all_works(&mut shop, &shelf);
    nothing_works(&mut shop);
}

/// A registry that takes tokens, and gives one to who has a name and a password.
fn by_token(host: &str, asked: &Question) -> Say {
    const TOKEN: &str = "t0ken";
    if asked.path.starts_with("/token?") {
        return if asked.login == basic() {
            Say::status(
                "200 OK",
                &format!(r#"{{"token": "{TOKEN}", "expires_in": 300}}"#),
            )
        } else {
            Say::status("401 Unauthorized", "{}")
        };
    }
    if asked.login == format!("Bearer {TOKEN}") {
        return Say::On;
    }
    let challenge = format!(
        "401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"tests\""
    );
    Say::status(
        &challenge,
        r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#,
    )
}

#[test]
fn a_token_is_asked_for_where_a_registry_says_who_gives_one() {
    if !has_registry() {
        return;
    }
    let front = Front::open();
    let host = front.host.clone();
    front.rule(move |asked| by_token(&host, asked));
    let mut shop = Shop::at("token", &front.host, "trusted: true");
    let shelf = shop.shelf().with("Authorization: Bearer t0ken");
    log_in(&mut shop, &front.host);
    all_works(&mut shop, &shelf);
    let asked = front.asked();
    let tokens = asked.iter().filter(|own| own.path.starts_with("/token?"));
    let scopes: Vec<&str> = tokens.map(|own| own.path.as_str()).collect();
    assert!(
        scopes
            .iter()
            .any(|own| own.contains("pull%2Cpush") || own.contains("push")),
        "{scopes:?}"
    );
    // Who gives out tokens gets the password, and the registry does not.
    let basic = basic();
    let told = asked
        .iter()
        .filter(|own| own.login == basic && !own.path.starts_with("/token?"));
    assert_eq!(told.count(), 0);
    nothing_works(&mut shop);
}
