//! Networks of a project: made once, whoever else makes them at the same time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bollard::models::Network;
use bollard::query_parameters::{ListContainersOptionsBuilder, ListNetworksOptionsBuilder};

use super::Docker;
use super::connect::CHANGE;
use super::definition::network_request;
use super::error::{gone_is_fine, status};
use super::observe::container;
use crate::model::{Project, labels};
use crate::plan::Resource;
use crate::runtime::EngineError;

impl Docker {
    pub(super) async fn make_network(
        &self,
        project: &Project,
        key: &str,
    ) -> Result<(), EngineError> {
        let request = network_request(project, key, self.api)?;
        let name = request.name.clone();
        let action = format!("creating network `{name}`");
        let call = self.client.create_network(request);
        match self.call(CHANGE, &action, call).await {
            Ok(made) if !self.api.at_least("1.44") => self.keep_one(&name, &made.id).await,
            Ok(_) => Ok(()),
            Err(error) if status(&error) == Some(409) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// An engine below API 1.44 makes a second network of the same name when two ask at once, and nobody can
    /// start a container on either afterwards. Of several the oldest stays; whoever made another takes it
    /// back. Its own `CheckDuplicate` leaves the same gap, and bollard does not send it.
    async fn keep_one(&self, name: &str, made: &str) -> Result<(), EngineError> {
        if self
            .networks_named(name)
            .await?
            .first()
            .is_some_and(|oldest| oldest.id.as_deref() != Some(made))
        {
            self.delete_network(made).await?;
        }
        Ok(())
    }

    /// The networks of a name, the oldest first.
    async fn networks_named(&self, name: &str) -> Result<Vec<Network>, EngineError> {
        let options = ListNetworksOptionsBuilder::new()
            .filters(&HashMap::from([("name", vec![name])]))
            .build();
        let action = format!("looking for networks `{name}`");
        let list = || self.client.list_networks(Some(options.clone()));
        let mut found = self.ask(&action, list).await?;
        // The filter finds parts of names too.
        found.retain(|network| network.name.as_deref() == Some(name));
        found.sort_by_key(|network| (network.created, network.id.clone()));
        Ok(found)
    }

    /// Takes back the second networks of names that a project has two of, so that its containers can be started again: two
    /// that made one at once left them, and were killed, or were docker compose. One that containers are on stays, else the
    /// oldest does. Whether there was one.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn keep_single(&self, project: &str, seen: &[Resource]) -> Result<bool, EngineError> {
        let own = |network: &&Resource| {
            let label = network.labels.get(labels::PROJECT);
            label.is_some_and(|label| label == project)
        };
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        for network in seen.iter().filter(own) {
            *names.entry(&network.name).or_default() += 1;
        }
        names.retain(|_, count| *count > 1);
        for name in names.keys() {
            let (mut used, mut idle) = (0, Vec::new());
            for network in self.networks_named(name).await? {
                let id = network.id.unwrap_or_default();
                if self.is_idle(&id).await? {
                    idle.push(id);
                } else {
                    used += 1;
                }
            }
            for id in idle.iter().skip(usize::from(used == 0)) {
                self.delete_network(id).await?;
            }
        }
        Ok(!names.is_empty())
    }

    /// Whether no container runs on a network.
    async fn is_idle(&self, id: &str) -> Result<bool, EngineError> {
        let action = format!("looking at network `{}`", super::container::short(id));
        let look = || self.client.inspect_network(id, None);
        match self.ask(&action, look).await {
            Ok(found) => Ok(found.containers.unwrap_or_default().is_empty()),
            Err(error) if status(&error) == Some(404) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// The containers on a network that cannot do without it, by their IDs: those of the project that run, and all others, as
    /// nobody makes these anew. The engine's own list of a network leaves out what is between two starts.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn attached(
        &self,
        project: &str,
        network: &str,
    ) -> Result<BTreeSet<String>, EngineError> {
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&HashMap::from([("network", vec![network])]))
            .build();
        let action = format!("listing containers of network `{network}`");
        let list = || self.client.list_containers(Some(options.clone()));
        let listed = self.ask(&action, list).await?;
        let all = listed.into_iter().map(container);
        let held = all.filter(|own| {
            let is_own = own
                .labels
                .get(labels::PROJECT)
                .is_some_and(|own| own == project);
            own.state.is_running() || !is_own
        });
        Ok(held.map(|own| own.id).collect())
    }

    pub(super) async fn delete_network(&self, id: &str) -> Result<(), EngineError> {
        let action = format!("removing network `{}`", super::container::short(id));
        let call = self.client.remove_network(id);
        gone_is_fine(self.call(CHANGE, &action, call).await)
    }
}
