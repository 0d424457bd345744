//! The door of the room: the Dockerfiles, ignore files and contexts of a project's builds are read first,
//! while nobody knows their bases yet; the keys follow once the bases are known.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::cover::Cover;
use super::delivery;
use super::error::Error;
use super::inputs::{Hidden, Inputs};
use super::recipe::{Base, BaseRef, Fingerprinted};
use super::statcache::StatCache;
use super::threads;
use crate::model::{Build, Project, Service};

/// What a project's images are made of, as far as its own files tell.
#[derive(Clone, Debug)]
pub struct Survey {
    builds: Vec<Inputs>,
    /// Each service's build; services whose build sections are equal share one.
    services: BTreeMap<String, usize>,
    /// What is mounted over the images of services with bind mounts.
    covers: BTreeMap<String, Cover>,
    cache: StatCache,
}

/// Reads the Dockerfiles, ignore files and contexts of all `services` that have a `build`. No base image has
/// to be known yet. Blocking; parallel inside.
///
/// # Errors
/// A missing context, Dockerfile, target, source of a COPY or build secret, a malformed ignore pattern, or a file
/// that cannot be read.
pub fn survey(
    project: &Project,
    services: &BTreeSet<String>,
    cache: &StatCache,
) -> Result<Survey, Error> {
    let mut jobs: Vec<(&str, &Service, &Build)> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut indexes = BTreeMap::new();
    for name in services {
        let unknown = || Error::Unknown {
            kind: "service",
            name: name.clone(),
        };
        let service = project.services.get(name).ok_or_else(unknown)?;
        let Some(build) = &service.build else {
            continue;
        };
        let x_larder = service.other.get("x-larder");
        // Only to find equal sections; nothing is kept of it.
        let identity = serde_json::json!([build, service.platform, x_larder]).to_string();
        let index = *known.entry(identity).or_insert_with(|| {
            jobs.push((name, service, build));
            jobs.len() - 1
        });
        indexes.insert(name.clone(), index);
    }
    let surveyed = threads::map(&jobs, 2, |(name, service, build)| {
        delivery::check_build(project, build)?;
        Inputs::read(name, service, build, cache)
    });
    let builds = surveyed.into_iter().collect::<Result<_, _>>();
    let builds = builds.map_err(|error: Error| error.written_in(project))?;
    let cover = |name: &String| Some((name.clone(), Cover::of(project, name)?));
    Ok(Survey {
        builds,
        covers: indexes.keys().filter_map(cover).collect(),
        services: indexes,
        cache: cache.clone(),
    })
}

impl Survey {
    /// The images that the needed stages start from, or that COPY and RUN read from.
    pub fn bases(&self) -> BTreeSet<BaseRef> {
        self.builds.iter().flat_map(Inputs::images).collect()
    }

    /// Those that the build of one service starts from or reads from.
    pub fn bases_of(&self, service: &str) -> BTreeSet<BaseRef> {
        let build = self.services.get(service).map(|index| &self.builds[*index]);
        build.map(Inputs::images).unwrap_or_default()
    }

    /// Each service's fingerprint, once its bases are known. Pure, but for a base whose triggers or
    /// environment make its Dockerfile read files that the survey could not foresee: those are read here.
    ///
    /// # Errors
    /// One of those files cannot be read.
    pub fn recipes(
        &self,
        bases: &BTreeMap<BaseRef, Base>,
    ) -> Result<BTreeMap<String, Fingerprinted>, Error> {
        let mut builds: Vec<(&Inputs, BTreeMap<&str, &Cover>)> = self
            .builds
            .iter()
            .map(|own| (own, BTreeMap::new()))
            .collect();
        for (service, cover) in &self.covers {
            builds[self.services[service]].1.insert(service, cover);
        }
        let made = threads::map(&builds, 64, |(build, covers)| {
            build.fingerprint(bases, &self.cache, covers)
        });
        let made: Vec<(Fingerprinted, Hidden)> = made.into_iter().collect::<Result<_, _>>()?;
        let named = |(service, index): (&String, &usize)| {
            let (mut fingerprinted, hidden) = made[*index].clone();
            if let Fingerprinted::Known(recipe) = &mut fingerprinted {
                recipe.service.clone_from(service);
                recipe.shadowed = hidden.get(service).cloned();
            }
            (service.clone(), fingerprinted)
        };
        Ok(self.services.iter().map(named).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fingerprint::lab::Lab;
    use crate::fingerprint::recipe::Recipe;

    fn project(lab: &Lab) -> Project {
        let context = lab.path("").to_str().unwrap().to_owned();
        let services = json!({
            "one": {"build": {"context": context}, "command": ["1"]},
            "two": {"build": {"context": context}, "image": "named"},
            "dev": {"build": {"context": context, "target": "dev"}},
            "db": {"image": "postgres"},
        });
        Project {
            services: serde_json::from_value(services).unwrap(),
            ..Project::default()
        }
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn known(fingerprinted: &Fingerprinted) -> &Recipe {
        match fingerprinted {
            Fingerprinted::Known(recipe) => recipe,
            Fingerprinted::Missing(images) => panic!("{images:?}"),
        }
    }

    #[test]
    fn services_with_equal_builds_share_a_fingerprint() {
        let lab = Lab::new("FROM a AS dev\nRUN x\nFROM b\nCOPY f /\n").file("f", "");
        let survey = survey(
            &project(&lab),
            &names(&["one", "two", "dev", "db"]),
            &StatCache::open(None),
        )
        .unwrap();
        assert_eq!(survey.builds.len(), 2);
        let images: Vec<String> = survey.bases().iter().map(ToString::to_string).collect();
        assert_eq!(images, ["`a:latest`", "`b:latest`"]);
        let base = |image: &str| {
            (
                BaseRef {
                    image: image.parse().unwrap(),
                    platform: None,
                },
                Base {
                    identity: image.to_owned(),
                    onbuild: vec![],
                    env: vec![],
                    working_dir: String::new(),
                    volumes: vec![],
                },
            )
        };
        let recipes = survey
            .recipes(&BTreeMap::from([base("a"), base("b")]))
            .unwrap();
        assert_eq!(recipes.keys().collect::<Vec<_>>(), ["dev", "one", "two"]);
        assert_eq!(known(&recipes["one"]).full, known(&recipes["two"]).full);
        assert_ne!(known(&recipes["one"]).full, known(&recipes["dev"]).full);
        assert_eq!(known(&recipes["two"]).service, "two");
    }

    #[test]
    fn a_base_is_one_per_platform() {
        let lab = Lab::new("FROM --platform=linux/s390x a AS x\nFROM a\nCOPY --from=x f /\n");
        let mut project = project(&lab);
        project.services.get_mut("one").unwrap().platform = Some("linux/ppc64le".to_owned());
        let survey = survey(&project, &names(&["one", "two"]), &StatCache::open(None)).unwrap();
        let images = |bases: BTreeSet<BaseRef>| -> Vec<String> {
            bases.iter().map(ToString::to_string).collect()
        };
        let own = ["`a:latest` for linux/ppc64le", "`a:latest` for linux/s390x"];
        assert_eq!(images(survey.bases_of("one")), own);
        assert_eq!(
            images(survey.bases_of("two")),
            ["`a:latest`", "`a:latest` for linux/s390x"]
        );
        let key = |identity: &str| {
            let base = |base: BaseRef| {
                let identity = match &base.platform {
                    Some(platform) if platform.to_string() == "linux/s390x" => identity,
                    _ => "other",
                };
                let found = Base {
                    identity: identity.to_owned(),
                    onbuild: vec![],
                    env: vec![],
                    working_dir: String::new(),
                    volumes: vec![],
                };
                (base, found)
            };
            let recipes = survey.recipes(&survey.bases().into_iter().map(base).collect());
            known(&recipes.unwrap()["one"]).full
        };
        assert_ne!(key("before"), key("after"));
    }

    #[test]
    fn a_base_that_is_not_known_is_named() {
        let lab = Lab::new("FROM a AS dev\nFROM b\nCOPY --from=c $X/f /\n");
        let survey = survey(&project(&lab), &names(&["one"]), &StatCache::open(None)).unwrap();
        let recipes = survey.recipes(&BTreeMap::new()).unwrap();
        let missing =
            matches!(&recipes["one"], Fingerprinted::Missing(images) if images.len() == 2);
        assert!(
            missing,
            "`b`, and `c`, whose path waits for the environment of `b`"
        );
    }

    #[test]
    fn a_service_that_is_not_there_is_an_error() {
        let lab = Lab::new("FROM a");
        let result = survey(&project(&lab), &names(&["three"]), &StatCache::open(None));
        assert!(matches!(result, Err(Error::Unknown { .. })));
    }
}
