//! A container that is run once beside those of its service.

use insta::assert_snapshot;
use larder::model::OneOff;
use larder::plan::Action;

use super::scene::{PLAIN, STACK, Scene, UP, outdated, scene};

/// `api` is run once.
fn once(services: &str) -> Scene {
    scene(services).with(|scene| {
        let api = scene.project.services.get_mut("api").unwrap();
        api.container_name = Some("hub-api-run-1".to_owned());
        api.one_off = Some(Box::new(OneOff::default()));
        scene.only = vec!["api", "db"];
    })
}

#[test]
fn it_is_made_behind_what_it_waits_for_and_not_started() {
    let scene = once(STACK).recipe("api", "a", None);
    assert_snapshot!(scene.text(), @r"
    api  build   no image with fingerprint ca978112ca1b on the engine
    db   pull    `postgres:16` is not on the engine

    1  build api with docker: no image with fingerprint ca978112ca1b on the engine
    2  tag the image of api as hub-api:latest: docker compose and people call it that (after 1)
    3  pull postgres:16: `postgres:16` is not on the engine
    4  create network hub_default: it is not on the engine
    5  create hub-db-1: it is not there (after 3, 4)
    6  start db: it is not there (after 5)
    7  wait until db is healthy: `api` waits for it (after 6)
    8  create hub-api-run-1: it is run once (after 1, 2, 4, 7)
    ");
}

#[test]
fn the_containers_of_its_service_stay_as_they_are() {
    let there = |scene: Scene| {
        scene
            .image("p", &["postgres:16"], &[])
            .image("i", &["job:latest"], &[])
            .container("db", "p", UP)
            .container("api", "i", PLAIN)
            .with(|scene| outdated(scene, "api"))
    };
    let services = "
db: {image: postgres:16, healthcheck: {test: [CMD, pg_isready]}}
api: {image: job, depends_on: {db: {condition: service_healthy}}}
";
    let plan = there(once(services)).decide().unwrap();
    let actions: Vec<&Action> = plan.steps.iter().map(|step| &step.action).collect();
    let [Action::Create(creation)] = actions.as_slice() else {
        panic!("{actions:?}")
    };
    assert_eq!((creation.number, &*creation.name), (0, "hub-api-run-1"));
    assert!(creation.inherits.is_empty());
    // Where it is not run once, the one that is there is replaced.
    let usual = there(scene(services)).text();
    assert!(usual.contains("remove"), "{usual}");
}
