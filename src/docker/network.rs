//! Networks of a project: made once, whoever else makes them at the same time.

use std::collections::HashMap;

use bollard::query_parameters::ListNetworksOptionsBuilder;

use super::Docker;
use super::connect::CHANGE;
use super::definition::network_request;
use super::error::{gone_is_fine, status};
use crate::model::Project;
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
        let options = ListNetworksOptionsBuilder::new()
            .filters(&HashMap::from([("name", vec![name])]))
            .build();
        let action = format!("looking for other networks `{name}`");
        let list = || self.client.list_networks(Some(options.clone()));
        let found = self.ask(&action, list).await?;
        let oldest = found
            .into_iter()
            // The filter finds parts of names too.
            .filter(|network| network.name.as_deref() == Some(name))
            .min_by_key(|network| (network.created, network.id.clone()))
            .and_then(|network| network.id);
        if oldest.is_some_and(|oldest| oldest != made) {
            self.delete_network(made).await?;
        }
        Ok(())
    }

    pub(super) async fn delete_network(&self, id: &str) -> Result<(), EngineError> {
        let action = format!("removing network `{}`", super::container::short(id));
        let call = self.client.remove_network(id);
        gone_is_fine(self.call(CHANGE, &action, call).await)
    }
}
