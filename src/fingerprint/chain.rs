//! The keys: one per instruction of every stage that the target needs, each over the one before it, the
//! instruction's text, the values it takes from outside, and what it reads. Pure.

use std::collections::BTreeMap;

use super::dockerfile::{Instruction, StageBase};
use super::extras::{self, Extra};
use super::gather::Gathered;
use super::reading::{Bases, Reading};
use super::recipe::{Context, EntryKind, Link};
use super::stages::{Layout, Request};
use super::steps::{Read, Step};
use crate::model::{Digest, DigestWriter};

/// Everything that keys are made from.
pub(super) struct Materials<'a> {
    pub(super) layout: &'a Layout,
    pub(super) request: &'a Request,
    pub(super) reading: &'a Reading,
    pub(super) gathered: &'a Gathered,
    pub(super) bases: &'a Bases,
    pub(super) extras: &'a BTreeMap<String, Extra>,
    /// The digests of additional contexts that are folders.
    pub(super) folders: &'a BTreeMap<String, Digest>,
    /// What every instruction runs under.
    pub(super) surroundings: Digest,
}

impl Materials<'_> {
    /// The chain, and the key of the target's last instruction.
    pub(super) fn keys(&self) -> (Vec<Link>, Digest) {
        let mut links = Vec::new();
        let mut ends: BTreeMap<usize, Digest> = BTreeMap::new();
        for (&number, reading) in &self.reading.stages {
            let from = &self.layout.dockerfile.stages[number].from;
            let mut key = self.start(number, &ends);
            let link = |instruction, line, key, reads| Link { stage: number, instruction, line, key, reads };
            links.push(link(0, from.lines.0, key, Vec::new()));
            for step in &reading.steps {
                let reads = self.reads(step);
                key = self.step(&key, step, &ends);
                links.push(link(step.number, step.instruction.lines.0, key, reads));
            }
            ends.insert(number, key);
        }
        let last = ends.get(&self.layout.target).copied().unwrap_or(self.surroundings);
        (links, last)
    }

    /// The one key of a Dockerfile that was not understood.
    pub(super) fn opaque(&self, dockerfile: &[u8]) -> (Vec<Link>, Digest) {
        let context = &self.gathered.context;
        let all: Vec<usize> = (0..context.entries.len()).collect();
        let mut writer = DigestWriter::new("larder-fp-v1 opaque");
        writer.digest(&self.surroundings).field(dockerfile);
        writer.optional(self.request.target.as_deref().map(str::as_bytes));
        writer.number(self.request.given.len() as u64);
        for (name, value) in &self.request.given {
            writer.text(name).text(value);
        }
        writer.number(self.reading.images.len() as u64);
        for image in &self.reading.images {
            writer.text(&image.to_string());
            writer.optional(self.bases.get(image).map(|base| base.identity.as_bytes()));
        }
        writer.number(self.reading.contexts.len() as u64);
        for name in &self.reading.contexts {
            writer.text(name);
            extras::write(&mut writer, self.extras.get(name), self.folders.get(name), self.bases);
        }
        write_entries(&mut writer, context, &all);
        let key = writer.finish();
        (vec![Link { stage: self.layout.target, instruction: 0, line: 1, key, reads: all }], key)
    }

    /// A stage's FROM. The name it gives the stage is not in it.
    fn start(&self, number: usize, ends: &BTreeMap<usize, Digest>) -> Digest {
        let stage = &self.layout.dockerfile.stages[number];
        let mut writer = DigestWriter::new("larder-fp-v1 stage");
        writer.digest(&self.surroundings).optional(stage.platform.as_deref().map(str::as_bytes));
        match &stage.base {
            StageBase::Scratch => {
                writer.text("scratch");
            }
            StageBase::Stage(base) => self.write(&mut writer, &Read::Stage(*base), ends),
            StageBase::Image(image) => self.write(&mut writer, &Read::Image(image.clone()), ends),
            StageBase::Context(name) => self.write(&mut writer, &Read::Named(name.clone()), ends),
        }
        writer.finish()
    }

    fn step(&self, previous: &Digest, step: &Step, ends: &BTreeMap<usize, Digest>) -> Digest {
        let mut writer = DigestWriter::new("larder-fp-v1 instruction");
        writer.digest(previous);
        write_instruction(&mut writer, &step.instruction);
        writer.number(step.outside.len() as u64);
        for (name, value) in &step.outside {
            writer.text(name).optional(value.as_deref().map(str::as_bytes));
        }
        writer.number(step.reads.len() as u64);
        step.reads.iter().for_each(|read| self.write(&mut writer, read, ends));
        writer.finish()
    }

    /// What an instruction reads, by content.
    fn write(&self, writer: &mut DigestWriter, read: &Read, ends: &BTreeMap<usize, Digest>) {
        match read {
            Read::Context(source) => {
                writer.text("files");
                let taken = self.gathered.taken.get(source);
                write_entries(writer, &self.gathered.context, taken.map_or(&[], |taken| &taken.reads));
            }
            Read::Stage(stage) => {
                writer.text("stage").optional(ends.get(stage).map(|key| &key.as_bytes()[..]));
            }
            Read::Image(image) => {
                writer.text("image").optional(self.bases.get(image).map(|base| base.identity.as_bytes()));
            }
            Read::Named(name) => {
                writer.text("context");
                extras::write(writer, self.extras.get(name), self.folders.get(name), self.bases);
            }
        }
    }

    /// The entries that a step reads.
    fn reads(&self, step: &Step) -> Vec<usize> {
        let mut reads = Vec::new();
        for read in &step.reads {
            if let Read::Context(source) = read {
                reads.extend(self.gathered.taken.get(source).into_iter().flat_map(|taken| taken.reads.iter()));
            }
        }
        reads.sort_unstable();
        reads.dedup();
        reads
    }
}

fn write_instruction(writer: &mut DigestWriter, instruction: &Instruction) {
    writer.text(&instruction.keyword).text(&instruction.arguments);
    writer.number(instruction.heredocs.len() as u64);
    for heredoc in &instruction.heredocs {
        writer.text(&heredoc.name).text(&heredoc.body);
    }
}

/// Entries of a context: path, kind, mode, and content or link text.
pub(super) fn write_entries(writer: &mut DigestWriter, context: &Context, reads: &[usize]) {
    writer.number(reads.len() as u64);
    for entry in reads.iter().map(|at| &context.entries[*at]) {
        writer.field(&entry.path).number(u64::from(entry.mode));
        match &entry.kind {
            EntryKind::File { digest, .. } => writer.number(1).digest(digest),
            EntryKind::Symlink { target } => writer.number(2).field(target),
            EntryKind::Directory => writer.number(3),
        };
    }
}
