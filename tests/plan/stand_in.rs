//! Images that differ in what bind mounts hide.

use larder::fingerprint::{Fingerprinted, Recipe, Shadowed};
use larder::model::labels;
use larder::plan::Action;

use super::scene::{PLAIN, Scene, digest, scene};

/// A service whose mount hides part of its image, edited since that was built: `v1` is there, `v2` is wanted.
fn shadowed() -> Scene {
    scene("api: {build: {context: /src}}")
        .recipe("api", "v2", Some("deps"))
        .image("a1", &["hub-api:latest"], &[(labels::FINGERPRINT, "v1")])
        .with(|scene| {
            let hidden = Shadowed {
                key: digest("rest"),
                by: vec![(4, vec!["/app".to_owned()])],
            };
            let Some(Fingerprinted::Known(recipe)) = scene.fingerprints.get_mut("api") else {
                panic!("a recipe")
            };
            recipe.shadowed = Some(hidden);
            let label = (labels::SHADOWED.to_owned(), digest("rest").to_string());
            scene.observed.images[0].labels.extend([label]);
        })
}

/// A container of it, with these labels of larder's.
fn made(scene: Scene, labels: &[(&str, &str)]) -> Scene {
    scene.container("api", "a1", PLAIN).with(|scene| {
        let own = labels.iter();
        let own = own.map(|(label, text)| ((*label).to_owned(), digest(text).to_string()));
        scene.observed.containers[0].labels.extend(own);
    })
}

#[test]
fn an_image_that_differs_in_what_mounts_hide_stands_in() {
    let reason = "the bind mount at `/app` hides what line 4 copies there";
    let scene = shadowed();
    let expected = format!(
        "\
api  reuse   image a1 will do ({v2} would be built): {reason}

1  create hub-api-1: it is not there
2  start api: it is not there (after 1)
3  wait until api is ready: `up` ends when it is (after 2)
",
        v2 = digest("v2").short(),
    );
    assert_eq!(scene.text(), expected);
    let plan = scene.decide().unwrap();
    assert_eq!(plan.services["api"].shadowed.as_deref(), Some(reason));
    // What the container says that it is made from is what it is made from.
    assert!(matches!(
        &plan.steps[0].action,
        Action::Create(creation) if creation.stands_in == Some(digest("v1"))
    ));

    let nameless = shadowed().with(|scene| {
        scene.observed.images[0]
            .names
            .retain(|own| own != "hub-api:latest");
    });
    assert!(
        nameless
            .text()
            .contains("tag the image of api as hub-api:latest")
    );
}

#[test]
fn a_container_on_it_is_left_alone() {
    let kept = [(labels::FINGERPRINT, "v1"), (labels::SHADOWED, "rest")];
    let scene = made(shadowed(), &kept);
    assert!(
        scene.text().ends_with("\nnothing to do\n"),
        "{}",
        scene.text()
    );
    // Its image was built for another service: that it is the same to this one is known from the container.
    let scene = scene.with(|scene| drop(scene.observed.images[0].labels.remove(labels::SHADOWED)));
    assert!(
        scene.text().ends_with("\nnothing to do\n"),
        "{}",
        scene.text()
    );
    // The image itself is there, too.
    let scene = scene.image("a2", &["hub-api:latest"], &[(labels::FINGERPRINT, "v2")]);
    assert!(
        scene.text().ends_with("\nnothing to do\n"),
        "{}",
        scene.text()
    );
}

#[test]
fn nothing_stands_in_without_proof() {
    let kept = [(labels::FINGERPRINT, "v1"), (labels::SHADOWED, "rest")];
    let recipe = |scene: &mut Scene, change: fn(&mut Recipe)| {
        if let Some(Fingerprinted::Known(recipe)) = scene.fingerprints.get_mut("api") {
            change(recipe);
        }
    };
    let without = |scene: Scene| scene.with(|s| recipe(s, |recipe| recipe.shadowed = None));
    for (why, scene) in [
        ("the mount was taken away", without(made(shadowed(), &kept))),
        (
            "something else that is hidden changed",
            made(shadowed(), &kept).with(|scene| {
                recipe(scene, |recipe| {
                    recipe.shadowed.as_mut().unwrap().key = digest("other");
                });
            }),
        ),
        (
            "what it takes in is not pinned",
            shadowed().with(|s| recipe(s, |recipe| recipe.unpinned = Some("x".to_owned()))),
        ),
        (
            "larder's name is gone, as on an image that was built from this one",
            shadowed()
                .with(|scene| scene.observed.images[0].names = vec!["hub-api:latest".to_owned()]),
        ),
        (
            "the label is that of another mount",
            shadowed().with(|scene| {
                let label = (labels::SHADOWED.to_owned(), digest("another").to_string());
                scene.observed.images[0].labels.extend([label]);
            }),
        ),
        (
            "images alone are wanted",
            shadowed().with(|scene| scene.containers = false),
        ),
    ] {
        let text = scene.text();
        assert!(
            text.contains("build api on its dependencies"),
            "{why}: {text}"
        );
    }
    // docker compose made it from larder's image: the labels are the image's.
    let foreign = made(shadowed(), &kept)
        .with(|scene| drop(scene.observed.containers[0].labels.remove(labels::CONFIG)));
    let text = foreign.text();
    assert!(text.contains("larder did not make it"), "{text}");
}
