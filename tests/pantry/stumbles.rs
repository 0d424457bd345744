//! Registries that stumble, say no, or are none: what cannot be had from them is built, said once and waited for briefly.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::front::{Front, Question, Rule, Say};
use crate::http::digest;
use crate::shop::{Shop, has_registry, warnings};

/// The longest time that registries are waited for, and a small build on a busy machine.
const SOON: Duration = Duration::from_secs(2 + 8);

/// An `up` that has to build, with a registry that does something with each question; what it gave.
fn up(test: &str, rule: impl Fn(&Question) -> Say + Send + 'static) -> (String, Vec<Question>) {
    let front = Front::start(rule);
    let shop = Shop::at(test, &front.host, "trusted: true");
    shop.write_small();
    let begun = Instant::now();
    let shown = shop.ends(0, "up");
    let took = begun.elapsed();
    assert!(took < SOON, "{test}: {took:?}: {shown}");
    assert!(shown.contains("app: built"), "{test}: {shown}");
    let again = shop.stack.larder("up");
    assert!(again.contains("1 service up to date"), "{test}: {again}");
    (shown.replace(&front.host, "HOST"), front.asked())
}

/// That there is one warning, of a registry that is not asked any more or of what it answered.
fn warned(test: &str, shown: &str, why: &str) {
    assert_eq!(warnings(shown), 1, "{test}: {shown}");
    let found = shown
        .lines()
        .find(|line| line.starts_with("warning: "))
        .unwrap();
    // An answer that is none is that of one image.
    let said = [
        "` is not asked for images: `HOST` ",
        "` is not looked at: `HOST` ",
    ];
    assert!(
        said.iter().any(|said| found.contains(said)),
        "{test}: {found}"
    );
    assert!(found.contains(why), "{test}: {found}");
}

#[test]
fn a_registry_that_says_no_is_a_warning_and_the_image_is_built() {
    let denied = r#"{"errors":[{"code":"DENIED","message":"no"}]}"#;
    let hint = "wants other credentials; `docker login HOST` keeps credentials for it";
    for (test, status, body, why) in [
        ("401", "401 Unauthorized", "{}", hint),
        ("403", "403 Forbidden", denied, hint),
        (
            "429",
            "429 Too Many Requests",
            "slow down",
            "is asked too often",
        ),
        (
            "500",
            "500 Internal Server Error",
            "<h1>500</h1>",
            "answered with status 500",
        ),
        (
            "503",
            "503 Service Unavailable",
            "",
            "answered with status 503",
        ),
        (
            "html",
            "200 OK",
            "<html>Welcome! Please log in.</html>",
            "gave an answer that is none: no manifest: ",
        ),
        (
            "none",
            "200 OK",
            "{}",
            "gave an answer that is none: a manifest without a configuration",
        ),
        (
            "digest",
            "200 OK\r\nDocker-Content-Digest: sha256:00",
            "{}",
            "gave an answer that is none: ",
        ),
    ] {
        let (shown, _) = up(test, move |_| Say::status(status, body));
        warned(test, &shown, why);
    }
}

#[test]
fn a_registry_that_does_not_have_it_is_no_warning() {
    let unknown = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
    for (test, body) in [("404", unknown), ("404page", "<html>Not here</html>")] {
        let (shown, asked) = up(test, move |_| Say::status("404 Not Found", body));
        assert_eq!(warnings(&shown), 0, "{shown}");
        let asked = asked.iter().filter(|own| own.is_of("manifests")).count();
        assert_eq!(asked, 1, "{shown}");
    }
}

#[test]
fn a_registry_that_is_not_there_or_goes_is_a_warning() {
    let (shown, _) = up("cut", |_| Say::Cut);
    warned("cut", &shown, "cannot be reached: ");
    let (shown, _) = up("silent", |_| Say::Silence);
    warned("silent", &shown, "did not answer in time");
    // Nobody listens there.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = gone.local_addr().unwrap().to_string();
    drop(gone);
    let shop = Shop::at("refused", &host, "trusted: true");
    shop.write_small();
    let shown = shop.ends(0, "up").replace(&host, "HOST");
    warned("refused", &shown, "cannot be reached: Connection refused");
}

#[test]
fn registries_are_waited_for_together_and_only_once() {
    let fronts = [(); 3].map(|()| Front::start(|_| Say::Silence));
    let shop = Shop::at("three", &fronts[0].host, "trusted: true");
    let [_, second, third] = &fronts;
    let more = format!(
        "--cache-from {} --cache-from {}/a --cache-from {}/b",
        shop.repository, second.host, third.host
    );
    shop.stack.larder("build");
    shop.edit("two");
    let begun = Instant::now();
    shop.stack.larder("plan");
    let without = begun.elapsed();
    let begun = Instant::now();
    let shown = shop.ends(0, &format!("{more} plan"));
    let took = begun.elapsed();
    assert_eq!(warnings(&shown), 3, "{shown}");
    assert!(
        took < without + Duration::from_secs(2),
        "{took:?} {without:?}"
    );
}

/// A project whose image is in the registry and not on the engine; its last layer was never there. That one's digest.
fn pushed(test: &str) -> (Front, Shop, String) {
    let front = Front::open();
    let shop = Shop::at(test, &front.host, "trusted: true");
    shop.write_small();
    shop.stack.larder("prewarm");
    shop.forget();
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    let content = shop.repository.as_bytes();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    archive.append_data(&mut header, "more", content).unwrap();
    let layer = archive.into_inner().unwrap();
    let shelf = shop.shelf();
    let layer = shelf.add_layer(&shelf.tag("fp-"), &layer);
    (front, shop, layer)
}

/// Does something with each question for a layer.
fn spoil(front: &Front, layer: &str, say: impl Fn() -> Say + Send + 'static) {
    let layer = layer.to_owned();
    front.rule(move |asked| {
        if asked.is_get() && asked.is_of("blobs") && asked.path.contains(&layer) {
            say()
        } else {
            Say::On
        }
    });
}

/// An `up` of it, which must end with a build and a warning; how long it took.
fn up_without_layer(shop: &Shop, why: &[&str]) -> Duration {
    assert_eq!(shop.plan().0, "pull");
    let begun = Instant::now();
    let shown = shop.ends(0, "up");
    let took = begun.elapsed();
    assert_eq!(warnings(&shown), 1, "{shown}");
    assert!(
        shown.contains("could not be pulled, and is built: "),
        "{shown}"
    );
    assert!(
        why.is_empty() || why.iter().any(|why| shown.contains(why)),
        "{shown}"
    );
    assert!(shown.contains("app: built"), "{shown}");
    took
}

#[test]
fn an_image_whose_layers_are_gone_is_built() {
    if !has_registry() {
        return;
    }
    let (front, shop, layer) = pushed("layers");
    // The registry lost it, as a garbage collection at the wrong time does.
    let unknown = r#"{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry"}]}"#;
    spoil(&front, &layer, move || {
        Say::status("404 Not Found", unknown)
    });
    // In the words of either image store.
    let took = up_without_layer(&shop, &["unknown blob", "from remote: not found"]);
    assert!(took < SOON, "{took:?}");
    shop.forget();
    // It is another one.
    spoil(&front, &layer, || {
        Say::status("200 OK", "not what was asked for")
    });
    let took = up_without_layer(&shop, &[]);
    assert!(took < SOON, "{took:?}");
    shop.forget();
    // It is there again.
    front.rule(|_| Say::On);
    let shown = shop.ends(0, "up");
    assert!(!shown.contains("building"), "{shown}");
    assert_eq!(shop.stack.larder("exec -T app cat /more"), shop.repository);
}

#[test]
fn a_layer_that_does_not_come_is_given_up() {
    if !has_registry() {
        return;
    }
    std::thread::scope(|scope| {
        for (test, hangs) in [("hangs", true), ("breaks", false)] {
            scope.spawn(move || {
                let (front, shop, layer) = pushed(test);
                spoil(
                    &front,
                    &layer,
                    move || if hangs { Say::Silence } else { Say::Cut },
                );
                let took = up_without_layer(&shop, &[]);
                eprintln!("{test}: {took:?}");
                assert!(took < Duration::from_secs(35), "{test}: {took:?}");
            });
        }
    });
}

#[test]
fn an_answer_without_end_takes_no_memory_and_little_time() {
    const MUCH: &str =
        "200 OK\r\nContent-Type: application/vnd.docker.distribution.manifest.v2+json";
    let config = digest(b"x");
    let manifest = |size: u64| {
        let body = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "digest": config, "size": size},
            "layers": [],
        });
        body.to_string()
    };
    let large = manifest(9_000_000);
    let small = manifest(100);
    let cases: [(&str, Rule, &str); 4] = [
        (
            "manifest",
            Box::new(|_| Say::Endless(MUCH)),
            "gave an answer that is none: it has more than 4194304 bytes",
        ),
        (
            "error",
            Box::new(|_| Say::Endless("500 Internal Server Error")),
            "answered with status 500",
        ),
        (
            "config",
            Box::new(move |asked| {
                if asked.is_of("blobs") {
                    Say::Endless("200 OK\r\nContent-Type: application/octet-stream")
                } else {
                    Say::status("200 OK", &small)
                }
            }),
            "gave an answer that is none: ",
        ),
        (
            "largeconfig",
            Box::new(move |_| Say::status("200 OK", &large)),
            "gave an answer that is none: a configuration of too many bytes",
        ),
    ];
    for (test, rule, why) in cases {
        let front = Front::start(rule);
        let shop = Shop::at(test, &front.host, "trusted: true");
        shop.write_small();
        // A plan asks, and builds nothing.
        let line = format!(
            "ulimit -v 1500000; exec '{}' plan",
            env!("CARGO_BIN_EXE_larder")
        );
        let begun = Instant::now();
        let mut command = shop.stack.sandbox.command("bash");
        let output = command
            .args(["-c", &line])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let took = begun.elapsed();
        let shown = shop
            .stack
            .sandbox
            .shown(&output)
            .replace(&front.host, "HOST");
        assert!(output.status.success(), "{test}: {shown}");
        warned(test, &shown, why);
        assert!(took < SOON, "{test}: {took:?}: {shown}");
        // What waits for registries as long as they take does not wait for that.
        let begun = Instant::now();
        let shown = shop.ends(3, "prewarm").replace(&front.host, "HOST");
        assert!(
            shown.contains(&format!("caused by: `HOST` {why}")),
            "{test}: {shown}"
        );
        let took = begun.elapsed();
        assert!(took < SOON, "{test}: {took:?}: {shown}");
    }
}
