//! What the command line asks for beside what the files say.

use larder::model::labels;
use larder::plan::{Action, Asked, State, Step};

use super::scene::{PLAIN, STACK, Scene, UP, digest, needs, scene, stop_of};

fn running() -> Scene {
    scene(STACK)
        .recipe("api", "v1", Some("deps"))
        .network()
        .image("pg", &["postgres:16"], &[])
        .image("a1", &["hub-api:latest"], &[(labels::FINGERPRINT, "v1")])
        .container("db", "pg", UP)
        .container("api", "a1", PLAIN)
}

fn asks(mut scene: Scene, asked: Asked) -> Scene {
    scene.asked = asked;
    scene
}

fn steps(scene: &Scene) -> String {
    let text = scene.text();
    let (_, steps) = text.split_once("\n\n").unwrap();
    steps.to_owned()
}

#[test]
fn a_forced_service_is_replaced_and_no_other() {
    let asked = Asked {
        recreate: [("api".to_owned(), "--force-recreate")].into(),
        ..Asked::default()
    };
    insta::assert_snapshot!(steps(&asks(running(), asked)), @"
    1  create api012345678_hub-api-1: asked for: `--force-recreate`
    2  stop api (api012345678): asked for: `--force-recreate` (after 1)
    3  remove api (api012345678): asked for: `--force-recreate` (after 2)
    4  rename to hub-api-1: asked for: `--force-recreate` (after 3)
    5  start api: asked for: `--force-recreate` (after 4)
    6  wait until api is ready: `up` ends when it is (after 5)
    ");
}

#[test]
fn what_is_asked_for_goes_for_each_container_once() {
    let asked = Asked {
        recreate: [("api".to_owned(), "--force-recreate")].into(),
        ..Asked::default()
    };
    let mut scene = asks(running(), asked);
    scene.project.services.get_mut("api").unwrap().scale = Some(3);
    for number in [2, 3] {
        let mut next = scene.observed.containers[1].clone();
        next.id = format!("api{number}0123456789abcdef");
        next.name = format!("hub-api-{number}");
        next.number = number;
        scene.observed.containers.push(next);
    }
    let before = scene.observed.containers.clone();
    // Another look, after the first and half of the second were replaced.
    scene.observed.containers[1].id = "new0123456789abcdef".to_owned();
    let mut half = scene.observed.containers[2].clone();
    half.id = "beside0123456789abcdef".to_owned();
    half.name = "api201234567_hub-api-2".to_owned();
    scene.observed.containers.push(half);
    let now = scene.observed.containers.clone();
    scene.asked.note_done(&before, &now);
    insta::assert_snapshot!(steps(&scene), @"
    1  stop api (api201234567): `hub-api-2` must be there once
    2  remove api (api201234567): `hub-api-2` must be there once (after 1)
    3  rename to hub-api-2: it is called `api201234567_hub-api-2` (after 2)
    4  create api301234567_hub-api-3: asked for: `--force-recreate`
    5  stop api (api301234567): asked for: `--force-recreate` (after 4)
    6  remove api (api301234567): asked for: `--force-recreate` (after 5)
    7  rename to hub-api-3: asked for: `--force-recreate` (after 6)
    8  start api: asked for: `--force-recreate` (after 7)
    9  wait until api is ready: `up` ends when it is (after 8)
    ");
}

#[test]
fn a_job_that_another_look_finds_done_is_not_run_once_more() {
    let services = "
migrate: {image: job, scale: 2}
app: {image: job, depends_on: {migrate: {condition: service_completed_successfully}}}
";
    let asked = Asked {
        rerun: ["migrate".to_owned()].into(),
        ..Asked::default()
    };
    let mut scene = scene(services)
        .image("j", &["job:latest"], &[])
        .container("migrate", "j", State::Exited(0))
        .container("app", "j", PLAIN);
    let mut second = scene.observed.containers[0].clone();
    second.id = "second0123456789abcdef".to_owned();
    second.name = "hub-migrate-2".to_owned();
    second.number = 2;
    scene.observed.containers.push(second);
    let mut scene = asks(scene, asked);
    let before = scene.observed.containers.clone();
    scene.observed.containers[0].started = Some((20, 0));
    let now = scene.observed.containers.clone();
    scene.asked.note_done(&before, &now);
    insta::assert_snapshot!(steps(&scene), @"
    1  start migrate: asked for: `--rerun`
    2  wait until migrate is completed: `app` waits for it (after 1)
    ");
}

#[test]
fn what_is_kept_is_kept_whatever_changed_and_started_where_it_stopped() {
    let changed = running().with(|scene| {
        let label = digest("another").to_string();
        scene.observed.containers[1]
            .labels
            .insert(labels::CONFIG.to_owned(), label);
        scene.observed.containers[0].state = State::Exited(1);
    });
    assert!(steps(&changed).contains("its configuration changed"));
    let asked = Asked {
        keep: true,
        ..Asked::default()
    };
    insta::assert_snapshot!(steps(&asks(changed, asked)), @"
    1  start db: it ended with code 1
    2  wait until db is healthy: `api` waits for it (after 1)
    ");
}

#[test]
fn a_job_that_is_done_is_run_again_where_it_is_asked_for() {
    let services = "
migrate: {image: job}
app: {image: job, depends_on: {migrate: {condition: service_completed_successfully}}}
";
    let done = scene(services)
        .image("j", &["job:latest"], &[])
        .container("migrate", "j", State::Exited(0))
        .container("app", "j", PLAIN);
    assert_eq!(steps(&done), "nothing to do\n");
    let asked = Asked {
        rerun: ["migrate".to_owned()].into(),
        ..Asked::default()
    };
    insta::assert_snapshot!(steps(&asks(done, asked)), @"
    1  start migrate: asked for: `--rerun`
    2  wait until migrate is completed: `app` waits for it (after 1)
    ");
}

#[test]
fn what_goes_with_a_job_starts_anew_when_that_is_run_again() {
    let services = "
db: {image: job}
migrate: {image: job, depends_on: {db: {condition: service_started}}}
app: {image: job, depends_on: {migrate: {condition: service_completed_successfully, restart: true}}}
loose: {image: job, depends_on: {migrate: {condition: service_completed_successfully}}}
";
    let done = || {
        scene(services)
            .image("j", &["job:latest"], &[])
            .container("db", "j", PLAIN)
            .container("migrate", "j", State::Exited(0))
            .container("app", "j", PLAIN)
            .container("loose", "j", PLAIN)
            .with(|scene| {
                scene.observed.containers[0].started = Some((10, 0));
                scene.observed.containers[1].started = Some((20, 0));
            })
    };
    let asked = Asked {
        rerun: ["migrate".to_owned()].into(),
        ..Asked::default()
    };
    assert_eq!(steps(&done()), "nothing to do\n");
    insta::assert_snapshot!(steps(&asks(done(), asked.clone())), @"
    1  start migrate: asked for: `--rerun`
    2  wait until migrate is completed: `app` waits for it (after 1)
    3  stop app (app012345678): `migrate`, which it goes with, is run again (after 2)
    4  start app: `migrate`, which it goes with, is run again (after 2, 3)
    5  wait until app is ready: `up` ends when it is (after 4)
    ");
    // Also where it is run again for what it works on, or failed before, and where it is made once more.
    let undone = done().with(|scene| scene.observed.containers[0].started = Some((30, 0)));
    let failed = done().with(|scene| scene.observed.containers[1].state = State::Exited(1));
    let asked_failed = asks(failed, asked);
    let failed = done().with(|scene| scene.observed.containers[1].state = State::Exited(1));
    let gone = done().with(|scene| drop(scene.observed.containers.remove(1)));
    for scene in [undone, failed, asked_failed, gone] {
        let plan = scene.decide().unwrap();
        let stop = stop_of(&plan, "app").unwrap();
        let is_wait = |step: &&Step| matches!(step.action, Action::Wait { .. });
        let mut waits = plan.steps.iter().filter(is_wait);
        let done = waits.find(|step| step.service.as_deref() == Some("migrate"));
        assert!(needs(&plan, stop, done.unwrap().id), "{plan:?}");
        assert_eq!(stop_of(&plan, "loose"), None);
    }
}

#[test]
fn what_is_only_created_is_neither_started_nor_waited_for() {
    let asked = Asked {
        only_create: true,
        ..Asked::default()
    };
    let nothing = scene(STACK)
        .recipe("api", "v1", Some("deps"))
        .network()
        .image("pg", &["postgres:16"], &[])
        .image("a1", &["hub-api:latest"], &[(labels::FINGERPRINT, "v1")]);
    let mut scene = asks(nothing, asked);
    scene.wait = false;
    insta::assert_snapshot!(steps(&scene), @"
    1  create hub-db-1: it is not there
    2  create hub-api-1: it is not there
    ");
}

#[test]
fn anonymous_volumes_are_not_handed_on_where_new_ones_are_asked_for() {
    let volume = "f".repeat(64);
    let forced = |renew_volumes| {
        let asked = Asked {
            recreate: [("db".to_owned(), "--always-recreate-deps")].into(),
            renew_volumes,
            ..Asked::default()
        };
        let mut scene = asks(running(), asked);
        let volumes = &mut scene.observed.containers[0].volumes;
        volumes.insert("/data".to_owned(), volume.clone());
        let plan = scene.decide().unwrap();
        format!("{:?}", plan.steps).contains(&volume)
    };
    assert!(forced(false));
    assert!(!forced(true));
}

fn with_strays(mut scene: Scene) -> Scene {
    for (service, files) in [
        ("old", "/hub/compose.yaml"),
        ("theirs", "/other/compose.yaml"),
    ] {
        let mut stray = scene.observed.containers[0].clone();
        stray.id = format!("{service}0123456789abcdef");
        stray.name = format!("hub-{service}-1");
        service.clone_into(&mut stray.service);
        let folder = files.trim_end_matches("/compose.yaml");
        stray
            .labels
            .insert(labels::WORKING_DIR.to_owned(), folder.to_owned());
        stray
            .labels
            .insert(labels::CONFIG_FILES.to_owned(), files.to_owned());
        scene.observed.containers.push(stray);
    }
    scene.project.working_dir = "/hub".into();
    scene.project.files = vec!["/hub/compose.yaml".into()];
    scene
}

#[test]
fn what_these_files_made_once_goes_and_what_others_made_stays() {
    let scene = with_strays(running());
    let plan = scene.decide().unwrap();
    assert!(plan.warnings[0].contains("`hub-theirs-1` (of `/other/compose.yaml`)"));
    insta::assert_snapshot!(steps(&scene), @"
    1  stop old (old012345678): no Compose file defines `old` any more
    2  remove old (old012345678): no Compose file defines `old` any more (after 1)
    ");
    let mut some = with_strays(running());
    some.only = vec!["db"];
    assert_eq!(steps(&some), "nothing to do\n");
    let asked = Asked {
        remove_orphans: true,
        ..Asked::default()
    };
    assert!(steps(&asks(with_strays(running()), asked)).contains("remove theirs"));
}

#[test]
fn an_orphan_goes_once_there_is_an_image_of_what_may_come_in_its_place() {
    let mut scene = with_strays(running());
    scene
        .observed
        .containers
        .retain(|own| own.service != "api" && own.service != "theirs");
    insta::assert_snapshot!(steps(&scene), @"
    1  stop old (old012345678): no Compose file defines `old` any more
    2  remove old (old012345678): no Compose file defines `old` any more (after 1)
    3  create hub-api-1: it is not there
    4  start api: it is not there (after 2, 3)
    5  wait until api is ready: `up` ends when it is (after 4)
    ");
    // One that does not run holds nothing: where its removal waits for an image that fails, nobody else does.
    let mut stopped = with_strays(running());
    stopped
        .observed
        .containers
        .retain(|own| own.service != "theirs");
    for own in &mut stopped.observed.containers {
        own.state = State::Exited(0);
    }
    stopped.observed.images.remove(1);
    insta::assert_snapshot!(steps(&stopped), @"
     1  build the dependencies of api with docker (f93464a48a2b): no dependency image f93464a48a2b on the engine
     2  build api on its dependencies with docker: no image with fingerprint 3bfc269594ef on the engine (after 1)
     3  tag the image of api as hub-api:latest: docker compose and people call it that (after 2)
     4  remove old (old012345678): no Compose file defines `old` any more (after 3)
     5  start db: it ended with code 0
     6  wait until db is healthy: `api` waits for it (after 5)
     7  create api012345678_hub-api-1: its image changed (after 2, 3)
     8  remove api (api012345678): its image changed (after 7)
     9  rename to hub-api-1: its image changed (after 8)
    10  start api: its image changed (after 6, 9)
    11  wait until api is ready: `up` ends when it is (after 10)
    ");
    // What has its name goes before it comes.
    let old = |scene: &Scene| {
        let mut all = scene.observed.containers.iter();
        all.position(|own| own.service == "old").unwrap()
    };
    let at = old(&scene);
    scene.observed.containers[at].name = "hub-api-1".to_owned();
    let named = steps(&scene);
    assert!(
        named.contains("create hub-api-1: it is not there (after 2)"),
        "{named}"
    );
}
