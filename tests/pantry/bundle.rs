//! Images in a file, for a machine without a registry.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::engine::Second;
use crate::http::text;
use crate::shop::{Base, SERVICE, Shop, has_registry};

/// The project as it is on a machine that knows no registry.
fn compose() -> String {
    format!(
        "services:\n  app: {SERVICE}\n  tool: {{image: 'busybox:stable', command: [sleep, '1000'], stop_signal: SIGKILL, network_mode: none}}\n"
    )
}

/// The app of a shop, brought to another machine.
fn bring(shop: &Shop, second: &Second) {
    let copied = Command::new("cp")
        .arg("-r")
        .args(["app", "bundle.tar"].map(|own| shop.stack.sandbox.path().join(own)))
        .arg(second.sandbox.path())
        .status();
    assert!(copied.unwrap().success());
}

#[test]
fn a_machine_without_a_registry_starts_all_and_builds_an_edit_on_its_dependencies() {
    if !has_registry() {
        return;
    }
    let shop = Shop::new("bundle");
    let base = Base::push(&shop);
    shop.stack.sandbox.write("compose.yaml", &compose());
    shop.write_app(&base.0);
    let shown = shop.ends(0, "prewarm --output bundle.tar");
    assert!(shown.contains("3 images in bundle.tar, "), "{shown}");
    let Some(second) = Second::start(&compose()) else {
        return;
    };
    bring(&shop, &second);
    let loaded = second.larder("load bundle.tar").0;
    assert_eq!(loaded.matches("   loaded\n").count(), 3, "{loaded}");
    let names = second.images();
    assert!(names.contains(&"busybox:stable".to_owned()), "{names:?}");
    assert!(!names.contains(&base.0), "{names:?}");
    let again = second.larder("load bundle.tar").0;
    assert_eq!(again.matches("   there already\n").count(), 3, "{again}");

    let plan = second.larder("plan --format json").0;
    let plan: Value = serde_json::from_str(&plan).unwrap();
    for service in ["app", "tool"] {
        assert_eq!(
            text(&plan["services"][service]["image"]),
            "reuse",
            "{plan:#}"
        );
    }
    second.larder("up");
    second.sandbox.write("app/src/what", "edited far away\n");
    let plan = second.larder("plan --format json").0;
    let plan: Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(
        text(&plan["services"]["app"]["image"]),
        "resume",
        "{plan:#}"
    );
    second.larder("up");
    let read = second.larder("exec -T app cat /src/what").0;
    assert_eq!(read, "edited far away\n");
    shop.forget();
}

#[test]
fn a_bundle_that_somebody_changed_is_not_loaded_and_changes_nothing() {
    let shop = Shop::new("bundlebad");
    shop.stack.sandbox.write("compose.yaml", &compose());
    shop.write_small();
    shop.ends(0, "prewarm --output bundle.tar");
    let path = shop.stack.sandbox.path().join("bundle.tar");
    let whole = fs::read(&path).unwrap();
    shop.forget();

    // A byte of the largest file in it, which is a layer.
    let mut changed = whole.clone();
    let largest = changed.len() / 2;
    changed[largest] ^= 1;
    fs::write(&path, &changed).unwrap();
    let shown = shop.ends(1, "load bundle.tar");
    assert!(shown.contains("the file is damaged"), "{shown}");
    fs::write(&path, &whole[..whole.len() / 3]).unwrap();
    let shown = shop.ends(1, "load bundle.tar");
    assert!(shown.contains("it is no bundle: "), "{shown}");
    fs::write(&path, b"no archive").unwrap();
    let shown = shop.ends(1, "load bundle.tar");
    assert!(shown.contains("it is no tar archive"), "{shown}");
    assert_eq!(shop.plan().0, "build");

    fs::write(&path, &whole).unwrap();
    shop.ends(0, "load bundle.tar");
    assert_eq!(shop.plan().0, "reuse");
    shop.forget();
}

#[test]
fn a_name_that_the_project_does_not_have_is_left_out() {
    let shop = Shop::new("bundlenames");
    shop.stack.sandbox.write("compose.yaml", &compose());
    shop.write_small();
    shop.ends(0, "prewarm --output bundle.tar");
    let without = format!("services: {{app: {SERVICE}}}\n");
    shop.stack.sandbox.write("compose.yaml", &without);
    let shown = shop.ends(0, "load bundle.tar");
    assert!(shown.contains("not of this project as it is"), "{shown}");
    shop.forget();
}
