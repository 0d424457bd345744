//! What `up` and `build` push where they are asked to.

use crate::front::{Front, Say};
use crate::http::Shelf;
use crate::shop::{Shop, has_registry, warnings};

/// The kinds of tag in a repository, each once.
fn kinds(shelf: &Shelf) -> Vec<String> {
    let tags = shelf.tags().into_iter();
    tags.map(|tag| tag.split('-').next().unwrap().to_owned())
        .collect()
}

#[test]
fn what_up_or_build_makes_is_pushed_where_that_is_asked_for() {
    if !has_registry() {
        return;
    }
    for command in ["up", "build"] {
        let shop = Shop::new(&format!("push{command}"));
        // That a repository is named is not enough.
        shop.stack.larder(command);
        assert_eq!(shop.shelf().tags(), Vec::<String>::new());
        let to = format!("{}-to", shop.repository);
        let shelf = Shelf::of(&to);
        let line = format!("--cache-to {to} {command}");
        let shown = shop.ends(0, &line);
        assert_eq!(warnings(&shown), 0, "{shown}");
        // It is on the engine, so it is not built for that.
        assert!(!shown.contains("building"), "{shown}");
        assert_eq!(kinds(&shelf), ["dep", "fp", "sha256"], "{shown}");
        assert_eq!(shop.shelf().tags(), Vec::<String>::new());
        let shown = shop.ends(0, &line);
        assert!(!shown.contains("pushing"), "{shown}");
        // What is new, and nothing else.
        shop.edit("two");
        let shown = shop.ends(0, &line);
        assert!(!shown.contains("pushing the dependencies"), "{shown}");
        assert_eq!(kinds(&shelf), ["dep", "fp", "fp", "sha256", "sha256"]);
    }
}

#[test]
fn a_push_that_fails_is_a_warning_of_up_and_an_error_of_prewarm() {
    if !has_registry() {
        return;
    }
    let front = Front::open();
    let shop = Shop::at("nopush", &front.host, "trusted: true");
    shop.write_small();
    let denied =
        r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#;
    front.rule(move |asked| {
        // The engine itself tries layers again, for the better part of a minute.
        if asked.is_get() || asked.is_of("blobs") {
            Say::On
        } else {
            Say::status("403 Forbidden", denied)
        }
    });
    let line = format!("--cache-to {}", shop.repository);
    let shown = shop.ends(0, &format!("{line} up"));
    assert_eq!(warnings(&shown), 1, "{shown}");
    assert!(shown.contains("1 service ready"), "{shown}");
    assert!(shown.contains("denied"), "{shown}");
    let shown = shop.ends(3, "prewarm");
    assert!(shown.contains("error: pushing `"), "{shown}");
    assert_eq!(shop.shelf().tags(), Vec::<String>::new());

    // It does not even say what it has.
    shop.edit("two");
    front.rule(|_| Say::status("500 Internal Server Error", ""));
    let shown = shop.ends(0, &format!("{line} up"));
    let expected = ", so no image is pushed";
    assert!(shown.contains(expected), "{shown}");
    assert!(shown.contains("app: built"), "{shown}");

    // The image can be pushed, and what it was made of cannot.
    shop.edit("three");
    front.rule(|asked| {
        if asked.is_get() || !asked.path.contains("manifests/sha256") {
            Say::On
        } else {
            Say::status("405 Method Not Allowed", "")
        }
    });
    let shown = shop.ends(0, &format!("{line} up"));
    assert_eq!(warnings(&shown), 1, "{shown}");
    assert!(
        shown.contains("is not told what `app` was made of"),
        "{shown}"
    );
    assert_eq!(kinds(&shop.shelf()), ["fp"]);
}
