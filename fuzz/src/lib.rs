//! The rooms of larder that fuzzers feed, without those that know an engine: a tenth of what there is to compile.
#![allow(dead_code, unused_imports, unreachable_pub)]

#[path = "../../src/model/mod.rs"]
mod model;

#[path = "../../src/template/mod.rs"]
mod template;

#[path = "../../src/compose/mod.rs"]
mod compose;

#[path = "../../src/fingerprint/mod.rs"]
mod fingerprint;

pub use compose::fuzzing as project;
pub use fingerprint::fuzzing;
