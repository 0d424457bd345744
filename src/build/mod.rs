//! Builders: the files that a build reads, the Dockerfile it is given, and those who carry it out.
//!
//! `builders` is the door: it hands each build to the engine's BuildKit or to Dagger.
//!
//! What is built, whoever builds: `resume` writes the Dockerfile of one part of a recipe, `references` the images that stand
//! for bases and additional contexts in it; `context` is the files, compared while they are read; `bases` looks whether
//! bases are what was fingerprinted; `parts` is what a request says.
//! The engine's BuildKit: `buildkit`, with `trace` for what it tells.
//! Dagger: `dagger`. What of an image goes to the engine is made while it is taken, in `pieces`.

mod bases;
mod builders;
mod buildkit;
mod context;
mod dagger;
mod parts;
mod pieces;
mod references;
mod resume;
#[cfg(test)]
mod sample;
mod trace;

pub use builders::Builders;
pub use buildkit::{BuildKit, Refusal, refusal};
pub use dagger::{Dagger, DaggerSource, SessionError, available};
pub use parts::used_bases;
pub use pieces::pieces;
pub use references::context_names;
