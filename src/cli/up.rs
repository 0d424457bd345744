//! `larder up`: starts services and returns when every one is ready.

use std::collections::BTreeSet;
use std::time::Instant;

use clap::Args;

use super::asked::Asked;
use super::carry_out::carry_out;
use super::invocation::Invocation;
use super::logs::{self, Marks};
use super::number::at_least;
use super::prepare::{Goal, Prepared, prepare};
use super::records;
use super::rounds::rounds;
use super::until_end::{Beginning, UntilEnd};
use crate::compose;
use crate::failure::Failure;
use crate::model::Project;
use crate::plan::{self, Container, Health, State};
use crate::runtime::{Engine, Leg};
use crate::settings::{Progress, Settings};
use crate::term::{Readout, Ready};

/// `larder up`.
#[derive(Args, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Up {
    /// The services, with all that they depend on; all of them when none is named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Accepted and changes nothing: larder always returns
    #[arg(short, long)]
    pub detach: bool,
    /// Follow the logs once every service is ready
    #[arg(short, long, conflicts_with = "detach")]
    pub attach: bool,
    /// Follow the logs of what the named services depend on, too; implies `--attach`
    #[arg(long, conflicts_with = "detach")]
    pub attach_dependencies: bool,
    /// Accepted and changes nothing: larder always builds what changed
    #[arg(long, conflicts_with = "no_build")]
    pub build: bool,
    /// Fail where an image must be built
    #[arg(long)]
    pub no_build: bool,
    /// Accepted and changes nothing: larder always waits
    #[arg(long, conflicts_with = "no_wait")]
    pub wait: bool,
    /// Return when every service is started, ready or not
    #[arg(long)]
    pub no_wait: bool,
    /// Give up when a service takes longer than this to become ready
    #[arg(long, value_name = "SECONDS", value_parser = at_least::<1, u64>)]
    #[arg(visible_alias = "wait-timeout")]
    pub timeout: Option<u64>,
    /// What else is asked for.
    #[command(flatten)]
    pub asked: Asked,
    /// Which container's end ends all.
    #[command(flatten)]
    pub until_end: UntilEnd,
    /// Create containers and start none
    #[arg(long, conflicts_with_all = ["attach", "attach_dependencies", "no_wait"])]
    pub no_start: bool,
    /// Accepted and changes nothing: a pull is one line
    #[arg(long)]
    pub quiet_pull: bool,
}

/// Starts services; the exit code, which only the end of a container gives.
pub(super) async fn up(invocation: &Invocation, args: &Up) -> Result<u8, Failure> {
    let begun = Instant::now();
    let names = args.asked.names(&args.services);
    let (project, settings) = load(invocation, args, &names)?;
    invocation.warn(&project);
    let goal = Goal {
        containers: true,
        dependencies: !args.asked.no_deps,
        wait: !args.no_wait && !args.no_start && !args.until_end.is_asked(),
        builds: !args.no_build,
        acts: true,
        starts: !args.no_start,
    };
    let mut run = Run {
        invocation,
        args,
        project,
        names,
        settings,
        goal,
        begun: false,
        before: None,
        marks: Marks::new(),
        beginning: None,
        warned: BTreeSet::new(),
        acted: false,
        path: Vec::new(),
    };
    let grace = args.asked.stop_timeout;
    if args.until_end.is_asked() {
        let (beginning, begun_now) = Beginning::new();
        run.beginning = Some(beginning);
        let start = async { run.start(begun).await.map(drop) };
        return Box::pin(args.until_end.run(invocation, start, begun_now, grace)).await;
    }
    let prepared = run.start(begun).await?;
    if args.follows() {
        invocation.note("following the logs: Ctrl-C ends that, and the services go on")?;
        let services = args.attached(&prepared.services);
        let before = run.before.unwrap_or_default();
        logs::follow(invocation, &prepared, &services, &before, &run.marks).await?;
    }
    Ok(0)
}

impl Up {
    /// Whether the logs are followed once all is ready.
    fn follows(&self) -> bool {
        self.attach || self.attach_dependencies
    }

    /// Of the services of a run those that were asked for: all of them, where none was named.
    fn meant(&self, all: &BTreeSet<String>) -> BTreeSet<String> {
        let names = self.asked.names(&self.services);
        if names.is_empty() {
            return all.clone();
        }
        names.into_iter().collect()
    }

    /// The services whose logs are followed.
    fn attached(&self, all: &BTreeSet<String>) -> BTreeSet<String> {
        if self.attach_dependencies {
            return all.clone();
        }
        self.meant(all)
    }

    /// The services of which an end may end all, as with docker compose; and the one whose code is wanted.
    fn counted(&self, all: &BTreeSet<String>) -> BTreeSet<String> {
        let mut counted = self.meant(all);
        counted.extend(self.until_end.exit_code_from.clone());
        counted
    }
}

/// The project and the settings as the files and the command line have them now.
fn load(
    invocation: &Invocation,
    args: &Up,
    names: &[String],
) -> Result<(Project, Settings), Failure> {
    let mut project = invocation.load(names)?;
    if project.services.is_empty() {
        let off = !project.disabled.is_empty();
        return Err(Failure::NoServices { off });
    }
    args.asked.adjust(&mut project)?;
    let mut settings = invocation.settings(Some(&project), args.timeout)?;
    settings.ports = args.asked.ports.unwrap_or(settings.ports);
    Ok((project, settings))
}

/// What goes on over all rounds of an `up`.
struct Run<'a> {
    invocation: &'a Invocation,
    args: &'a Up,
    project: Project,
    names: Vec<String>,
    settings: Settings,
    goal: Goal,
    /// Whether a round was begun.
    begun: bool,
    /// What was there at first.
    before: Option<Vec<Container>>,
    /// How far the logs of that were printed, where they are followed.
    marks: Marks,
    /// Who watches for an end is told when the first container is about to start.
    beginning: Option<Beginning>,
    /// What was warned of.
    warned: BTreeSet<String>,
    /// Whether anything had to be done.
    acted: bool,
    /// What made it as long as it was.
    path: Vec<Leg>,
}

impl Run<'_> {
    /// Starts the services in as many rounds as it takes, and tells of it.
    async fn start(&mut self, begun: Instant) -> Result<Prepared, Failure> {
        let (invocation, name) = (self.invocation, self.project.name.clone());
        let prepared = rounds(invocation, Some(&name), async || self.round().await).await?;
        let ready = Ready {
            project: &prepared.project,
            services: &prepared.services,
            observed: &prepared.observed,
            took: begun.elapsed(),
            path: &self.path,
            readout: match (self.acted, self.args.no_start, self.goal.wait) {
                (false, ..) => Readout::UpToDate,
                (_, true, _) => Readout::Created,
                (_, _, false) => Readout::Started,
                _ => Readout::Ready,
            },
        };
        match prepared.settings.progress {
            Progress::Quiet => {}
            Progress::Json => ready.print_json(&invocation.screen),
            _ => ready.print(&invocation.screen),
        }
        invocation.release();
        Ok(prepared)
    }

    /// Looks, decides, carries out, and looks once more.
    async fn round(&mut self) -> Result<Prepared, Failure> {
        // Who watches for an end knows what was read until then.
        let is_watched = self.beginning.as_ref().is_some_and(Beginning::is_told);
        let again = std::mem::replace(&mut self.begun, true) && !is_watched;
        if again && compose::can_be_read_again(&self.project) {
            (self.project, self.settings) = load(self.invocation, self.args, &self.names)?;
        }
        let (project, settings) = (self.project.clone(), self.settings.clone());
        let prepared = prepare(self.invocation, project, &self.names, settings, self.goal);
        let mut prepared = Box::pin(prepared).await?;
        let asked = &self.args.asked;
        prepared.asked = plan::Asked {
            only_create: self.args.no_start,
            remove_orphans: asked.remove_orphans
                || self.invocation.removes_orphans(Some(&self.project)),
            ..asked.of_containers(&self.args.services, &prepared.services)
        };
        self.args.until_end.check(&prepared)?;
        if self.before.is_none() && (self.args.follows() || self.beginning.is_some()) {
            self.marks = logs::marks(&prepared.engine, &prepared.observed.containers).await;
        }
        let before = prepared.observed.containers.clone();
        let before = self.before.get_or_insert(before);
        // What an earlier round did as it was asked for is not done once more.
        let now = &prepared.observed.containers;
        prepared.asked.note_done(before, now);
        prepared.freshen(self.invocation).await?;
        prepared.push_too(self.invocation).await;
        let (plan, dagger) = prepared.decide(self.invocation).await?;
        let of_checkouts = prepared.check_checkouts(self.invocation, &plan).await?;
        prepared.check_ports(&plan).await?;
        if !self.acted {
            prepared.tell_ports(self.invocation);
        }
        let kept = records::keep(prepared.settings.cache.as_deref(), &prepared.recipes);
        for warning in plan.warnings.iter().chain(&of_checkouts) {
            if self.warned.insert(warning.clone()) {
                self.invocation.warning(warning);
            }
        }
        if let Some(beginning) = &mut self.beginning {
            let all = &prepared.services;
            let (attached, counted) = (self.args.attached(all), self.args.counted(all));
            let chosen = (attached, counted, &self.marks);
            beginning
                .begin(self.invocation, &prepared, &plan, chosen)
                .await?;
        }
        if !plan.is_empty() {
            self.acted = true;
            let carried = carry_out(self.invocation, &prepared, &plan, dagger).await?;
            prepared
                .services
                .retain(|service| !carried.fallen.contains(service));
            prepared.put_records(self.invocation, &plan).await;
            prepared.path.extend(carried.path);
            prepared.observed = prepared.engine.observe(&prepared.project.name).await?;
        }
        self.path.append(&mut prepared.path);
        if !self.args.no_start && !self.args.until_end.is_asked() {
            verify(&prepared)?;
        }
        if let Some(kept) = kept {
            kept.await?;
        }
        Ok(prepared)
    }
}

/// Looks whether all that was wanted is there: a service that was ready may have fallen since, or was taken away.
fn verify(prepared: &Prepared) -> Result<(), Failure> {
    for service in &prepared.services {
        let own = prepared.observed.containers.iter();
        let own = own.filter(|own| !own.one_off && own.service == *service);
        let own: Vec<&Container> = own.collect();
        let wanted = prepared.project.services[service].replicas();
        let anew = |own: &&Container| matches!(own.state, State::Created | State::Dead);
        if own.len() < wanted as usize || own.iter().any(anew) {
            return Err(Failure::Undone {
                service: service.clone(),
            });
        }
        let fallen = own
            .into_iter()
            .find_map(|container| fell(container).map(|state| (container, state)));
        if let Some((container, state)) = fallen {
            return Err(Failure::Fell {
                service: container.service.clone(),
                state,
            });
        }
    }
    Ok(())
}

/// What is wrong with a container that should be up, or have done its work.
fn fell(container: &Container) -> Option<String> {
    match container.state {
        State::Running(Health::None | Health::Starting | Health::Healthy) | State::Exited(0) => {
            None
        }
        State::Running(Health::Unhealthy) => Some("unhealthy".to_owned()),
        State::Exited(code) => Some(format!("ended with code {code}")),
        State::Created => Some("not started".to_owned()),
        State::Paused => Some("paused".to_owned()),
        State::Restarting => Some("restarting".to_owned()),
        State::Dead => Some("dead".to_owned()),
    }
}
