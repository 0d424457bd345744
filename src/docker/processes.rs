//! The processes of a container: which there are, and with what code the first one ends.

use bollard::errors::Error;
use bollard::query_parameters::{TopOptions, WaitContainerOptions};
use futures_util::StreamExt;

use super::Docker;
use super::connect::QUICK;
use super::container::short;
use super::error::Words;
use crate::runtime::EngineError;

/// The processes of a container, as `ps` on the engine's machine lists them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processes {
    /// What stands in each column.
    pub titles: Vec<String>,
    /// Each process, column by column.
    pub rows: Vec<Vec<String>>,
}

impl Docker {
    /// The processes of a container that runs.
    ///
    /// # Errors
    /// It does not run, or the engine does not answer.
    pub async fn processes(&self, container: &str) -> Result<Processes, EngineError> {
        let action = format!("listing the processes of container `{}`", short(container));
        let call = self.client.top_processes(container, None::<TopOptions>);
        let found = self.call(QUICK, &action, call).await?;
        Ok(Processes {
            titles: found.titles.unwrap_or_default(),
            rows: found.processes.unwrap_or_default(),
        })
    }

    /// Waits until a container does not run; the code that it ended with.
    ///
    /// # Errors
    /// It is gone, or the engine does not answer any more.
    pub async fn ended(&self, container: &str) -> Result<i64, EngineError> {
        let action = format!("waiting for container `{}`", short(container));
        let options = None::<WaitContainerOptions>;
        let mut answers = self.client.wait_container(container, options);
        match answers.next().await {
            Some(Ok(ended)) => Ok(ended.status_code),
            // bollard takes any other code than 0 for an error.
            Some(Err(Error::DockerContainerWaitError { code, error })) if error.is_empty() => {
                Ok(code)
            }
            Some(Err(Error::DockerContainerWaitError { error, .. })) => Err(EngineError::Refused {
                action,
                status: None,
                source: Box::new(Words(error)),
            }),
            Some(Err(error)) => Err(self.failed(&action, error)),
            None => Err(EngineError::Refused {
                action,
                status: None,
                source: Box::new(Words("the engine broke off".to_owned())),
            }),
        }
    }
}
