//! What the fingerprint room hands on: for each service with a build, the keys of its image, the files
//! they cover, and the parsed Dockerfile that a builder or a `resume` works from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::fingerprint::chain;
use crate::fingerprint::dockerfile::{Dockerfile, Instruction};
use crate::fingerprint::extras;
use crate::fingerprint::ingredients::{Ingredients, Section};
use crate::fingerprint::platform::Platform;
use crate::model::{Build, Digest, DigestWriter, ImageRef};

/// Everything that one image is made of.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The service that it was computed for. Another service with the same `full` shares the image.
    pub service: String,
    /// The full fingerprint: the key of the target stage's last instruction, with the build section's own inputs.
    pub full: Digest,
    /// The dependency fingerprint: over the keys of all `cuts`; `None` when no stage has a useful cut.
    pub dependencies: Option<Digest>,
    /// The dependency cut of each stage that the target needs and that has one, in stage order.
    pub cuts: Vec<Cut>,
    /// The chain: one link per instruction of every stage that the target needs, in stage order.
    pub chain: Vec<Link>,
    /// Why the whole filtered context is an input, when something in the Dockerfile was not understood.
    pub opaque: Option<String>,
    /// Why no key can stand for the image: it takes in something remote that nothing pins. Such an image is
    /// built each time, never reused.
    pub unpinned: Option<String>,
    /// What the service's bind mounts hide of the image, where that is certain.
    pub shadowed: Option<Shadowed>,
    /// The parsed Dockerfile.
    pub dockerfile: Arc<Dockerfile>,
    /// What the Dockerfile can read of the build context, and nothing else.
    pub context: Arc<Context>,
    /// The additional contexts by name: the images, and what the Dockerfile can read of the others.
    pub contexts: BTreeMap<String, AdditionalContext>,
    /// The images that the chain starts from, with what keyed them.
    pub bases: Vec<(ImageRef, Base)>,
    /// The build section.
    pub build: Build,
    /// What of it counts, by name.
    pub section: Section,
    /// The first instruction of each stage that reads application source; 0 where the stage starts from it.
    pub source: BTreeMap<usize, usize>,
    /// `os/arch[/variant]`, when the project asks for one.
    pub platform: Option<String>,
}

/// What an additional context stands for.
#[derive(Clone, Debug)]
pub enum AdditionalContext {
    /// A folder.
    Folder(Arc<Context>),
    /// An image, another service's or one that is named.
    Image(ImageRef),
    /// Something that is not on this machine, as written.
    Elsewhere(String),
}

/// What bind mounts hide of an image: whatever a container finds there, it is not the image's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadowed {
    /// The fingerprint without what is hidden. Images with one such key are the same to the service's containers.
    pub key: Digest,
    /// The lines of the instructions that copied it, each with the targets of the mounts, in order.
    pub by: Vec<(usize, Vec<String>)>,
}

/// For a person: which mount hides what.
impl fmt::Display for Shadowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (line, targets)) in self.by.iter().enumerate() {
            let quoted: Vec<String> = targets.iter().map(|own| format!("`{own}`")).collect();
            let comma = if at == 0 { "" } else { ", " };
            let (mounts, verb) = match targets.len() {
                1 => ("bind mount at", "hides"),
                _ => ("bind mounts at", "hide"),
            };
            let quoted = quoted.join(" and ");
            write!(
                f,
                "{comma}the {mounts} {quoted} {verb} what line {line} copies there"
            )?;
        }
        Ok(())
    }
}

/// Where a stage's dependencies end: the stage up to there is a dependency image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The stage's number in the Dockerfile, from 0.
    pub stage: usize,
    /// How many of the stage's instructions (FROM not counted) are in front of the cut; at least one is a RUN.
    pub instructions: usize,
    /// The key of the last of them.
    pub key: Digest,
    /// What an image does not carry and the rest of the stage may need: the arguments in scope.
    pub arguments: Vec<Argument>,
    /// And the CMD that an ENTRYPOINT behind the cut would clear.
    pub command: Option<Instruction>,
}

/// A variable that ARG set last, in a stage or in one that it starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// Its value; `None` where it comes from outside the stage: ARG alone gives it again.
    pub value: Option<String>,
}

/// One instruction of the chain.
#[derive(Clone, Debug)]
pub struct Link {
    /// The stage's number, from 0.
    pub stage: usize,
    /// The instruction's number in its stage: 0 is FROM, and the ONBUILD triggers that run behind it.
    pub instruction: usize,
    /// The line it starts on, from 1.
    pub line: usize,
    /// The chain's key behind it.
    pub key: Digest,
    /// The files it reads, as indexes into `Context::entries`.
    pub reads: Vec<usize>,
    /// What else it is made of.
    pub ingredients: Ingredients,
}

/// The part of a build context that a Dockerfile can read.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The folder, absolute.
    pub root: PathBuf,
    /// Files, links and folders, sorted by path; a folder stands in front of what is in it.
    pub entries: Vec<Entry>,
}

impl Context {
    /// The key of all of it, for a platform.
    pub fn key(&self, platform: Option<&str>) -> Digest {
        let mut writer = DigestWriter::new("larder-fp-v6 context");
        writer.optional(platform.map(str::as_bytes));
        let all: Vec<usize> = (0..self.entries.len()).collect();
        chain::write_entries(&mut writer, self, &all);
        writer.finish()
    }
}

impl Recipe {
    /// The additional context that a `from` names, where no stage has the name.
    pub fn context(&self, from: &str) -> Option<(&String, &AdditionalContext)> {
        self.contexts.get_key_value(&extras::short(from))
    }

    /// The keys of its images, and whether they are those of dependency images, which come first.
    pub fn keys(&self) -> impl Iterator<Item = (Digest, bool)> {
        let cuts = self.cuts.iter().map(|cut| (cut.key, true));
        cuts.chain([(self.full, false)])
    }

    /// What its image is for on an engine whose own platform is `native`.
    pub fn platform_on(&self, native: &Platform) -> Platform {
        let asked = self.platform.as_deref();
        asked.map_or_else(|| native.clone(), Platform::parse)
    }
}

/// One thing in the context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The path below the root, byte for byte, `/` between its parts, no `/` at either end.
    pub path: Vec<u8>,
    /// The permission bits that count: group's and others' write bits are always 0.
    pub mode: u32,
    /// What it is.
    pub kind: EntryKind,
}

/// What an entry is. Sockets, FIFOs and devices are never opened and never sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file: its size in bytes and the digest of its content when it was fingerprinted.
    File {
        /// Bytes.
        size: u64,
        /// SHA-256 of the content.
        digest: Digest,
    },
    /// A symbolic link: the text it holds, never followed.
    Symlink {
        /// The link's text.
        target: Vec<u8>,
    },
    /// A folder.
    Directory,
}

/// An image that a stage starts from or copies from, as its Dockerfile and its service name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BaseRef {
    /// Its name.
    pub image: ImageRef,
    /// The platform that FROM or the service asks for; `None` is the engine's own.
    pub platform: Option<Platform>,
    /// The digest that the project's lock pins it to.
    pub locked: Option<String>,
}

impl BaseRef {
    /// The name by which the engine and the registries are asked for it.
    pub fn wanted(&self) -> ImageRef {
        match &self.locked {
            None => self.image.clone(),
            locked => ImageRef {
                tag: None,
                digest: locked.clone(),
                ..self.image.clone()
            },
        }
    }
}

/// For a person: the name in backticks, and what it is for.
impl fmt::Display for BaseRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.image)?;
        match &self.platform {
            Some(platform) => write!(f, " for {platform}"),
            None => Ok(()),
        }
    }
}

/// An image that a stage starts from or copies from, as the engine knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// What keys it: the registry's digest where the engine knows one, else the image's ID.
    pub identity: String,
    /// Its ONBUILD triggers: instructions that run right behind FROM.
    pub onbuild: Vec<String>,
    /// Its environment, `NAME=value`: in scope for expansion behind FROM.
    pub env: Vec<String>,
    /// The folder its process starts in; empty for `/`.
    pub working_dir: String,
    /// The folders that become volumes in each container.
    pub volumes: Vec<String>,
}

/// A service's fingerprint, or what is missing for it.
#[derive(Clone, Debug)]
pub enum Fingerprinted {
    /// All of it.
    Known(Box<Recipe>),
    /// These bases were not given, so nothing can be said.
    Missing(Vec<BaseRef>),
}
