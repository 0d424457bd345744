//! `larder lock`: writes `larder.lock`, which pins base images to digests.

use clap::Args;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::invocation::Invocation;
use super::replace::replace;
use super::vouched;
use crate::docker::{Docker, FoundBase};
use crate::failure::Failure;
use crate::fingerprint::{Base, BaseImages, BaseRef, LOCK_FILE, Lock, Platform, base_images};
use crate::model::{ImageRef, Repository, short_name};
use crate::runtime::EngineError;
use crate::settings::Settings;
use crate::term::{Waiting, table};

/// `larder lock`.
#[derive(Args, Debug)]
pub struct LockArgs {
    /// Take what the registry has now, for these images or for all
    #[arg(long, value_name = "IMAGE", num_args = 0..)]
    pub upgrade: Option<Vec<String>>,
}

/// How many images are asked for at a time.
const AT_ONCE: usize = 8;

pub(super) async fn lock(invocation: &Invocation, args: &LockArgs) -> Result<(), Failure> {
    let project = invocation.load_all()?;
    let settings = invocation.settings(Some(&project), None)?;
    // `x-larder: {frozen: true}` is about what takes images, not about who asks for the lock to be written.
    if invocation.settings(None, None)?.frozen {
        return Err(Failure::Frozen);
    }
    let before = Lock::read(&project.working_dir)?;
    // What is wrong with the files is told before an engine is looked for.
    let mut images = base_images(&project, &Platform::host())?;
    let engine = invocation.engine().await?;
    let native = engine.native().await?;
    if native != Platform::host() {
        images = base_images(&project, &native)?;
    }
    let shown = Waiting::show(settings.progress, &invocation.screen, "looking up digests");
    let found = look(&engine, &images, &before).await?;
    let upgrades = upgrades(args, &found.lockable)?;
    let asked = found.lockable.iter().map(|image| Asked {
        image,
        before: before.digest(image),
        found: found.on_engine.get(image),
        upgrade: upgrades.contains(image),
    });
    let changes = asked.map(async |asked| {
        let change = asked.change(&engine, &images).await?;
        Ok::<_, Failure>((asked.image.clone(), change))
    });
    let changes = stream::iter(changes).buffered(AT_ONCE);
    let mut changes: BTreeMap<ImageRef, Change> = changes.try_collect().await?;
    drop(shown);
    let gone = before.entries().filter(|(image, _)| {
        // A line that vouches for an image of the project's own in a registry is no base's.
        !found.lockable.contains(*image) && !Repository::is_keyed(image)
    });
    changes.extend(gone.map(|(image, digest)| (image.clone(), Change::Removed(digest.to_owned()))));
    let own = |image: &ImageRef| {
        (
            image.clone(),
            Change::None("built by a service of the project"),
        )
    };
    changes.extend(
        found
            .built
            .iter()
            .filter(|own| before.digest(own).is_none())
            .map(own),
    );
    let unwritten = |source| Failure::Unwritten {
        path: before.file().to_owned(),
        source,
    };
    let keyed = before
        .entries()
        .filter(|(image, _)| Repository::is_keyed(image));
    let keyed = keyed.map(|(image, digest)| (image.clone(), Change::Kept(digest.to_owned())));
    changes.extend(keyed);
    let mut written = write(&before, &changes).map_err(unwritten)?;
    // What the images are keyed by is known once their bases are locked.
    if settings.caches.is_asked() {
        vouched::vouch(invocation, &before, &mut changes, args.upgrade.is_some()).await?;
        written |= write(&before, &changes).map_err(unwritten)?;
    }
    tell(invocation, &settings, &changes, written);
    Ok(())
}

/// What the engine has of a project's base images.
struct Found {
    lockable: BTreeSet<ImageRef>,
    built: BTreeSet<ImageRef>,
    on_engine: BTreeMap<ImageRef, FoundBase>,
}

/// Looks at all base images on the engine: at those that are locked by their digest. Their triggers may name more.
async fn look(engine: &Docker, images: &BaseImages, lock: &Lock) -> Result<Found, Failure> {
    let mut asked: BTreeSet<BaseRef> = BTreeSet::new();
    let mut known: BTreeMap<BaseRef, Base> = BTreeMap::new();
    let mut on_engine = BTreeMap::new();
    loop {
        let (lockable, built) = (images.lockable(&known), images.built(&known));
        let open: Vec<BaseRef> = lockable.union(&built).cloned().collect();
        let open = open.into_iter().filter(|base| !asked.contains(base));
        let open: Vec<BaseRef> = open.collect();
        if open.is_empty() {
            let names = |bases: BTreeSet<BaseRef>| bases.into_iter().map(|base| base.image);
            return Ok(Found {
                lockable: names(lockable).collect(),
                built: names(built).collect(),
                on_engine,
            });
        }
        asked.extend(open.iter().cloned());
        let looks = open.into_iter().map(async |base| {
            let locked = lock.digest(&base.image).map(str::to_owned);
            let wanted = BaseRef {
                locked,
                ..base.clone()
            };
            Ok::<_, Failure>((base, engine.base(&wanted).await?))
        });
        let looks = stream::iter(looks).buffered(AT_ONCE);
        let looked: Vec<(BaseRef, Option<FoundBase>)> = looks.try_collect().await?;
        for (base, found) in looked {
            if let Some(found) = found {
                known.insert(base.clone(), found.base.clone());
                on_engine.insert(base.image, found);
            }
        }
    }
}

/// The images that are to be upgraded. A name without a tag means all of its tags.
fn upgrades(args: &LockArgs, all: &BTreeSet<ImageRef>) -> Result<BTreeSet<ImageRef>, Failure> {
    let Some(names) = &args.upgrade else {
        return Ok(BTreeSet::new());
    };
    if names.is_empty() {
        return Ok(all.clone());
    }
    let mut upgrades = BTreeSet::new();
    for name in names {
        let typed: Option<ImageRef> = name.parse().ok();
        let meant = |own: &&ImageRef| {
            let typed = typed.as_ref();
            typed.is_some_and(|typed| {
                let any_tag = name.ends_with(&typed.familiar_name());
                let same = |of: &ImageRef| (of.registry.clone(), of.repository.clone());
                *own == typed || any_tag && same(own) == same(typed)
            })
        };
        let found: Vec<&ImageRef> = all.iter().filter(meant).collect();
        if found.is_empty() {
            return Err(Failure::NoBase {
                name: name.clone(),
                known: all.iter().map(ToString::to_string).collect(),
            });
        }
        upgrades.extend(found.into_iter().cloned());
    }
    Ok(upgrades)
}

/// What becomes of an image's line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Kept(String),
    Added(String),
    Upgraded(String, String),
    Removed(String),
    /// It has none: why.
    None(&'static str),
}

impl Change {
    /// The digest that is locked from now on.
    fn digest(&self) -> Option<&String> {
        match self {
            Self::Kept(digest) | Self::Added(digest) | Self::Upgraded(_, digest) => Some(digest),
            Self::Removed(_) | Self::None(_) => None,
        }
    }

    fn row(&self, image: &ImageRef) -> [String; 3] {
        let (what, how) = match self {
            Self::Kept(digest) => ("kept", short(digest)),
            Self::Added(digest) => ("added", short(digest)),
            Self::Upgraded(old, new) => ("upgraded", format!("{} → {}", short(old), short(new))),
            Self::Removed(digest) => ("removed", short(digest)),
            Self::None(why) => ("not locked", (*why).to_owned()),
        };
        [what.to_owned(), short_name(&image.familiar()), how]
    }
}

/// As much of a digest as a person compares.
fn short(digest: &str) -> String {
    digest.chars().take("sha256:".len() + 12).collect()
}

/// One image in question.
struct Asked<'a> {
    image: &'a ImageRef,
    before: Option<&'a str>,
    found: Option<&'a FoundBase>,
    upgrade: bool,
}

impl Asked<'_> {
    /// A line that is there stays unless it is to be upgraded. A new one has the digest of what the engine has, so that
    /// to lock changes nothing that runs, else the registry's.
    async fn change(&self, engine: &Docker, images: &BaseImages) -> Result<Change, Failure> {
        let here = self.found.and_then(|found| found.digest.clone());
        match (self.before, here) {
            (Some(before), _) if !self.upgrade => return Ok(Change::Kept(before.to_owned())),
            (None, Some(digest)) if !self.upgrade => match self.has(engine, &digest).await {
                Ok(true) => return Ok(Change::Added(digest)),
                Ok(false) => {}
                Err(_) => {
                    return Ok(Change::None(
                        "its registry does not answer, and need not have it",
                    ));
                }
            },
            _ => {}
        }
        let image = self.image.to_string();
        let place = || images.place_of(self.image).map(Box::new);
        let now = match engine.registry_digest(self.image).await {
            Ok(now) => now,
            Err(_) if self.is_local() => {
                return Ok(Change::None(
                    "only on this engine: its registry does not answer",
                ));
            }
            Err(source) => {
                let place = place();
                return Err(Failure::Registry {
                    image,
                    place,
                    source,
                });
            }
        };
        match (self.before, now) {
            (Some(before), Some(now)) if before == now => Ok(Change::Kept(now)),
            (Some(before), Some(now)) => Ok(Change::Upgraded(before.to_owned(), now)),
            (None, Some(now)) => Ok(Change::Added(now)),
            (_, None) if self.is_local() => Ok(Change::None(
                "only on this engine: its registry does not have it",
            )),
            (_, None) => {
                let place = place();
                Err(Failure::NotInRegistry { image, place })
            }
        }
    }

    /// Whether its registry has it by a digest: it must be asked where the engine gives digests of its own.
    async fn has(&self, engine: &Docker, digest: &str) -> Result<bool, EngineError> {
        if !self.found.is_some_and(|found| found.several) {
            return Ok(true);
        }
        let image = ImageRef {
            tag: None,
            digest: Some(digest.to_owned()),
            ..self.image.clone()
        };
        Ok(engine.registry_digest(&image).await?.is_some())
    }

    /// Whether only the engine is known to have it.
    fn is_local(&self) -> bool {
        let is_own = |found: &FoundBase| found.several || found.digest.is_none();
        self.before.is_none() && self.found.is_some_and(is_own)
    }
}

/// Writes the lock where it changes; whether it did. A lock without a line is not begun.
fn write(before: &Lock, changes: &BTreeMap<ImageRef, Change>) -> io::Result<bool> {
    let entries: BTreeMap<ImageRef, String> = changes
        .iter()
        .filter_map(|(image, change)| Some((image.clone(), change.digest()?.clone())))
        .collect();
    let text = Lock::text(&entries);
    let there = match std::fs::read_to_string(before.file()) {
        Ok(there) => Some(there),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if there
        .as_ref()
        .map_or(entries.is_empty(), |there| *there == text)
    {
        return Ok(false);
    }
    replace(before.file(), text.as_bytes(), 0o666)?;
    Ok(true)
}

fn tell(
    invocation: &Invocation,
    settings: &Settings,
    changes: &BTreeMap<ImageRef, Change>,
    written: bool,
) {
    if settings.progress.is_silent() {
        return;
    }
    let mut rows: Vec<[String; 3]> = changes.iter().map(|(image, own)| own.row(image)).collect();
    rows.sort_by(|one, other| one[1].cmp(&other[1]));
    if !rows.is_empty() {
        let header = ["CHANGE", "IMAGE", "DIGEST"];
        invocation.screen.out(&table(header, &rows));
    }
    let locked = changes.iter().filter(|(_, own)| own.digest().is_some());
    let (keyed, bases): (Vec<_>, Vec<_>) =
        locked.partition(|(image, _)| Repository::is_keyed(image));
    let images = |number: usize| if number == 1 { "image" } else { "images" };
    let mut all = format!("{} base {}", bases.len(), images(bases.len()));
    if !keyed.is_empty() {
        let own = keyed.len();
        all = format!("{all}, {own} {} of its own", images(own));
    }
    let state = match (written, bases.len() + keyed.len()) {
        (true, _) => format!("{LOCK_FILE} written: {all}"),
        (false, 0) => "no base image to lock".to_owned(),
        (false, _) => format!("{LOCK_FILE} is up to date: {all}"),
    };
    invocation.screen.out(&format!("{state}\n"));
}
