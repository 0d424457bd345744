//! Which images are pulled, when, and for which platform.

use std::time::Duration;

use larder::model::labels;
use larder::plan::{Error, asked_ages, asked_platforms, check, text};

use super::scene::{PLAIN, scene};

#[test]
fn what_may_not_be_pulled_is_told_before_anything_is_touched() {
    for policy in ["never", "build"] {
        let never = scene(&format!(
            "db: {{image: 'postgres:16', pull_policy: {policy}}}"
        ));
        assert!(matches!(never.ask(check), Err(Error::NeverPulled { .. })));
        assert!(matches!(never.decide(), Err(Error::NeverPulled { .. })));
        let there = never.image("pg", &["postgres:16"], &[]);
        assert!(there.ask(check).is_ok());
        assert!(there.text().contains("db  reuse"), "{}", there.text());
    }
    let built = "
api: {build: {context: /src}, image: 'app:1'}
worker: {image: 'app:1', pull_policy: never}
";
    assert!(scene(built).ask(check).is_ok(), "`api` builds it");
}

#[test]
fn an_image_that_is_pulled_each_time_is_pulled_before_the_decision() {
    let always = || {
        scene("db: {image: 'postgres:16', pull_policy: always}")
            .image("pg", &["postgres:16"], &[])
            .container("db", "pg", PLAIN)
    };
    assert_eq!(always().first(), ["db"]);
    // `plan` does not look: it keeps the container, since nobody knows better.
    assert_eq!(
        always().text(),
        "\
db  pull    `pull_policy` says always; its container is replaced when another image comes

1  pull postgres:16: `pull_policy` says always; its container is replaced when another image comes
"
    );
    let pulled = always().with(|scene| scene.fresh = true);
    assert!(pulled.text().ends_with("\nnothing to do\n"));
    assert!(pulled.first().is_empty());
    let moved = pulled.with(|scene| scene.observed.containers[0].image.0 = "sha256:old".to_owned());
    assert!(moved.text().contains("create db"), "{}", moved.text());
    assert!(!moved.text().contains("pull postgres"), "{}", moved.text());
}

#[test]
fn what_no_container_runs_is_pulled_while_the_others_start() {
    let new = scene("db: {image: 'postgres:16', pull_policy: always}");
    assert!(new.first().is_empty());
    assert!(
        new.text()
            .contains("pull postgres:16: `postgres:16` is not on the engine")
    );
    // What is there is not what its container is to be made from.
    let there = new.image("pg", &["postgres:16"], &[]);
    assert_eq!(there.first(), ["db"]);
    // Its name was taken from the image, and the image that comes may be the one it runs.
    let untagged = scene("db: {image: 'postgres:16'}").container("db", "pg", PLAIN);
    assert_eq!(untagged.first(), ["db"]);
}

#[test]
fn an_image_for_another_platform_is_none() {
    let db = "db: {image: 'postgres:16', platform: linux/s390x}";
    let other = scene(db)
        .image("pg", &["postgres:16"], &[])
        .only_for("linux/amd64");
    let plan = other.text();
    assert!(
        plan.contains(
            "pull postgres:16 for linux/s390x: `postgres:16` is not on the engine for linux/s390x"
        ),
        "{plan}"
    );
    let asked = other.ask(asked_platforms).unwrap();
    assert_eq!(asked[0].1, "postgres:16");
    let there = scene(db)
        .image("pg", &["postgres:16"], &[])
        .only_for("linux/s390x")
        .container("db", "pg", PLAIN);
    assert!(
        there.text().ends_with("\nnothing to do\n"),
        "{}",
        there.text()
    );
    let unknown = scene(db).image("pg", &["postgres:16"], &[]);
    assert!(
        unknown.text().contains("pull"),
        "nobody knows what it is for"
    );
    let never = "db: {image: 'postgres:16', platform: linux/s390x, pull_policy: never}";
    let never = scene(never)
        .image("pg", &["postgres:16"], &[])
        .only_for("linux/amd64");
    let error = never.ask(check).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("is not on the engine for linux/s390x"),
        "{error}"
    );
}

#[test]
fn a_built_image_for_another_platform_is_built() {
    let with = |platform| {
        scene("api: {build: {context: /src}, platform: linux/s390x}")
            .recipe("api", "v1", None)
            .image("a1", &["hub-api:latest"], &[(labels::FINGERPRINT, "v1")])
            .only_for(platform)
            .text()
    };
    assert!(with("linux/s390x").contains("api  reuse"));
    assert!(with("linux/amd64").contains("build api with docker"));
}

#[test]
fn one_name_is_one_image_on_an_engine() {
    let two = "
a: {image: 'x:1', platform: linux/s390x}
b: {image: 'x:1', platform: linux/ppc64le}
";
    let error = scene(two).ask(check).unwrap_err();
    assert!(matches!(error, Error::TwoPlatforms { .. }), "{error}");
    assert!(error.hints()[0].contains("`x@sha256:…`"), "{error:?}");
    // docker compose leaves it to chance which of both comes; here the one that somebody asks for.
    let one = "
a: {image: 'x:1'}
b: {image: 'x:1', platform: linux/s390x}
";
    let plan = scene(one).decide().unwrap();
    assert!(plan.warnings[0].starts_with("`a` says no `platform` and gets `x:1` for linux/s390x"));
    assert_eq!(
        text(&plan).matches(" pull x:1").count(),
        1,
        "{}",
        text(&plan)
    );
    let built = "
a: {build: {context: /a, platforms: [linux/s390x]}, image: 'x:1'}
b: {image: 'x:1', platform: linux/ppc64le}
";
    assert!(matches!(
        scene(built).ask(check),
        Err(Error::TwoPlatforms { .. })
    ));
}

#[test]
fn a_digest_is_pulled_once() {
    let digest = format!("postgres@sha256:{}", "a".repeat(64));
    let pinned = scene(&format!("db: {{image: '{digest}', pull_policy: always}}"))
        .image("pg", &[], &[])
        .container("db", "pg", PLAIN)
        .with(|scene| scene.observed.images[0].digests.push(digest));
    assert!(pinned.text().ends_with("\nnothing to do\n"));
    assert!(pinned.first().is_empty());
}

#[test]
fn an_image_is_pulled_when_it_is_old() {
    let db = |policy: &str, age: Option<u64>| {
        scene(&format!(
            "db: {{image: 'postgres:16', pull_policy: {policy}}}"
        ))
        .image("pg", &["postgres:16"], &[])
        .container("db", "pg", PLAIN)
        .with(|scene| scene.observed.images[0].age = age.map(Duration::from_secs))
    };
    for (policy, limit) in [
        ("daily", 86_400),
        ("weekly", 7 * 86_400),
        ("every_12h", 43_200),
    ] {
        let young = db(policy, Some(limit));
        let asked: Vec<_> = young.ask(asked_ages).into_values().collect();
        assert_eq!(asked, ["postgres:16"]);
        assert!(
            young.text().ends_with("\nnothing to do\n"),
            "{policy}: {}",
            young.text()
        );
        assert!(young.first().is_empty());
        for age in [Some(limit + 1), None] {
            let old = db(policy, age);
            assert_eq!(old.first(), ["db"]);
            let expected = format!(
                "
1  pull postgres:16: by `pull_policy: {policy}` it is due; its container is replaced when another image comes
2  tag the image of db as postgres:16: its age counts from now, whether another one came or not (after 1)
"
            );
            assert!(old.text().ends_with(&expected), "{}", old.text());
            assert!(
                old.with(|scene| scene.fresh = true)
                    .text()
                    .ends_with("\nnothing to do\n")
            );
        }
    }
    let pinned = format!("postgres@sha256:{}", "a".repeat(64));
    let pinned = scene(&format!("db: {{image: '{pinned}', pull_policy: daily}}"))
        .image("pg", &[], &[])
        .with(|scene| scene.observed.images[0].digests.push(pinned));
    assert!(pinned.ask(asked_ages).is_empty());
    assert!(!pinned.text().contains("pull"), "{}", pinned.text());
    let never_due = db("refresh", None);
    assert!(never_due.ask(asked_ages).is_empty() && never_due.first().is_empty());
}

#[test]
fn a_pull_policy_of_what_is_built_changes_nothing() {
    let warnings = |policy: &str| {
        let api = format!("api: {{build: {{context: /src}}, pull_policy: {policy}}}");
        scene(&api)
            .recipe("api", "v1", None)
            .decide()
            .unwrap()
            .warnings
    };
    assert!(warnings("always")[0].contains("changes nothing"));
    assert!(warnings("build").is_empty() && warnings("never").is_empty());
}
