//! Services that are run to their end.

use larder::model::labels;
use larder::plan::{Action, State, Step, asked_starts};

use super::scene::{PLAIN, digest, ends, needs, outdated, scene, stop_of};

#[test]
fn a_job_that_ended_well_is_done_and_one_that_failed_runs_again() {
    let job = "
migrate: {image: job}
app: {image: job, depends_on: {migrate: {condition: service_completed_successfully}}}
";
    let there = |code| {
        scene(job)
            .image("j", &["job:latest"], &[])
            .container("migrate", "j", State::Exited(code))
            .container("app", "j", PLAIN)
            .text()
    };
    assert!(there(0).ends_with("\nnothing to do\n"), "{}", there(0));
    assert!(
        there(1).contains("start migrate: it ended with code 1"),
        "{}",
        there(1)
    );
    assert!(
        there(1).contains("wait until migrate is completed"),
        "{}",
        there(1)
    );
}

#[test]
fn a_job_is_undone_when_what_it_worked_on_is_another() {
    let services = "
app: {image: job, depends_on: {migrate: {condition: service_completed_successfully}}}
db: {image: job}
migrate: {image: job, depends_on: {seed: {condition: service_completed_successfully}}}
other: {image: job}
seed: {image: job, depends_on: {db: {condition: service_started}}}
";
    let done = State::Exited(0);
    let scene = |db: State, started: Option<i64>| {
        let mut scene = scene(services).image("j", &["job:latest"], &[]);
        for (service, state, at) in [
            ("app", PLAIN, None),
            ("db", db, started),
            ("migrate", done, Some(30)),
            ("other", PLAIN, None),
            ("seed", done, Some(20)),
        ] {
            scene = scene.container(service, "j", state);
            let own = scene.observed.containers.last_mut().unwrap();
            own.started = at.map(|at| (at, 0));
        }
        scene
    };
    let asked = scene(PLAIN, None).ask(asked_starts);
    let asked: Vec<&str> = asked.iter().map(|id| &id[..id.len() - 16]).collect();
    assert_eq!(asked, ["db", "migrate", "seed"]);
    let steps = |db, started| {
        let text = scene(db, started).text();
        text.split("\n\n").nth(1).unwrap().to_owned()
    };
    assert_eq!(steps(PLAIN, Some(10)), "nothing to do\n");
    let after = "\
1  start seed: `db` was started after it
2  wait until seed is completed: `migrate` waits for it (after 1)
3  start migrate: `seed` starts anew (after 2)
4  wait until migrate is completed: `app` waits for it (after 3)
";
    for started in [Some(25), None] {
        let steps = steps(PLAIN, started);
        assert!(steps.starts_with(after), "{steps}");
    }
    let unknown = scene(PLAIN, Some(10)).with(|scene| scene.observed.containers[2].started = None);
    let unknown = unknown.text();
    assert!(unknown.contains("start migrate"), "{unknown}");
    let anew = steps(State::Exited(0), Some(10));
    assert!(
        anew.contains("start seed: `db` starts anew (after 1)"),
        "{anew}"
    );
}

#[test]
fn a_job_that_runs_is_stopped_and_run_again_where_it_would_be_undone() {
    let services = "
app: {image: job, depends_on: {seed: {condition: service_completed_successfully}}}
db: {image: job}
seed: {image: job, depends_on: {db: {condition: service_started}}}
";
    let scene = |db: State, started: i64| {
        let mut scene = scene(services).image("j", &["job:latest"], &[]);
        for (service, state, at) in [("db", db, started), ("seed", PLAIN, 20)] {
            scene = scene.container(service, "j", state);
            let own = scene.observed.containers.last_mut().unwrap();
            own.started = Some((at, 0));
        }
        scene
    };
    // The engine may have started it again: what runs is left to end.
    for started in [10, 30] {
        let text = scene(PLAIN, started).text();
        assert!(!text.contains("stop seed"), "{text}");
    }
    // Databases end with 0 when they are asked to.
    for code in [0, 1] {
        let anew = scene(State::Exited(code), 10).text();
        assert!(anew.contains("stop seed"), "{anew}");
        assert!(anew.contains("start seed: `db` starts anew"), "{anew}");
    }
}

#[test]
fn a_job_that_runs_lives_to_see_neither_the_end_nor_the_start_of_what_it_works_on_through_another_job()
 {
    let services = "
app: {image: job, depends_on: {seed: {condition: service_completed_successfully}}}
db: {image: job}
migrate: {image: job, depends_on: {db: {condition: service_started}}}
seed: {image: job, depends_on: {migrate: {condition: service_completed_successfully}}}
";
    let scene = |db: State| {
        scene(services)
            .image("j", &["job:latest"], &[])
            .container("db", "j", db)
            .container("migrate", "j", State::Exited(0))
            .container("seed", "j", PLAIN)
    };
    let replaced = scene(PLAIN).with(|scene| outdated(scene, "db"));
    let replaced = replaced.decide().unwrap();
    let (seed, db) = (stop_of(&replaced, "seed"), stop_of(&replaced, "db"));
    assert!(needs(&replaced, db.unwrap(), seed.unwrap()));
    assert!(ends(&replaced));
    let started = scene(State::Exited(137)).decide().unwrap();
    let seed = stop_of(&started, "seed").unwrap();
    let is_start = |step: &&Step| matches!(step.action, Action::Start { .. });
    let mut starts = started.steps.iter().filter(is_start);
    let db = starts.find(|step| step.service.as_deref() == Some("db"));
    assert!(needs(&started, db.unwrap().id, seed), "{started:?}");
    assert!(ends(&started));
}

#[test]
fn a_job_that_does_not_run_is_undone_by_what_it_mounts() {
    let services = "
migrate: {image: job}
app: {image: job, depends_on: {migrate: {condition: service_completed_successfully}}}
";
    let with = |state: State, label: Option<&str>| {
        scene(services)
            .image("j", &["job:latest"], &[])
            .container("migrate", "j", state)
            .container("app", "j", PLAIN)
            .with(|scene| {
                let labels = &mut scene.observed.containers[0].labels;
                let label = label.map(|text| digest(text).to_string());
                labels.extend(label.map(|label| (labels::MOUNTED.to_owned(), label)));
                scene.mounted.insert("migrate".to_owned(), digest("now"));
            })
            .text()
    };
    let done = State::Exited(0);
    assert!(with(done, Some("now")).contains("nothing to do"));
    for before in [Some("then"), None] {
        let text = with(done, before);
        assert!(text.contains("create migrate0"), "{text}");
        assert!(text.contains("what it mounts may have changed"), "{text}");
        let text = with(PLAIN, before);
        assert!(!text.contains("create"), "{text}");
    }
}

#[test]
fn who_goes_with_a_job_starts_anew_where_that_was_run_since_and_nobody_came_to_it() {
    let scene = |with: &str, job: State, starts: [i64; 3]| {
        let services = format!(
            "
app: {{image: job, scale: 2, depends_on: {{migrate: {{{with}}}}}}}
loose: {{image: job, depends_on: {{migrate: {{condition: service_completed_successfully}}}}}}
migrate: {{image: job}}
"
        );
        let mut scene = scene(&services)
            .image("j", &["job:latest"], &[])
            .container("app", "j", PLAIN)
            .container("app", "j", PLAIN)
            .container("loose", "j", PLAIN)
            .container("migrate", "j", job);
        let second = &mut scene.observed.containers[1];
        second.id = "second0123456789abcdef".to_owned();
        second.name = "hub-app-2".to_owned();
        second.number = 2;
        let asked = scene.ask(asked_starts);
        let asked = asked
            .iter()
            .map(|id| id.trim_end_matches("0123456789abcdef"));
        let asked: Vec<String> = asked.map(ToOwned::to_owned).collect();
        for (at, started) in [0, 1, 3].into_iter().zip(starts) {
            scene.observed.containers[at].started = Some((started, 0));
        }
        (asked, scene)
    };
    let steps = |with: &str, job: State, starts: [i64; 3]| {
        let text = scene(with, job, starts).1.text();
        text.split("\n\n").nth(1).unwrap().to_owned()
    };
    let done = State::Exited(0);
    let completed = "condition: service_completed_successfully";
    let with = format!("{completed}, restart: true");
    let asked = |with: &str| scene(with, done, [10, 10, 5]).0;
    assert_eq!(asked(&with), ["app", "migrate", "second"]);
    // Nobody else costs a call.
    assert_eq!(asked(completed), ["migrate"]);
    assert_eq!(steps(&with, done, [10, 10, 5]), "nothing to do\n");
    insta::assert_snapshot!(steps(&with, done, [10, 30, 20]), @"
    1  stop app (app012345678): `migrate`, which it goes with, was started after it
    2  start app: `migrate`, which it goes with, was started after it (after 1)
    3  wait until app is ready: `up` ends when it is (after 2)
    ");
    // It runs yet.
    insta::assert_snapshot!(steps(&with, PLAIN, [10, 30, 20]), @"
    1  wait until migrate is completed: `app` waits for it
    2  stop app (app012345678): `migrate`, which it goes with, was started after it (after 1)
    3  start app: `migrate`, which it goes with, was started after it (after 1, 2)
    4  wait until app is ready: `up` ends when it is (after 3)
    ");
    let paused = scene(&with, done, [10, 30, 20]).1;
    let paused = paused.with(|scene| scene.observed.containers[0].state = State::Paused);
    assert!(paused.text().contains("stop app"), "{}", paused.text());
    // Who goes on without it would be cut off each time that it fails; and who does not wait for its end may have been
    // there before.
    for with in [
        format!("{with}, required: false"),
        "condition: service_started, restart: true".to_owned(),
        completed.to_owned(),
    ] {
        assert_eq!(steps(&with, done, [10, 10, 20]), "nothing to do\n");
        let failed = steps(&with, State::Exited(1), [10, 10, 5]);
        assert!(!failed.contains("stop app"), "{failed}");
    }
}
