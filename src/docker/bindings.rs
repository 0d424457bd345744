//! The host ports that a container asks for, running or not: a list of containers says only those that it has.

use super::Docker;
use crate::model::Port;
use crate::runtime::EngineError;

impl Docker {
    /// The ports that a container is to publish.
    ///
    /// # Errors
    /// The engine does not answer, or the container is gone.
    pub async fn bindings(&self, container: &str) -> Result<Vec<Port>, EngineError> {
        let found = self.look(container).await?;
        let bindings = found.host_config.and_then(|host| host.port_bindings);
        let bindings = bindings.unwrap_or_default().into_iter();
        let ports = bindings.flat_map(|(key, all)| {
            let (target, protocol) = key.split_once('/').unwrap_or((&key, "tcp"));
            let (target, protocol) = (target.parse().unwrap_or_default(), protocol.to_owned());
            let all = all.unwrap_or_default().into_iter();
            all.map(move |binding| Port {
                host_ip: binding.host_ip.filter(|ip| !ip.is_empty()),
                target,
                published: binding.host_port.filter(|port| !port.is_empty()),
                protocol: protocol.clone(),
                ..Port::default()
            })
        });
        Ok(ports.collect())
    }
}
