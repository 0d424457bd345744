//! What `up`, `plan`, `create` and `scale` are asked for beside the services: what is put in place of what the files say, and
//! which containers are replaced whatever they are.

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};

use super::number::at_least;
use crate::compose;
use crate::failure::Failure;
use crate::model::{Project, Service, UnknownService};
use crate::plan;
use crate::settings::Ports;

/// Options of all that start services.
#[derive(Args, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Asked {
    /// How many containers a service has, in place of what the file says
    #[arg(long, value_name = "SERVICE=N", value_parser = scale)]
    pub scale: Vec<Scale>,
    /// Leave out what the named services depend on
    #[arg(long)]
    pub no_deps: bool,
    /// Replace the containers of the named services (of all, when none is named) although nothing changed
    #[arg(long, conflicts_with = "no_recreate")]
    pub force_recreate: bool,
    /// Replace the containers of what the services depend on
    #[arg(long, conflicts_with = "no_recreate")]
    pub always_recreate_deps: bool,
    /// Keep containers that are there, whatever changed
    #[arg(long)]
    pub no_recreate: bool,
    /// Give new containers new anonymous volumes
    #[arg(short = 'V', long)]
    pub renew_anon_volumes: bool,
    /// Run a job again although it is done
    #[arg(long, value_name = "JOB")]
    pub rerun: Vec<String>,
    /// Remove containers that other files made under the project's name, too
    #[arg(long)]
    pub remove_orphans: bool,
    /// How long a container that is replaced has until it is killed, in place of its own grace period
    #[arg(short = 't', long, value_name = "SECONDS", value_parser = at_least::<0, u32>)]
    pub stop_timeout: Option<u32>,
    /// When images that are only named are pulled, in place of their `pull_policy`
    #[arg(long, value_enum, value_name = "POLICY", hide_possible_values = true)]
    #[arg(help = "When images that are only named are pulled: always, missing or never")]
    pub pull: Option<Pull>,
    /// Ports of the host: `fixed` as the file says, `auto` free ones in place of taken ones
    #[arg(long, value_enum, value_name = "HOW", hide_possible_values = true)]
    #[arg(
        help = "Host ports: fixed, or auto (free ones in place of taken ones) [env: LARDER_PORTS]"
    )]
    pub ports: Option<Ports>,
}

/// How many containers a service has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scale {
    /// The service.
    pub service: String,
    /// How many.
    pub containers: u32,
}

/// When images are pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Pull {
    /// Each time.
    Always,
    /// When they are not there.
    Missing,
    /// Not at all.
    Never,
}

/// Reads `web=3`.
pub(super) fn scale(text: &str) -> Result<Scale, String> {
    let scale = text.split_once('=');
    let (service, containers) = scale.ok_or_else(|| format!("`{text}` is not SERVICE=N"))?;
    Ok(Scale {
        service: service.to_owned(),
        containers: at_least::<0, u32>(containers)?,
    })
}

impl Asked {
    /// The services that are asked for by name: jobs that are to be run again are, where others are.
    pub(super) fn names(&self, services: &[String]) -> Vec<String> {
        let mut names = services.to_vec();
        if !names.is_empty() {
            names.extend(self.rerun.iter().cloned());
        }
        names
    }

    /// Puts what the command line says in place of what the files say.
    ///
    /// # Errors
    /// A name is no active service, or a service to be run again is not run to its end.
    pub(super) fn adjust(&self, project: &mut Project) -> Result<(), Failure> {
        for Scale {
            service,
            containers,
        } in &self.scale
        {
            known(project, service)?.scale = Some(*containers);
        }
        if !self.scale.is_empty() {
            compose::check_scale(project)?;
        }
        for job in &self.rerun {
            known(project, job)?;
            if !project.one_shots().contains(job.as_str()) {
                return Err(Failure::NoJob(job.clone()));
            }
        }
        let Some(policy) = self.pull else {
            return Ok(());
        };
        let services = project.services.values_mut();
        for service in services.filter(|service| service.build.is_none()) {
            service.pull_policy = Some(policy.word().to_owned());
        }
        Ok(())
    }

    /// What is asked for of the containers of a run, some of whose services were named.
    pub(super) fn of_containers(&self, named: &[String], all: &BTreeSet<String>) -> plan::Asked {
        let asks = |name: &String| {
            if named.is_empty() || named.contains(name) {
                self.force_recreate.then_some("--force-recreate")
            } else {
                self.always_recreate_deps
                    .then_some("--always-recreate-deps")
            }
        };
        let recreate = all
            .iter()
            .filter_map(|name| Some((name.clone(), asks(name)?)));
        plan::Asked {
            recreate: recreate.collect(),
            keep: self.no_recreate,
            rerun: self.rerun.iter().cloned().collect(),
            renew_volumes: self.renew_anon_volumes,
            remove_orphans: self.remove_orphans,
            grace: self.stop_timeout,
            ..plan::Asked::default()
        }
    }
}

impl Pull {
    /// The `pull_policy` that it is.
    fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Missing => "missing",
            Self::Never => "never",
        }
    }
}

fn known<'a>(project: &'a mut Project, name: &str) -> Result<&'a mut Service, Failure> {
    if !project.services.contains_key(name) {
        let known = project.services.keys().cloned().collect();
        let name = name.to_owned();
        return Err(UnknownService { name, known }.into());
    }
    Ok(project.services.entry(name.to_owned()).or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_is_a_service_and_a_number() {
        let read = scale("web=3").unwrap();
        assert_eq!((read.service.as_str(), read.containers), ("web", 3));
        for wrong in ["web", "web=", "web=-1", "web=many"] {
            assert!(scale(wrong).is_err(), "{wrong}");
        }
    }
}
