//! `larder doctor`: what larder needs, looked at one by one; each with what it means and what to do.

mod engine;
mod machine;
mod registries;

use clap::Args;

use super::args::Report;
use super::dagger;
use super::invocation::Invocation;
use crate::build;
use crate::docker::{self, Docker};
use crate::failure::Failure;
use crate::model::Project;
use crate::settings::Environment;
use crate::term::{Check, Health, checkup, checkup_json};

/// `larder doctor`.
#[derive(Args, Debug)]
pub struct Doctor {
    /// The format
    #[arg(long, value_enum, default_value_t)]
    pub format: Report,
}

/// Looks; the exit code, 1 where something does not work.
pub(super) async fn doctor(invocation: &Invocation, args: &Doctor) -> Result<u8, Failure> {
    let checks = checks(invocation).await;
    match args.format {
        Report::Text => {
            let text = checkup(&checks, invocation.screen.columns());
            invocation.screen.out(&text);
        }
        Report::Json => {
            let document = checkup_json(&checks);
            invocation.screen.out(&format!("{document:#}\n"));
        }
    }
    let fails = checks.iter().any(|check| check.state == Health::Failure);
    Ok(u8::from(fails))
}

async fn checks(invocation: &Invocation) -> Vec<Check> {
    let mut checks = Vec::new();
    let (project, told) = project(invocation);
    let environment = &invocation.environment;
    let named_by = docker::named_by(environment);
    match Docker::connect(environment).await {
        Ok(engine) => {
            checks.extend(engine::checks(&engine, &named_by).await);
            checks.push(dagger(environment));
            if let Some(project) = project {
                checks.extend(registries::checks(&engine, project).await);
            }
        }
        Err(error) => checks.push(engine::unreachable(&error, &named_by)),
    }
    checks.push(machine::compose(environment).await);
    checks.push(machine::cache(environment));
    checks.push(told);
    checks
}

/// The project of this folder, and what is told of it.
fn project(invocation: &Invocation) -> (Option<Project>, Check) {
    const NAME: &str = "project";
    match invocation.load_all() {
        Ok(project) => {
            let folder = project.working_dir.display();
            let text = format!("`{}` in `{folder}`", project.name);
            (Some(project), Check::ok(NAME, text))
        }
        Err(Failure::Compose(error)) if error.is_no_file() => {
            let text = "no Compose file in this folder, nor above it";
            (None, Check::ok(NAME, text))
        }
        Err(failure) => {
            let hint = "`larder config -q` tells where it is, and what may help";
            (
                None,
                Check::failure(NAME, failure.to_string(), Some(hint.to_owned())),
            )
        }
    }
}

fn dagger(environment: &Environment) -> Check {
    const NAME: &str = "dagger";
    match build::available(|name| environment.get(name).cloned()) {
        Ok(source) => Check::ok(NAME, format!("builds dependency images: {source:?}")),
        Err(why) if dagger::is_asked_for(environment) => Check::warning(
            NAME,
            why,
            "start it, or unset what names it; until then the engine's BuildKit builds all",
        ),
        Err(why) => Check::ok(
            NAME,
            format!("not used, the engine's BuildKit builds all: {why}"),
        ),
    }
}
