//! larder starts a Compose stack in about the time its containers need: never stale, never rebuilt for
//! nothing. The rooms, in the order in which data flows through them:
//!
//! [`model`] what a project is · [`template`] Dockerfiles for folders that have none · [`compose`] files and environment in, a project out ·
//! [`fingerprint`] what each image is made of · [`plan`] what is there, what is wanted, and the steps
//! between · [`runtime`] carries the steps out · [`docker`] the engine · [`build`] the builders ·
//! [`registry`] what registries have · [`bundle`] images in one file ·
//! [`export`] a project for machines without larder ·
//! [`term`] what a person sees · `remembered` what is kept from run to run · [`cli`] one file per command.

pub mod build;
pub mod bundle;
pub mod cli;
pub mod compose;
pub mod docker;
pub mod export;
pub mod failure;
pub mod fingerprint;
pub mod model;
pub mod plan;
pub mod registry;
mod remembered;
pub mod runtime;
pub mod settings;
pub mod template;
pub mod term;
