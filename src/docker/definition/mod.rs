//! What the Compose file says of a container, network or volume, in the engine's words, as docker compose
//! puts it (docker/compose `pkg/compose/create.go`). Pure: nothing here calls anybody.

mod body;
mod endpoints;
mod files;
mod gate;
mod host;
mod labels;
mod mounts;
mod ports;
mod resources;
mod shared;

pub(super) use body::{Definition, Namespaces, Surroundings, definition};
pub(super) use shared::{network_request, volume_request};
