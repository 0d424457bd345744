//! Images in one file for machines without a registry: an OCI image layout in a tar archive. Must not know an engine: what it
//! writes comes from `docker save`, and what it gives goes to `docker load`.
//!
//! `layout` is how such a file is built · `write` makes one · `read` takes one for what it proves to be.

mod layout;
mod read;
mod write;

pub use layout::{BundleError, Named};
pub use read::{Bundle, BundledImage};
pub use write::BundleWriter;
