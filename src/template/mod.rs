//! Dockerfiles for folders that have none: which template fits what lies there, and its text.
//!
//! `kind` names the templates, `choose` picks one by the files of a folder (`folder` reads them), `render` fills it with what
//! `facts` finds: how the project installs and starts (`python`, `node`, `go`, `rust`, `java`, `ruby`, `php`; `toml` reads a value). `ci` has the
//! jobs for continuous integration. The texts are in `templates/`, and part of the program.

mod choose;
mod ci;
mod error;
mod facts;
mod folder;
mod go;
mod java;
mod kind;
mod node;
mod php;
mod python;
mod render;
mod ruby;
mod rust;
mod toml;

pub use choose::{Choice, choose};
pub use ci::Provider;
pub use error::Error;
pub use kind::{NAMES, Template};
pub use render::{Rendered, render};
