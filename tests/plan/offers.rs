//! Images that a registry has under their keys, and those that it lacks.

use std::collections::BTreeSet;

use larder::model::{ImageId, labels};
use larder::plan::{BuilderKind, Builders, Offer, Push};

use super::scene::{Scene, digest, scene};

const ONE: &str = "{api: {build: {context: /src}}}";

fn offered(key: &str, doubt: Option<&str>) -> impl FnOnce(&mut Scene) {
    let offer = Offer {
        image: format!("r.example/app@sha256:{}", digest(key)),
        ids: vec![ImageId(format!("sha256:{key}"))],
        bytes: 118_737_310,
        doubt: doubt.map(str::to_owned),
    };
    let key = digest(key);
    move |scene| drop(scene.offers.insert(key, offer))
}

fn pushed(keys: &[&str], all: bool) -> impl FnOnce(&mut Scene) {
    let push = Push {
        to: "r.example/app".parse().ok(),
        missing: keys.iter().map(|key| digest(key)).collect::<BTreeSet<_>>(),
        all,
        here: false,
    };
    move |scene| drop(scene.pushes.insert("api".to_owned(), push))
}

/// The steps up to the containers, without their causes.
fn images(scene: Scene) -> String {
    let scene = scene.with(|scene| scene.containers = false);
    let text = scene.text();
    let lines = text.lines().map(|line| {
        let after = line.rfind(" (after").map_or("", |at| &line[at..]);
        let step = line.split(": ").next().unwrap_or(line);
        format!("{step}{after}\n")
    });
    lines.collect()
}

#[test]
fn an_image_that_a_registry_has_is_pulled_by_its_digest_and_named() {
    let scene = scene(ONE)
        .recipe("api", "v1", Some("deps"))
        .with(offered("v1", None))
        .with(offered("deps", None));
    let v1 = digest("v1").short();
    let expected = format!(
        "\
api  pull    a registry has fingerprint {v1} (119 MB)

1  pull r.example/app@sha256:{v1}
2  tag the image of api as hub-api:latest (after 1)
"
    );
    assert_eq!(images(scene), expected);
}

#[test]
fn a_build_resumes_on_dependencies_that_a_registry_has() {
    let scene = scene(ONE)
        .recipe("api", "v1", Some("deps"))
        .with(offered("deps", None));
    let text = images(scene);
    let deps = digest("deps").short();
    assert!(text.starts_with("api  resume"), "{text}");
    assert!(
        text.contains(&format!("1  pull r.example/app@sha256:{deps}\n")),
        "{text}"
    );
    assert!(
        text.contains("2  build api on its dependencies with docker (after 1)"),
        "{text}"
    );
}

#[test]
fn what_nobody_vouches_for_is_built_and_the_plan_says_why() {
    let scene = scene(ONE)
        .recipe("api", "v1", None)
        .with(offered("v1", Some("nobody signed it")));
    let text = scene.text();
    assert!(text.contains("build api with docker"), "{text}");
    let why = format!(
        "; r.example/app@sha256:{} is not taken: nobody signed it",
        digest("v1").short()
    );
    assert!(text.contains(&why), "{text}");
}

#[test]
fn an_image_on_the_engine_is_not_pulled() {
    let scene = scene(ONE)
        .recipe("api", "v1", None)
        .image("a1", &["hub-api:latest"], &[(labels::FINGERPRINT, "v1")])
        .with(offered("v1", None));
    assert!(!scene.text().contains("pull"), "{}", scene.text());
}

#[test]
fn the_dependency_image_is_pushed_before_the_one_that_is_built_on_it() {
    let scene = scene(ONE)
        .recipe("api", "v1", Some("deps"))
        .with(pushed(&["v1", "deps"], false));
    let (v1, deps) = (digest("v1").short(), digest("deps").short());
    let expected = format!(
        "\
1  build the dependencies of api with docker ({deps})
2  build api on its dependencies with docker (after 1)
3  tag the image of api as hub-api:latest (after 2)
4  push the image of api as r.example/app:dep-{deps} (after 1)
5  push the image of api as r.example/app:fp-{v1} (after 2, 4)
"
    );
    let text = images(scene);
    assert!(text.ends_with(&expected), "{text}");
}

#[test]
fn what_the_registry_has_is_not_pushed_and_dependencies_are_made_for_it_where_all_are_asked_for() {
    let here = || {
        scene(ONE).recipe("api", "v1", Some("deps")).image(
            "a1",
            &["hub-api:latest"],
            &[(labels::FINGERPRINT, "v1")],
        )
    };
    let text = images(here().with(pushed(&[], true)));
    assert!(!text.contains("push"), "{text}");
    let text = images(here().with(pushed(&["v1", "deps"], false)));
    assert!(
        text.contains("1  push the image of api as r.example/app:fp-"),
        "{text}"
    );
    assert!(!text.contains("dep-"), "{text}");
    let text = images(here().with(pushed(&["v1", "deps"], true)));
    assert!(text.contains("1  build the dependencies of api"), "{text}");
    assert!(
        text.contains("2  push the image of api as r.example/app:dep-"),
        "{text}"
    );
    let by_dagger = |scene: &mut Scene| {
        scene.builders = Builders {
            dependencies: BuilderKind::Dagger,
            rest: BuilderKind::Dagger,
            strict: true,
        };
    };
    let text = images(here().with(pushed(&["v1", "deps"], true)).with(by_dagger));
    assert!(!text.contains("dep-"), "{text}");
}
