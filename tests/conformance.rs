//! What a Compose file means to larder, held against what it means to docker compose: every folder of
//! `tests/fixtures/compose` is loaded by both and compared. Needs the `docker compose` plugin, no engine.

mod conformance {
    mod fixture;
    mod normal;
    mod oracle;

    use std::collections::BTreeMap;
    use std::path::Path;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use fixture::Fixture;
    use larder::compose::LoadOptions;
    use larder::model::Project;

    #[test]
    fn every_fixture_means_the_same_to_docker_compose() {
        oracle::must_be_there();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/compose");
        let fixtures = Fixture::all(&folder);
        assert!(
            fixtures.len() >= 500,
            "only {} fixtures in {}",
            fixtures.len(),
            folder.display()
        );
        let failures = on_two_threads(&fixtures);
        assert!(
            failures.is_empty(),
            "{} of {} differ\n\n{}",
            failures.len(),
            fixtures.len(),
            failures.join("\n\n")
        );
    }

    /// What differs, in the fixtures' order. docker compose takes most of the time, and a machine has more than one core.
    fn on_two_threads(fixtures: &[Fixture]) -> Vec<String> {
        let next = AtomicUsize::new(0);
        let failures = Mutex::new(BTreeMap::new());
        let work = || {
            while let Some((number, fixture)) = {
                let number = next.fetch_add(1, Ordering::Relaxed);
                fixtures.get(number).map(|fixture| (number, fixture))
            } {
                if let Err(text) = compare(fixture) {
                    failures.lock().expect("nobody panics").insert(number, text);
                }
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(work);
            work();
        });
        let failures = failures.into_inner().expect("nobody panics");
        failures.into_values().collect()
    }

    fn compare(fixture: &Fixture) -> Result<(), String> {
        let ours = fixture.load(&fixture.options());
        let theirs = oracle::config(fixture);
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => {
                let mut differences = again(fixture, &ours);
                let (ours, theirs) = (normal::ours(&ours), normal::theirs(theirs));
                differences.extend(normal::differences(&ours, &theirs));
                differences.extend(normal::order(&ours, &theirs));
                differences.extend(hashes(fixture));
                if differences.is_empty() {
                    return Ok(());
                }
                Err(format!("== {}\n{}", fixture.name, differences.join("\n")))
            }
            // Both refuse it. The words are our own; they are kept in the fixture.
            (Err(ours), Err(theirs)) => match fixture.expected_error() {
                Some(expected) if expected == ours => Ok(()),
                expected => Err(format!(
                    "== {}: our error\n{ours}\nis not the one in `error.txt`\n{}\n(docker compose: {theirs})",
                    fixture.name,
                    expected.unwrap_or_default()
                )),
            },
            (Err(ours), Ok(_)) => Err(format!(
                "== {}: only larder refuses it\n{ours}",
                fixture.name
            )),
            (Ok(_), Err(theirs)) => Err(format!(
                "== {}: only docker compose refuses it\n{theirs}",
                fixture.name
            )),
        }
    }

    /// The hash of each service, which docker compose goes by when it decides whether to recreate a container: it is taken
    /// over every attribute, in Go's own JSON.
    fn hashes(fixture: &Fixture) -> Option<String> {
        let options = LoadOptions {
            keep_env_files: true,
            ..fixture.options()
        };
        let project = match fixture.load(&options) {
            Ok(project) => project,
            Err(error) => return Some(error),
        };
        let services = project.services.iter();
        let ours =
            services.map(|(name, service)| (name.clone(), service.compose_hash().to_string()));
        let ours: BTreeMap<_, _> = ours.collect();
        let theirs = oracle::hashes(fixture);
        (ours != theirs).then(|| format!("hashes: ours {ours:?}, theirs {theirs:?}"))
    }

    /// What larder prints is loaded to the same project again. Not where a profile is off: the output has
    /// `depends_on` to services that it does not have, here as with docker compose.
    fn again(fixture: &Fixture, project: &Project) -> Vec<String> {
        if !project.disabled.is_empty() {
            return Vec::new();
        }
        let folder = tempfile::tempdir().expect("a folder can be made");
        let file = folder.path().join("compose.yaml");
        let yaml = project.to_yaml().expect("a project is YAML");
        std::fs::write(&file, yaml).expect("a file can be written");
        let options = LoadOptions {
            working_dir: folder.path().to_owned(),
            files: vec![file],
            profiles: vec!["*".to_owned()],
            ..LoadOptions::default()
        };
        let json = |project: &Project| serde_json::to_value(project).expect("a project is JSON");
        match fixture.load(&options) {
            Ok(again) => normal::differences(&json(&again), &json(project)),
            Err(error) => vec![format!("its own output is refused: {error}")],
        }
    }
}
