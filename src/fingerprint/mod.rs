//! What each image is made of: the Dockerfile parsed, the files it reads, a key per instruction, and where
//! the dependencies end.
//!
//! [`survey`] is the door. Text: `parse` splits a Dockerfile into instructions (`dockerfile`), `words` and `trim`
//! expand variables, `scope` says what they hold, `spacing` what of white space counts, `stages` groups instructions,
//! `steps` says what each one reads, `reading` what the target needs of it all, on which `platform`. Files: `ignorefile`
//! and `glob` match, `sources` finds what a COPY names, `beneath` opens what lies there, `walk` reads folders (`listing`, `order`), `content`
//! files, unless `statcache` knows their digests, on several `threads`; `gather` brings it together.
//! Keys: `section` and `extras` for the build section, `chain` for the instructions, `manifests` and `cut` for the
//! dependencies; `inputs` is one build from its files to its [`Recipe`], `templated` puts in a template of larder's, `absent` what those files lack, `hints` what may
//! help, `advice` about an order that installs at each edit. `lock` pins base images, `base_images` are those that can be
//! pinned. `cover` is what bind mounts lay over an image, `effect` and `shadowed` what they hide of it.
//! What a fingerprint was made of: `ingredients` by name, `record` as it is kept, `compare` two of them to each `change`.
//! `confighash` is the container's side, `delivery` its configs and secrets, `mounted` what a one-shot service reads
//! besides. `lab` and `fuzzing` are for tests.

mod absent;
mod advice;
mod base_images;
mod beneath;
mod chain;
mod change;
mod compare;
mod confighash;
mod content;
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
mod ingredients;
mod inputs;
#[cfg(test)]
mod lab;
mod listing;
mod lock;
mod manifests;
mod mounted;
mod order;
mod parse;
mod platform;
mod reading;
mod recipe;
mod record;
mod scope;
mod section;
mod shadowed;
mod sources;
mod spacing;
mod stages;
mod statcache;
mod steps;
mod survey;
mod templated;
mod threads;
mod trim;
mod walk;
mod words;

pub use advice::{Advice, advice};
pub use base_images::{BaseImages, base_images};
pub use change::{Change, FileChange, How, Place, What, shown, shown_line};
pub use compare::compare;
pub use confighash::config_hash;
pub use delivery::seccomp_profile;
pub use dockerfile::{Dockerfile, Heredoc, Instruction, Stage, StageBase};
pub use error::Error;
pub use ingredients::{Elsewhere, Ingredients, Section, Value};
pub use lock::{LOCK_FILE, Lock};
pub use mounted::mounted;
pub use platform::Platform;
pub use recipe::{
    AdditionalContext, Argument, Base, BaseRef, Context, Cut, Entry, EntryKind, Fingerprinted,
    Link, Recipe, Shadowed,
};
pub use record::{Bytes, Content, Record, RecordError, Recorded, RecordedEntry};
pub use statcache::StatCache;
pub use survey::{Survey, check_platforms, survey};
