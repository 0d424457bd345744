//! Which containers are kept, started, replaced and removed.

use larder::model::{OneOff, Service, labels};
use larder::plan::{Action, Health, PublishedPort, State, Step, asked_networks};

use super::scene::{PLAIN, STACK, UP, digest, needs, scene, stop_of};

#[test]
fn from_nothing_the_database_starts_while_the_backend_builds() {
    let plan = scene(STACK).recipe("api", "v1", Some("deps")).text();
    let expected = format!(
        "\
api  build   no image with fingerprint {v1} on the engine
db   pull    `postgres:16` is not on the engine

 1  build the dependencies of api with docker ({deps}): no dependency image {deps} on the engine
 2  build api on its dependencies with docker: no image with fingerprint {v1} on the engine (after 1)
 3  tag the image of api as hub-api:latest: docker compose and people call it that (after 2)
 4  pull postgres:16: `postgres:16` is not on the engine
 5  create network hub_default: it is not on the engine
 6  create hub-db-1: it is not there (after 4, 5)
 7  start db: it is not there (after 6)
 8  wait until db is healthy: `api` waits for it (after 7)
 9  create hub-api-1: it is not there (after 2, 3, 5)
10  start api: it is not there (after 8, 9)
11  wait until api is ready: `up` ends when it is (after 10)
",
        v1 = digest("v1").short(),
        deps = digest("deps").short(),
    );
    assert_eq!(plan, expected);
}

#[test]
fn what_is_as_wanted_needs_nothing() {
    let scene = scene(STACK)
        .recipe("api", "v1", Some("deps"))
        .network()
        .image("pg", &["postgres:16"], &[])
        .image("a1", &["hub-api:latest"], &[(labels::FINGERPRINT, "v1")])
        .container("db", "pg", UP)
        .container("api", "a1", PLAIN);
    assert!(
        scene.text().ends_with("\nnothing to do\n"),
        "{}",
        scene.text()
    );
}

#[test]
fn an_optional_dependency_is_waited_for_and_may_fail() {
    let services = "
cache: {image: redis, healthcheck: {test: [CMD, ping]}}
app: {image: redis, depends_on: {cache: {condition: service_healthy, required: false}}}
";
    let plan = scene(services)
        .image("r", &["redis:latest"], &[])
        .decide()
        .unwrap();
    let start = plan
        .steps
        .iter()
        .find(|step| !step.settled.is_empty())
        .unwrap();
    assert_eq!(start.service.as_deref(), Some("app"));
    assert!(!start.after.contains(&start.settled[0]));
}

#[test]
fn a_container_with_a_temporary_name_gets_its_own_back() {
    let plan = scene("db: {image: 'postgres:16'}")
        .image("pg", &["postgres:16"], &[])
        .container("db", "pg", PLAIN)
        .with(|scene| scene.observed.containers[0].name = "0123456789ab_hub-db-1".to_owned())
        .text();
    assert!(
        plan.contains("rename to hub-db-1: it is called `0123456789ab_hub-db-1`"),
        "{plan}"
    );
    assert!(!plan.contains("create"), "{plan}");
}

#[test]
fn a_replacement_that_did_not_come_to_its_name_is_whole() {
    // What it replaces is gone already.
    let replacement = |project: &'static str, name: &'static str| {
        scene("db: {image: 'postgres:16'}")
            .image("pg", &["postgres:16"], &[])
            .container("db", "pg", State::Created)
            .with(|scene| {
                scene.project.name = project.to_owned();
                scene.observed.containers[0].name = name.to_owned();
            })
            .text()
    };
    let expected = "\
db  reuse   `postgres:16` is on the engine

1  rename to hub-db-1: it is called `0123456789ab_hub-db-1`
2  start db: it does not run (after 1)
3  wait until db is ready: `up` ends when it is (after 2)
";
    assert_eq!(replacement("hub", "0123456789ab_hub-db-1"), expected);
    // A project may be called like that.
    let whole = replacement("202611290101_app", "202611290101_app-db-1");
    assert!(
        whole.contains("\n1  start db: it does not run\n"),
        "{whole}"
    );
}

#[test]
fn what_a_crash_left_is_cleared_before_its_name_is_taken_again() {
    // A replacement was made and never came to its name; meanwhile the Compose file changed again.
    let scene = scene("db: {image: 'postgres:16'}")
        .image("new", &["postgres:16"], &[])
        .container("db", "old", PLAIN)
        .container("db", "older", State::Created)
        .with(|scene| {
            let left = &mut scene.observed.containers[1];
            left.id = "left".to_owned();
            left.name = "db0123456789_hub-db-1".to_owned();
        });
    let expected = "\
db  reuse   `postgres:16` is on the engine

1  remove db (left): `hub-db-1` must be there once
2  create db0123456789_hub-db-1: its image changed (after 1)
3  stop db (db0123456789): its image changed (after 2)
4  remove db (db0123456789): its image changed (after 3)
5  rename to hub-db-1: its image changed (after 4)
6  start db: its image changed (after 5)
7  wait until db is ready: `up` ends when it is (after 6)
";
    assert_eq!(scene.text(), expected);
}

#[test]
fn a_network_that_is_gone_takes_its_containers_along() {
    let there = |network: &str, state| {
        scene("db: {image: 'postgres:16', networks: {default: null}}")
            .image("pg", &["postgres:16"], &[])
            .network()
            .container("db", "pg", state)
            .with(|scene| {
                let networks = &mut scene.observed.containers[0].networks;
                networks.clear();
                networks.extend(
                    (!network.is_empty()).then(|| ("hub_default".to_owned(), network.to_owned())),
                );
            })
    };
    let stopped = State::Exited(0);
    assert!(
        there("n1", stopped)
            .text()
            .contains("1  start db: it ended with code 0")
    );
    let replaced = there("n0", stopped).text();
    assert!(
        replaced.contains("network `hub_default` that it was made with is gone"),
        "{replaced}"
    );
    let cut = there("", PLAIN).text();
    assert!(
        cut.contains("it is not attached to network `hub_default`"),
        "{cut}"
    );
    let removed = there("n1", stopped)
        .with(|scene| scene.observed.networks.clear())
        .text();
    assert!(removed.contains("create network hub_default"), "{removed}");
    assert!(
        removed.contains("create db0123456789_hub-db-1"),
        "{removed}"
    );
}

#[test]
fn anonymous_volumes_are_handed_over_and_named_ones_are_not() {
    let volume = "a".repeat(64);
    let scene = scene("db: {image: 'postgres:16'}")
        .image("new", &["postgres:16"], &[])
        .container("db", "old", PLAIN)
        .with(|scene| {
            let volumes = &mut scene.observed.containers[0].volumes;
            volumes.insert("/data".to_owned(), volume.clone());
            volumes.insert("/named".to_owned(), "hub_named".to_owned());
        });
    let json = larder::plan::json(&scene.decide().unwrap());
    let create = json["steps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|step| step["action"] == "create")
        .unwrap();
    assert_eq!(create["inherits"], serde_json::json!({ "/data": volume }));
}

#[test]
fn what_crashes_again_and_again_is_not_taken_for_ready() {
    let with = |restart: &str, status: &str| {
        scene(&format!("app: {{image: app, restart: {restart}}}"))
            .image("a", &["app:latest"], &[])
            .container("app", "a", PLAIN)
            .with(|scene| scene.observed.containers[0].status = status.to_owned())
            .text()
    };
    for status in ["Up Less than a second", "Up 1 second", "Up 2 seconds"] {
        let plan = with("always", status);
        assert!(plan.contains("wait until app is ready"), "{status}: {plan}");
        assert!(with("'no'", status).ends_with("\nnothing to do\n"));
    }
    for status in ["Up 3 seconds", "Up About a minute", "Up 2 days"] {
        let plan = with("always", status);
        assert!(plan.ends_with("\nnothing to do\n"), "{status}: {plan}");
    }
}

#[test]
fn a_container_that_never_started_and_is_not_whole_is_made_anew_with_its_volumes() {
    let volume = "a".repeat(64);
    let scene = scene("db: {image: 'postgres:16'}")
        .image("pg", &["postgres:16"], &[])
        .container("db", "pg", State::Created)
        .with(|scene| {
            let volumes = &mut scene.observed.containers[0].volumes;
            volumes.insert("/data".to_owned(), volume.clone());
        });
    let whole = scene.text();
    let start = "\
1  start db: it does not run
2  wait until db is ready: `up` ends when it is (after 1)
";
    assert!(whole.ends_with(start), "{whole}");
    // Cut off before its configs came.
    let scene = scene.with(|scene| {
        scene.observed.containers[0].name = "unfinished.0123456789ab_hub-db-1".to_owned();
    });
    let expected = "\
db  reuse   `postgres:16` is on the engine

1  create hub-db-1: it was never started, and may be unfinished
2  remove db (db0123456789): it was never started, and may be unfinished (after 1)
3  start db: it was never started, and may be unfinished (after 2)
4  wait until db is ready: `up` ends when it is (after 3)
";
    assert_eq!(scene.text(), expected);
    let json = larder::plan::json(&scene.decide().unwrap());
    assert_eq!(
        json["steps"][0]["inherits"],
        serde_json::json!({ "/data": volume })
    );
}

#[test]
fn a_declared_volume_is_renewed_when_known_dependencies_change() {
    let volume = "a".repeat(64);
    let warnings = |before: &str, now: Option<&str>| {
        scene("api: {build: {context: /src}, volumes: [{type: volume, target: /modules}]}")
            .recipe("api", "v2", now)
            .image("a2", &["hub-api:latest"], &[(labels::FINGERPRINT, "v2")])
            .container("api", "a1", PLAIN)
            .with(|scene| {
                let container = &mut scene.observed.containers[0];
                container
                    .labels
                    .insert(labels::DEPENDENCIES.to_owned(), before.to_owned());
                let volumes = &mut container.volumes;
                volumes.insert("/modules".to_owned(), volume.clone());
            })
            .decide()
            .unwrap()
            .warnings
    };
    let old = digest("old").to_string();
    assert_eq!(warnings(&old, Some("new")).len(), 1);
    assert_eq!(warnings(&old, Some("old")), [""; 0]);
    // What an image of another build handed on, and nothing at all.
    assert_eq!(warnings(&old, None), [""; 0]);
    assert_eq!(warnings("", Some("new")), [""; 0]);
}

#[test]
fn what_was_made_for_another_project_is_named() {
    let with = |project: Option<&str>, external: bool| {
        scene("db: {image: 'postgres:16', networks: {default: null}}")
            .image("pg", &["postgres:16"], &[])
            .network()
            .container("db", "pg", PLAIN)
            .with(|scene| {
                let labels = &mut scene.observed.networks[0].labels;
                labels.clear();
                labels.extend(project.map(|name| (labels::PROJECT.to_owned(), name.to_owned())));
                let own = scene.project.networks.get_mut("default").unwrap();
                own.external = external;
                own.name = Some("hub_default".to_owned());
            })
            .decide()
            .unwrap()
            .warnings
    };
    assert_eq!(with(Some("hub"), false), [""; 0]);
    assert_eq!(with(Some("other"), true), [""; 0]);
    assert_eq!(
        with(Some("other"), false),
        [
            "network `hub_default` was made for project `other` and is used as it is; `external: true` says that it is meant"
        ]
    );
    assert_eq!(
        with(None, false),
        [
            "network `hub_default` was made for no project and is used as it is; `external: true` says that it is meant"
        ]
    );
}

/// Looking at all services, or all containers, for each of them would take minutes.
#[test]
fn a_chain_of_ten_thousand_services_is_planned_in_no_time() {
    use std::fmt::Write;
    const SERVICES: usize = 10_000;
    let mut services = String::new();
    for number in 0..SERVICES {
        let _ = write!(
            services,
            "s{number}: {{image: img, ports: [{{target: 80, published: '{}', protocol: tcp}}], networks: {{default: null}}",
            10_000 + number
        );
        let waits = "condition: service_healthy";
        let _ = match number + 1 {
            SERVICES => writeln!(services, "}}"),
            next => writeln!(services, ", depends_on: {{s{next}: {{{waits}}}}}}}"),
        };
    }
    let mut scene = scene(&services)
        .network()
        .image("new", &["img:latest"], &[]);
    let begun = std::time::Instant::now();
    let plan = scene.decide().unwrap();
    // Created, started and waited for.
    assert_eq!(plan.steps.len(), 3 * SERVICES);
    for number in 0..SERVICES {
        let service = format!("s{number}");
        scene = scene.container(&service, "old", UP);
        let container = scene.observed.containers.last_mut().unwrap();
        container.ports.push(PublishedPort {
            host_ip: None,
            published: u16::try_from(10_000 + number).ok(),
            target: 80,
            protocol: "tcp".to_owned(),
        });
    }
    let plan = scene.decide().unwrap();
    // Each in place of another one: stopped, removed and renamed besides.
    assert_eq!(plan.steps.len(), 6 * SERVICES);
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
}

#[test]
fn a_network_of_another_definition_is_made_anew_behind_who_is_on_it() {
    const SERVICES: &str = "
api: {image: job, networks: {default: {}}, depends_on: {db: {condition: service_started}}}
db: {image: job, networks: {default: {}}}
";
    let scene = |attached: &[&str]| {
        scene(SERVICES)
            .image("j", &["job:latest"], &[])
            .network()
            .container("api", "j", PLAIN)
            .container("db", "j", PLAIN)
            .with(|scene| {
                let labels = &mut scene.observed.networks[0].labels;
                labels.insert(labels::CONFIG.to_owned(), digest("before").to_string());
                let networks = &mut scene.project.networks;
                networks.entry("default".to_owned()).or_default();
                assert_eq!(scene.ask(asked_networks), ["hub_default"]);
                let attached = attached.iter().map(|id| format!("{id}0123456789abcdef"));
                let attached = ("hub_default".to_owned(), attached.collect());
                scene.observed.attached.extend([attached]);
            })
    };
    insta::assert_snapshot!(scene(&["api", "db"]).text(), @"
    api  reuse   `job:latest` is on the engine
    db   reuse   `job:latest` is on the engine

     1  stop api (api012345678): network `hub_default` is made anew
     2  stop db (db0123456789): network `hub_default` is made anew (after 1)
     3  remove network hub_default: it was made from another definition (after 1, 2)
     4  create network hub_default: it was made from another definition (after 3)
     5  create db0123456789_hub-db-1: network `hub_default` is made anew (after 4)
     6  remove db (db0123456789): network `hub_default` is made anew (after 2, 5)
     7  rename to hub-db-1: network `hub_default` is made anew (after 6)
     8  start db: network `hub_default` is made anew (after 7)
     9  wait until db is ready: `up` ends when it is (after 8)
    10  create api012345678_hub-api-1: network `hub_default` is made anew (after 4)
    11  remove api (api012345678): network `hub_default` is made anew (after 1, 10)
    12  rename to hub-api-1: network `hub_default` is made anew (after 11)
    13  start api: network `hub_default` is made anew (after 8, 12)
    14  wait until api is ready: `up` ends when it is (after 13)
    ");
    // Another project's is on it, too.
    let shared = scene(&["api", "db", "other"]).decide().unwrap();
    assert!(shared.is_empty(), "{shared:?}");
    let warning = &shared.warnings[0];
    assert!(warning.contains("stays as it is"), "{warning}");
    let only = scene(&["api", "db"]).with(|scene| scene.only = vec!["db"]);
    assert!(only.text().contains("nothing to do"), "{}", only.text());
    let by_compose = scene(&["api", "db"]).with(|scene| {
        let labels = &mut scene.observed.networks[0].labels;
        labels.remove(labels::CONFIG);
        let theirs = digest("theirs").to_string();
        labels.insert(labels::CONFIG_HASH.to_owned(), theirs);
    });
    assert!(by_compose.text().contains("remove network hub_default"));
    let kept = scene(&["api", "db"]).with(|scene| scene.asked.keep = true);
    assert!(kept.text().contains("nothing to do"), "{}", kept.text());
    // One more container of a service leaves those that run alone.
    let runs = scene(&["api", "db"]).with(|scene| {
        let api = scene.project.services.get_mut("api").unwrap();
        api.one_off = Some(Box::new(OneOff::default()));
    });
    assert!(!runs.text().contains("remove network"), "{}", runs.text());
    // What cannot be built takes nobody down.
    let built = scene(&["api", "db"]).with(|scene| {
        scene.observed.images.clear();
    });
    let built = built.decide().unwrap();
    let is_pull = |step: &&Step| matches!(step.action, Action::Pull { .. });
    let pull = built.steps.iter().find(is_pull).unwrap().id;
    let stop = stop_of(&built, "api").unwrap();
    assert!(needs(&built, stop, pull), "{built:?}");
}

/// A replacement was made, and larder was killed before what it is to replace was stopped.
#[test]
fn what_runs_stays_until_what_was_made_in_its_place_may_start() {
    let left = |db: State| {
        scene(STACK)
            .recipe("api", "v2", None)
            .network()
            .image("pg", &["postgres:16"], &[])
            .image("a2", &["hub-api:latest"], &[(labels::FINGERPRINT, "v2")])
            .container("db", "pg", db)
            .container("api", "a1", PLAIN)
            .container("api", "a2", State::Created)
            .with(|scene| {
                let new = &mut scene.observed.containers[2];
                new.id = "new0123456789abcdef".to_owned();
                new.name = "api012345678_hub-api-1".to_owned();
                let hook = "pre_stop: [{command: [a]}]";
                let hook: Service = serde_yaml::from_str(hook).unwrap();
                let api = scene.project.services.get_mut("api").unwrap();
                api.pre_stop = hook.pre_stop;
            })
    };
    insta::assert_snapshot!(left(State::Running(Health::Unhealthy)).text(), @"
    api  reuse   image a2 has fingerprint fb04dcb6970e
    db   reuse   `postgres:16` is on the engine

    1  wait until db is healthy: `api` waits for it
    2  run its `pre_stop` hook, then stop api (api012345678): `hub-api-1` must be there once (after 1)
    3  remove api (api012345678): `hub-api-1` must be there once (after 2)
    4  rename to hub-api-1: it is called `api012345678_hub-api-1` (after 3)
    5  start api: it does not run (after 1, 4)
    6  wait until api is ready: `up` ends when it is (after 5)
    ");
    let ready = left(UP).decide().unwrap();
    let stop = stop_of(&ready, "api").unwrap();
    assert!(ready.steps[stop.0].after.is_empty(), "{ready:?}");
    // What does not run serves nobody.
    let stopped = left(State::Running(Health::Unhealthy))
        .with(|scene| scene.observed.containers[1].state = State::Exited(0));
    let stopped = stopped.text();
    let removed = "  remove api (api012345678): `hub-api-1` must be there once\n";
    assert!(stopped.contains(removed), "{stopped}");
    // Nor where nothing is started.
    let created = left(State::Running(Health::Unhealthy)).with(|scene| {
        scene.asked.only_create = true;
        scene.wait = false;
    });
    assert!(!created.text().contains("wait"), "{}", created.text());
}
