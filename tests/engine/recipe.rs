//! What the fingerprint room makes of one build section.

use std::collections::{BTreeMap, BTreeSet};

use larder::fingerprint::{Base, BaseRef, Fingerprinted, Platform, Recipe, StatCache, survey};
use larder::model::{Build, Project, Service};

/// The recipe of a service `name` with this build section; `base` says what is known of each image that it starts from.
pub(crate) fn recipe(name: &str, build: Build, base: impl Fn(&BaseRef) -> Base) -> Recipe {
    let service = Service {
        build: Some(build),
        ..Service::default()
    };
    let project = Project {
        services: BTreeMap::from([(name.to_owned(), service)]),
        ..Project::default()
    };
    let services = BTreeSet::from([name.to_owned()]);
    let cache = StatCache::open(None);
    let survey = survey(&project, &services, &Platform::host(), &cache).unwrap();
    let bases = survey.bases().into_iter();
    let bases = bases.map(|image| {
        let base = base(&image);
        (image, base)
    });
    match survey.recipes(&bases.collect()).unwrap().remove(name) {
        Some(Fingerprinted::Known(recipe)) => *recipe,
        other => panic!("{other:?}"),
    }
}
