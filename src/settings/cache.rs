//! Where images lie that others built, where what is built here goes, and who is trusted: flags, then the environment, then
//! `x-larder: cache:` of the service, then of the project.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Environment, non_empty};
use crate::model::{InvalidRepository, Repository};

/// The registries that a run may take images from and push them to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caches {
    /// Of services without one of their own.
    project: Cache,
    services: BTreeMap<String, Cache>,
    /// Whether it was asked for by `--cache-to`, or the environment, that what is built is pushed.
    pub pushes: bool,
}

/// One service's, or the project's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cache {
    /// Where images are looked for, in order.
    pub from: Vec<Repository>,
    /// Where they are pushed.
    pub to: Option<Repository>,
    /// Those of which whatever lies there is taken for what its tag says.
    trusted: BTreeSet<Repository>,
    /// The public key whose signature is proof, as cosign takes it: a path, or an address of a key service.
    pub key: Option<String>,
}

/// What was typed.
#[derive(Clone, Debug, Default)]
pub struct TypedCaches {
    /// `--cache-from`.
    pub from: Vec<Repository>,
    /// `--cache-to`.
    pub to: Option<Repository>,
}

/// A variable names what is no repository.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} does not name a repository")]
pub struct CacheError {
    variable: &'static str,
    source: InvalidRepository,
}

impl Caches {
    /// Resolves them. `project` is the project's `x-larder`, `services` are those of its services.
    ///
    /// # Errors
    /// The environment names what is no repository.
    pub fn resolve<'a>(
        typed: TypedCaches,
        environment: &Environment,
        project: Option<&Value>,
        services: impl Iterator<Item = (&'a String, &'a Value)>,
    ) -> Result<Self, CacheError> {
        let mut from = typed.from;
        if from.is_empty() {
            from = listed(environment, "LARDER_CACHE_FROM")?;
        }
        let mut to = typed.to;
        if to.is_none() {
            to = listed(environment, "LARDER_CACHE_TO")?.into_iter().next();
        }
        let pushes = to.is_some();
        let trusted = non_empty(environment, "LARDER_TRUSTED_REGISTRIES");
        let trusted: Vec<&str> = trusted.into_iter().flat_map(split).collect();
        let over = |mut cache: Cache| {
            if !from.is_empty() {
                cache.from.clone_from(&from);
            }
            if to.is_some() {
                cache.to.clone_from(&to);
            }
            let named = |own: &&Repository| trusted.iter().any(|prefix| own.is_under(prefix));
            let all = cache.from.iter().chain(&cache.to);
            let named: Vec<Repository> = all.filter(named).cloned().collect();
            cache.trusted.extend(named);
            cache
        };
        let written = |own: &Value| own.get("cache").map(Cache::written);
        Ok(Self {
            services: services
                .filter_map(|(name, own)| Some((name.clone(), over(written(own)?))))
                .collect(),
            project: over(project.and_then(written).unwrap_or_default()),
            pushes,
        })
    }

    /// That of a service.
    pub fn of(&self, service: &str) -> &Cache {
        self.services.get(service).unwrap_or(&self.project)
    }

    /// Whether images are looked for anywhere.
    pub fn is_asked(&self) -> bool {
        let mut all = self.services.values().chain([&self.project]);
        all.any(|own| !own.from.is_empty())
    }
}

impl Cache {
    /// Whether whatever lies in a repository is taken for what its tag says. What is typed in place of a file's repository is
    /// not trusted for that file's word.
    pub fn trusts(&self, repository: &Repository) -> bool {
        self.trusted.contains(repository)
    }

    /// As a Compose file has it, in its long form. Its repositories were checked when the file was read.
    fn written(value: &Value) -> Self {
        let text = |key: &str| value.get(key)?.as_str().filter(|text| !text.is_empty());
        let from = value.get("from").and_then(Value::as_array);
        let from = from.into_iter().flatten().filter_map(Value::as_str);
        let from: Vec<Repository> = from.filter_map(|name| name.parse().ok()).collect();
        let to = text("to").and_then(|name| name.parse().ok());
        let to = to.or_else(|| from.first().cloned());
        let trusted = value.get("trusted") == Some(&Value::Bool(true));
        let all = from.iter().chain(&to).filter(|_| trusted);
        Self {
            trusted: all.cloned().collect(),
            to,
            from,
            key: text("key").map(str::to_owned),
        }
    }
}

fn listed(
    environment: &Environment,
    variable: &'static str,
) -> Result<Vec<Repository>, CacheError> {
    let value = non_empty(environment, variable).into_iter().flat_map(split);
    let parsed = value.map(|name| {
        name.parse()
            .map_err(|source| CacheError { variable, source })
    });
    parsed.collect()
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split(',').map(str::trim);
    parts.filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(all: &[Repository]) -> Vec<String> {
        all.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_typed_beats_the_environment_which_beats_the_files() {
        let project = json!({"cache": {"from": ["r.example/a", ""], "trusted": true}});
        let own =
            json!({"cache": {"from": ["r.example/own"], "to": "r.example/to", "key": "k.pub"}});
        let services = [("api".to_owned(), own)];
        let resolve = |from: &[&str], set: &[(&str, &str)]| {
            let from = from.iter().map(|name| name.parse().unwrap()).collect();
            let typed = TypedCaches { from, to: None };
            let set = set
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let services = services.iter().map(|(name, own)| (name, own));
            Caches::resolve(typed, &set.collect(), Some(&project), services).unwrap()
        };
        let caches = resolve(&[], &[]);
        assert_eq!(names(&caches.of("web").from), ["r.example/a"]);
        assert_eq!(caches.of("web").to, Some("r.example/a".parse().unwrap()));
        let trusts = |service: &str, name: &str| caches.of(service).trusts(&name.parse().unwrap());
        assert!(trusts("web", "r.example/a") && !trusts("web", "r.example/b"));
        assert!(!trusts("api", "r.example/own") && !caches.pushes);
        assert_eq!(caches.of("api").key.as_deref(), Some("k.pub"));
        let set = [
            ("LARDER_CACHE_FROM", "e.example/b, e.example/c"),
            ("LARDER_CACHE_TO", "e.example/d"),
        ];
        let caches = resolve(&[], &set);
        assert_eq!(
            names(&caches.of("api").from),
            ["e.example/b", "e.example/c"]
        );
        assert!(caches.pushes);
        assert_eq!(
            names(&resolve(&["t.example/x"], &set).of("api").from),
            ["t.example/x"]
        );
    }

    #[test]
    fn a_registry_is_trusted_by_its_prefix_and_a_file_speaks_for_its_own_alone() {
        let file = json!({"cache": {"from": ["f.example/a"], "trusted": true}});
        let trusts = |from: &str, trusted: &str, name: &str| {
            let pairs = [
                ("LARDER_CACHE_FROM", from),
                ("LARDER_TRUSTED_REGISTRIES", trusted),
            ];
            let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let none = [].into_iter();
            let caches = Caches::resolve(TypedCaches::default(), &pairs.into(), Some(&file), none);
            caches.unwrap().of("api").trusts(&name.parse().unwrap())
        };
        assert!(trusts(
            "r.example/a,s.example/a",
            "r.example",
            "r.example/a"
        ));
        assert!(!trusts(
            "r.example/a,s.example/a",
            "r.example",
            "s.example/a"
        ));
        assert!(!trusts("r.example/a", "r.exam", "r.example/a"));
        assert!(trusts("", "", "f.example/a"));
        assert!(!trusts("r.example/a", "", "r.example/a"));
    }
}
