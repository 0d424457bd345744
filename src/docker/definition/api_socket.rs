//! `use_api_socket`: the engine's socket, and a `config.json` with credentials for registries, in a container
//! (docker/compose `pkg/compose/apiSocket.go`, as the engine has no such thing itself).

use crate::model::Service;

/// Where the socket is, on the engine's machine and in the container.
const SOCKET: &str = "/var/run/docker.sock";
/// The folder that `DOCKER_CONFIG` names, unless the service says another.
const FOLDER: &str = "/run/secrets/docker";

/// Whether a service asks for it.
pub(in crate::docker) fn asks(service: &Service) -> bool {
    service.use_api_socket == Some(true)
}

/// The bind of the socket.
pub(super) fn bind() -> String {
    format!("{SOCKET}:{SOCKET}:rw")
}

/// The variable by which a Docker client finds the credentials.
pub(super) fn variable() -> (&'static str, &'static str) {
    ("DOCKER_CONFIG", FOLDER)
}

/// Where the credentials lie.
pub(super) fn config() -> String {
    format!("{FOLDER}/config.json")
}
