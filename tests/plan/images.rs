//! Which images are built, resumed and reused.

use larder::fingerprint::{Base, BaseRef, Fingerprinted, Platform};
use larder::model::{Build, Network, labels};
use larder::plan::{BuilderKind, Builders, Error, text};

use super::scene::{PLAIN, STACK, UP, digest, scene};

#[test]
fn a_source_edit_resumes_and_replaces_that_service_alone() {
    let mut scene = scene(STACK)
        .recipe("api", "v2", Some("deps"))
        .network()
        .image("pg", &["postgres:16"], &[])
        .image("d", &[], &[(labels::DEPENDENCIES, "deps")])
        .image("a1", &["hub-api:latest"], &[(labels::FINGERPRINT, "v1")])
        .container("db", "pg", UP)
        .container("api", "a1", PLAIN);
    let deps = digest("deps").to_string();
    scene.observed.images[2]
        .labels
        .insert(labels::DEPENDENCIES.to_owned(), deps);
    let v2 = digest("v2").short();
    let expected = format!(
        "\
api  resume  its source changed, its dependencies did not (fingerprint {v2})
db   reuse   `postgres:16` is on the engine

1  build api on its dependencies with docker: its source changed, its dependencies did not (fingerprint {v2})
2  tag the image of api as hub-api:latest: docker compose and people call it that (after 1)
3  create api012345678_hub-api-1: its image changed (after 1, 2)
4  stop api (api012345678): its image changed (after 3)
5  remove api (api012345678): its image changed (after 4)
6  rename to hub-api-1: its image changed (after 5)
7  start api: its image changed (after 6)
8  wait until api is ready: `up` ends when it is (after 7)
"
    );
    assert_eq!(scene.text(), expected);
}

#[test]
fn an_inherited_label_is_no_proof() {
    // Built by somebody `FROM` larder's image: the label came along, the name did not.
    let scene = scene(STACK)
        .recipe("api", "v1", None)
        .image("x", &[], &[(labels::FINGERPRINT, "v1")])
        .with(|scene| scene.observed.images[0].names = vec!["hub-api:latest".to_owned()]);
    assert!(
        scene.text().contains("build api with docker"),
        "{}",
        scene.text()
    );
}

#[test]
fn services_with_one_fingerprint_share_one_build() {
    let two = "{a: {build: {context: /src}}, b: {build: {context: /src}}}";
    let scene = scene(two)
        .recipe("a", "v1", Some("deps"))
        .recipe("b", "v1", Some("deps"));
    let plan = scene.text();
    assert_eq!(
        plan.matches(" on its dependencies with docker").count(),
        1,
        "{plan}"
    );
    assert_eq!(plan.matches("build the dependencies").count(), 1, "{plan}");
    assert!(
        plan.contains("tag the image of b as hub-b:latest"),
        "{plan}"
    );
}

#[test]
fn an_image_that_another_service_builds_is_not_pulled() {
    let two = "
api: {build: {context: /src}, image: 'app:1'}
worker: {image: 'app:1'}
";
    let plan = scene(two).recipe("api", "v1", None).text();
    assert!(plan.contains("worker  reuse   `api` builds it"), "{plan}");
    assert!(!plan.contains("pull"), "{plan}");
}

#[test]
fn an_unpinned_image_is_told_by_its_id_alone() {
    let scene = scene("api: {build: {context: /src}}")
        .recipe("api", "v1", None)
        .image("new", &["hub-api:latest"], &[(labels::FINGERPRINT, "v1")])
        .container("api", "old", PLAIN)
        .with(|scene| {
            let v1 = digest("v1").to_string();
            let labels = &mut scene.observed.containers[0].labels;
            labels.insert(labels::FINGERPRINT.to_owned(), v1);
            scene.fresh = true;
            let Some(Fingerprinted::Known(recipe)) = scene.fingerprints.get_mut("api") else {
                return;
            };
            recipe.unpinned = Some("a URL".to_owned());
        });
    assert!(scene.text().contains("create"), "{}", scene.text());
}

#[test]
fn a_base_that_is_not_there_is_pulled_before_anything_is_known() {
    let scene = scene("api: {build: {context: /src}}").with(|scene| {
        let missing = vec![BaseRef {
            image: "python:3.11".parse().unwrap(),
            platform: Some(Platform::parse("linux/s390x")),
            locked: None,
        }];
        scene
            .fingerprints
            .insert("api".to_owned(), Fingerprinted::Missing(missing));
    });
    let plan = scene.text();
    assert!(
        plan.starts_with(
            "api  build   its base image `python:3.11` for linux/s390x is not on the engine yet"
        ),
        "{plan}"
    );
    assert!(plan.contains("pull python:3.11 for linux/s390x"), "{plan}");
}

#[test]
fn an_image_that_starts_from_another_services_is_made_behind_that_one() {
    let scene = scene("{b: {build: {context: /src}}, c: {build: {context: /src}}}")
        .recipe("c", "v1", None)
        .with(|scene| {
            let missing = vec![BaseRef {
                image: "hub-c".parse().unwrap(),
                platform: None,
                locked: None,
            }];
            scene
                .fingerprints
                .insert("b".to_owned(), Fingerprinted::Missing(missing));
        });
    let plan = larder::plan::json(&scene.decide().unwrap());
    let steps = plan["steps"].as_array().unwrap();
    let create = |step: &&serde_json::Value| step["action"] == "create" && step["service"] == "b";
    let create = steps.iter().find(create).unwrap();
    assert_eq!(create["image"], serde_json::Value::Null);
    let builds = |id: &serde_json::Value| {
        let step = &steps[usize::try_from(id.as_u64().unwrap()).unwrap()];
        step["action"] == "build" && step["service"] == "c"
    };
    let after = create["after"].as_array().unwrap();
    assert!(after.iter().any(builds), "{plan:#}");
}

#[test]
fn what_dagger_has_no_input_for_is_said() {
    let build = Build {
        network: Some("host".to_owned()),
        ..Build::default()
    };
    let with = |strict| {
        scene("api: {build: {context: /src}}")
            .recipe("api", "v1", Some("deps"))
            .with(|scene| {
                let Some(Fingerprinted::Known(recipe)) = scene.fingerprints.get_mut("api") else {
                    return;
                };
                recipe.build = build.clone();
                scene.builders = Builders {
                    dependencies: BuilderKind::Dagger,
                    rest: BuilderKind::Docker,
                    strict,
                };
            })
    };
    let plan = with(false).decide().unwrap();
    assert!(
        plan.warnings[0].contains("`build.network`"),
        "{:?}",
        plan.warnings
    );
    assert!(text(&plan).contains("dependencies of api with docker"));
    assert!(matches!(
        with(true).decide(),
        Err(Error::BeyondDagger { .. })
    ));
}

#[test]
fn dagger_alone_builds_no_dependency_image_that_nobody_starts_from() {
    let plan = scene("api: {build: {context: /src}}")
        .recipe("api", "v1", Some("deps"))
        .with(|scene| {
            scene.builders = Builders {
                dependencies: BuilderKind::Dagger,
                rest: BuilderKind::Dagger,
                strict: true,
            };
        })
        .decide();
    let text = text(&plan.unwrap());
    assert!(!text.contains("dependencies of api"), "{text}");
    assert!(text.contains("build api with dagger"), "{text}");
}

#[test]
fn what_may_not_be_made_is_an_error() {
    let external = scene("db: {image: 'postgres:16', networks: {default: null}}").with(|scene| {
        let network = Network {
            external: true,
            ..Network::default()
        };
        scene.project.networks.insert("default".to_owned(), network);
    });
    assert!(matches!(
        external.decide(),
        Err(Error::ExternalNetwork { .. })
    ));
}

#[test]
fn an_image_that_is_mounted_is_there_before_the_container() {
    let mounting = scene(
        "api: {build: {context: /src/api}}\n\
         web:\n  image: web\n  volumes:\n  - {type: image, source: assets, target: /a}\n  \
         - {type: image, source: hub-api, target: /b}\n  - {type: image, source: tools, target: /c}\n",
    )
    .recipe("api", "v1", None)
    .image("web", &["web:latest"], &[])
    .image("tools", &["tools:latest"], &[]);
    let expected = format!(
        "
1  build api with docker: no image with fingerprint {v1} on the engine
2  tag the image of api as hub-api:latest: docker compose and people call it that (after 1)
3  create hub-api-1: it is not there (after 1, 2)
4  start api: it is not there (after 3)
5  wait until api is ready: `up` ends when it is (after 4)
6  pull assets:latest: `web` mounts it, and it is not on the engine
7  create hub-web-1: it is not there (after 1, 2, 6)
8  start web: it is not there (after 7)
9  wait until web is ready: `up` ends when it is (after 8)
",
        v1 = digest("v1").short(),
    );
    let text = mounting.text();
    assert!(text.ends_with(&expected), "{text}");
}

#[test]
fn a_container_whose_mounted_image_is_another_by_now_is_made_anew() {
    let there = |mounted: &[&str]| {
        let services = "web: {image: web, volumes: [{type: image, source: tools, target: /a}, \
                        {type: image, source: assets, target: /b}]}";
        let mut scene = scene(services)
            .image("web", &["web:latest"], &[])
            .image("tools", &["tools:latest"], &[])
            .image("assets", &["assets:latest"], &[])
            .container("web", "web", PLAIN);
        let mounted: Vec<String> = mounted.iter().map(|id| format!("sha256:{id}")).collect();
        if !mounted.is_empty() {
            let labels = &mut scene.observed.containers[0].labels;
            labels.insert(labels::IMAGE_MOUNTS.to_owned(), mounted.join(","));
        }
        scene.text()
    };
    let same = there(&["tools", "assets"]);
    assert!(same.ends_with("\nnothing to do\n"), "{same}");
    for mounted in [&["tools", "old"][..], &["assets", "tools"], &["tools"], &[]] {
        let text = there(mounted);
        assert!(
            text.contains("hub-web-1: an image that it mounts changed"),
            "{text}"
        );
    }
}

/// What makes an image that the containers of others run or mount is made first, whether it is asked for or not.
#[test]
fn no_image_of_the_projects_own_is_run_or_mounted_stale() {
    for other in [
        "image: hub-api",
        "image: web, volumes: [{type: image, source: hub-api, target: /b}]",
    ] {
        let mut scene = scene(&format!(
            "api: {{build: {{context: /src/api}}}}\nweb: {{{other}}}\n"
        ))
        .recipe("api", "v2", None)
        .image("old", &["hub-api:latest"], &[(labels::FINGERPRINT, "v1")])
        .image("web", &["web:latest"], &[]);
        scene.only = vec!["web"];
        let plan = scene.decide().unwrap();
        let said = text(&plan);
        assert!(
            said.contains("1  build api with docker: its inputs changed"),
            "{said}"
        );
        assert!(
            said.contains("3  create hub-web-1: it is not there (after 1, 2)"),
            "{said}"
        );
        assert!(!said.contains("hub-api-1"), "{said}");
        scene.containers = false;
        assert!(!scene.text().contains("build api"), "{}", scene.text());
    }
}

#[test]
fn a_container_stays_when_only_the_name_of_its_image_is_gone() {
    let v1 = digest("v1").to_string();
    let plan = scene("api: {build: {context: /src}}")
        .recipe("api", "v1", None)
        .container("api", "a1", PLAIN)
        .with(|scene| {
            let labels = &mut scene.observed.containers[0].labels;
            labels.insert(labels::FINGERPRINT.to_owned(), v1);
        })
        .text();
    assert!(plan.contains("build api with docker"), "{plan}");
    assert!(!plan.contains("create"), "{plan}");
}

/// It would go from one to the other at each start.
#[test]
fn a_name_of_two_images_is_that_of_the_first_service() {
    let scene = scene(
        "a: {image: 'x:1', build: {context: /a}}\nb: {image: 'x:1', build: {context: /b}}\n\
         c: {image: 'x:1'}\n",
    )
    .recipe("a", "va", None)
    .recipe("b", "vb", None)
    .image("a", &["x:1"], &[(labels::FINGERPRINT, "va")])
    .image("b", &[], &[(labels::FINGERPRINT, "vb")]);
    let plan = scene.decide().unwrap();
    assert!(!text(&plan).contains("tag the image"), "{}", text(&plan));
    assert_eq!(
        plan.warnings,
        ["`a` and `b` build different images of one name, `x:1`: it is given to that of `a`"]
    );
    // Whoever is asked for.
    let mut some = scene;
    some.only = vec!["b", "c"];
    assert!(
        some.text().contains("c  reuse   `a` builds it"),
        "{}",
        some.text()
    );
}

/// What it starts from would be another image at the next build.
#[test]
fn an_image_is_not_called_what_it_starts_from() {
    let scene = scene("a: {image: 'x:1', build: {context: /a, tags: ['y:1']}}\n")
        .recipe("a", "va", None)
        .with(|scene| {
            let Some(Fingerprinted::Known(recipe)) = scene.fingerprints.get_mut("a") else {
                panic!("it is known");
            };
            let base = Base {
                identity: String::new(),
                onbuild: Vec::new(),
                env: Vec::new(),
                working_dir: String::new(),
                volumes: Vec::new(),
            };
            recipe.bases.push(("x:1".parse().unwrap(), base));
        });
    let plan = scene.decide().unwrap();
    let said = text(&plan);
    assert!(said.contains("tag the image of a as y:1"), "{said}");
    assert!(!said.contains("as x:1"), "{said}");
    assert!(
        plan.warnings[0].contains("it starts from an image of that name"),
        "{:?}",
        plan.warnings
    );
}

/// Of two services that build one name the one that others name as a context; tags make no other image.
#[test]
fn whose_image_has_a_name() {
    let with = |more: &str| {
        let services = format!(
            "a: {{image: 'x:1', build: {{context: /a}}}}\nb: {{image: 'x:1', build: {{context: /b}}}}\n\
             c: {{image: 'x:1'}}\n{more}"
        );
        scene(&services)
            .recipe("a", "va", None)
            .recipe("b", "vb", None)
            .with(|scene| scene.only = vec!["a", "b", "c"])
            .text()
    };
    assert!(
        with("").contains("c  reuse   `a` builds it"),
        "{}",
        with("")
    );
    let context = with("w: {build: {context: /w, additional_contexts: {src: 'service:b'}}}\n");
    assert!(context.contains("c  reuse   `b` builds it"), "{context}");

    let same = scene(
        "a: {image: 'x:1', build: {context: /a, tags: ['y:1']}}\nb: {image: 'x:1', build: {context: /a}}\n",
    )
    .recipe("b", "va", None)
    .with(|scene| scene.only = vec!["b"]);
    let plan = same.decide().unwrap();
    assert!(plan.warnings.is_empty(), "{:?}", plan.warnings);
    assert!(
        text(&plan).contains("tag the image of b as x:1"),
        "{}",
        text(&plan)
    );
}
