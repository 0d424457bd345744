//! What lies in a registry under a key is taken where something vouches for it, and where it is what it says.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::http::{digest, text};
use crate::shop::{Base, REGISTRY, Shop, has_registry, warnings};
use crate::stack::docker;

/// What is said where nothing vouches for an image.
fn unproven(shop: &Shop) -> String {
    format!(
        "is not taken: neither is `{}` declared trusted, nor does `larder.lock` have its digest",
        shop.repository
    )
}

/// A program called `cosign` in front of all others.
fn cosign(shop: &mut Shop, script: &str) {
    let sandbox = &mut shop.stack.sandbox;
    sandbox.write("bin/cosign", &format!("#!/bin/sh\n{script}\n"));
    let file = sandbox.path().join("bin/cosign");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", file.parent().unwrap().display());
    sandbox.set("PATH", &path);
}

#[test]
fn what_nobody_vouches_for_is_built_and_the_plan_says_why() {
    if !has_registry() {
        return;
    }
    let mut shop = Shop::at("vouch", REGISTRY, "trusted: false");
    shop.stack.larder("prewarm");
    let shelf = shop.shelf();
    let fp = shelf.tag("fp-");
    shop.forget();

    let (outcome, cause) = shop.plan();
    assert_eq!(outcome, "build", "{cause}");
    assert!(cause.contains(&unproven(&shop)), "{cause}");
    let shown = shop.ends(0, "up");
    assert!(shown.contains("app: built"), "{shown}");
    assert!(!shown.contains("pulling"), "{shown}");
    shop.forget();

    // By its digest in the lock, and by no other one.
    let name = format!("{}:{fp}", shop.repository);
    let lock = |digest: &str| {
        let text = format!("version 1\n{name} {digest}\n");
        shop.stack.sandbox.write("larder.lock", &text);
    };
    lock(&digest(b"another"));
    let (outcome, cause) = shop.plan();
    assert_eq!(outcome, "build", "{cause}");
    assert!(cause.contains(&unproven(&shop)), "{cause}");
    lock(&shelf.digest(&fp));
    assert_eq!(shop.plan().0, "pull");
    std::fs::remove_file(shop.stack.sandbox.path().join("larder.lock")).unwrap();

    // By the registries that the environment trusts.
    for (trusted, outcome) in [
        ("127.0.0.1:500", "build"),
        ("r.example,127.0.0.1:5000", "pull"),
    ] {
        shop.stack.sandbox.set("LARDER_TRUSTED_REGISTRIES", trusted);
        assert_eq!(shop.plan().0, outcome, "{trusted}");
    }
    let shown = shop.ends(0, "up");
    assert!(!shown.contains("building"), "{shown}");
}

#[test]
fn a_lock_vouches_for_what_lies_there_when_it_is_written() {
    if !has_registry() {
        return;
    }
    let shop = Shop::at("locked", REGISTRY, "trusted: false");
    let base = Base::push(&shop);
    shop.write_app(&base.0);
    shop.stack.larder("prewarm");
    let shelf = shop.shelf();
    shop.forget();
    assert_eq!(shop.plan().0, "build");
    let lines = || {
        let text = std::fs::read_to_string(shop.stack.sandbox.path().join("larder.lock"));
        let text = text.unwrap();
        let own = text
            .lines()
            .filter(|line| line.starts_with(&shop.repository));
        own.map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let line = |tag: &str| format!("{}:{tag} {}", shop.repository, shelf.digest(tag));
    let (fp, dep) = (line(&shelf.tag("fp-")), line(&shelf.tag("dep-")));
    shop.stack.larder("lock");
    assert_eq!(lines(), [dep.clone(), fp]);
    assert_eq!(shop.plan().0, "pull");
    // Where the source is another one the dependencies are still vouched for.
    shop.edit("two");
    assert_eq!(shop.plan().0, "resume");
    shop.stack.larder("lock");
    assert_eq!(lines(), std::slice::from_ref(&dep));
    // A registry that does not answer takes no line away.
    let gone = "127.0.0.1:1/larder-test/gone";
    shop.ends(0, &format!("--cache-from {gone} lock"));
    assert_eq!(lines(), [dep]);
}

#[test]
fn a_signature_is_looked_at_by_cosign() {
    if !has_registry() {
        return;
    }
    let mut shop = Shop::at("signed", REGISTRY, "key: team.pub");
    shop.stack.larder("prewarm");
    let shelf = shop.shelf();
    let fp = shelf.tag("fp-");
    shop.forget();

    // Not there.
    let nothing = tempfile::tempdir().unwrap();
    let path = nothing.path().to_str().unwrap();
    shop.stack.sandbox.set("PATH", path);
    let (outcome, cause) = shop.plan();
    assert_eq!(outcome, "build", "{cause}");
    let expected = "a signature of `team.pub` is asked for, and `cosign` is not installed";
    assert!(cause.contains(expected), "{cause}");

    cosign(
        &mut shop,
        "echo 'Error: no matching signatures:' >&2; echo >&2; exit 1",
    );
    let (outcome, cause) = shop.plan();
    assert_eq!(outcome, "build", "{cause}");
    let expected = "cosign finds no signature of `team.pub`: Error: no matching signatures:";
    assert!(cause.contains(expected), "{cause}");

    let asked = shop.stack.sandbox.path().join("asked");
    cosign(
        &mut shop,
        &format!("echo \"$PWD\" \"$@\" >> '{}'", asked.display()),
    );
    assert_eq!(shop.plan().0, "pull");
    let asked = std::fs::read_to_string(asked).unwrap();
    let expected = format!(
        "{} verify --insecure-ignore-tlog=true --key team.pub {}@",
        shop.stack.sandbox.path().display(),
        shop.repository
    );
    let mut images: Vec<&str> = asked
        .lines()
        .map(|line| line.strip_prefix(&expected).unwrap())
        .collect();
    images.sort_unstable();
    let mut expected = [shelf.digest(&fp), shelf.digest(&shelf.tag("dep-"))];
    expected.sort_unstable();
    assert_eq!(images, expected);

    cosign(&mut shop, "exec sleep 60");
    let begun = std::time::Instant::now();
    let (outcome, cause) = shop.plan();
    assert_eq!(outcome, "build", "{cause}");
    assert!(cause.contains("cosign did not answer in time"), "{cause}");
    assert!(begun.elapsed().as_secs() < 15, "{:?}", begun.elapsed());
}

#[test]
fn what_is_not_what_its_tag_says_is_never_taken() {
    if !has_registry() {
        return;
    }
    let shop = Shop::new("foreign");
    shop.stack.larder("prewarm");
    let shelf = shop.shelf();
    let fp = shelf.tag("fp-");
    let right = shelf.manifest(&fp).body;
    shop.edit("two");
    shop.stack.larder("prewarm");
    let other = shelf
        .tags()
        .into_iter()
        .find(|tag| tag.starts_with("fp-") && *tag != fp);
    let other = shelf.manifest(&other.unwrap()).body;
    shop.edit("one");
    shop.forget();
    let doubt = |why: &str| {
        let (outcome, cause) = shop.plan();
        assert_eq!(outcome, "resume", "{cause}");
        assert!(cause.contains(why), "{why}: {cause}");
    };
    let label = "is not taken: its label does not say what its tag says";

    // The image of another key.
    shelf.put_manifest(&fp, &other);
    doubt(label);
    // One without a label.
    shelf.put_manifest(&fp, &right);
    shelf.put_changed(&fp, &fp, |config| {
        config["config"]["Labels"] = json!({});
    });
    doubt(label);
    // Of another platform, by itself, and as one of several.
    shelf.put_manifest(&fp, &right);
    shelf.put_changed(&fp, &fp, |config| config["architecture"] = "s390x".into());
    doubt("is not taken: it is for linux/s390x");
    let manifest = shelf.manifest(&fp);
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json",
        "manifests": [{
            "mediaType": manifest.json()["mediaType"],
            "digest": digest(&manifest.body),
            "size": manifest.body.len(),
            "platform": {"os": "linux", "architecture": "s390x"},
        }],
    });
    shelf.put_manifest(&fp, index.to_string().as_bytes());
    let (outcome, cause) = shop.plan();
    assert_eq!(outcome, "resume", "{cause}");

    // One of several that is for this platform is taken.
    let right_digest = digest(&right);
    shelf.put_manifest("right", &right);
    let config = shelf.config("right");
    let mut index = index;
    index["manifests"].as_array_mut().unwrap().push(json!({
        "mediaType": shelf.manifest("right").json()["mediaType"],
        "digest": right_digest,
        "size": right.len(),
        "platform": {"os": "linux", "architecture": text(&config["architecture"])},
    }));
    shelf.put_manifest(&fp, index.to_string().as_bytes());
    assert_eq!(shop.plan().0, "pull");
    let shown = shop.ends(0, "up");
    assert!(!shown.contains("building"), "{shown}");
    assert_eq!(crate::shop::warnings(&shown), 0, "{shown}");
    let again = shop.stack.larder("up");
    assert!(again.contains("1 service up to date"), "{again}");
}

#[test]
fn what_nobody_vouches_for_is_pushed_over() {
    if !has_registry() {
        return;
    }
    let shop = Shop::at("poison", REGISTRY, "trusted: false");
    shop.stack.larder("prewarm");
    let shelf = shop.shelf();
    let fp = shelf.tag("fp-");
    let good = shelf.digest(&fp);
    // It is this engine's own image, so it is left alone.
    let shown = shop.ends(0, "prewarm");
    assert_eq!(warnings(&shown), 0, "{shown}");
    assert_eq!(shelf.digest(&fp), good);
    // Somebody who may push puts another one there, with the right label.
    shelf.put_changed(&fp, &fp, |config| config["author"] = "another".into());
    assert_ne!(shelf.digest(&fp), good);
    let shown = shop.ends(0, "prewarm");
    assert!(
        shown.contains("is not taken for what it is called, and is pushed over: neither is"),
        "{shown}"
    );
    assert_eq!(shelf.digest(&fp), good);
    shop.forget();
}

#[test]
fn a_base_that_came_to_the_engine_is_not_what_was_said_of_it_before() {
    if !has_registry() {
        return;
    }
    let shop = Shop::new("memory");
    let base = Base::push(&shop);
    shop.write_app(&base.0);
    shop.stack.larder("prewarm");
    shop.forget();
    docker(&["rmi", &base.0]);
    // Keyed from afar: the base is remembered.
    shop.stack.larder("up");
    assert!(docker(&["images", "-q", &base.0]).is_empty());
    let before = shop.stack.larder("fingerprint");

    // The tag moves, and comes to the engine.
    let moved = format!("{}-moved", base.0);
    let dockerfile = format!(
        "FROM busybox:stable\nLABEL dev.larder.test={}\n",
        shop.stack.name
    );
    shop.stack.sandbox.write("moved/Dockerfile", &dockerfile);
    let folder = shop.stack.sandbox.path().join("moved");
    docker(&[
        "build",
        "-q",
        "-t",
        &base.0,
        "-t",
        &moved,
        folder.to_str().unwrap(),
    ]);
    docker(&["push", "-q", &base.0]);
    let now = shop.stack.larder("fingerprint");
    assert_ne!(now, before);
    shop.stack.larder("up");
    // It goes again: what the registry has now counts, and not what it had.
    docker(&["rmi", &base.0]);
    assert_eq!(shop.stack.larder("fingerprint"), now);
    docker(&["rmi", &moved]);
    shop.forget();
}
