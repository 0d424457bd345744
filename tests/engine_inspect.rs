//! What larder makes of a Compose file, held against what docker compose makes of it: every folder of
//! `tests/fixtures/inspect` is created by both on the engine of this machine, under two project names, and what the engine
//! shows of every container, network and volume is compared field by field. A machine without an engine fails the test.

mod inspect {
    mod difference;
    mod engine;
    mod fixture;
    mod normal;

    use std::path::Path;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use engine::{Leftovers, Shown};
    use fixture::Fixture;

    /// So many fixtures must have been compared; those that need a later engine come on top.
    const AT_LEAST: usize = 40;
    /// Two projects at a time for each: an engine has some thirty networks to give away.
    const WORKERS: usize = 4;

    #[test]
    fn every_fixture_is_created_as_docker_compose_creates_it() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/inspect");
        let api = engine::api();
        let fixtures: Vec<Fixture> = Fixture::all(&folder);
        let fixtures: Vec<Fixture> = fixtures
            .into_iter()
            .filter(|fixture| fixture.runs_on(api))
            .collect();
        assert!(
            fixtures.len() >= AT_LEAST,
            "only {} fixtures in {} run on an engine with API {api}",
            fixtures.len(),
            folder.display()
        );
        let next = AtomicUsize::new(0);
        let failures = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    while let Some(fixture) = fixtures.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Err(failure) = compare(fixture) {
                            failures.lock().expect("no panic").push(failure);
                        }
                    }
                });
            }
        });
        let failures = failures.into_inner().expect("no panic");
        assert!(
            failures.is_empty(),
            "{} of {} differ\n\n{}",
            failures.len(),
            fixtures.len(),
            failures.join("\n\n")
        );
    }

    /// One after the other: a network with a subnet of its own can be there once. Under one name, as names of networks and
    /// volumes are in docker compose's hashes of them.
    fn compare(fixture: &Fixture) -> Result<(), String> {
        let theirs = made(fixture, "compose", engine::create_with_compose)?;
        let ours = made(fixture, "larder", engine::create_with_larder)?;
        let differences = difference::between(&ours, &theirs);
        if differences.is_empty() {
            return Ok(());
        }
        Err(format!("== {}\n{}", fixture.name, differences.join("\n")))
    }

    fn made(
        fixture: &Fixture,
        by: &str,
        create: fn(&Fixture, &str) -> Result<(), String>,
    ) -> Result<serde_json::Value, String> {
        let project = format!("larder-inspect-{}-{}", std::process::id(), fixture.name);
        let _leftovers = Leftovers(&project);
        create(fixture, &project).map_err(|error| format!("== {}: {by}: {error}", fixture.name))?;
        Ok(normal::normal(Shown::of(&project), &project))
    }
}
