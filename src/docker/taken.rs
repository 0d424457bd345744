//! Who has which ports of the host: the engine's running containers, and the processes of this machine where the engine's
//! containers publish theirs on it.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use bollard::query_parameters::ListContainersOptions;
use tokio::net::UnixStream;

use super::Docker;
use super::address::Transport;
use super::connect::QUICK;
use super::observe::container;
use super::sockets::{Socket, sockets};
use crate::model::{addresses_meet, labels};
use crate::plan::{Container, Holder, Taken};
use crate::runtime::EngineError;

impl Docker {
    /// The ports of the host that somebody has. Of those that are `wanted` it is found out who.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn taken_ports(&self, wanted: BTreeSet<u16>) -> Result<Vec<Taken>, EngineError> {
        let call = self.client.list_containers(None::<ListContainersOptions>);
        let listed = self.call(QUICK, "listing containers", call).await?;
        let containers: Vec<Container> = listed.into_iter().map(container).collect();
        let mut taken: Vec<Taken> = containers.iter().flat_map(published).collect();
        if self.on_this_network().await.is_some() {
            let read = tokio::task::spawn_blocking(move || sockets(&wanted));
            let found = read.await.unwrap_or_default();
            let others: Vec<Taken> = found
                .into_iter()
                .filter(|socket| !is_of_container(socket, &taken))
                .map(|socket| of_socket(socket, &containers))
                .collect();
            taken.extend(others);
        }
        Ok(taken)
    }

    /// The process that listens on the engine's socket, where the engine's ports are those of this process's network: both are in
    /// one network namespace. An engine in a virtual machine, or of a user of its own, is not.
    pub(super) async fn on_this_network(&self) -> Option<u32> {
        let Transport::Unix(path) = &self.address.transport else {
            return None;
        };
        let stream = UnixStream::connect(path).await.ok()?;
        let peer = stream.peer_cred().ok()?.pid()?;
        // The tables of one namespace are one file, and may be looked at where its name (`ns/net`) may not be read.
        let table = |process: &str| {
            let file = Path::new("/proc").join(process).join("net/tcp");
            let found = file.metadata().ok()?;
            Some((found.dev(), found.ino()))
        };
        let own = table("self");
        let same = own.is_some() && table(&peer.to_string()) == own;
        same.then(|| peer.try_into().ok())?
    }
}

fn published(container: &Container) -> impl Iterator<Item = Taken> {
    let said = |label: &str| container.labels.get(label).cloned();
    let holder = Holder::Container {
        id: container.id.clone(),
        name: container.name.clone(),
        project: said(labels::PROJECT),
        service: said(labels::SERVICE),
    };
    container.ports.iter().filter_map(move |port| {
        Some(Taken {
            address: port.host_ip.as_deref().and_then(|ip| ip.parse().ok()),
            port: port.published?,
            protocol: port.protocol.clone(),
            holder: holder.clone(),
        })
    })
}

/// Whether a socket is that of the proxy in front of a container.
fn is_of_container(socket: &Socket, published: &[Taken]) -> bool {
    published.iter().any(|own| {
        own.port == socket.port
            && own.protocol == socket.protocol
            && addresses_meet(own.address, socket.address)
    })
}

fn of_socket(socket: Socket, containers: &[Container]) -> Taken {
    let inside = socket.cgroup.as_deref().and_then(|cgroup| {
        let mut all = containers.iter();
        all.find(|own| !own.id.is_empty() && cgroup.contains(&own.id))
    });
    let holder = match inside {
        // It has the host's network.
        Some(own) => Holder::Container {
            id: own.id.clone(),
            name: own.name.clone(),
            project: own.labels.get(labels::PROJECT).cloned(),
            service: own.labels.get(labels::SERVICE).cloned(),
        },
        None => Holder::Process {
            pid: socket.pid,
            command: socket.command,
            user: socket.user,
        },
    };
    Taken {
        address: socket.address,
        port: socket.port,
        protocol: socket.protocol.to_owned(),
        holder,
    }
}
