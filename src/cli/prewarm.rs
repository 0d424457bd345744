//! `larder prewarm`: the images of all services in a registry, before anybody starts one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use super::args::{Listing, listing};
use super::carry_out::carry_out;
use super::invocation::Invocation;
use super::packing::Packing;
use super::prepare::{Goal, Prepared, prepare};
use super::pushes::Lying;
use super::records;
use super::rounds::rounds;
use crate::failure::Failure;
use crate::fingerprint::Recipe;
use crate::model::{Digest, Project, Repository};
use crate::plan::{Action, Plan, StepId};
use crate::term::{size, table};

/// `larder prewarm`.
#[derive(Args, Debug)]
pub struct Prewarm {
    /// The services; all of them, whatever their profiles, when none is named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// A platform to build for, in place of those that the services say; may be repeated
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',')]
    pub platform: Vec<String>,
    /// Write all images into a file, too: an OCI image layout, for `larder load` on a machine without a registry
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The format: table or json
    #[arg(long, value_parser = listing, default_value = "table", hide_default_value = true)]
    pub format: Listing,
}

/// What became of one image.
struct Row {
    service: String,
    platform: Option<String>,
    key: Digest,
    is_dependencies: bool,
    result: Outcome,
    /// Its name in the registry, by its digest.
    image: Option<String>,
    /// Of its layers there, compressed.
    bytes: Option<u64>,
    took: Duration,
}

#[derive(Clone, Copy, PartialEq)]
enum Outcome {
    /// It was in the registry.
    Hit,
    /// It was on the engine, or in another registry, and is in this one now.
    Pushed,
    /// It was built, and is there now.
    Built,
    /// It was on the engine, and there is no registry.
    Here,
}

impl Outcome {
    const fn word(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Pushed => "pushed",
            Self::Built => "built",
            Self::Here => "here",
        }
    }
}

pub(super) async fn prewarm(invocation: &Invocation, args: &Prewarm) -> Result<(), Failure> {
    let begun = Instant::now();
    let mut rows: Vec<Row> = Vec::new();
    let project = invocation.load_all()?;
    invocation.warn(&project);
    let mut packing = args.output.as_deref().map(Packing::begin).transpose()?;
    for (platform, services) in platforms(&project, args)? {
        let of_platform = rounds(invocation, None, async || {
            let here = packing.is_some();
            round(invocation, platform.as_deref(), &services, here).await
        });
        let (prepared, of_platform) = of_platform.await?;
        rows.extend(of_platform);
        if let Some(packing) = &mut packing {
            packing.pack(invocation, &prepared).await?;
        }
    }
    tell(invocation, args, &rows, begun)?;
    match packing {
        Some(packing) => packing.end(invocation),
        None => Ok(()),
    }
}

/// The services that are built, by the platforms that they are built for.
fn platforms(
    project: &Project,
    args: &Prewarm,
) -> Result<BTreeMap<Option<String>, BTreeSet<String>>, Failure> {
    // Elsewhere nobody can pull what they depend on.
    let named = if args.output.is_some() {
        project.with_dependencies(&args.services)?
    } else {
        project.without_dependencies(&args.services)?
    };
    let mut all: BTreeMap<Option<String>, BTreeSet<String>> = BTreeMap::new();
    for name in named {
        let service = &project.services[&name];
        let build = service.build.as_ref();
        // What is only named lies in a registry of its own, but for a machine that reaches none.
        if build.is_none() && args.output.is_none() {
            continue;
        }
        let listed = build.map_or(&[][..], |build| &build.platforms);
        let platforms: Vec<Option<String>> = if !args.platform.is_empty() {
            args.platform.iter().cloned().map(Some).collect()
        } else if service.platform.is_none() && !listed.is_empty() {
            listed.iter().cloned().map(Some).collect()
        } else {
            vec![service.platform.clone()]
        };
        for platform in platforms {
            all.entry(platform).or_default().insert(name.clone());
        }
    }
    Ok(all)
}

/// All images for one platform: found, built and pushed.
async fn round(
    invocation: &Invocation,
    platform: Option<&str>,
    services: &BTreeSet<String>,
    here: bool,
) -> Result<(Prepared, Vec<Row>), Failure> {
    let mut project = invocation.load_all()?;
    for name in services {
        if let Some(service) = project.services.get_mut(name) {
            service.platform = platform.map(str::to_owned);
        }
    }
    let settings = invocation.settings(Some(&project), None)?;
    let nowhere = |own: &&String| settings.caches.of(own).to.is_none();
    if let Some(service) = services.iter().find(nowhere).filter(|_| !here) {
        return Err(Failure::Nowhere(service.clone()));
    }
    let names: Vec<String> = services.iter().cloned().collect();
    let goal = Goal {
        containers: false,
        dependencies: false,
        wait: false,
        builds: true,
        acts: true,
        starts: false,
    };
    let prepared = prepare(invocation, project, &names, settings, goal);
    let mut prepared = Box::pin(prepared).await?;
    let before = prepared.find_pushes(invocation, true).await?;
    for (service, why) in prepared.unpinned() {
        invocation.warning(&format!("`{service}` is not pushed: {why}"));
    }
    let mut wanted: BTreeSet<String> = services.clone();
    if here {
        prepared.bring_all();
    } else {
        wanted.retain(|own| {
            let push = prepared.pushes.get(own);
            push.is_some_and(|push| !push.missing.is_empty())
        });
    }
    let (plan, dagger) = prepared.decide_images(invocation, &wanted).await?;
    let kept = records::keep(prepared.settings.cache.as_deref(), &prepared.recipes);
    let mut took = BTreeMap::new();
    if !plan.is_empty() {
        took = carry_out(invocation, &prepared, &plan, dagger).await?.took;
        prepared.put_records(invocation, &plan).await;
    }
    if let Some(kept) = kept {
        kept.await?;
    }
    let after = if plan.is_empty() {
        before.clone()
    } else {
        prepared.in_place(invocation).await?
    };
    let rows = rows(&prepared, &plan, &took, (&before, &after), platform);
    Ok((prepared, rows))
}

impl Prepared {
    /// The services whose images no key can stand for, and why.
    fn unpinned(&self) -> Vec<(String, String)> {
        let known = self.recipes.iter().filter_map(|(service, recipe)| {
            let crate::fingerprint::Fingerprinted::Known(recipe) = recipe else {
                return None;
            };
            let why = recipe.unpinned.clone()?;
            self.services
                .contains(service)
                .then_some((service.clone(), why))
        });
        known.collect()
    }
}

fn rows(
    prepared: &Prepared,
    plan: &Plan,
    took: &BTreeMap<StepId, Duration>,
    (before, after): (&Lying, &Lying),
    platform: Option<&str>,
) -> Vec<Row> {
    let mut rows = Vec::new();
    for (service, recipe) in prepared.known() {
        let to = prepared.settings.caches.of(service).to.as_ref();
        for (key, is_dependencies) in recipe.keys() {
            let place = to.map(|to| (to.clone(), key));
            let image = place.as_ref().and_then(|place| after.get(place));
            // A dependency image that nobody built by itself, as with Dagger alone.
            if to.is_some() && image.is_none() {
                continue;
            }
            let steps = steps_of(plan, recipe, to, (key, is_dependencies));
            let built = steps.iter().any(|step| {
                let action = &plan.steps[step.0].action;
                matches!(
                    action,
                    Action::Build { .. } | Action::BuildDependencies { .. }
                )
            });
            let was_there = place.is_some_and(|place| before.contains_key(&place));
            rows.push(Row {
                service: service.clone(),
                platform: platform.map(str::to_owned),
                key,
                is_dependencies,
                result: match (was_there, built) {
                    (true, _) => Outcome::Hit,
                    (false, true) => Outcome::Built,
                    (false, false) if to.is_some() => Outcome::Pushed,
                    (false, false) => Outcome::Here,
                },
                image: image.map(|own| own.image.familiar()),
                bytes: image.map(|own| own.bytes),
                took: steps.iter().filter_map(|step| took.get(step)).sum(),
            });
        }
    }
    rows
}

/// The steps that make and push an image.
fn steps_of(
    plan: &Plan,
    recipe: &Recipe,
    to: Option<&Repository>,
    (key, is_dependencies): (Digest, bool),
) -> Vec<StepId> {
    let pushed = to.map(|to| to.keyed(&key, is_dependencies).familiar());
    let steps = plan.steps.iter().filter(|step| match &step.action {
        Action::Push { name, .. } => Some(name) == pushed.as_ref(),
        Action::Build { fingerprint, .. } => !is_dependencies && *fingerprint == recipe.full,
        Action::BuildDependencies { key: own, .. } => is_dependencies && *own == key,
        _ => false,
    });
    steps.map(|step| step.id).collect()
}

fn tell(
    invocation: &Invocation,
    args: &Prewarm,
    rows: &[Row],
    begun: Instant,
) -> Result<(), Failure> {
    if args.format == Listing::Json {
        let images: Vec<Value> = rows.iter().map(Row::json).collect();
        let document = json!({
            "schema": 1,
            "images": images,
            "seconds": seconds(begun.elapsed()),
        });
        invocation.screen.out(&format!("{document:#}\n"));
        return Ok(());
    }
    if invocation.settings(None, None)?.progress.is_silent() {
        return Ok(());
    }
    let header = ["SERVICE", "PLATFORM", "IMAGE", "RESULT", "SIZE", "TIME"];
    let cells: Vec<[String; 6]> = rows.iter().map(Row::cells).collect();
    if !cells.is_empty() {
        invocation.screen.out(&table(header, &cells));
    }
    let old = |row: &&Row| matches!(row.result, Outcome::Hit | Outcome::Here);
    let new = rows.iter().filter(|row| !old(row)).count();
    match (new, args.output.is_some()) {
        (0, false) => invocation.total(rows.len(), "image", "in the registry already", begun),
        (count, false) => invocation.total(count, "image", "pushed", begun),
        (_, true) => invocation.total(rows.len(), "image", "ready", begun),
    }
}

impl Row {
    fn cells(&self) -> [String; 6] {
        let kind = if self.is_dependencies { "dep" } else { "fp" };
        [
            self.service.clone(),
            self.platform.clone().unwrap_or_default(),
            format!("{kind}-{}", self.key.short()),
            self.result.word().to_owned(),
            self.bytes.map(size).unwrap_or_default(),
            if self.took.is_zero() {
                String::new()
            } else {
                format!("{:.1} s", self.took.as_secs_f32())
            },
        ]
    }

    fn json(&self) -> Value {
        json!({
            "service": self.service,
            "platform": self.platform,
            "kind": if self.is_dependencies { "dependencies" } else { "image" },
            "key": self.key,
            "result": self.result.word(),
            "image": self.image,
            "bytes": self.bytes,
            "seconds": seconds(self.took),
        })
    }
}

/// With milliseconds, as people time builds.
fn seconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1000.0).round() / 1000.0
}
