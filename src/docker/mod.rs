//! The Docker Engine. bollard lives here (and where images are built), and nobody else speaks to an engine.
//!
//! `address` and `config_file` say where it is; `connect` reaches it, with `dial`, `greeting` and `api_version`, `post` says what bollard cannot;
//! `observe` takes one snapshot, `under_way` is what goes on behind it · `definition` puts services, networks and volumes into the engine's words,
//! `create` makes containers of them, `container` moves them on, `network` and `volume` make what they share ·
//! `image` and `pull` bring images and `push` takes them to a registry, with `credentials`, `registry` says what there is, `inventory` what all images take, `save` puts some into an archive · `exec`, `processes`, `logs` (in `lines`, each with its `stamp`) and `watch` look into
//! what runs, `list` and `events` show it to people, `archive` takes files out and puts them in, `attach` runs one to its end, with its `streams`, `terminal` lends a person's terminal to it · `compose_cli` runs the installed docker compose, as `program` runs whatever is told something · `taken` is who has which of the host's ports, by its
//! `sockets` and the containers', `bindings` which a container asks for, `examine` what is known of an engine that does not do as it should · `access` is what builders inside the engine need · `engine` is the port that steps go through, `error`
//! what comes back.

mod access;
mod address;
mod api_version;
mod archive;
mod attach;
mod bindings;
mod compose_cli;
mod config_file;
mod connect;
mod container;
mod create;
mod credentials;
mod definition;
mod dial;
mod engine;
mod error;
mod events;
mod examine;
mod exec;
mod greeting;
mod image;
mod inventory;
mod lines;
mod list;
mod listening;
mod logs;
mod network;
mod observe;
mod post;
mod processes;
mod program;
mod pull;
mod push;
mod registry;
mod save;
mod sockets;
mod stamp;
mod streams;
mod taken;
mod terminal;
mod under_way;
mod volume;
mod watch;

pub use api_version::{ApiVersion, InvalidApiVersion};
pub use archive::{FoundKind, FoundPath};
pub use attach::{AttachEnd, AttachOptions};
pub use compose_cli::ComposeCli;
pub use connect::{Docker, proxies};
pub use events::ContainerEvent;
pub use examine::{Examination, Way, named_by, orphans};
pub use exec::ExecOptions;
pub use image::FoundBase;
pub use lines::{LogLine, LogStream};
pub use list::{ImageFacts, Listed, ListedVolume};
pub use logs::LogOptions;
pub use processes::Processes;
pub use registry::is_not_known;
pub use stamp::{Stamp, since_epoch};
pub use terminal::give_back;
pub use under_way::Sent;
