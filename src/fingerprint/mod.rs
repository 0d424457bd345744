//! What each image is made of: the Dockerfile parsed, the files it reads, a key per instruction, and where
//! the dependencies end.

mod dockerfile;
mod glob;
mod ignorefile;
mod recipe;
mod trim;
mod words;

pub use dockerfile::{Dockerfile, Heredoc, Instruction, Stage, StageBase};
pub use recipe::{Base, Context, Cut, Entry, EntryKind, Fingerprinted, Link, Recipe};
