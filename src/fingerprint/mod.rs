//! What each image is made of: the Dockerfile parsed, the files it reads, a key per instruction, and where
//! the dependencies end.
//!
//! [`survey`] is the door. Text: `parse` splits a Dockerfile into instructions, `words` and `trim` expand
//! variables, `scope` says what they hold, `stages` groups instructions, `steps` says what each one reads,
//! `reading` what the target needs of it all. Files: `ignorefile` and `glob` match, `sources` finds what a
//! COPY names, `walk` reads folders, `gather` brings it together with the digests that `statcache` keeps.
//! Keys: `section` and `extras` for the build section, `chain` for the instructions, `manifests` and `cut`
//! for the dependencies; `inputs` is one build from its files to its [`Recipe`], `absent` what
//! those files lack, `hints` what may help. `cover` is what bind mounts lay over an image, `effect` and
//! `shadowed` what they hide of it. `confighash` is the container's side, `delivery` its configs and secrets,
//! `mounted` what a one-shot service reads besides.

mod absent;
mod chain;
mod confighash;
mod cover;
mod cut;
mod delivery;
mod dockerfile;
mod effect;
mod error;
mod extras;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod gather;
mod glob;
mod hints;
mod ignorefile;
mod inputs;
#[cfg(test)]
mod lab;
mod manifests;
mod mounted;
mod parse;
mod platform;
mod reading;
mod recipe;
mod scope;
mod section;
mod shadowed;
mod sources;
mod stages;
mod statcache;
mod steps;
mod survey;
mod threads;
mod trim;
mod walk;
mod words;

pub use confighash::config_hash;
pub use dockerfile::{Dockerfile, Heredoc, Instruction, Stage, StageBase};
pub use error::Error;
pub use mounted::mounted;
pub use platform::Platform;
pub use recipe::{
    Argument, Base, BaseRef, Context, Cut, Entry, EntryKind, Fingerprinted, Link, Recipe, Shadowed,
};
pub use statcache::StatCache;
pub use survey::{Survey, survey};
