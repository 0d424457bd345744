//! `larder load`: the images of a bundle onto the engine, as far as this project has a use for them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use super::base_memory::BaseMemory;
use super::hold::Way;
use super::invocation::Invocation;
use super::prepare::{Goal, prepare};
use crate::build::pieces;
use crate::bundle::{Bundle, BundleError, BundledImage, Named};
use crate::docker::Docker;
use crate::failure::Failure;
use crate::fingerprint::{Base, Platform, Recipe, base_images};
use crate::model::{Digest, ImageRef, Project, labels};
use crate::plan::Observed;
use crate::term::{Waiting, size, table};

/// `larder load`.
#[derive(Args, Debug)]
pub struct Load {
    /// The file that `larder prewarm --output` wrote
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

pub(super) async fn load(invocation: &Invocation, args: &Load) -> Result<(), Failure> {
    let begun = Instant::now();
    let project = invocation.load_all()?;
    let settings = invocation.settings(Some(&project), None)?;
    let failed = |source| Failure::Bundle {
        path: args.file.clone(),
        written: false,
        source,
    };
    let path = invocation.folder.join(&args.file);
    let bundle = tokio::task::spawn_blocking(move || Bundle::open(&path)).await?;
    let bundle = bundle.map_err(failed)?;
    let engine = invocation.engine().await?;
    let native = engine.native().await?;
    invocation.hold_images(&engine, Way::Shared).await?;
    let mut expected = Expected::of(&project, &native);
    let cache = settings.cache.as_deref();
    let mut memory = BaseMemory::open(&engine, cache, true).await?;
    for (key, base) in expected.bases(&bundle.bases) {
        memory.add_under(key, base);
    }
    memory.save();
    let prepared = prepare(invocation, project, &[], settings, Goal::FINGERPRINTS);
    let prepared = Box::pin(prepared).await?;
    let recipes = prepared.known().map(|(_, recipe)| recipe);
    let keys = recipes.flat_map(Recipe::keys);
    expected.keys = keys.map(|(key, _)| key).collect();
    let observed = &prepared.observed;
    let mut rows = Vec::new();
    let mut chosen: Vec<BundledImage> = Vec::new();
    for image in &bundle.images {
        let (fits, there) = (expected.has(image), is_there(observed, image));
        let other = observed.image_named(&image.name.on_engine()).is_some();
        let result = match (fits, there) {
            (false, _) => "not of this project as it is",
            (true, true) => "there already",
            (true, false) if other => "loaded, in place of another",
            (true, false) => "loaded",
        };
        if fits && !there {
            chosen.push(image.clone());
        }
        rows.push(row(image, result));
    }
    let count = chosen.len();
    if count > 0 {
        let shown = Waiting::show(
            prepared.settings.progress,
            &invocation.screen,
            "loading images",
        );
        send(&engine, bundle, chosen)
            .await
            .map_err(|error| match error {
                Sent::Bundle(source) => failed(source),
                Sent::Engine(failure) => failure,
            })?;
        drop(shown);
    }
    if !prepared.settings.progress.is_silent() && !rows.is_empty() {
        let header = ["IMAGE", "PLATFORM", "SIZE", "RESULT"];
        invocation.screen.out(&table(header, &rows));
    }
    invocation.total(count, "image", "loaded", begun)
}

enum Sent {
    Bundle(BundleError),
    Engine(Failure),
}

async fn send(engine: &Docker, bundle: Bundle, chosen: Vec<BundledImage>) -> Result<(), Sent> {
    let (archive, written) = pieces(move |out| bundle.write(&chosen, out));
    let loaded = engine.load(archive).await;
    let written = written.await.map_err(|error| Sent::Engine(error.into()))?;
    match (written, loaded) {
        // An engine that took no more says why itself.
        (Ok(()) | Err(BundleError::Io(_)), Err(error)) => Err(Sent::Engine(error.into())),
        (Err(error), _) => Err(Sent::Bundle(error)),
        (Ok(()), Ok(_)) => Ok(()),
    }
}

/// What a project has a use for.
struct Expected {
    names: BTreeSet<ImageRef>,
    platforms: Vec<Platform>,
    /// The repositories of what its Dockerfiles start from.
    bases: BTreeSet<String>,
    /// The keys of its images, and of what they are built on.
    keys: BTreeSet<Digest>,
}

impl Expected {
    fn of(project: &Project, native: &Platform) -> Self {
        let services = project.services.iter();
        let unbuilt = services.clone().filter(|(_, own)| own.build.is_none());
        let names = unbuilt.filter_map(|(name, _)| project.image_name(name).parse().ok());
        let platforms = services.clone().flat_map(|(_, own)| {
            let listed = own.build.iter().flat_map(|build| &build.platforms);
            own.platform.iter().chain(listed)
        });
        let platforms = platforms.map(|text| Platform::parse(text));
        // A Dockerfile that cannot be read names none.
        let bases = base_images(project, native);
        let bases = bases.map(|own| own.lockable(&BTreeMap::new()));
        let bases = bases.unwrap_or_default().into_iter();
        Self {
            names: names.collect(),
            platforms: platforms.chain([native.clone()]).collect(),
            bases: bases.map(|own| repository(&own.image)).collect(),
            keys: BTreeSet::new(),
        }
    }

    fn has(&self, image: &BundledImage) -> bool {
        let own = image.platform.as_ref();
        let fits = own.is_none_or(|own| self.platforms.iter().any(|asked| asked.takes(own)));
        fits && match &image.name {
            Named::Image(key) | Named::Dependencies(key) => self.keys.contains(key),
            Named::Name(name) => self.names.contains(name),
        }
    }

    /// What is said of images that its Dockerfiles start from.
    fn bases(&self, said: &BTreeMap<String, Base>) -> BTreeMap<String, Base> {
        let is_digest = |own: &Base| {
            let hex = own.identity.strip_prefix("sha256:");
            hex.is_some_and(|hex| hex.parse::<Digest>().is_ok())
        };
        let said = said.iter().filter(|(_, own)| is_digest(own));
        let said = said.filter(|(key, _)| {
            let name = key.split(' ').next().and_then(|name| name.parse().ok());
            name.is_some_and(|name| self.bases.contains(&repository(&name)))
        });
        said.map(|(key, base)| (key.clone(), base.clone()))
            .collect()
    }
}

fn repository(image: &ImageRef) -> String {
    format!("{}/{}", image.registry, image.repository)
}

fn is_there(observed: &Observed, image: &BundledImage) -> bool {
    let name = image.name.on_engine();
    match &image.name {
        Named::Image(full) => observed
            .image_for(labels::FINGERPRINT, full, &name)
            .is_some(),
        Named::Dependencies(key) => observed
            .image_for(labels::DEPENDENCIES, key, &name)
            .is_some(),
        Named::Name(_) => {
            let found = observed.image_named(&name);
            found.is_some_and(|found| found.id.0 == image.config)
        }
    }
}

fn row(image: &BundledImage, result: &str) -> [String; 4] {
    let name = match &image.name {
        Named::Image(full) => format!("fp-{}", full.short()),
        Named::Dependencies(key) => format!("dep-{}", key.short()),
        Named::Name(name) => name.to_string(),
    };
    let platform = image.platform.as_ref().map(ToString::to_string);
    [
        name,
        platform.unwrap_or_default(),
        size(image.bytes),
        result.to_owned(),
    ]
}
