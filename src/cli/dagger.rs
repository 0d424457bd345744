//! Dagger found in an environment.

use std::path::PathBuf;
use std::time::Duration;

use crate::build::{self, Dagger};
use crate::docker::Docker;
use crate::failure::Failure;
use crate::plan::BuilderKind;
use crate::runtime::BuildError;
use crate::settings::Environment;

/// Dagger for an engine, with the user's SSH agent; its session gets this long to open.
///
/// # Errors
/// Neither a session nor the `dagger` command is there.
pub(super) fn find(
    environment: &Environment,
    engine: &Docker,
    agent: Option<PathBuf>,
    limit: Duration,
) -> Result<Dagger, Failure> {
    let variable = |name: &str| environment.get(name).cloned();
    let source = build::available(variable).map_err(|why| BuildError::Unreachable {
        builder: BuilderKind::Dagger,
        source: why.into(),
    })?;
    Ok(Dagger::new(source, limit, engine.client().clone()).with_agent(agent))
}

/// Whether somebody said where Dagger is: then it is not passed over in silence when it is not there.
pub(super) fn is_asked_for(environment: &Environment) -> bool {
    let variables = [
        "DAGGER_SESSION_PORT",
        "_EXPERIMENTAL_DAGGER_RUNNER_HOST",
        "_EXPERIMENTAL_DAGGER_CLI_BIN",
    ];
    variables.iter().any(|name| environment.contains_key(*name))
}
