//! `larder gc`: takes away the images that larder made and nobody needs. Which these are is decided in the plan room.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use super::args::{Listing, listing};
use super::hold::Way;
use super::invocation::Invocation;
use super::moment::{Moment, moment};
use super::prepare::{Goal, prepare};
use crate::build::context_names;
use crate::docker::{Docker, Stamp};
use crate::failure::Failure;
use crate::fingerprint::{Fingerprinted, Lock};
use crate::model::{ImageId, Project, labels};
use crate::plan::{Kept, Needs, Rules, StoredImage, Verdict, freed, garbage};
use crate::runtime::EngineError;
use crate::term::{roughly, size, table, total};

/// `larder gc`.
#[derive(Args, Debug)]
pub struct Gc {
    /// Remove them, in place of showing what would go
    #[arg(short, long)]
    pub force: bool,
    /// Look at all that larder made on the engine, and not at what was built for this project alone
    #[arg(short, long)]
    pub all: bool,
    /// How many images of each service stay, the newest
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub keep: usize,
    /// Remove only what was made, or got a name, before then: a time, or how long ago
    #[arg(long, value_name = "TIME", value_parser = moment, default_value = "7d")]
    pub until: Moment,
    /// The format: table or json
    #[arg(long, value_parser = listing, default_value = "table", hide_default_value = true)]
    pub format: Listing,
}

pub(super) async fn gc(invocation: &Invocation, args: &Gc) -> Result<(), Failure> {
    let begun = Instant::now();
    // What is wrong with the files is told before an engine is looked for.
    let mut project = project(invocation)?;
    let engine = invocation.engine().await?;
    if args.force {
        invocation.hold_images(&engine, Way::Alone).await?;
        project = self::project(invocation)?;
    }
    let name = match &project {
        Some(project) => Some(project.name.clone()),
        None => invocation.project_name(),
    };
    let rules = Rules {
        project: name.filter(|_| !args.all),
        keep: args.keep,
        until: (args.until.0, args.until.1),
    };
    let needs = match project {
        Some(project) => needs(invocation, project).await?,
        None => Needs::default(),
    };
    let inventory = engine.inventory().await?;
    let mut verdicts = garbage(&inventory, &needs, &rules);
    let goes = |own: &&Verdict<'_>| own.kept.is_none();
    let mut sizes: BTreeMap<&ImageId, Vec<u64>> = BTreeMap::new();
    for own in verdicts.iter().filter(goes) {
        let layers = engine.layer_sizes(own.stored).await?;
        sizes.insert(&own.stored.image.id, layers);
    }
    if args.force {
        remove(&engine, &mut verdicts).await?;
    }
    let going: Vec<&StoredImage> = verdicts.iter().filter(goes).map(|own| own.stored).collect();
    let bytes = freed(&inventory, &going, &sizes);
    if args.format == Listing::Json {
        let document = document(&verdicts, &rules, bytes, args.force);
        invocation.screen.out(&format!("{document:#}\n"));
        return Ok(());
    }
    tell(invocation, args, &verdicts, &rules);
    let count = going.len();
    let said = match (count, args.force) {
        (0, _) => "nothing to remove\n".to_owned(),
        (_, true) => {
            let total = total(count, "image", "removed", begun.elapsed());
            format!("{}, {} free\n", total.trim_end(), size(bytes))
        }
        (_, false) => {
            let images = if count == 1 { "image" } else { "images" };
            format!(
                "{count} {images} would go, {} come free: `-f` removes\n",
                size(bytes)
            )
        }
    };
    if !invocation.settings(None, None)?.progress.is_silent() {
        invocation.screen.out(&said);
    }
    Ok(())
}

/// The project with all of its services, whatever their profiles; `None` where there is no Compose file.
fn project(invocation: &Invocation) -> Result<Option<Project>, Failure> {
    match invocation.load_all() {
        Ok(project) => Ok(Some(project)),
        Err(Failure::Compose(error))
            if error.is_no_file() && invocation.global.files.is_empty() =>
        {
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}

/// What the files of a project want now, and what its lock pins.
async fn needs(invocation: &Invocation, project: Project) -> Result<Needs, Failure> {
    let settings = invocation.settings(Some(&project), None)?;
    invocation.warn(&project);
    let lock = Lock::read(&project.working_dir)?;
    let goal = Goal::FINGERPRINTS;
    let prepared = Box::pin(prepare(invocation, project, &[], settings, goal)).await?;
    let project = &prepared.project;
    let mut needs = Needs {
        locked: lock
            .entries()
            .map(|(_, digest)| digest.to_owned())
            .collect(),
        ..Needs::default()
    };
    for (service, found) in &prepared.recipes {
        let Fingerprinted::Known(recipe) = found else {
            needs.unknown.insert(format!("{}/{service}", project.name));
            continue;
        };
        let cuts = recipe
            .cuts
            .iter()
            .map(|cut| labels::dependencies_name(&cut.key));
        let bases = recipe.bases.iter();
        let bases = bases.flat_map(|(image, base)| [image.familiar(), base.identity.clone()]);
        needs.wanted.insert(labels::image_name(&recipe.full));
        needs
            .wanted
            .extend(cuts.chain(bases).chain(context_names(recipe)));
    }
    if !needs.unknown.is_empty() {
        let names: Vec<&str> = needs
            .unknown
            .iter()
            .filter_map(|own| own.split('/').next_back())
            .collect();
        invocation.warning(&format!(
            "base images of `{}` are not on the engine, so all images of theirs stay",
            names.join("`, `")
        ));
    }
    Ok(needs)
}

/// Removes what goes. What the engine does not give up is in use by now.
async fn remove(engine: &Docker, verdicts: &mut [Verdict<'_>]) -> Result<(), EngineError> {
    for own in verdicts.iter_mut().filter(|own| own.kept.is_none()) {
        match engine.discard(own.stored).await {
            Ok(()) => {}
            Err(EngineError::Refused { source, .. }) => {
                own.kept = Some(Kept::Refused(source.to_string()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The key that larder named an image by.
fn key<'a>(own: &Verdict<'a>) -> &'a str {
    let names = &own.stored.image.names;
    let name = names.iter().find(|name| labels::is_name(name));
    name.and_then(|name| name.rsplit(':').next())
        .unwrap_or_default()
}

fn tell(invocation: &Invocation, args: &Gc, verdicts: &[Verdict<'_>], rules: &Rules) {
    let now = Moment::now().0;
    let going = if args.force { "removed" } else { "goes" };
    let rows = verdicts.iter().map(|own| {
        let age = now.saturating_sub(own.stored.since.0);
        let age = Duration::from_secs(age.try_into().unwrap_or(0));
        [
            own.made_for.unwrap_or("-").to_owned(),
            own.kind.word().to_owned(),
            key(own).get(..12).unwrap_or("-").to_owned(),
            own.stored.image.id.short().to_owned(),
            format!("{} ago", roughly(age.as_secs())),
            size(own.stored.size),
            match &own.kept {
                Some(kept) => format!("stays: {kept}"),
                None => going.to_owned(),
            },
        ]
    });
    let rows: Vec<[String; 7]> = rows.collect();
    let header = ["SERVICE", "KIND", "KEY", "IMAGE ID", "SINCE", "SIZE", ""];
    if !rows.is_empty() {
        invocation.screen.out(&table(header, &rows));
    }
    if let Some(project) = &rules.project {
        invocation.say(&format!(
            "looked at what was built for project `{project}`; `--all` looks at all that larder made on this engine"
        ));
    }
}

fn document(verdicts: &[Verdict<'_>], rules: &Rules, bytes: u64, removed: bool) -> Value {
    let images = verdicts.iter().map(|own| {
        let image = &own.stored.image;
        json!({
            "id": image.id.0,
            "names": image.names,
            "kind": own.kind.word(),
            "made_for": own.made_for,
            "since": Stamp::of_seconds(own.stored.since.0).text,
            "size": own.stored.size,
            "goes": own.kept.is_none(),
            "stays": own.kept.as_ref().map(Kept::word),
            "why": own.kept.as_ref().map(ToString::to_string),
        })
    });
    json!({
        "schema": 1,
        "project": rules.project,
        "removed": removed,
        "bytes": bytes,
        "images": images.collect::<Vec<Value>>(),
    })
}
