//! `larder prewarm`.

use std::collections::BTreeSet;

use crate::front::{Front, Say};
use crate::http::text;
use crate::sandbox::Sandbox;
use crate::shop::{SERVICE, Shop, has_registry, rows};

#[test]
fn what_is_pushed_once_is_there_and_a_second_time_changes_nothing() {
    if !has_registry() {
        return;
    }
    let front = Front::open();
    let shop = Shop::at("twice", &front.host, "trusted: true");
    let first = rows(&shop.stack.larder("prewarm --format json"));
    let is = |row: &serde_json::Value, kind: &str, result: &str| {
        assert_eq!(row["service"], "app");
        assert_eq!(row["kind"], kind);
        assert_eq!(row["result"], result);
        assert!(row["platform"].is_null());
        assert!(row["bytes"].as_u64().unwrap() > 0);
        let name = format!("{}@sha256:", shop.repository);
        assert!(text(&row["image"]).starts_with(&name), "{row}");
    };
    is(&first[0], "dependencies", "built");
    is(&first[1], "image", "built");
    assert_eq!(first.len(), 2);

    let shelf = shop.shelf();
    let (dep, fp) = (shelf.tag("dep-"), shelf.tag("fp-"));
    assert_eq!(dep, format!("dep-{}", text(&first[0]["key"])));
    assert_eq!(fp, format!("fp-{}", text(&first[1]["key"])));
    assert_eq!(first[1]["bytes"], shelf.bytes(&fp));
    let digest = shelf.digest(&fp);
    assert_eq!(first[1]["image"], format!("{}@{digest}", shop.repository));
    // Beside the image: what it was made of.
    let beside = digest.replace(':', "-");
    assert_eq!(shelf.tags(), [&dep, &fp, &beside].map(String::as_str));
    let beside = shelf.manifest(&beside).json();
    let record = shelf
        .manifest(text(&beside["manifests"][0]["digest"]))
        .json();
    assert_eq!(record["subject"]["digest"], digest.as_str());
    assert_eq!(record["artifactType"], "application/vnd.larder.inputs.v1");

    let puts = |front: &Front| {
        let asked = front.asked().into_iter();
        let puts = asked.filter(|own| !own.is_get());
        puts.map(|own| own.path).collect::<Vec<_>>()
    };
    let order = puts(&front);
    let at = |what: &str| order.iter().position(|own| own.contains(what)).unwrap();
    assert!(at("manifests/dep-") < at("manifests/fp-"), "{order:#?}");
    assert!(at("manifests/fp-") < at("manifests/sha256"), "{order:#?}");

    let second = rows(&shop.stack.larder("prewarm --format json"));
    is(&second[0], "dependencies", "hit");
    is(&second[1], "image", "hit");
    for (before, after) in first.iter().zip(&second) {
        for key in ["key", "image", "bytes"] {
            assert_eq!(before[key], after[key]);
        }
    }
    assert_eq!(puts(&front), Vec::<String>::new());

    // The images are on the engine, and in the registry no more: they are pushed, and nothing is built.
    shop.edit("two");
    shop.stack.larder("build");
    let third = rows(&shop.stack.larder("prewarm --format json"));
    is(&third[0], "dependencies", "hit");
    is(&third[1], "image", "pushed");

    // Neither is on the engine: what is there is not pulled to find out.
    shop.forget();
    front.asked();
    let fourth = rows(&shop.stack.larder("prewarm --format json"));
    is(&fourth[0], "dependencies", "hit");
    is(&fourth[1], "image", "hit");
    assert_eq!(puts(&front), Vec::<String>::new());
    let shown = shop.ends(0, "prewarm");
    assert!(
        shown.contains("2 images in the registry already"),
        "{shown}"
    );
}

#[test]
fn without_a_place_to_push_to_nothing_is_done() {
    let sandbox = Sandbox::with(&format!("services: {{app: {SERVICE}}}\n"))
        .file("app/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    insta::assert_snapshot!(sandbox.show("prewarm"), @r"
    exit 2
    --- stderr
    error: nothing says where the images of `app` are pushed
    hint: `--cache-to REPOSITORY` does, or `x-larder: {cache: REPOSITORY}` in the Compose file
    ");
}

#[test]
fn two_at_once_are_both_well() {
    if !has_registry() {
        return;
    }
    let shop = Shop::new("both");
    let homes = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let runs = homes
        .each_ref()
        .map(|home| shop.begin("prewarm", home.path()));
    for run in runs {
        let output = run.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            shop.stack.sandbox.shown(&output)
        );
    }
    let rows = rows(&shop.stack.larder("prewarm --format json"));
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row["result"] == "hit"), "{rows:?}");
}

#[test]
fn services_of_profiles_are_in_and_named_ones_alone() {
    if !has_registry() {
        return;
    }
    let shop = Shop::new("profiles");
    let (repository, own) = (&shop.repository, &shop.stack.name);
    let compose = format!(
        "x-larder: {{cache: '{repository}'}}\nservices:\n  app: {SERVICE}\n  \
         tool:\n    build: {{context: app, dockerfile_inline: \"FROM scratch\\nLABEL dev.larder.test={own}\\nCOPY src /\"}}\n    \
         profiles: [tools]\n  other: {{image: 'busybox:stable'}}\n"
    );
    shop.stack.sandbox.write("compose.yaml", &compose);
    let services = |line: &str| {
        let rows = rows(&shop.stack.larder(line));
        let rows = rows.iter().map(|row| {
            format!(
                "{} {} {}",
                text(&row["service"]),
                text(&row["kind"]),
                text(&row["result"])
            )
        });
        rows.collect::<Vec<_>>()
    };
    assert_eq!(services("prewarm tool --format json"), ["tool image built"]);
    assert_eq!(
        services("prewarm --format json"),
        [
            "app dependencies built",
            "app image built",
            "tool image hit"
        ]
    );
}

#[test]
fn each_platform_has_an_image_of_its_own() {
    if !has_registry() {
        return;
    }
    let shop = Shop::new("platforms");
    let own = &shop.stack.name;
    let dockerfile = format!("FROM scratch\nLABEL dev.larder.test={own}\nCOPY src /\n");
    shop.stack.sandbox.write("app/Dockerfile", &dockerfile);
    let line = "prewarm --platform linux/amd64,linux/arm64 --format json";
    let found = rows(&shop.stack.larder(line));
    assert_eq!(found.len(), 2);
    let keys: BTreeSet<&str> = found.iter().map(|row| text(&row["key"])).collect();
    assert_eq!(keys.len(), 2);
    let shelf = shop.shelf();
    for row in &found {
        assert_eq!(row["result"], "built");
        let config = shelf.config(&format!("fp-{}", text(&row["key"])));
        let platform = format!("linux/{}", text(&config["architecture"]));
        assert_eq!(row["platform"], platform);
    }
    let again = rows(&shop.stack.larder(line));
    assert!(again.iter().all(|row| row["result"] == "hit"), "{again:?}");
    // As the file says it; what is for the engine is found there by `up`.
    let service = SERVICE.replace(
        "build: app",
        "build: {context: app, platforms: [linux/amd64, linux/arm64]}",
    );
    let compose = format!(
        "x-larder: {{cache: {{from: ['{}'], trusted: true}}}}\nservices: {{app: {service}}}\n",
        shop.repository
    );
    shop.stack.sandbox.write("compose.yaml", &compose);
    let listed = rows(&shop.stack.larder("prewarm --format json"));
    let platforms: Vec<&str> = listed.iter().map(|row| text(&row["platform"])).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    shop.forget();
    assert_eq!(shop.plan().0, "pull");
}

#[test]
fn a_registry_that_does_not_answer_ends_it_before_anything_is_built() {
    let front = Front::start(|_| Say::status("503 Service Unavailable", "busy"));
    let shop = Shop::at("closed", &front.host, "trusted: true");
    let shown = shop.ends(3, "prewarm");
    let expected = format!("error: asking `{}` for images failed", shop.repository);
    assert!(shown.contains(&expected), "{shown}");
    assert!(shown.contains("answered with status 503"), "{shown}");
    assert!(!shown.contains("building"), "{shown}");
}
