//! `larder why` on a machine that does not know what an image was made of: a registry does.

use crate::front::{Front, Say};
use crate::shop::{Shop, has_registry};

#[test]
fn what_an_image_was_made_of_is_asked_of_the_registry() {
    if !has_registry() {
        return;
    }
    let front = Front::open();
    let mut shop = Shop::at("why", &front.host, "trusted: true");
    shop.stack.larder("prewarm");
    let fp = shop.shelf().tag("fp-");
    let line = format!("why app --against {}:{fp}", shop.repository);
    let same = shop.ends(0, &line);
    assert!(same.contains("nothing changed"), "{same}");
    shop.edit("two");
    shop.forget();

    // Another machine: nothing is remembered.
    let elsewhere = tempfile::tempdir().unwrap();
    let folder = elsewhere.path().to_str().unwrap();
    shop.stack.sandbox.set("XDG_CACHE_HOME", folder);
    front.rule(|asked| {
        if asked.is_of("manifests") {
            Say::status("503 Service Unavailable", "")
        } else {
            Say::On
        }
    });
    let shown = shop.ends(2, &line);
    assert!(
        shown.contains("is not asked for what images are made of: "),
        "{shown}"
    );
    assert!(
        shown.contains("is not known: it is not in the cache folder of this machine"),
        "{shown}"
    );

    front.rule(|_| Say::On);
    let shown = shop.ends(1, &line);
    assert!(shown.contains("src/what"), "{shown}");
    // Kept from then on.
    front.rule(|_| Say::Cut);
    let again = shop.ends(1, &line);
    assert!(again.starts_with(&shown), "{again}");
}

#[test]
fn of_an_image_that_was_pulled_too() {
    if !has_registry() {
        return;
    }
    let mut shop = Shop::new("whypulled");
    shop.stack.larder("prewarm");
    shop.forget();
    let elsewhere = tempfile::tempdir().unwrap();
    let folder = elsewhere.path().to_str().unwrap();
    shop.stack.sandbox.set("XDG_CACHE_HOME", folder);
    let shown = shop.ends(0, "up");
    assert!(!shown.contains("building"), "{shown}");
    shop.edit("two");
    let shown = shop.ends(1, "why app");
    assert!(shown.contains("src/what"), "{shown}");
    let (_, cause) = shop.plan();
    assert!(cause.contains("what"), "{cause}");
}
