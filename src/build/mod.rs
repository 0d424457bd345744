//! Builders: the files that a build reads, the Dockerfile it is given, and those who carry it out.
//!
//! [`Builders`] is the door: it hands each build to the engine's BuildKit or to Dagger. [`Upload`] is the files
//! of a build, [`rewrite`] the Dockerfile for one part of a recipe, with images in place of additional contexts.

mod archive;
mod bases;
mod beyond;
mod builders;
mod buildkit;
mod context;
mod dagger;
mod leak;
mod narration;
mod parts;
mod pieces;
mod references;
mod resume;
#[cfg(test)]
mod sample;
mod session;
mod trace;

pub use builders::Builders;
pub use buildkit::{BuildKit, Refusal, refusal};
pub use context::{ContextError, Upload};
pub use dagger::Dagger;
pub use references::Pins;
pub use resume::{Rewritten, Spot, rewrite, rewrite_pinned};
pub use session::{DaggerSource, SessionError, available};
