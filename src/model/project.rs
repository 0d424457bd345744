//! A project: everything one `larder` command works on, resolved and with every path absolute.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::{
    Build, Condition, FileObject, ImageRef, MountKind, Network, Owner, Service, Volume, familiar,
};

/// The resolved Compose model.
///
/// Serialised it is the canonical Compose file that `larder config` prints; what is not part of such a
/// file (where it came from, what is switched off) is skipped.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Project {
    /// The project's name: `[a-z0-9][a-z0-9_-]*`.
    pub name: String,
    /// The services that are on: without profiles, or with an active one.
    pub services: BTreeMap<String, Service>,
    /// The networks that services use, `default` only when one does.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub networks: BTreeMap<String, Network>,
    /// The named volumes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, Volume>,
    /// The configs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub configs: BTreeMap<String, FileObject>,
    /// The secrets.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, FileObject>,
    /// Top-level `x-*` keys.
    #[serde(flatten)]
    pub extensions: BTreeMap<String, Value>,

    /// The folder that relative paths are read against.
    #[serde(skip)]
    pub working_dir: PathBuf,
    /// The Compose files, absolute, in merge order.
    #[serde(skip)]
    pub files: Vec<PathBuf>,
    /// The files named by `--env-file`, absolute; empty when the default `.env` was used.
    #[serde(skip)]
    pub env_files: Vec<PathBuf>,
    /// The variables of docker compose itself, `COMPOSE_…`: those of the environment, and what env files add to them.
    #[serde(skip)]
    pub compose_variables: BTreeMap<String, String>,
    /// The files that were merged, in that order: those that are included before those that include them.
    #[serde(skip)]
    pub layers: Vec<PathBuf>,
    /// The text of every Compose file that was read, `extends` and `include` followed: for finding the place
    /// of what turns out to be wrong later.
    #[serde(skip)]
    pub texts: Arc<[(PathBuf, String)]>,
    /// Which services took over from which: what one has may be written in another.
    #[serde(skip)]
    pub inherited: Arc<[Inherited]>,
    /// The included files, each with the env files that its variables come from.
    #[serde(skip)]
    pub included: Arc<[Included]>,
    /// The files that it was read from and that another file names: included ones, `env_file` and `label_file`.
    #[serde(skip)]
    pub named: Arc<[Named]>,
    /// Services that are off because none of their profiles is active.
    #[serde(skip)]
    pub disabled: BTreeSet<String>,
    /// The profiles that services name, whether they are active or not.
    #[serde(skip)]
    pub profiles: BTreeSet<String>,
    /// What the file says and larder does not carry out, and other things to know before a start.
    #[serde(skip)]
    pub warnings: Vec<Warning>,
}

impl Project {
    /// The engine's name for a network: its own `name`, else `<project>_<key>`.
    pub fn network_name(&self, key: &str) -> String {
        let own = self
            .networks
            .get(key)
            .and_then(|network| network.name.clone());
        own.unwrap_or_else(|| format!("{}_{key}", self.name))
    }

    /// The engine's name for a volume: its own `name`, else `<project>_<key>`.
    pub fn volume_name(&self, key: &str) -> String {
        let own = self.volumes.get(key).and_then(|volume| volume.name.clone());
        own.unwrap_or_else(|| format!("{}_{key}", self.name))
    }

    /// The name of a service's image: its `image`, else docker compose's `<project>-<service>`.
    pub fn image_name(&self, service: &str) -> String {
        let own = self
            .services
            .get(service)
            .and_then(|service| service.image.clone());
        own.unwrap_or_else(|| format!("{}-{service}", self.name))
    }

    /// The names of the image that a service builds: that of its image, and its `build.tags`. None where it builds none.
    pub fn built_names(&self, service: &str) -> Vec<String> {
        let definition = self.services.get(service);
        let Some(build) = definition.and_then(|service| service.build.as_ref()) else {
            return Vec::new();
        };
        let mut names = vec![self.image_name(service)];
        names.extend_from_slice(&build.tags);
        names
    }

    /// The same, read; a name that does not parse is none of an image.
    pub fn built_images(&self, service: &str) -> impl Iterator<Item = ImageRef> {
        let names = self.built_names(service).into_iter();
        names.filter_map(|name| name.parse().ok())
    }

    /// The name of a service's container: its `container_name`, else `<project>-<service>-<number>`.
    pub fn container_name(&self, service: &str, number: u32) -> String {
        let own = self
            .services
            .get(service)
            .and_then(|service| service.container_name.clone());
        own.unwrap_or_else(|| format!("{}-{service}-{number}", self.name))
    }

    /// The services that are run to their end, since others wait for that: done once, they stay done.
    pub fn one_shots(&self) -> BTreeSet<&str> {
        let dependencies = self.services.values().flat_map(|own| &own.depends_on);
        dependencies
            .filter(|(_, dependency)| dependency.condition == Condition::Completed)
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// The services named, and all those they wait for, directly or not; every service when none is named.
    /// What is switched off by profile is passed over.
    ///
    /// # Errors
    /// A name that no service has.
    pub fn with_dependencies(&self, names: &[String]) -> Result<BTreeSet<String>, UnknownService> {
        if names.is_empty() {
            return Ok(self.services.keys().cloned().collect());
        }
        if let Some(name) = names.iter().find(|name| !self.services.contains_key(*name)) {
            let known = self.services.keys().cloned().collect();
            return Err(UnknownService {
                name: name.clone(),
                known,
            });
        }
        let mut wanted = BTreeSet::new();
        let mut open: Vec<&str> = names.iter().map(String::as_str).collect();
        while let Some(name) = open.pop() {
            if let Some(service) = self.services.get(name)
                && wanted.insert(name.to_owned())
            {
                open.extend(service.depends_on.keys().map(String::as_str));
            }
        }
        Ok(wanted)
    }

    /// The named services (all, when none is named) without what they depend on, but with those whose network, memory,
    /// processes or volumes they have: a container cannot be made without these.
    ///
    /// # Errors
    /// A name is no active service.
    pub fn without_dependencies(
        &self,
        names: &[String],
    ) -> Result<BTreeSet<String>, UnknownService> {
        let all = self.with_dependencies(names)?;
        if names.is_empty() {
            return Ok(all);
        }
        let mut wanted = BTreeSet::new();
        let mut open: Vec<String> = names.to_vec();
        while let Some(name) = open.pop() {
            if let Some(service) = self.services.get(&name)
                && wanted.insert(name)
            {
                let owners = service.shares().into_iter();
                open.extend(owners.filter_map(|(_, owner)| match owner {
                    Owner::Service(name) => Some(name.to_owned()),
                    Owner::Container(_) => None,
                }));
            }
        }
        Ok(wanted)
    }

    /// Leaves out all services but these, and what only they use.
    pub fn keep(&mut self, services: &BTreeSet<String>) {
        self.services.retain(|name, _| services.contains(name));
        for service in self.services.values_mut() {
            let waits = &mut service.depends_on;
            waits.retain(|name, dependency| dependency.required || services.contains(name));
        }
        self.drop_unused();
    }

    /// Leaves out what no service uses (compose-go `WithoutUnnecessaryResources`).
    pub fn drop_unused(&mut self) {
        let (mut networks, mut volumes) = (BTreeSet::new(), BTreeSet::new());
        let (mut configs, mut secrets) = (BTreeSet::new(), BTreeSet::new());
        for service in self.services.values() {
            networks.extend(service.networks.keys());
            let named = service
                .volumes
                .iter()
                .filter(|mount| mount.kind == MountKind::Volume);
            volumes.extend(named.filter_map(|mount| mount.source.as_ref()));
            configs.extend(service.configs.iter().map(|config| &config.source));
            secrets.extend(service.secrets.iter().map(|secret| &secret.source));
            let build = service.build.iter().flat_map(|build| &build.secrets);
            secrets.extend(build.map(|secret| &secret.source));
        }
        self.networks.retain(|key, _| networks.contains(key));
        self.volumes.retain(|key, _| volumes.contains(key));
        self.configs.retain(|key, _| configs.contains(key));
        self.secrets.retain(|key, _| secrets.contains(key));
    }

    /// These services, and all those whose images their builds take in as `additional_contexts`.
    pub fn with_contexts(&self, services: &BTreeSet<String>) -> BTreeSet<String> {
        let mut wanted = BTreeSet::new();
        let mut open: Vec<&str> = services.iter().map(String::as_str).collect();
        while let Some(name) = open.pop() {
            if let Some(service) = self.services.get(name)
                && wanted.insert(name.to_owned())
                && let Some(build) = &service.build
            {
                open.extend(build.services_as_contexts().map(|(_, service)| service));
            }
        }
        wanted
    }

    /// These services, and those whose images their containers run or mount by a name that the build of another service
    /// gives: of several that give it the first of [`Project::makers`].
    pub fn with_makers(&self, services: &BTreeSet<String>) -> BTreeSet<String> {
        let mut wanted = services.clone();
        if wanted.len() == self.services.len() {
            return wanted;
        }
        let mut named: BTreeSet<String> = BTreeSet::new();
        let definitions = services
            .iter()
            .filter_map(|name| self.services.get_key_value(name));
        for (name, service) in definitions {
            named.extend(service.mounted_images().map(familiar));
            if service.build.is_none() {
                named.insert(familiar(&self.image_name(name)));
            }
        }
        if !named.is_empty() {
            let makers = self.makers();
            let first = named.iter().filter_map(|image| makers.get(image)?.first());
            wanted.extend(first.map(|name| (*name).to_owned()));
        }
        wanted
    }

    /// The services that others name in their `additional_contexts`.
    pub fn contexts(&self) -> impl Iterator<Item = &str> {
        let builds = self.services.values().filter_map(|own| own.build.as_ref());
        let contexts = builds.flat_map(Build::services_as_contexts);
        contexts.map(|(_, service)| service)
    }

    /// The services that build the image of each name, as an engine lists it. Those come first whose image is meant wherever
    /// another one names the service itself, in `additional_contexts`.
    pub fn makers(&self) -> HashMap<String, Vec<&str>> {
        let contexts: BTreeSet<&str> = self.contexts().collect();
        let mut makers: HashMap<String, Vec<&str>> = HashMap::new();
        for name in self.services.keys() {
            for image in self.built_names(name) {
                makers.entry(familiar(&image)).or_default().push(name);
            }
        }
        for of_one in makers.values_mut().filter(|all| all.len() > 1) {
            of_one.sort_by_key(|name| !contexts.contains(name));
            of_one.dedup();
        }
        makers
    }

    /// Gives every build these arguments where it has none of that name.
    pub fn add_build_args(&mut self, args: &BTreeMap<String, String>) {
        let builds = self
            .services
            .values_mut()
            .filter_map(|own| own.build.as_mut());
        for build in builds {
            for (name, value) in args {
                let own = build.args.entry(name.clone());
                own.or_insert_with(|| Some(value.clone()));
            }
        }
    }
}

/// A name that no service of the project has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no service is named `{name}`")]
pub struct UnknownService {
    /// The name.
    pub name: String,
    /// The names that there are.
    pub known: Vec<String>,
}

/// A service that extends another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inherited {
    /// The service.
    pub service: String,
    /// The file that it is in.
    pub file: PathBuf,
    /// The one it extends.
    pub base: String,
    /// The file of that one.
    pub base_file: PathBuf,
}

/// A file of an included project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Included {
    /// The file, absolute.
    pub file: PathBuf,
    /// The env files that its variables come from, those of the projects that include it first, which win. Of files that
    /// are read together the later one wins.
    pub env_files: Vec<Vec<PathBuf>>,
}

/// A file that an attribute names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The file, absolute.
    pub file: PathBuf,
    /// The attribute: `services.web.env_file[0]`.
    pub by: String,
    /// Whose attribute it is, where it is a service's.
    pub service: Option<String>,
}

/// A place in a file, for a person to go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Line and column, both from 1, where they are known.
    pub at: Option<(usize, usize)>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        match self.at {
            Some((line, column)) => write!(f, ":{line}:{column}"),
            None => Ok(()),
        }
    }
}

/// Something in the project that a person should know and that stops nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// One sentence, lower case, values in backticks.
    pub text: String,
    /// Where it was written, when that is known.
    pub place: Option<Place>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Condition, Dependency};

    /// Services and what each waits for.
    fn project(services: &[(&str, &[&str])]) -> Project {
        let dependency = Dependency {
            condition: Condition::Started,
            required: true,
            restart: false,
        };
        let service = |waits: &[&str]| Service {
            depends_on: waits
                .iter()
                .map(|name| ((*name).to_owned(), dependency.clone()))
                .collect(),
            ..Service::default()
        };
        let services = services
            .iter()
            .map(|(name, waits)| ((*name).to_owned(), service(waits)))
            .collect();
        Project {
            services,
            ..Project::default()
        }
    }

    #[test]
    fn a_selection_brings_what_it_waits_for() {
        let project = project(&[
            ("a", &["b", "off"]),
            ("b", &["c"]),
            ("c", &["b"]),
            ("d", &["a"]),
        ]);
        let with = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(ToString::to_string).collect();
            project
                .with_dependencies(&names)
                .map(|set| set.into_iter().collect::<Vec<_>>().join(" "))
        };
        assert_eq!(with(&["a"]).unwrap(), "a b c");
        assert_eq!(with(&["c"]).unwrap(), "b c");
        assert_eq!(with(&[]).unwrap(), "a b c d");
        assert_eq!(with(&["x"]).unwrap_err().known.len(), 4);
    }
}
