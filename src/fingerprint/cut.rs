//! Where dependencies end: the last RUN of each stage in front of the first instruction that reads
//! application source. Wherever a cut lies, the stage up to it is a prefix of the real build; a cut in the
//! wrong place costs time, nothing else.

use std::collections::{BTreeMap, BTreeSet};

use super::dockerfile::StageBase;
use super::gather::Gathered;
use super::manifests::Manifests;
use super::reading::Reading;
use super::recipe::{Cut, EntryKind, Link};
use super::sources::Source;
use super::stages::Layout;
use super::steps::{Read, Step};
use crate::model::{Digest, DigestWriter};

/// The cuts of a Dockerfile whose instructions were understood, in stage order.
pub(super) fn cuts(
    layout: &Layout,
    reading: &Reading,
    gathered: &Gathered,
    manifests: &Manifests,
    links: &[Link],
) -> Vec<Cut> {
    let mut tainted = BTreeSet::new();
    let mut cuts = BTreeMap::new();
    for (&number, stage) in &reading.stages {
        let from_source = match &layout.dockerfile.stages[number].base {
            StageBase::Stage(base) => tainted.contains(base),
            StageBase::Context(_) => true,
            StageBase::Image(_) | StageBase::Scratch => false,
        };
        let is_source = |step: &Step| reads_source(step, &tainted, gathered, manifests);
        let source = if from_source { Some(0) } else { stage.steps.iter().position(is_source) };
        // A trigger of the base runs in front of everything, and must run only once; one that a stage leaves
        // would have to be left again.
        let has_triggers = stage.steps.iter().any(|step| step.number == 0);
        let onbuild = stage.steps.iter().position(|step| step.instruction.keyword == "ONBUILD");
        let end = source.into_iter().chain(onbuild).min().unwrap_or(stage.steps.len());
        let last_run = stage.steps[..end].iter().rfind(|step| step.instruction.keyword == "RUN");
        if let (Some(run), false) = (last_run, has_triggers) {
            let key = links.iter().find(|link| link.stage == number && link.instruction == run.number);
            cuts.extend(key.map(|link| (number, Cut { stage: number, instructions: run.number, key: link.key })));
        }
        if source.is_some() {
            tainted.insert(number);
        }
    }
    let used = stages_behind_cuts(layout, reading, &cuts);
    cuts.into_values().filter(|cut| used.contains(&cut.stage)).collect()
}

/// The key of a set of cuts.
pub(super) fn dependencies(cuts: &[Cut]) -> Option<Digest> {
    if cuts.is_empty() {
        return None;
    }
    let mut writer = DigestWriter::new("larder-fp-v1 dependencies");
    writer.number(cuts.len() as u64);
    for cut in cuts {
        writer.digest(&cut.key);
    }
    Some(writer.finish())
}

/// Whether a step reads more than what an application depends on, or something that nothing pins.
fn reads_source(step: &Step, tainted: &BTreeSet<usize>, gathered: &Gathered, manifests: &Manifests) -> bool {
    step.unpinned.is_some()
        || step.reads.iter().any(|read| match read {
            Read::Context(source) => !only_manifests(source, gathered, manifests),
            Read::Stage(stage) => tainted.contains(stage),
            Read::Named(_) => true,
            Read::Image(_) => false,
        })
}

/// A single named file is a dependency; several are when all of them are manifests.
fn only_manifests(source: &Source, gathered: &Gathered, manifests: &Manifests) -> bool {
    let Some(taken) = gathered.taken.get(source) else { return false };
    let entries = taken.reads.iter().map(|at| &gathered.context.entries[*at]);
    let mut files = entries.filter(|entry| matches!(entry.kind, EntryKind::File { .. })).peekable();
    taken.one_file || files.peek().is_some() && files.all(|file| manifests.contains(&file.path))
}

/// The stages that are still built when every cut is replaced by its dependency image.
fn stages_behind_cuts(layout: &Layout, reading: &Reading, cuts: &BTreeMap<usize, Cut>) -> BTreeSet<usize> {
    let mut used = BTreeSet::from([layout.target]);
    // Stages only reach back.
    for (&number, stage) in reading.stages.iter().rev() {
        if !used.contains(&number) {
            continue;
        }
        let cut = cuts.get(&number).map_or(0, |cut| cut.instructions);
        if let (0, StageBase::Stage(base)) = (cut, &layout.dockerfile.stages[number].base) {
            used.insert(*base);
        }
        for read in stage.steps.iter().filter(|step| step.number > cut || cut == 0).flat_map(|step| &step.reads) {
            if let Read::Stage(stage) = read {
                used.insert(*stage);
            }
        }
    }
    used
}
