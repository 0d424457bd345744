//! The door: Compose files and an environment in, a [`model::Project`](crate::model::Project) out, or an error
//! that knows its line. In the order of a load:
//!
//! `load` the line of steps · `files` which files (`text` reads one) · `environment` variables and env files
//! (`dotenv` their grammar) · `tree` YAML into trees by the `reader` (`weight` before that, `reread` after it, `scalar` and `date` across YAML versions, `yaml_fault` what is none) · `project_name` ·
//! `layers` documents into one tree: `interpolate`, `lower` (checked and canonical, `single` for values that are not made of
//! others, by the tables of `top_level`, `attributes`, `deploy`, `parts` and `refused` in the words of `schema`; `long_form`,
//! `ports`, `mounts`, `words` for short forms, `values` for texts with a grammar), `include`, `extends`, `merge` (`identity`
//! of list items, `pools` of addresses), `nulls` (what is left empty), `resolve` (paths) · `required` what a whole tree must have · `assemble` the tree into model types, without
//! what says nothing (`omit_empty`) · `settle` what is left unsaid · `check` what must hold (`check_service` and `watch` for
//! one service; of what is started, `check_start`) · `delivery`, `clash` and `notice` warnings · `outside` paths that leave the
//! project · `error`, with `place` and `locate` for its place (`path` says where in a tree, `yaml_fault` what is wrong with YAML),
//! `hints` and `suggest` for what may help. Beside a load: `as_written` without values, `variables` that files ask for, `explain`
//! where a value comes from, `typed` the same forms at a command line. `fuzzing` and `made_up` are for tests.

mod as_written;
mod assemble;
mod attributes;
mod check;
mod check_service;
mod check_start;
mod clash;
mod date;
mod delivery;
mod deploy;
mod dotenv;
mod environment;
mod error;
mod explain;
mod extends;
mod files;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod hints;
mod identity;
mod include;
mod interpolate;
mod layers;
mod load;
mod locate;
mod long_form;
mod lower;
#[cfg(test)]
mod made_up;
mod merge;
mod mounts;
mod notice;
mod nulls;
mod omit_empty;
mod outside;
mod parts;
mod path;
mod place;
mod pools;
mod ports;
mod project_name;
mod reader;
mod refused;
mod required;
mod reread;
mod resolve;
mod scalar;
mod schema;
mod settle;
mod single;
mod suggest;
mod text;
mod top_level;
mod tree;
mod typed;
mod values;
mod variables;
mod watch;
mod weight;
mod words;
mod yaml_fault;

pub use as_written::{Names, load_as_written, names_as_written};
pub use check_start::{check_scale, check_start};
pub use error::Error;
pub use explain::{Explanation, Kind, Role, Source, Used, explain};
pub(crate) use hints::named_here;
pub use load::{LoadOptions, can_be_read_again, environment, environment_alone, load};
pub use outside::{Outside, outside};
pub use place::{place, place_of_item};
pub(crate) use project_name::normalised;
pub(crate) use suggest::{nearby, nearest};
pub use typed::{typed_command, typed_mount, typed_ports, typed_variables};
pub use variables::{Variable, variables};
