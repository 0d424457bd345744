//! The door of the room: the Dockerfiles, ignore files and contexts of a project's builds are read first,
//! while nobody knows their bases yet; the keys follow once the bases are known.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::base_images;
use super::cover::{Cover, Seen};
use super::delivery;
use super::error::Error;
use super::inputs::{Hidden, Inputs};
use super::lock::Lock;
use super::platform::Platform;
use super::recipe::{Base, BaseRef, Fingerprinted};
use super::statcache::StatCache;
use super::threads;
use crate::model::{Build, ImageRef, Project, Service};

/// What a project's images are made of, as far as its own files tell.
#[derive(Clone, Debug)]
pub struct Survey {
    builds: Vec<Inputs>,
    /// Each service's build; services whose build sections are equal share one.
    services: BTreeMap<String, usize>,
    /// What is mounted over the images of services with bind mounts.
    covers: BTreeMap<String, Cover>,
    cache: StatCache,
    lock: Lock,
    /// The images that services of the project build: no lock pins them.
    built: BTreeSet<ImageRef>,
}

/// Reads the project's lock, and the Dockerfiles, ignore files and contexts of all `services` that have a `build`, and of
/// those that build what these start from, for an engine whose own platform is `native`. No base image has to be known yet. Blocking; parallel inside.
///
/// # Errors
/// A broken lock, a missing context, Dockerfile, target, source of a COPY or build secret, a malformed ignore pattern, or a file
/// that cannot be read.
pub fn survey(
    project: &Project,
    services: &BTreeSet<String>,
    native: &Platform,
    cache: &StatCache,
) -> Result<Survey, Error> {
    let lock = Lock::read(&project.working_dir)?;
    let mut builds: Vec<Inputs> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut indexes = BTreeMap::new();
    let makers = project.makers();
    let mut open = services.clone();
    while !open.is_empty() {
        let mut jobs: Vec<(&str, &Service, &Build)> = Vec::new();
        for name in &open {
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
                builds.len() + jobs.len() - 1
            });
            indexes.insert(name.clone(), index);
        }
        let surveyed = threads::map(&jobs, 2, |(name, service, build)| {
            delivery::check_build(project, build)?;
            Inputs::read(project, name, service, build, native, cache)
        });
        let surveyed = surveyed.into_iter().collect::<Result<Vec<_>, _>>();
        let surveyed = surveyed.map_err(|error: Error| error.written_in(project))?;
        let bases = surveyed.iter().enumerate().flat_map(|(number, inputs)| {
            let own = builds.len() + number;
            inputs.images().into_iter().map(move |base| (own, base))
        });
        let needed = bases.filter_map(|(own, base)| {
            let mut makers = makers.get(&base.image.familiar())?.iter();
            makers.find(|maker| indexes.get(**maker) != Some(&own))
        });
        let new = needed.filter(|maker| !indexes.contains_key(**maker));
        open = new.map(|maker| (*maker).to_owned()).collect();
        builds.extend(surveyed);
    }
    let seen = Seen::of(project);
    let cover = |name: &String| Some((name.clone(), Cover::of(project, name, &seen)?));
    Ok(Survey {
        builds,
        covers: indexes.keys().filter_map(cover).collect(),
        services: indexes,
        cache: cache.clone(),
        lock,
        built: base_images::built(project),
    })
}

/// Whether an engine can build what several `platforms` list, which is its own platform alone.
///
/// # Errors
/// Its own platform is not among them, and `platform` says no other.
pub fn check_platforms(
    project: &Project,
    services: &BTreeSet<String>,
    native: &Platform,
) -> Result<(), Error> {
    for name in services {
        let service = &project.services[name];
        let build = service
            .build
            .as_ref()
            .filter(|_| service.platform.is_none());
        let listed = build.map_or(&[][..], |build| &build.platforms);
        let takes = |own: &String| native.takes(&Platform::parse(own));
        if listed.len() > 1 && !listed.iter().any(takes) {
            let error = Error::NotListed {
                service: name.clone(),
                native: native.clone(),
                listed: listed.to_vec(),
            };
            return Err(error.written_in(project));
        }
    }
    Ok(())
}

impl Survey {
    /// The images that the needed stages start from, or that COPY and RUN read from.
    pub fn bases(&self) -> BTreeSet<BaseRef> {
        let images = self.builds.iter().flat_map(Inputs::images);
        images.map(|base| self.locked(base)).collect()
    }

    /// The services whose builds were read.
    pub fn services(&self) -> impl Iterator<Item = &String> {
        self.services.keys()
    }

    /// The project's lock.
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// That some of the bases are all locked, those aside that cannot be.
    ///
    /// # Errors
    /// They are not.
    pub fn check_locked<'a>(
        &self,
        bases: impl IntoIterator<Item = &'a BaseRef>,
    ) -> Result<(), Error> {
        let open = bases.into_iter().filter(|base| {
            base.locked.is_none() && base_images::is_lockable(&base.image, &self.built)
        });
        let open: BTreeSet<&ImageRef> = open.map(|base| &base.image).collect();
        if open.is_empty() {
            return Ok(());
        }
        let place = |image: &ImageRef| self.builds.iter().find_map(|own| own.place_of(image));
        Err(Error::NotLocked {
            there: self.lock.is_there(),
            images: open
                .into_iter()
                .map(|own| (own.clone(), place(own)))
                .collect(),
        })
    }

    /// A base with the digest that the lock has for it.
    fn locked(&self, base: BaseRef) -> BaseRef {
        let lockable = base_images::is_lockable(&base.image, &self.built);
        let locked = self.lock.digest(&base.image).filter(|_| lockable);
        BaseRef {
            locked: locked.map(str::to_owned),
            ..base
        }
    }

    /// Those that the build of one service starts from or reads from.
    pub fn bases_of(&self, service: &str) -> BTreeSet<BaseRef> {
        let build = self.services.get(service).map(|index| &self.builds[*index]);
        let images = build.map(Inputs::images).unwrap_or_default();
        images.into_iter().map(|base| self.locked(base)).collect()
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
        // What an image is made of is the same, locked or not.
        let bases = bases.iter().map(|(base, known)| {
            let locked = None;
            (
                BaseRef {
                    locked,
                    ..base.clone()
                },
                known.clone(),
            )
        });
        let bases: BTreeMap<BaseRef, Base> = bases.collect();
        let mut builds: Vec<(&Inputs, BTreeMap<&str, &Cover>)> = self
            .builds
            .iter()
            .map(|own| (own, BTreeMap::new()))
            .collect();
        for (service, cover) in &self.covers {
            builds[self.services[service]].1.insert(service, cover);
        }
        let made = threads::map(&builds, 64, |(build, covers)| {
            let (made, hidden) = build.fingerprint(&bases, &self.cache, covers)?;
            let made = match made {
                Fingerprinted::Missing(missing) => {
                    let missing = missing.into_iter().map(|base| self.locked(base));
                    Fingerprinted::Missing(missing.collect())
                }
                known @ Fingerprinted::Known(_) => known,
            };
            Ok((made, hidden))
        });
        let made: Vec<(Fingerprinted, Hidden)> = made.into_iter().collect::<Result<_, Error>>()?;
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
    fn the_engines_own_platform_is_the_default() {
        let lab = Lab::new("FROM scratch\nARG BUILDARCH\nARG TARGETARCH\nCOPY $TARGETARCH /\n");
        let lab = lab.files(&["arm64", "s390x", "amd64"]);
        let full = |native: &str, platform: Option<&str>| {
            let mut project = project(&lab);
            let one = project.services.get_mut("one").unwrap();
            one.platform = platform.map(str::to_owned);
            let (one, native) = (names(&["one"]), Platform::parse(native));
            let survey = survey(&project, &one, &native, &StatCache::open(None)).unwrap();
            let recipes = survey.recipes(&BTreeMap::new()).unwrap();
            let recipe = known(&recipes["one"]);
            let path = recipe.context.entries[0].path.clone();
            (String::from_utf8(path).unwrap(), recipe.full)
        };
        let (arm, other) = (full("linux/arm64", None), full("linux/s390x", None));
        assert_eq!((arm.0.as_str(), other.0.as_str()), ("arm64", "s390x"));
        let asked = Some("linux/amd64");
        let (one, two) = (full("linux/arm64", asked), full("linux/s390x", asked));
        assert_eq!(one.0, "amd64");
        assert_ne!(one.1, two.1, "what builds it is an argument, too");
    }

    #[test]
    fn of_several_platforms_the_engines_own_must_be_one() {
        let lab = Lab::new("FROM scratch\n");
        let check = |listed: &[&str], platform: Option<&str>| {
            let mut project = project(&lab);
            let one = project.services.get_mut("one").unwrap();
            one.platform = platform.map(str::to_owned);
            let listed = listed.iter().map(|own| (*own).to_owned()).collect();
            one.build.as_mut().unwrap().platforms = listed;
            check_platforms(&project, &names(&["one"]), &Platform::parse("linux/arm64"))
        };
        let listed = &["linux/amd64", "linux/s390x"];
        assert!(check(&["linux/amd64", "linux/arm64/v8"], None).is_ok());
        assert!(check(listed, Some("linux/s390x")).is_ok());
        assert!(check(&["linux/amd64"], None).is_ok(), "it is the platform");
        let error = check(listed, None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "service `one` is built for linux/arm64, the engine's own platform, which `build.platforms` does not list"
        );
    }

    #[test]
    fn services_with_equal_builds_share_a_fingerprint() {
        let lab = Lab::new("FROM a AS dev\nRUN x\nFROM b\nCOPY f /\n").file("f", "");
        let survey = survey(
            &project(&lab),
            &names(&["one", "two", "dev", "db"]),
            &Platform::host(),
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
                    locked: None,
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
        let survey = survey(
            &project,
            &names(&["one", "two"]),
            &Platform::host(),
            &StatCache::open(None),
        )
        .unwrap();
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
        let survey = survey(
            &project(&lab),
            &names(&["one"]),
            &Platform::host(),
            &StatCache::open(None),
        )
        .unwrap();
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
        let result = survey(
            &project(&lab),
            &names(&["three"]),
            &Platform::host(),
            &StatCache::open(None),
        );
        assert!(matches!(result, Err(Error::Unknown { .. })));
    }
}
