//! The BuildKit inside the Docker Engine, over its gRPC as `docker buildx` speaks it: `builder` asks for a build,
//! `attributes` say what is built, and a `session` serves `files` (in the messages of `wire`), secrets, `agents` and
//! credentials meanwhile. What it cannot do is a `refusal`. The `shared_key` says which files BuildKit has already.

mod agents;
mod attributes;
mod builder;
mod files;
mod refusal;
mod session;
mod shared_key;
mod wire;

pub(super) use agents::Agents;
pub use builder::BuildKit;
pub(super) use builder::{faulty, refused};
pub use refusal::{Refusal, refusal};
