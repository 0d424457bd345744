//! Builders: the files that a build reads, the Dockerfile it is given, and those who carry it out.
//!
//! [`Builders`] is the door: it hands each build to the engine's BuildKit or to Dagger. [`Upload`] is the context
//! as a stream, [`rewrite`] the Dockerfile for one part of a recipe.

mod buildkit;
mod context;
mod resume;
#[cfg(test)]
mod sample;
mod trace;

pub use buildkit::BuildKit;
pub use context::{ContextError, Pieces, Upload};
pub use resume::{Rewritten, Spot, rewrite};
