//! The BuildKit inside the Docker Engine, over its gRPC as `docker buildx` speaks it: `builder` asks for a build,
//! `attributes` say what is built, and a `session` serves `files` (in the messages of `wire`), secrets and credentials
//! meanwhile.

mod attributes;
mod builder;
mod files;
mod session;
mod wire;

pub use attributes::unsupported;
pub use builder::BuildKit;
pub(super) use builder::{faulty, refused};
