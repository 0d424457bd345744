//! Registries, spoken to without an engine: what lies under a name is known before a byte of it is pulled. Images come and go
//! through the engine, which has the layers.
//!
//! `client` reaches a registry, `fetch` reads what it answers, `error` says how one fails · `image` looks at an image's manifest and configuration ·
//! `referrers` are what is said of an image beside it: what it was made of.

mod client;
mod error;
mod fetch;
mod image;
mod referrers;

pub use client::Registries;
pub use error::RegistryError;
pub use image::RemoteImage;
