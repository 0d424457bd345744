//! What the Compose file says of a container, network or volume, in the engine's words, as docker compose
//! puts it (docker/compose `pkg/compose/create.go`). Pure: nothing here calls anybody.

mod api_socket;
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
mod sharing;

pub(super) use api_socket::asks as asks_for_api_socket;
pub(super) use body::{Definition, Surroundings, definition};
pub(super) use shared::{network_request, volume_request};
pub(super) use sharing::{Sharing, sharing};
