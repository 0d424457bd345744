//! An engine, and what is wanted of it, made up step by step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use larder::fingerprint::{Context, Cut, Dockerfile, Fingerprinted, Platform, Recipe, Section};
use larder::model::{Digest, ImageId, Network, Project, Service, labels};
use larder::plan::{
    Action, Asked, BuilderKind, Builders, Container, Error, Health, Image, Observed, Offer, Plan,
    PublishedPort, Push, Resource, State, StepId, Wanted, decide, first, text,
};

pub(crate) const STACK: &str = "
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
pub(crate) struct Scene {
    pub(crate) project: Project,
    pub(crate) fingerprints: BTreeMap<String, Fingerprinted>,
    pub(crate) observed: Observed,
    pub(crate) builders: Builders,
    pub(crate) fresh: bool,
    pub(crate) mounted: BTreeMap<String, Digest>,
    pub(crate) offers: BTreeMap<Digest, Offer>,
    pub(crate) pushes: BTreeMap<String, Push>,
    pub(crate) compose_hashes: BTreeMap<Digest, Digest>,
    pub(crate) containers: bool,
    pub(crate) asked: Asked,
    pub(crate) wait: bool,
    /// The services that are asked for; all where there are none.
    pub(crate) only: Vec<&'static str>,
}

pub(crate) fn scene(services: &str) -> Scene {
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
        offers: BTreeMap::new(),
        pushes: BTreeMap::new(),
        compose_hashes: BTreeMap::new(),
        containers: true,
        asked: Asked::default(),
        wait: true,
        only: Vec::new(),
    }
}

pub(crate) fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

pub(crate) fn config(service: &str) -> Digest {
    digest(&format!("config of {service}"))
}

impl Scene {
    pub(crate) fn recipe(mut self, service: &str, source: &str, cut: Option<&str>) -> Self {
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
    pub(crate) fn image(mut self, id: &str, names: &[&str], own: &[(&str, &str)]) -> Self {
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
            age: None,
        });
        self
    }

    /// What the last image is for.
    pub(crate) fn only_for(mut self, platform: &str) -> Self {
        let last = self.observed.images.last_mut().unwrap();
        last.platforms.push(Platform::parse(platform));
        self
    }

    pub(crate) fn network(mut self) -> Self {
        let name = "hub_default".to_owned();
        self.observed.networks.push(Resource {
            id: "n1".to_owned(),
            name,
            labels: BTreeMap::from([(labels::PROJECT.to_owned(), "hub".to_owned())]),
        });
        self
    }

    pub(crate) fn container(mut self, service: &str, image: &str, state: State) -> Self {
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

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(crate) fn ask<T>(&self, question: impl FnOnce(&Wanted<'_>, &Observed) -> T) -> T {
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
            compose_hashes: &self.compose_hashes,
            mounted: &self.mounted,
            changes: &BTreeMap::new(),
            offers: &self.offers,
            pushes: &self.pushes,
            builders: self.builders,
            fresh: self.fresh,
            containers: self.containers,
            wait: self.wait,
            asked: &self.asked,
        };
        question(&wanted, &self.observed)
    }

    pub(crate) fn decide(&self) -> Result<Plan, Error> {
        self.ask(decide)
    }

    /// The services whose images are brought before anything is decided.
    pub(crate) fn first(&self) -> Vec<String> {
        self.ask(first).unwrap().into_iter().collect()
    }

    pub(crate) fn text(&self) -> String {
        text(&self.decide().unwrap())
    }
}

pub(crate) const UP: State = State::Running(Health::Healthy);
pub(crate) const PLAIN: State = State::Running(Health::None);

pub(crate) fn publishing(scene: &mut Scene, container: usize, port: u16) {
    scene.observed.containers[container].ports = vec![PublishedPort {
        host_ip: Some("0.0.0.0".to_owned()),
        published: Some(port),
        target: 80,
        protocol: "tcp".to_owned(),
    }];
}

pub(crate) fn stop_of(plan: &Plan, service: &str) -> Option<StepId> {
    let mut steps = plan.steps.iter();
    let stop = steps.find(|step| {
        step.service.as_deref() == Some(service) && matches!(step.action, Action::Stop { .. })
    });
    stop.map(|step| step.id)
}

/// Whether a step is done only if another is, be it through others.
pub(crate) fn needs(plan: &Plan, step: StepId, other: StepId) -> bool {
    let mut after = plan.steps[step.0].after.iter();
    after.any(|needed| *needed == other || needs(plan, *needed, other))
}

pub(crate) fn ends(plan: &Plan) -> bool {
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

pub(crate) const PORTS: [u16; 6] = [8000, 8001, 8002, 8003, 8004, 8005];

/// The container of a service is not what is wanted any more.
pub(crate) fn outdated(scene: &mut Scene, service: &str) {
    let mut all = scene.observed.containers.iter_mut();
    let own = all.find(|own| own.service == service).unwrap();
    let other = digest("another").to_string();
    own.labels.insert(labels::CONFIG.to_owned(), other);
}

/// A container is not what is wanted any more, and larder was killed once another one was made in its place.
pub(crate) fn half_replaced(scene: &mut Scene, container: usize) {
    let old = &mut scene.observed.containers[container];
    let mut new = old.clone();
    new.name = format!("{}_{}", &old.id[..12], old.name);
    new.id = format!("new{}", old.id);
    new.state = State::Created;
    new.ports.clear();
    let other = digest("another").to_string();
    old.labels.insert(labels::CONFIG.to_owned(), other);
    scene.observed.containers.push(new);
}
