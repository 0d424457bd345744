//! Dagger. A `session` (from a `source`) is shared by all builds of a run; the `builder` builds in it what is in `handover`, with
//! `secrets` by names that mean one thing at a time. What it cannot take is in `beyond` and `leak`, what it tells in `narration`
//! and `failure`. Dependency images of plain instructions are built in single `steps`.
//!
//! The `delivery` of an image to the engine: `pushed` to a `depot` of larder's own with only the layers that the engine lacks, else
//! as an `archive`; either way it is `load`ed.

mod archive;
mod beyond;
mod builder;
mod delivery;
mod depot;
mod failure;
mod handover;
mod leak;
mod load;
mod narration;
mod pushed;
mod secrets;
mod session;
mod source;
mod steps;

pub use builder::Dagger;
pub use session::SessionError;
pub use source::{DaggerSource, available};
