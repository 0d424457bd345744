//! What larder makes of an example: its fingerprint, and the image that it builds. Bases are looked up on the engine, as
//! larder's own commands do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use larder::build::{BuildKit, refusal};
use larder::fingerprint::{
    AdditionalContext, Base, BaseRef, Fingerprinted, Platform, Recipe, StatCache, survey,
};
use larder::model::{
    Build, Bytes, Digest, FileObject, FileReference, ImageId, Project, Service, Ulimit, labels,
};
use larder::plan::{BuilderKind, StepId};
use larder::runtime::{BuildPart, BuildRequest, Builder, Event, EventSink, Progress};

use crate::engine::Engine;
use crate::example::{Example, Place, Written};
use crate::image::Image;

const SERVICE: &str = "truth";

/// Nobody listens.
struct Silence;

impl EventSink for Silence {
    fn send(&self, _: Event) {}
}

/// What the engine has of these images.
async fn bring(
    engine: &Engine,
    known: &mut BTreeMap<BaseRef, Base>,
    wanted: impl IntoIterator<Item = BaseRef>,
) -> Result<(), String> {
    for base in wanted {
        let found = engine.larder.base(&base).await;
        match found.map_err(|error| error.to_string())? {
            Some(found) if found.fits => known.insert(base, found.base),
            _ => return Err(format!("the engine has no {base}")),
        };
    }
    Ok(())
}

/// The project that has the example as its only service.
pub(crate) fn project(example: &Example, written: &Written) -> Project {
    let service = Service {
        build: Some(build_section(example, written)),
        platform: example.section.platform.clone(),
        ..Service::default()
    };
    let secrets = example.section.secrets.keys().map(|id| {
        let secret = FileObject {
            file: Some(written.secret(id).display().to_string()),
            ..FileObject::default()
        };
        (id.clone(), secret)
    });
    Project {
        services: BTreeMap::from([(SERVICE.to_owned(), service)]),
        secrets: secrets.collect(),
        ..Project::default()
    }
}

fn build_section(example: &Example, written: &Written) -> Build {
    let section = &example.section;
    let secret = |id: &String| FileReference {
        source: id.clone(),
        ..FileReference::default()
    };
    let limit = |files| Ulimit::Both {
        soft: files,
        hard: files,
    };
    let dockerfile = match &example.place {
        Place::Inside(path) => path.clone(),
        Place::Outside => written.dockerfile.display().to_string(),
    };
    let args = section.args.iter();
    let args = args.map(|(name, value)| (name.clone(), Some(value.clone())));
    let hosts = section.hosts.iter();
    let hosts = hosts.map(|(host, address)| (host.clone(), vec![address.clone()]));
    let folders = section.contexts.keys();
    let folders = folders.map(|name| (name.clone(), written.extra(name).display().to_string()));
    let limits = section
        .open_files
        .map(|files| ("nofile".to_owned(), limit(files)));
    Build {
        context: written.context.display().to_string(),
        dockerfile: Some(dockerfile),
        args: args.collect(),
        target: section.target.clone(),
        labels: section.labels.clone(),
        network: section.network.clone(),
        extra_hosts: hosts.collect(),
        shm_size: section.shm_size.map(Bytes),
        ulimits: limits.into_iter().collect(),
        secrets: section.secrets.keys().map(secret).collect(),
        additional_contexts: folders.collect(),
        other: section.asides.clone(),
        ..Build::default()
    }
}

/// The recipe of an example, or in larder's words why it has none.
pub(crate) async fn recipe(engine: &Engine, project: &Project) -> Result<Recipe, String> {
    let services = BTreeSet::from([SERVICE.to_owned()]);
    let survey = survey(
        project,
        &services,
        &Platform::host(),
        &StatCache::open(None),
    )
    .map_err(|error| error.to_string())?;
    let mut known = BTreeMap::new();
    let mut wanted = survey.bases();
    // A base's triggers may name further ones.
    for _ in 0..8 {
        bring(engine, &mut known, wanted).await?;
        let recipes = survey.recipes(&known).map_err(|error| error.to_string())?;
        match recipes.into_values().next() {
            Some(Fingerprinted::Known(recipe)) => return Ok(*recipe),
            Some(Fingerprinted::Missing(missing)) => wanted = missing.into_iter().collect(),
            None => break,
        }
    }
    Err("its bases are never all known".to_owned())
}

/// What larder builds of a recipe: its dependency images, where it has cuts, and the rest on them. `None` where it says
/// that it does not build such a section.
pub(crate) async fn build(
    engine: &Engine,
    project: &Project,
    recipe: &Recipe,
) -> Option<Result<Image, String>> {
    if refusal(SERVICE, &recipe.build, Some(recipe), None).is_err() {
        return None;
    }
    let builder = BuildKit::new(
        engine.client().clone(),
        Arc::new(engine.larder.access()),
        None,
    );
    let folders = recipe
        .contexts
        .values()
        .filter_map(|context| match context {
            AdditionalContext::Folder(folder) => Some(folder.key(recipe.platform.as_deref())),
            _ => None,
        });
    let mut names: Vec<String> = folders.map(|key| labels::context_name(&key)).collect();
    let built = parts(&builder, project, recipe, &mut names).await;
    let image = match built {
        Ok(id) => Ok(engine.image(&id.0).await),
        Err(why) => Err(why),
    };
    for name in names.iter().rev() {
        engine.forget(name).await;
    }
    Some(image)
}

async fn parts(
    builder: &BuildKit,
    project: &Project,
    recipe: &Recipe,
    names: &mut Vec<String>,
) -> Result<ImageId, String> {
    let on: BTreeMap<usize, Digest> = recipe.cuts.iter().map(|cut| (cut.stage, cut.key)).collect();
    let dependencies = recipe.cuts.iter().map(|cut| {
        let part = BuildPart::Dependencies { stage: cut.stage };
        (
            part,
            labels::dependencies_name(&cut.key),
            labels::DEPENDENCIES,
        )
    });
    let target = (
        BuildPart::Target { on: &on },
        labels::image_name(&recipe.full),
        labels::FINGERPRINT,
    );
    let mut last = None;
    for (part, name, label) in dependencies.chain([target]) {
        names.push(name.clone());
        let request = BuildRequest {
            project,
            recipe,
            part,
            builder: BuilderKind::Docker,
            name,
            labels: BTreeMap::from([(label.to_owned(), "truth".to_owned())]),
        };
        let progress = Progress::new(StepId(0), Arc::new(Silence));
        let built = builder.build(&request, &progress).await;
        last = Some(built.map_err(|error| chain(&error))?);
    }
    last.ok_or_else(|| "nothing was built".to_owned())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(own) = cause {
        text = format!("{text}: {own}");
        cause = own.source();
    }
    text
}
