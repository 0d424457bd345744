//! What each image is made of: the Dockerfile parsed, the files it reads, a key per instruction, and where
//! the dependencies end.

mod dockerfile;
mod recipe;

pub use dockerfile::{Dockerfile, Instruction, Stage, StageBase};
pub use recipe::{Base, Context, Cut, Entry, EntryKind, Fingerprinted, Link, Recipe};
