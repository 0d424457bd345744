//! What bind mounts hide of an image: files that a COPY puts where every container of the service has something else,
//! and that nothing else can see before. Images that differ in nothing but such files are the same to the service.
//!
//! Certain is only what holds whatever links the base image has. A mount and a COPY follow the same links to one path, and
//! inside a folder that it copies a COPY follows none; so what counts as hidden lies below a mount at that path or inside
//! that folder, never below one further up. Everything else is left in the key.

use std::collections::{BTreeMap, BTreeSet};

use super::chain::Materials;
use super::cover::{Cover, is_below, place};
use super::dockerfile::StageBase;
use super::effect::Effect;
use super::gather::Gathered;
use super::reading::Reading;
use super::recipe::{Entry, EntryKind, Shadowed};
use super::section;
use super::sources::Source;
use super::stages::Layout;
use super::steps::{Read, Step};
use crate::model::{Build, Digest, DigestWriter};

/// What a cover hides of a build, and the key of the rest.
pub(super) fn shadowed(
    cover: &Cover,
    build: &Build,
    materials: &Materials<'_>,
) -> Option<Shadowed> {
    if materials.reading.doubt.is_some() || materials.reading.unpinned.is_some() {
        return None;
    }
    let stage = Stage::of(cover, materials)?;
    let hidden = stage.hidden();
    let targets: BTreeSet<&str> = hidden.iter().flat_map(|own| own.targets.clone()).collect();
    if hidden.is_empty() || !stage.is_sealed(&hidden, &targets) {
        return None;
    }
    let (reading, gathered) = stage.without(&hidden);
    let rest = Materials {
        reading: &reading,
        gathered: &gathered,
        ..*materials
    };
    let (_, last) = rest.keys();
    let mut by: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    for own in &hidden {
        let line = stage.steps[own.at].instruction.lines.0;
        by.entry(line).or_default().extend(&own.targets);
    }
    let owned = |targets: BTreeSet<&str>| targets.into_iter().map(ToOwned::to_owned).collect();
    Some(Shadowed {
        key: stage.key(&section::image(&last, build), &hidden),
        by: by
            .into_iter()
            .map(|(line, own)| (line, owned(own)))
            .collect(),
    })
}

/// The stage that is built, as its containers see it.
struct Stage<'a> {
    cover: &'a Cover,
    materials: &'a Materials<'a>,
    steps: &'a [Step],
    /// Where each step starts.
    folders: Vec<String>,
    /// Where the container's process starts.
    folder: String,
    /// What the engine may fill with what the image has there: volumes of the service and of the image.
    filled: BTreeSet<String>,
}

/// What mounts hide of one source of one step.
struct Hidden<'a> {
    /// The step, and the number of what it reads.
    at: usize,
    read: usize,
    /// The targets of the mounts.
    targets: BTreeSet<&'a str>,
    /// The hidden entries of the context: position → path in the container.
    entries: BTreeMap<usize, Vec<u8>>,
}

impl<'a> Stage<'a> {
    /// `None` where what the image says of folders and volumes is not known.
    fn of(cover: &'a Cover, materials: &'a Materials<'a>) -> Option<Self> {
        let target = materials.layout.target;
        let lineage = lineage(materials.layout);
        let (mut folder, mut volumes) = base(materials, *lineage.first()?)?;
        volumes.extend(cover.filled.iter().cloned());
        let mut folders = Vec::new();
        for number in lineage {
            for step in &materials.reading.stages.get(&number)?.steps {
                if number == target {
                    folders.push(folder.clone());
                }
                match &step.effect {
                    Effect::Folder(path) => folder = place(&folder, path)?,
                    Effect::Volumes(paths) => volumes.extend(paths.iter().cloned()),
                    // One that could not be read.
                    Effect::Other
                        if matches!(step.instruction.keyword.as_str(), "VOLUME" | "WORKDIR") =>
                    {
                        return None;
                    }
                    Effect::Config | Effect::Copy(_) | Effect::Other => {}
                }
            }
        }
        let filled = volumes.iter().map(|path| place("", path));
        let starts = cover.working_dir.as_deref();
        Some(Self {
            cover,
            materials,
            steps: &materials.reading.stages.get(&target)?.steps,
            folders,
            folder: starts.map_or(Some(folder), |own| place("", own))?,
            filled: filled.collect::<Option<_>>()?,
        })
    }

    /// What is hidden, from the last step back to one that may see, or follow links in, what those before it copied.
    fn hidden(&self) -> Vec<Hidden<'a>> {
        let mut all = Vec::new();
        let mut followed = false;
        for (at, step) in self.steps.iter().enumerate().rev() {
            match &step.effect {
                Effect::Config | Effect::Volumes(_) => {}
                // A folder is made, through what links are there.
                Effect::Folder(_) => followed = true,
                Effect::Copy(to) => {
                    let reads = step.reads.iter().enumerate();
                    let own = reads.filter_map(|(read, what)| self.hidden_of(at, read, what, to));
                    all.extend(own.filter(|own| !followed || !self.has_links(own.entries.keys())));
                    if self.copies_links(step) {
                        break;
                    }
                    followed = true;
                }
                Effect::Other => break,
            }
        }
        all.reverse();
        all
    }

    fn hidden_of(&self, at: usize, read: usize, what: &Read, to: &str) -> Option<Hidden<'a>> {
        let Read::Context(source) = what else {
            return None;
        };
        let landing = Landing::of(source, self.materials.gathered, &self.folders[at], to)?;
        let mut hidden = Hidden {
            at,
            read,
            targets: BTreeSet::new(),
            entries: BTreeMap::new(),
        };
        let landed: Vec<(usize, &Entry, Vec<u8>)> = landing.entries().collect();
        for target in &self.cover.binds {
            let is_folder = |(_, entry, path): &(usize, &Entry, Vec<u8>)| {
                path == target.as_bytes() && entry.kind == EntryKind::Directory
            };
            if landing.folder != *target && !landed.iter().any(is_folder) {
                continue;
            }
            for (position, _, path) in &landed {
                if is_below(path, target) {
                    hidden.targets.insert(target);
                    hidden.entries.insert(*position, path.clone());
                }
            }
        }
        (!hidden.entries.is_empty()).then_some(hidden)
    }

    fn entry(&self, position: usize) -> &Entry {
        &self.materials.gathered.context.entries[position]
    }

    fn has_links<'b>(&self, mut positions: impl Iterator<Item = &'b usize>) -> bool {
        positions.any(|at| matches!(self.entry(*at).kind, EntryKind::Symlink { .. }))
    }

    fn copies_links(&self, step: &Step) -> bool {
        let taken = step.reads.iter().map(|read| match read {
            Read::Context(source) => self.materials.gathered.taken.get(source),
            _ => None,
        });
        let mut taken = taken.map(|taken| taken.is_none_or(|own| self.has_links(own.reads.iter())));
        taken.any(|links| links)
    }

    /// Whether the engine sees none of what is hidden while it makes a container: where it fills a volume from the image,
    /// and where it makes the folder that the process starts in. A volume that does not lie below a mount may be reached
    /// by a link, and another container may have it without the mount.
    fn is_sealed(&self, hidden: &[Hidden<'_>], targets: &BTreeSet<&str>) -> bool {
        let entries = || hidden.iter().flat_map(|own| &own.entries);
        let on_the_way = |to: &str| {
            let mut entries = entries();
            entries.any(|(at, path)| {
                let above = String::from_utf8_lossy(path);
                let leads = *path == to.as_bytes() || is_below(to.as_bytes(), &above);
                leads && self.entry(*at).kind != EntryKind::Directory
            })
        };
        let is_apart = |volume: &String| {
            let inside = targets
                .iter()
                .any(|target| is_below(volume.as_bytes(), target));
            let mut entries = entries();
            let filled = |path: &Vec<u8>| *path == volume.as_bytes() || is_below(path, volume);
            inside && !on_the_way(volume) && !entries.any(|(_, path)| filled(path))
        };
        self.filled.iter().all(is_apart) && !on_the_way(&self.folder)
    }

    /// Over the key of the rest, and all that what is hidden was held against: it holds of every image with this key.
    fn key(&self, rest: &Digest, hidden: &[Hidden<'_>]) -> Digest {
        let mut writer = DigestWriter::new("larder-fp-v6 shadowed");
        writer.digest(rest).number(hidden.len() as u64);
        for own in hidden {
            writer.number(own.at as u64).number(own.read as u64);
            writer.number(own.targets.len() as u64);
            for target in &own.targets {
                writer.text(target);
            }
        }
        writer.text(&self.folder).number(self.filled.len() as u64);
        for path in &self.filled {
            writer.text(path);
        }
        writer.finish()
    }

    /// The build's materials without what is hidden.
    fn without(&self, hidden: &[Hidden<'_>]) -> (Reading, Gathered) {
        let mut reading = self.materials.reading.clone();
        let mut gathered = self.materials.gathered.clone();
        let target = self.materials.layout.target;
        for (number, own) in hidden.iter().enumerate() {
            let Some(stage) = reading.stages.get_mut(&target) else {
                continue;
            };
            let read = &mut stage.steps[own.at].reads[own.read];
            if let Read::Context(source) = &*read
                && let Some(mut taken) = gathered.taken.get(source).cloned()
            {
                taken.reads.retain(|at| !own.entries.contains_key(at));
                let reduced = Source::reduced(number);
                gathered.taken.insert(reduced.clone(), taken);
                *read = Read::Context(reduced);
            }
        }
        (reading, gathered)
    }
}

/// The target's stage and those that it is built on, the first one first.
fn lineage(layout: &Layout) -> Vec<usize> {
    let mut stages = vec![layout.target];
    while let Some(StageBase::Stage(base)) = stages
        .last()
        .map(|number| &layout.dockerfile.stages[*number].base)
    {
        stages.push(*base);
    }
    stages.reverse();
    stages
}

/// The folder and the volumes of the image that a stage starts from.
fn base(materials: &Materials<'_>, stage: usize) -> Option<(String, Vec<String>)> {
    let stage = &materials.layout.dockerfile.stages[stage];
    match &stage.base {
        StageBase::Scratch => Some(("/".to_owned(), Vec::new())),
        StageBase::Image(image) => {
            let base = materials.request.base(image, stage.platform.as_deref());
            let base = materials.bases.get(&base)?;
            Some((place("/", &base.working_dir)?, base.volumes.clone()))
        }
        StageBase::Stage(_) | StageBase::Context(_) | StageBase::Unknown => None,
    }
}

/// Where one source of a COPY lands, when that is certain.
struct Landing<'a> {
    gathered: &'a Gathered,
    reads: &'a [usize],
    /// The path in the context that lands at the folder: what is in it, or the file itself.
    from: Vec<u8>,
    /// The folder that it lands in.
    folder: String,
}

impl<'a> Landing<'a> {
    fn of(source: &Source, gathered: &'a Gathered, folder: &str, to: &str) -> Option<Self> {
        let path = source.path()?.as_bytes();
        let taken = gathered.taken.get(source)?;
        let own = taken.reads.iter();
        let own = own.map(|at| &gathered.context.entries[*at]);
        let kind = own.clone().find(|entry| entry.path == path);
        let kind = kind.map(|entry| &entry.kind);
        let from = match kind {
            // A folder's content lands in the folder, the root's too, which is no entry itself.
            Some(EntryKind::Directory) => path.to_owned(),
            None if path.is_empty() => Vec::new(),
            // A file keeps its name below a folder that says it is one.
            Some(EntryKind::File { .. }) if to.ends_with('/') => {
                let parent = path.iter().rposition(|byte| *byte == b'/');
                path[..parent.unwrap_or(0)].to_owned()
            }
            _ => return None,
        };
        Some(Self {
            gathered,
            reads: &taken.reads,
            from,
            folder: place(folder, to)?,
        })
    }

    /// Every entry that it lands, with its path in the container.
    fn entries(&self) -> impl Iterator<Item = (usize, &'a Entry, Vec<u8>)> {
        let entries = &self.gathered.context.entries;
        let all = self.reads.iter().map(move |at| (*at, &entries[*at]));
        all.filter_map(|(at, entry)| {
            let below = if self.from.is_empty() {
                Some(entry.path.as_slice())
            } else {
                let rest = entry.path.strip_prefix(self.from.as_slice());
                rest.and_then(|rest| rest.strip_prefix(b"/"))
            };
            let folder = self.folder.trim_end_matches('/').as_bytes();
            Some((at, entry, [folder, b"/", below?].concat()))
        })
    }
}

#[cfg(test)]
mod tests;
