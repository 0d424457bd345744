//! What `decide` makes of a project and an engine: whole printed plans, as `larder plan` shows them.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use larder::fingerprint::{
    BaseRef, Context, Cut, Dockerfile, Fingerprinted, Platform, Recipe, Section, Shadowed,
};
use larder::model::{Build, Digest, ImageId, Network, Project, Service, Share, labels};
use larder::plan::{
    Action, BuilderKind, Builders, Container, Error, Health, Image, Observed, Plan, PublishedPort,
    Resource, State, Step, StepId, Wanted, asked_platforms, asked_starts, check, decide, first,
    text,
};
use proptest::strategy::Strategy;

const STACK: &str = "
db:
  image: postgres:16
  healthcheck: {test: [CMD, pg_isready]}
  networks: {default: null}
api:
  build: {context: /src/api}
  depends_on: {db: {condition: service_healthy}}
  networks: {default: null}
";

/// An engine and what is wanted of it, made up step by step.
struct Scene {
    project: Project,
    fingerprints: BTreeMap<String, Fingerprinted>,
    observed: Observed,
    builders: Builders,
    fresh: bool,
    mounted: BTreeMap<String, Digest>,
    containers: bool,
    /// The services that are asked for; all where there are none.
    only: Vec<&'static str>,
}

fn scene(services: &str) -> Scene {
    let services: BTreeMap<String, Service> = serde_yaml::from_str(services).unwrap();
    let networks = BTreeMap::from([("default".to_owned(), Network::default())]);
    let project = Project {
        name: "hub".to_owned(),
        services,
        networks,
        ..Project::default()
    };
    Scene {
        project,
        fingerprints: BTreeMap::new(),
        observed: Observed::default(),
        builders: Builders {
            dependencies: BuilderKind::Docker,
            rest: BuilderKind::Docker,
            strict: true,
        },
        fresh: false,
        mounted: BTreeMap::new(),
        containers: true,
        only: Vec::new(),
    }
}

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn config(service: &str) -> Digest {
    digest(&format!("config of {service}"))
}

impl Scene {
    fn recipe(mut self, service: &str, source: &str, cut: Option<&str>) -> Self {
        let cuts = cut.map(|key| Cut {
            stage: 0,
            instructions: 2,
            key: digest(key),
            arguments: Vec::new(),
            command: None,
        });
        let recipe = Recipe {
            service: service.to_owned(),
            full: digest(source),
            dependencies: cut.map(digest),
            cuts: cuts.into_iter().collect(),
            chain: Vec::new(),
            opaque: None,
            unpinned: None,
            shadowed: None,
            dockerfile: Arc::new(Dockerfile {
                name: "Dockerfile".to_owned(),
                text: String::new(),
                escape: '\\',
                syntax: None,
                global_args: Vec::new(),
                stages: Vec::new(),
            }),
            context: Arc::new(Context::default()),
            contexts: BTreeMap::new(),
            bases: Vec::new(),
            build: self.project.services[service]
                .build
                .clone()
                .unwrap_or_default(),
            section: Section::default(),
            source: BTreeMap::new(),
            platform: None,
        };
        self.fingerprints
            .insert(service.to_owned(), Fingerprinted::Known(Box::new(recipe)));
        self
    }

    /// An image with names of its own, and with larder's labels and the names that belong to them.
    fn image(mut self, id: &str, names: &[&str], own: &[(&str, &str)]) -> Self {
        let mut labels = BTreeMap::new();
        let mut names: Vec<String> = names.iter().map(ToString::to_string).collect();
        for (label, source) in own {
            labels.insert((*label).to_owned(), digest(source).to_string());
            names.push(match *label {
                labels::FINGERPRINT => labels::image_name(&digest(source)),
                _ => labels::dependencies_name(&digest(source)),
            });
        }
        let id = ImageId(format!("sha256:{id}"));
        self.observed.images.push(Image {
            id,
            names,
            digests: Vec::new(),
            labels,
            platforms: Vec::new(),
        });
        self
    }

    /// What the last image is for.
    fn only_for(mut self, platform: &str) -> Self {
        let last = self.observed.images.last_mut().unwrap();
        last.platforms.push(Platform::parse(platform));
        self
    }

    fn network(mut self) -> Self {
        let name = "hub_default".to_owned();
        self.observed.networks.push(Resource {
            id: "n1".to_owned(),
            name,
            labels: BTreeMap::from([(labels::PROJECT.to_owned(), "hub".to_owned())]),
        });
        self
    }

    fn container(mut self, service: &str, image: &str, state: State) -> Self {
        let labels = BTreeMap::from([(labels::CONFIG.to_owned(), config(service).to_string())]);
        self.observed.containers.push(Container {
            id: format!("{service}0123456789abcdef"),
            name: format!("hub-{service}-1"),
            service: service.to_owned(),
            number: 1,
            one_off: false,
            image: ImageId(format!("sha256:{image}")),
            image_name: String::new(),
            state,
            status: String::new(),
            created: 0,
            started: None,
            labels,
            volumes: BTreeMap::new(),
            networks: self.project.services[service]
                .networks
                .keys()
                .map(|key| (format!("hub_{key}"), "n1".to_owned()))
                .collect(),
            shares: BTreeSet::new(),
            cut_off: None,
            ports: Vec::new(),
        });
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn ask<T>(&self, question: impl FnOnce(&Wanted<'_>, &Observed) -> T) -> T {
        let mut services: BTreeSet<String> = self.project.services.keys().cloned().collect();
        services.retain(|name| self.only.is_empty() || self.only.contains(&name.as_str()));
        let configs = services
            .iter()
            .map(|name| (name.clone(), config(name)))
            .collect();
        let wanted = Wanted {
            project: &self.project,
            services: &services,
            fingerprints: &self.fingerprints,
            configs: &configs,
            mounted: &self.mounted,
            changes: &BTreeMap::new(),
            builders: self.builders,
            fresh: self.fresh,
            containers: self.containers,
            wait: true,
        };
        question(&wanted, &self.observed)
    }

    fn decide(&self) -> Result<Plan, Error> {
        self.ask(decide)
    }

    /// The services whose images are brought before anything is decided.
    fn first(&self) -> Vec<String> {
        self.ask(first).unwrap().into_iter().collect()
    }

    fn text(&self) -> String {
        text(&self.decide().unwrap())
    }
}

const UP: State = State::Running(Health::Healthy);
const PLAIN: State = State::Running(Health::None);

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

fn network(of: &str) -> BTreeSet<(Share, String)> {
    BTreeSet::from([(Share::Network, of.to_owned())])
}

#[test]
fn a_shared_network_ends_with_the_container_that_has_it() {
    let services = "
db: {image: 'postgres:16'}
side: {image: 'postgres:16', network_mode: 'service:db', depends_on: {db: {condition: service_started}}}
";
    let there = |shares: &str, db, side| {
        scene(services)
            .image("pg", &["postgres:16"], &[])
            .container("db", "pg", db)
            .container("side", "pg", side)
            .with(|scene| scene.observed.containers[1].shares = network(shares))
            .text()
    };
    let (db, stopped) = ("db0123456789abcdef", State::Exited(137));
    assert!(there(db, PLAIN, PLAIN).ends_with("\nnothing to do\n"));
    let replaced = there("another", PLAIN, PLAIN);
    assert!(
        replaced.contains("hub-side-1: the container whose network it shares is replaced"),
        "{replaced}"
    );
    let restarted = scene(services)
        .image("pg", &["postgres:16"], &[])
        .container("db", "pg", PLAIN)
        .container("side", "pg", PLAIN)
        .with(|scene| {
            let side = &mut scene.observed.containers[1];
            (side.shares, side.cut_off) = (network(db), Some(Share::Network));
        })
        .text();
    assert!(
        restarted.contains("the container whose network it shares was started after it"),
        "{restarted}"
    );
    let anew = there(db, stopped, PLAIN);
    assert!(
        anew.contains("hub-side-1: the container whose network it shares starts anew"),
        "{anew}"
    );
    let both = there(db, stopped, stopped);
    assert!(
        both.contains("start side: it ended with code 137 (after"),
        "{both}"
    );
    assert!(!both.contains("create"), "{both}");
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
fn a_pull_policy_that_is_not_carried_out_is_named() {
    for policy in ["daily", "weekly", "every_12h", "refresh"] {
        let plan = scene(&format!(
            "db: {{image: 'postgres:16', pull_policy: {policy}}}"
        ))
        .image("pg", &["postgres:16"], &[])
        .container("db", "pg", PLAIN)
        .decide()
        .unwrap();
        assert!(plan.warnings[0].contains(&format!("`pull_policy: {policy}` of `db`")));
        assert!(plan.is_empty(), "{}", text(&plan));
    }
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
fn a_container_that_never_started_is_made_anew_with_its_volumes() {
    let volume = "a".repeat(64);
    let scene = scene("db: {image: 'postgres:16'}")
        .image("pg", &["postgres:16"], &[])
        .container("db", "pg", State::Created)
        .with(|scene| {
            let volumes = &mut scene.observed.containers[0].volumes;
            volumes.insert("/data".to_owned(), volume.clone());
        });
    let expected = "\
db  reuse   `postgres:16` is on the engine

1  create db0123456789_hub-db-1: it was never started, and may be unfinished
2  remove db (db0123456789): it was never started, and may be unfinished (after 1)
3  rename to hub-db-1: it was never started, and may be unfinished (after 2)
4  start db: it was never started, and may be unfinished (after 3)
5  wait until db is ready: `up` ends when it is (after 4)
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

fn publishing(scene: &mut Scene, container: usize, port: u16) {
    scene.observed.containers[container].ports = vec![PublishedPort {
        host_ip: Some("0.0.0.0".to_owned()),
        published: Some(port),
        target: 80,
        protocol: "tcp".to_owned(),
    }];
}

#[test]
fn who_gets_a_port_of_another_starts_when_that_one_is_gone() {
    let with = |b: &str| {
        let services = format!(
            "
a: {{image: img, ports: [{{target: 80, published: '8080', protocol: tcp}}]}}
b: {{image: img, ports: [{{target: 80, published: '8081', protocol: tcp}}]{b}}}
"
        );
        scene(&services)
            .image("new", &["img:latest"], &[])
            .container("a", "old", PLAIN)
            .container("b", "old", PLAIN)
            .with(|scene| publishing(scene, 1, 8080))
            .text()
    };
    let expected = "\
a  reuse   `img:latest` is on the engine
b  reuse   `img:latest` is on the engine

 1  create a0123456789a_hub-a-1: its image changed
 2  stop a (a0123456789a): its image changed (after 1, 8)
 3  remove a (a0123456789a): its image changed (after 2)
 4  rename to hub-a-1: its image changed (after 3)
 5  start a: its image changed (after 4, 8)
 6  wait until a is ready: `up` ends when it is (after 5)
 7  create b0123456789a_hub-b-1: its image changed
 8  stop b (b0123456789a): its image changed (after 7)
 9  remove b (b0123456789a): its image changed (after 8)
10  rename to hub-b-1: its image changed (after 9)
11  start b: its image changed (after 10)
12  wait until b is ready: `up` ends when it is (after 11)
";
    assert_eq!(with(""), expected);
    // Where b waits for a, its old container does not.
    let circle = with(", depends_on: {a: {condition: service_started}}");
    for line in [
        "stop a (a0123456789a): its image changed (after 1, 8)\n",
        "stop b (b0123456789a): its image changed (after 1, 7)\n",
        "start b: its image changed (after 5, 10)\n",
    ] {
        assert!(circle.contains(line), "{circle}");
    }
}

#[test]
fn a_service_may_move_behind_the_network_of_the_one_that_gets_its_port() {
    let services = "
app: {image: img, network_mode: 'service:vpn', depends_on: {vpn: {condition: service_started}}}
vpn: {image: img, ports: [{target: 80, published: '8080', protocol: tcp}]}
";
    let text = scene(services)
        .image("new", &["img:latest"], &[])
        .container("app", "old", PLAIN)
        .with(|scene| publishing(scene, 0, 8080))
        .text();
    for line in [
        "stop app (app012345678): its image changed (after 1)\n",
        "start vpn: it is not there (after 1, 5)\n",
        "remove app (app012345678): its image changed (after 4, 5)\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

/// Whether a step is done only if another is, be it through others.
fn stop_of(plan: &Plan, service: &str) -> Option<StepId> {
    let mut steps = plan.steps.iter();
    let stop = steps.find(|step| {
        step.service.as_deref() == Some(service) && matches!(step.action, Action::Stop { .. })
    });
    stop.map(|step| step.id)
}

fn needs(plan: &Plan, step: StepId, other: StepId) -> bool {
    let mut after = plan.steps[step.0].after.iter();
    after.any(|needed| *needed == other || needs(plan, *needed, other))
}

fn ends(plan: &Plan) -> bool {
    let mut done = BTreeSet::new();
    loop {
        let before = done.len();
        for step in &plan.steps {
            let mut needed = step.after.iter().chain(&step.settled);
            if needed.all(|id| done.contains(id)) {
                done.insert(step.id);
            }
        }
        if done.len() == before {
            return before == plan.steps.len();
        }
    }
}

const PORTS: [u16; 6] = [8000, 8001, 8002, 8003, 8004, 8005];

proptest::proptest! {
    /// However ports are handed round, each start waits for the stop that frees its port, and no step for itself.
    #[test]
    fn ports_go_round_in_every_order(
        old in proptest::sample::subsequence(&PORTS[..], 4).prop_shuffle(),
        new in proptest::sample::subsequence(&PORTS[..], 4).prop_shuffle(),
        edges in proptest::collection::vec(0_usize..5, 6),
    ) {
        let names = ["a", "b", "c", "d"];
        let pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)];
        let conditions = [
            "condition: service_started",
            "condition: service_healthy",
            "condition: service_started, required: false",
            "condition: service_healthy, required: false",
        ];
        let services = (0..4).map(|own| {
            let waits = pairs.iter().zip(&edges).filter(|((one, _), _)| *one == own);
            let waits = waits.filter_map(|((_, other), edge)| {
                let condition = conditions.get(*edge)?;
                Some(format!("{}: {{{condition}}}", names[*other]))
            });
            let waits = waits.collect::<Vec<_>>().join(", ");
            let ports = format!("[{{target: 80, published: '{}', protocol: tcp}}]", new[own]);
            let check = "healthcheck: {test: [CMD, x]}";
            format!("{}: {{image: img, {check}, ports: {ports}, depends_on: {{{waits}}}}}\n", names[own])
        });
        let mut scene = scene(&services.collect::<String>()).image("new", &["img:latest"], &[]);
        for (own, name) in names.iter().enumerate() {
            scene = scene.container(name, "old", PLAIN);
            publishing(&mut scene, own, old[own]);
        }
        let plan = scene.decide().unwrap();
        proptest::prop_assert!(ends(&plan), "{}", text(&plan));
        let step = |own: usize, start: bool| {
            let is_it = |step: &&Step| step.service.as_deref() == Some(names[own]) && match step.action {
                Action::Start { .. } => start,
                Action::Stop { .. } => !start,
                _ => false,
            };
            plan.steps.iter().find(is_it).unwrap().id
        };
        for own in 0..4 {
            for holder in (0..4).filter(|holder| old[*holder] == new[own]) {
                let waits = needs(&plan, step(own, true), step(holder, false));
                proptest::prop_assert!(waits, "{} for {}\n{}", names[own], names[holder], text(&plan));
            }
        }
    }
}

#[test]
fn a_holder_stops_as_late_as_it_can() {
    let services = "
api: {image: img, ports: [{target: 80, published: '8080', protocol: tcp}], depends_on: {db: {condition: service_healthy}}}
app: {image: img, depends_on: {api: {condition: service_started}}}
db: {image: img, healthcheck: {test: [CMD, x]}}
";
    let text = scene(services)
        .image("new", &["img:latest"], &[])
        .container("api", "old", PLAIN)
        .container("app", "old", PLAIN)
        .container("db", "old", PLAIN)
        .with(|scene| publishing(scene, 1, 8080))
        .text();
    let plan = |line: &str| assert!(text.contains(line), "{text}");
    plan("wait until db is healthy: `api` waits for it (after 5)\n");
    plan("stop app (app012345678): its image changed (after 6, 7, 13)\n");
}

#[test]
fn a_port_of_another_address_is_another_port() {
    let plan = |ip: &str| {
        let ports = format!("[{{target: 80, published: '8080', protocol: tcp, host_ip: {ip}}}]");
        scene(&format!(
            "a: {{image: img, ports: {ports}}}\nb: {{image: img}}"
        ))
        .image("new", &["img:latest"], &[])
        .container("a", "old", PLAIN)
        .container("b", "old", PLAIN)
        .with(|scene| {
            publishing(scene, 1, 8080);
            scene.observed.containers[1].ports[0].host_ip = Some("127.0.0.1".to_owned());
        })
        .text()
    };
    for (ip, waits) in [("127.0.0.2", false), ("127.0.0.1", true), ("0.0.0.0", true)] {
        let text = plan(ip);
        let waiting = text.contains("stop a (a0123456789a): its image changed (after 1, 8)");
        assert_eq!(waiting, waits, "{text}");
    }
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

/// A service whose mount hides part of its image, edited since that was built: `v1` is there, `v2` is wanted.
fn shadowed() -> Scene {
    scene("api: {build: {context: /src}}")
        .recipe("api", "v2", Some("deps"))
        .image("a1", &["hub-api:latest"], &[(labels::FINGERPRINT, "v1")])
        .with(|scene| {
            let hidden = Shadowed {
                key: digest("rest"),
                by: vec![(4, vec!["/app".to_owned()])],
            };
            let Some(Fingerprinted::Known(recipe)) = scene.fingerprints.get_mut("api") else {
                panic!("a recipe")
            };
            recipe.shadowed = Some(hidden);
            let label = (labels::SHADOWED.to_owned(), digest("rest").to_string());
            scene.observed.images[0].labels.extend([label]);
        })
}

/// A container of it, with these labels of larder's.
fn made(scene: Scene, labels: &[(&str, &str)]) -> Scene {
    scene.container("api", "a1", PLAIN).with(|scene| {
        let own = labels.iter();
        let own = own.map(|(label, text)| ((*label).to_owned(), digest(text).to_string()));
        scene.observed.containers[0].labels.extend(own);
    })
}

#[test]
fn an_image_that_differs_in_what_mounts_hide_stands_in() {
    let reason = "the bind mount at `/app` hides what line 4 copies there";
    let scene = shadowed();
    let expected = format!(
        "\
api  reuse   image a1 will do ({v2} would be built): {reason}

1  create hub-api-1: it is not there
2  start api: it is not there (after 1)
3  wait until api is ready: `up` ends when it is (after 2)
",
        v2 = digest("v2").short(),
    );
    assert_eq!(scene.text(), expected);
    let plan = scene.decide().unwrap();
    assert_eq!(plan.services["api"].shadowed.as_deref(), Some(reason));
    // What the container says that it is made from is what it is made from.
    assert!(matches!(
        &plan.steps[0].action,
        Action::Create(creation) if creation.stands_in == Some(digest("v1"))
    ));

    let nameless = shadowed().with(|scene| {
        scene.observed.images[0]
            .names
            .retain(|own| own != "hub-api:latest");
    });
    assert!(
        nameless
            .text()
            .contains("tag the image of api as hub-api:latest")
    );
}

#[test]
fn a_container_on_it_is_left_alone() {
    let kept = [(labels::FINGERPRINT, "v1"), (labels::SHADOWED, "rest")];
    let scene = made(shadowed(), &kept);
    assert!(
        scene.text().ends_with("\nnothing to do\n"),
        "{}",
        scene.text()
    );
    // Its image was built for another service: that it is the same to this one is known from the container.
    let scene = scene.with(|scene| drop(scene.observed.images[0].labels.remove(labels::SHADOWED)));
    assert!(
        scene.text().ends_with("\nnothing to do\n"),
        "{}",
        scene.text()
    );
    // The image itself is there, too.
    let scene = scene.image("a2", &["hub-api:latest"], &[(labels::FINGERPRINT, "v2")]);
    assert!(
        scene.text().ends_with("\nnothing to do\n"),
        "{}",
        scene.text()
    );
}

#[test]
fn nothing_stands_in_without_proof() {
    let kept = [(labels::FINGERPRINT, "v1"), (labels::SHADOWED, "rest")];
    let recipe = |scene: &mut Scene, change: fn(&mut Recipe)| {
        if let Some(Fingerprinted::Known(recipe)) = scene.fingerprints.get_mut("api") {
            change(recipe);
        }
    };
    let without = |scene: Scene| scene.with(|s| recipe(s, |recipe| recipe.shadowed = None));
    for (why, scene) in [
        ("the mount was taken away", without(made(shadowed(), &kept))),
        (
            "something else that is hidden changed",
            made(shadowed(), &kept).with(|scene| {
                recipe(scene, |recipe| {
                    recipe.shadowed.as_mut().unwrap().key = digest("other");
                });
            }),
        ),
        (
            "what it takes in is not pinned",
            shadowed().with(|s| recipe(s, |recipe| recipe.unpinned = Some("x".to_owned()))),
        ),
        (
            "larder's name is gone, as on an image that was built from this one",
            shadowed()
                .with(|scene| scene.observed.images[0].names = vec!["hub-api:latest".to_owned()]),
        ),
        (
            "the label is that of another mount",
            shadowed().with(|scene| {
                let label = (labels::SHADOWED.to_owned(), digest("another").to_string());
                scene.observed.images[0].labels.extend([label]);
            }),
        ),
        (
            "images alone are wanted",
            shadowed().with(|scene| scene.containers = false),
        ),
    ] {
        let text = scene.text();
        assert!(
            text.contains("build api on its dependencies"),
            "{why}: {text}"
        );
    }
    // docker compose made it from larder's image: the labels are the image's.
    let foreign = made(shadowed(), &kept)
        .with(|scene| drop(scene.observed.containers[0].labels.remove(labels::CONFIG)));
    let text = foreign.text();
    assert!(text.contains("larder did not make it"), "{text}");
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

/// What a container has of another one.
fn shared(share: Share, id: &str) -> BTreeSet<(Share, String)> {
    BTreeSet::from([(share, id.to_owned())])
}

/// The container of a service is not what is wanted any more.
fn outdated(scene: &mut Scene, service: &str) {
    let mut all = scene.observed.containers.iter_mut();
    let own = all.find(|own| own.service == service).unwrap();
    let other = digest("another").to_string();
    own.labels.insert(labels::CONFIG.to_owned(), other);
}

const DB: &str = "db0123456789abcdef";

fn db_and_side(side: &str, state: State) -> Scene {
    let services = format!("db: {{image: img}}\nside: {{image: img, {side}}}\n");
    scene(&services)
        .image("img", &["img:latest"], &[])
        .container("db", "img", PLAIN)
        .container("side", "img", state)
}

const STARTED: &str = "depends_on: {db: {condition: service_started}}";
const WITH: &str = "depends_on: {db: {condition: service_started, restart: true}}";

#[test]
fn a_new_container_is_made_with_that_of_the_other_service() {
    let mut scene = db_and_side(&format!("pid: 'service:db', {STARTED}"), PLAIN);
    scene.observed.containers.remove(1);
    let kept = larder::plan::json(&scene.decide().unwrap());
    let id = serde_json::json!({"service:db": {"id": DB}});
    assert_eq!(kept["steps"][0]["shares"], id);
    scene.observed.containers.clear();
    let plan = scene.decide().unwrap();
    let expected = "\
1  create hub-db-1: it is not there
2  start db: it is not there (after 1)
3  wait until db is ready: `up` ends when it is (after 2)
4  create hub-side-1: it is not there (after 2)
5  start side: it is not there (after 2, 4)
6  wait until side is ready: `up` ends when it is (after 5)
";
    assert!(text(&plan).ends_with(expected), "{}", text(&plan));
    let step = serde_json::json!({"service:db": {"step": 0}});
    assert_eq!(larder::plan::json(&plan)["steps"][3]["shares"], step);
}

#[test]
fn what_shares_processes_is_stopped_before_the_one_that_has_them() {
    let scene = db_and_side(&format!("pid: 'service:db', {WITH}"), PLAIN).with(|scene| {
        scene.observed.containers[1].shares = shared(Share::Processes, DB);
        outdated(scene, "db");
    });
    let expected = "\
 1  create db0123456789_hub-db-1: its configuration changed
 2  stop db (db0123456789): its configuration changed (after 1, 8)
 3  remove db (db0123456789): its configuration changed (after 2)
 4  rename to hub-db-1: its configuration changed (after 3)
 5  start db: its configuration changed (after 4)
 6  wait until db is ready: `up` ends when it is (after 5)
 7  create side01234567_hub-side-1: the container whose processes it shares is replaced (after 5)
 8  stop side (side01234567): the container whose processes it shares is replaced (after 1)
 9  remove side (side01234567): the container whose processes it shares is replaced (after 7, 8)
10  rename to hub-side-1: the container whose processes it shares is replaced (after 9)
11  start side: the container whose processes it shares is replaced (after 5, 10)
12  wait until side is ready: `up` ends when it is (after 11)
";
    assert!(scene.text().ends_with(expected), "{}", scene.text());
}

#[test]
fn memory_and_processes_end_with_the_container_that_has_them_and_volumes_do_not() {
    for (side, share) in [
        ("ipc: 'service:db'", Share::Memory),
        ("pid: 'service:db'", Share::Processes),
        ("volumes_from: ['db:ro']", Share::Volumes),
        ("links: [db], network_mode: bridge", Share::Links),
    ] {
        let there = |id: &str, db, lost| {
            db_and_side(&format!("{side}, {STARTED}"), PLAIN)
                .with(|scene| {
                    scene.observed.containers[0].state = db;
                    scene.observed.containers[1].shares = shared(share, id);
                    scene.observed.containers[1].cut_off = lost;
                })
                .text()
        };
        assert!(there(DB, PLAIN, None).ends_with("\nnothing to do\n"));
        let replaced = there("another", PLAIN, None);
        let said = format!("hub-side-1: the container {} is replaced", share.whose());
        assert!(replaced.contains(&said), "{replaced}");
        let lost = there(DB, PLAIN, Some(share));
        assert!(lost.contains("was started after it"), "{lost}");
        let anew = there(DB, State::Exited(1), None);
        let ends = share.ends_with_process();
        assert_eq!(anew.contains("starts anew"), ends, "{anew}");
        assert_eq!(anew.contains("create"), ends, "{anew}");
    }
}

#[test]
fn a_container_of_somebody_elses_is_looked_for_by_its_name() {
    let there = |id: Option<&str>, shares: &str| {
        db_and_side(
            "pid: 'container:theirs', volumes_from: ['container:theirs:ro']",
            PLAIN,
        )
        .with(|scene| {
            let others = &mut scene.observed.others;
            others.insert("theirs".to_owned(), id.map(ToOwned::to_owned));
            let both = [Share::Processes, Share::Volumes];
            scene.observed.containers[1].shares =
                both.map(|share| (share, shares.to_owned())).into();
        })
    };
    let asked = there(None, "").ask(|wanted, _| larder::plan::asked_containers(wanted));
    assert_eq!(asked, BTreeSet::from(["theirs".to_owned()]));
    let same = there(Some("1"), "1").text();
    assert!(same.ends_with("\nnothing to do\n"), "{same}");
    let replaced = there(Some("2"), "1").text();
    assert!(
        replaced.contains("whose processes it shares is replaced"),
        "{replaced}"
    );
    let error = there(None, "1").decide().unwrap_err();
    assert_eq!(
        error.to_string(),
        "service `side` shares the processes of container `theirs`, but the engine has none of that name"
    );
}

/// Whatever the services are called, and without `depends_on`.
#[test]
fn a_container_of_the_projects_own_may_be_named() {
    let services = "a: {image: img, pid: 'container:hub-db-1'}\ndb: {image: img}\n";
    let scene = scene(services).image("img", &["img:latest"], &[]);
    let fresh = scene.with(|scene| drop(scene.observed.others.insert("hub-db-1".to_owned(), None)));
    let plan = larder::plan::json(&fresh.decide().unwrap());
    let step = serde_json::json!({"container:hub-db-1": {"step": 0}});
    assert_eq!(plan["steps"][3]["shares"], step);
    assert_eq!(plan["steps"][3]["after"], serde_json::json!([1]));
    let mut there = fresh
        .container("a", "img", PLAIN)
        .container("db", "img", PLAIN);
    there.observed.containers[0].shares = shared(Share::Processes, DB);
    outdated(&mut there, "db");
    let plan = there.decide().unwrap();
    let end = |service| stop_of(&plan, service).unwrap();
    assert!(needs(&plan, end("db"), end("a")), "{}", text(&plan));
}

#[test]
fn services_that_name_each_others_containers_wait_for_each_other() {
    let services = "a: {image: img, pid: 'container:hub-b-1'}\n\
                    b: {image: img, ipc: 'container:hub-a-1'}\n";
    let error = scene(services).decide().unwrap_err();
    assert_eq!(error.to_string(), "services wait for each other: a → b");
}

#[test]
fn who_is_cut_off_is_named() {
    let mut scene = db_and_side(&format!("pid: 'service:db', {STARTED}"), PLAIN);
    scene.observed.containers[1].shares = shared(Share::Processes, DB);
    outdated(&mut scene, "db");
    assert!(scene.decide().unwrap().warnings.is_empty());
    scene.only = vec!["db"];
    assert_eq!(
        scene.decide().unwrap().warnings,
        [
            "`hub-side-1` shares the processes of `hub-db-1`, which is stopped, and is no part of this start: \
          `larder up side` starts it anew"
        ]
    );
    scene.observed.containers[1].state = State::Exited(0);
    assert!(scene.decide().unwrap().warnings.is_empty());
}

#[test]
fn links_by_name_are_not_by_container() {
    let there = |side: &str| db_and_side(&format!("{side}, {STARTED}"), PLAIN).text();
    for side in [
        "links: [db], network_mode: own",
        "links: [db]",
        "external_links: [db], network_mode: none",
    ] {
        let text = there(side);
        assert!(text.ends_with("\nnothing to do\n"), "{side}: {text}");
    }
    let mut scene = db_and_side("external_links: ['theirs:x'], network_mode: bridge", PLAIN);
    scene.observed.containers[1].shares = shared(Share::Links, "1");
    let mut text = |id: &str| {
        let id = Some(id.to_owned());
        scene.observed.others.insert("theirs".to_owned(), id);
        scene.text()
    };
    assert!(text("1").ends_with("\nnothing to do\n"), "{}", text("1"));
    let replaced = text("2");
    assert!(
        replaced.contains("hub-side-1: the container that it links to is replaced"),
        "{replaced}"
    );
}

#[test]
fn what_goes_with_a_service_is_started_once_more_when_that_one_is_replaced() {
    let goes = db_and_side(WITH, PLAIN).with(|scene| outdated(scene, "db"));
    let expected = "\
1  create db0123456789_hub-db-1: its configuration changed
2  stop db (db0123456789): its configuration changed (after 1, 7)
3  remove db (db0123456789): its configuration changed (after 2)
4  rename to hub-db-1: its configuration changed (after 3)
5  start db: its configuration changed (after 4)
6  wait until db is ready: `up` ends when it is (after 5)
7  stop side (side01234567): `db`, which it goes with, is replaced (after 1)
8  start side: `db`, which it goes with, is replaced (after 5, 7)
9  wait until side is ready: `up` ends when it is (after 8)
";
    assert!(goes.text().ends_with(expected), "{}", goes.text());
    let stays = db_and_side(STARTED, PLAIN).with(|scene| outdated(scene, "db"));
    assert!(!stays.text().contains("stop side"), "{}", stays.text());
    let down = db_and_side(WITH, State::Exited(0)).with(|scene| outdated(scene, "db"));
    assert!(!down.text().contains("stop side"), "{}", down.text());
    let restarted = db_and_side(WITH, PLAIN)
        .with(|scene| scene.observed.containers[0].state = State::Exited(1));
    assert!(
        !restarted.text().contains("stop side"),
        "{}",
        restarted.text()
    );
}

#[test]
fn hooks_are_part_of_the_start_and_of_the_stop() {
    let hooks = "post_start: [{command: [a]}], pre_stop: [{command: [b]}, {command: [c]}]";
    let scene = db_and_side(hooks, PLAIN).with(|scene| outdated(scene, "side"));
    let expected = "\
1  create side01234567_hub-side-1: its configuration changed
2  run its 2 `pre_stop` hooks, then stop side (side01234567): its configuration changed (after 1)
3  remove side (side01234567): its configuration changed (after 2)
4  rename to hub-side-1: its configuration changed (after 3)
5  start side and run its `post_start` hook: its configuration changed (after 4)
6  wait until side is ready: `up` ends when it is (after 5)
";
    assert!(scene.text().ends_with(expected), "{}", scene.text());
    let json = larder::plan::json(&scene.decide().unwrap());
    assert_eq!(json["steps"][1]["hooks"], 2);
    assert_eq!(json["steps"][1]["regardless"], true);
    assert_eq!(json["steps"][4]["hooks"], 1);
    assert_eq!(json["steps"][2].get("hooks"), None);
}

proptest::proptest! {
    /// However containers go together, whatever is replaced and whoever gets whose port: no step waits for itself, and what
    /// goes with another is stopped before that one.
    #[test]
    fn what_goes_together_ends_in_order(
        edges in proptest::collection::vec(0_usize..5, 10),
        outdated_ones in proptest::collection::vec(proptest::bool::ANY, 5),
        ports in proptest::sample::subsequence(&PORTS[..], 5).prop_shuffle(),
        running in proptest::collection::vec(0_usize..4, 5),
    ) {
        use std::fmt::Write;
        let names = ["a", "b", "c", "d", "e"];
        let mut services = String::new();
        let mut edge = edges.iter();
        let (mut pairs, mut sharing) = (Vec::new(), Vec::new());
        for (index, name) in names.iter().enumerate() {
            let mut depends_on = Vec::new();
            let mut pid = String::new();
            for other in &names[..index] {
                let kind = *edge.next().unwrap();
                if kind == 0 {
                    continue;
                }
                depends_on.push(format!("{other}: {{condition: service_started, restart: {}}}", kind > 1));
                if kind > 1 {
                    pairs.push((*name, *other));
                }
                if kind > 2 && pid.is_empty() {
                    pid = format!("pid: 'service:{other}', ");
                    sharing.push((*name, *other));
                }
            }
            let _ = writeln!(
                services,
                "{name}: {{image: img, {pid}depends_on: {{{}}}, ports: [{{target: 80, published: '{}', protocol: tcp}}]}}",
                depends_on.join(", "), ports[index]
            );
        }
        let mut scene = scene(&services).image("img", &["img:latest"], &[]);
        for (index, name) in names.iter().enumerate() {
            let state = if running[index] == 0 { State::Exited(1) } else { PLAIN };
            scene = scene.container(name, "img", state);
            publishing(&mut scene, index, PORTS[index]);
            if let Some((_, host)) = sharing.iter().find(|(guest, _)| guest == name) {
                let id = format!("{host}0123456789abcdef");
                scene.observed.containers[index].shares = shared(Share::Processes, &id);
            }
            if outdated_ones[index] {
                outdated(&mut scene, name);
            }
        }
        let plan = scene.decide().unwrap();
        proptest::prop_assert!(ends(&plan), "{}", text(&plan));
        for (guest, host) in &pairs {
            if let (Some(guest), Some(host)) = (stop_of(&plan, guest), stop_of(&plan, host)) {
                proptest::prop_assert!(needs(&plan, host, guest), "{}", text(&plan));
            }
        }
    }
}

/// Each of them is stopped before the one that it goes with, and what is behind what is not looked up anew for each pair.
#[test]
fn a_chain_of_services_that_go_together_is_planned_in_no_time() {
    const COUNT: usize = 300;
    let service = |number: usize| match number {
        0 => "s0: {image: img}\n".to_owned(),
        _ => format!(
            "s{number}: {{image: img, depends_on: {{s{}: {{condition: service_started, restart: true}}}}}}\n",
            number - 1
        ),
    };
    let services: String = (0..COUNT).map(service).collect();
    let mut scene = scene(&services).image("img", &["img:latest"], &[]);
    for number in 0..COUNT {
        let name = format!("s{number}");
        scene = scene.container(&name, "img", PLAIN);
        outdated(&mut scene, &name);
    }
    let begun = std::time::Instant::now();
    let plan = scene.decide().unwrap();
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    assert!(plan.steps.len() >= 5 * COUNT, "{}", plan.steps.len());
}
