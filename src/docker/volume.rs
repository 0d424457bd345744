//! Named volumes of a project.

use bollard::query_parameters::RemoveVolumeOptions;

use super::Docker;
use super::connect::CHANGE;
use super::definition::volume_request;
use super::error::{gone_is_fine, status};
use crate::model::Project;
use crate::runtime::EngineError;

impl Docker {
    pub(super) async fn make_volume(
        &self,
        project: &Project,
        key: &str,
    ) -> Result<(), EngineError> {
        let action = format!("creating volume `{}`", project.volume_name(key));
        let call = self.client.create_volume(volume_request(project, key));
        match self.call(CHANGE, &action, call).await {
            // It is there with another driver.
            Err(error) if status(&error) == Some(409) => Ok(()),
            other => other.map(drop),
        }
    }

    pub(super) async fn delete_volume(&self, name: &str) -> Result<(), EngineError> {
        let action = format!("removing volume `{name}`");
        let call = self.client.remove_volume(name, None::<RemoveVolumeOptions>);
        gone_is_fine(self.call(CHANGE, &action, call).await)
    }
}
