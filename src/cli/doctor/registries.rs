//! The registries that a project's images are from: whether the engine, which pulls them, hears from each.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::time::Duration;

use futures_util::future::join_all;

use crate::docker::Docker;
use crate::fingerprint::{self, Platform, StatCache};
use crate::model::{ImageRef, Project};
use crate::runtime::EngineError;
use crate::term::Check;

const NAME: &str = "registry";
/// How long a registry may take.
const ANSWER: Duration = Duration::from_secs(2);

/// Each registry, asked for one image of the project.
pub(super) async fn checks(engine: &Docker, project: Project) -> Vec<Check> {
    let found = tokio::task::spawn_blocking(move || images(&project)).await;
    let mut registries: BTreeMap<String, ImageRef> = BTreeMap::new();
    for image in found.unwrap_or_default() {
        registries.entry(image.registry.clone()).or_insert(image);
    }
    join_all(registries.values().map(async |image| {
        let asked = engine.registry_digest(image);
        let answer = tokio::time::timeout(ANSWER, Box::pin(asked)).await;
        check(image, answer.ok())
    }))
    .await
}

/// The images that a project takes from registries: what its services name, and what they are built from.
fn images(project: &Project) -> BTreeSet<ImageRef> {
    let services = project.services.iter();
    let named = services.clone().filter(|(_, own)| own.build.is_none());
    let named = named.filter_map(|(_, own)| own.image.as_ref()?.parse().ok());
    let mut images: BTreeSet<ImageRef> = named.collect();
    let built = services.clone().map(|(name, _)| name.clone()).collect();
    // What cannot be read is told by the commands that build.
    let survey = fingerprint::survey(project, &built, &Platform::host(), &StatCache::open(None));
    if let Ok(survey) = survey {
        images.extend(survey.bases().into_iter().map(|base| base.wanted()));
    }
    for name in project.services.keys() {
        for own in project.built_images(name) {
            images.remove(&own);
        }
    }
    // A registry that nobody pulls from.
    images.retain(|image| image.registry != "localhost");
    images
}

fn check(image: &ImageRef, answer: Option<Result<Option<String>, EngineError>>) -> Check {
    let registry = &image.registry;
    let name = image.familiar();
    match answer {
        Some(Ok(Some(_))) => Check::ok(NAME, format!("{registry} answers, and has `{name}`")),
        Some(Ok(None)) => Check::warning(
            NAME,
            format!("{registry} answers, and has no `{name}`"),
            "its name may be wrong, or it needs an account (`docker login`)",
        ),
        Some(Err(error)) => {
            let hints = error.hints();
            let hint = hints.into_iter().next().unwrap_or_else(|| {
                format!("images of {registry} that are not on the engine cannot be pulled; the engine asks it, by its own network and proxies")
            });
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            Check::warning(
                NAME,
                format!("{registry} does not tell about `{name}`: {cause}"),
                hint,
            )
        }
        None => Check::warning(
            NAME,
            format!("{registry} says nothing within {} s", ANSWER.as_secs()),
            "images of it that are not on the engine cannot be pulled; the engine asks it, by its own network and proxies",
        ),
    }
}
