//! A project written down for machines that have Docker and nothing else: a plain Compose file with every image pinned, and,
//! where it is asked for, the images beside it.
//!
//! `rewrite` makes the file of a project's tree, `paths` what its paths become, `document` its text with the head by which it
//! is known again, `difference` what is different in another one · `bundle` is what lies beside it.

mod bundle;
mod difference;
mod document;
mod paths;
mod rewrite;

pub use bundle::{ARCHIVE, COMPOSE_FILE, Checksum, LOADER, loader};
pub use difference::{Change, changes};
pub use document::{Form, is_export, made_by, text};
pub use paths::Paths;
pub use rewrite::{Needed, Pins, Rewritten, rewrite};
