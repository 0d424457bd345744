//! Containers that docker compose made: kept where what is there proves them, made anew with a cause where not.

use std::collections::BTreeMap;

use larder::model::{Share, labels};
use larder::plan::{State, asked_hashes};

use super::scene::{PLAIN, Scene, digest, scene};

const DB: &str = "db0123456789abcdef";

/// The containers are docker compose's, made of the services as they are.
fn by_compose(mut scene: Scene) -> Scene {
    let shares = BTreeMap::from([("service:db".to_owned(), DB.to_owned())]);
    for own in &mut scene.observed.containers {
        let hash = scene.project.services[&own.service].container_hash(&shares);
        own.labels = BTreeMap::from([(labels::CONFIG_HASH.to_owned(), hash.to_string())]);
    }
    scene
}

fn db(attributes: &str) -> Scene {
    let services = format!("db: {{image: 'postgres:16'{attributes}}}");
    let scene = scene(&services)
        .image("pg", &["postgres:16"], &[])
        .container("db", "pg", PLAIN);
    by_compose(scene)
}

fn is_kept(scene: &Scene) -> bool {
    scene.text().ends_with("\nnothing to do\n")
}

#[test]
fn a_container_that_docker_compose_would_keep_is_kept() {
    assert!(is_kept(&db("")), "{}", db("").text());
    let stopped = db("").with(|scene| scene.observed.containers[0].state = State::Exited(0));
    let text = stopped.text();
    assert!(
        text.contains("start db") && !text.contains("create"),
        "{text}"
    );
}

#[test]
fn one_that_is_not_as_wanted_is_made_anew_and_the_cause_says_why() {
    let never = |scene: &mut Scene| scene.observed.containers[0].state = State::Created;
    let other = |scene: &mut Scene| {
        let edited = scene.project.services.get_mut("db").unwrap();
        edited.hostname = Some("other".to_owned());
    };
    let moved = |scene: &mut Scene| scene.observed.images[0].id.0 = "sha256:new".to_owned();
    let bare = |scene: &mut Scene| scene.observed.containers[0].labels.clear();
    let cases: [(Scene, &str); 8] = [
        (db("").with(other), "its configuration changed"),
        (db("").with(moved), "its image changed"),
        (db("").with(never), "it was never started"),
        (db("").with(bare), "larder did not make it"),
        (
            db(", configs: [{source: a}]"),
            "docker compose made it, and nobody recorded what its configs held",
        ),
        (
            db(", secrets: [{source: a}]"),
            "docker compose made it, and nobody recorded what its secrets held",
        ),
        (
            db(", security_opt: ['seccomp=p.json']"),
            "docker compose made it, and nobody recorded what its seccomp profiles held",
        ),
        (
            db(", volumes: [{type: volume, source: data, target: /data}]").with(|scene| {
                let volumes = &mut scene.observed.containers[0].volumes;
                volumes.insert("/data".to_owned(), "another".to_owned());
            }),
            "it does not mount volume `hub_data`",
        ),
    ];
    for (scene, cause) in cases {
        let text = scene.text();
        let made_anew = format!("create db0123456789_hub-db-1: {cause}");
        assert!(text.contains(&made_anew), "{cause}: {text}");
    }
}

#[test]
fn a_volume_that_is_mounted_where_it_is_wanted_speaks_for_it() {
    let mounted = db(", volumes: [{type: volume, source: data, target: /data/}]").with(|scene| {
        let volumes = &mut scene.observed.containers[0].volumes;
        volumes.insert("/data".to_owned(), "hub_data".to_owned());
    });
    assert!(!mounted.text().contains("create db"), "{}", mounted.text());
}

#[test]
fn an_image_that_is_built_must_prove_to_be_larders() {
    let api = |image: &str| {
        let scene = scene("api: {build: {context: /src/api}}")
            .recipe("api", "v1", None)
            .image("a1", &["hub-api:latest"], &[(labels::FINGERPRINT, "v1")])
            .container("api", image, PLAIN);
        by_compose(scene)
    };
    assert!(is_kept(&api("a1")), "{}", api("a1").text());
    // What the labels of another image say is what they say of its base.
    let claimed = api("a2").with(|scene| {
        let label = (labels::FINGERPRINT.to_owned(), digest("v1").to_string());
        scene.observed.containers[0].labels.extend([label]);
    });
    for scene in [api("a2"), claimed] {
        let text = scene.text();
        let cause = "docker compose made it, and nobody recorded what its image was made of";
        assert!(text.contains(cause), "{text}");
    }
}

#[test]
fn what_it_has_of_others_must_be_theirs_still() {
    let side = |attribute: &str| {
        let services = format!(
            "db: {{image: img}}\nside: {{image: img, {attribute}, depends_on: {{db: {{condition: service_started}}}}}}"
        );
        let scene = scene(&services)
            .image("i", &["img:latest"], &[])
            .container("db", "i", PLAIN)
            .container("side", "i", PLAIN);
        by_compose(scene)
    };
    let network = || {
        side("network_mode: 'service:db'").with(|scene| {
            scene.observed.containers[1].shares = [(Share::Network, DB.to_owned())].into();
        })
    };
    assert!(is_kept(&network()), "{}", network().text());
    // The hash has the ID of the container.
    let volumes = side("volumes_from: [db]");
    assert!(is_kept(&volumes), "{}", volumes.text());
    let another = volumes.with(|scene| scene.observed.containers[0].id = "another".to_owned());
    assert!(
        another.text().contains("side-1: its configuration changed"),
        "{}",
        another.text()
    );
    let memory = side("ipc: 'service:db'").text();
    assert!(
        memory.contains("whose memory it shares is not known"),
        "{memory}"
    );
}

#[test]
fn the_installed_docker_compose_is_asked_where_the_formula_does_not_tell() {
    let asked = |scene: &Scene| scene.ask(asked_hashes).into_keys().collect::<Vec<_>>();
    assert!(asked(&db("")).is_empty());
    let by_another = |scene: &mut Scene| {
        let label = (
            labels::CONFIG_HASH.to_owned(),
            digest("another version's").to_string(),
        );
        scene.observed.containers[0].labels.extend([label]);
    };
    let unknown = db("").with(by_another);
    assert_eq!(asked(&unknown), ["db"]);
    assert!(
        unknown.text().contains("its configuration changed"),
        "{}",
        unknown.text()
    );
    let told = unknown.with(|scene| {
        let ours = scene.project.services["db"].compose_hash();
        scene
            .compose_hashes
            .insert(ours, digest("another version's"));
    });
    assert!(is_kept(&told), "{}", told.text());
}

#[test]
fn what_an_image_of_docker_composes_brought_is_not_handed_on() {
    let own = "a".repeat(64);
    let services = "api: {build: {context: /src/api}, volumes: [{type: volume, target: /modules}]}";
    let handed = |change: fn(&mut Scene)| {
        let scene = scene(services)
            .recipe("api", "v1", Some("deps"))
            .image("a1", &["hub-api:latest"], &[(labels::FINGERPRINT, "v1")])
            .container("api", "a2", PLAIN);
        let scene = by_compose(scene).with(change).with(|scene| {
            let volumes = &mut scene.observed.containers[0].volumes;
            volumes.insert("/modules".to_owned(), own.clone());
        });
        let plan = scene.decide().unwrap();
        let json = larder::plan::json(&plan).to_string();
        (
            json.contains(&format!("\"/modules\":\"{own}\"")),
            plan.warnings,
        )
    };
    let (handed_on, warnings) = handed(|_| ());
    assert!(!handed_on);
    assert!(
        warnings[0].contains("whether its dependencies changed is not known"),
        "{warnings:?}"
    );
    // One that docker compose made of larder's image has that one's labels.
    let of_larders = |scene: &mut Scene| {
        let label = (labels::DEPENDENCIES.to_owned(), digest("deps").to_string());
        scene.observed.containers[0].labels.extend([label]);
    };
    assert_eq!(handed(of_larders), (true, Vec::new()));
}
