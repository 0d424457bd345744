//! `larder down`: stops and removes the project's containers and networks, and its volumes and images when asked. Goes
//! by labels, so it works where the Compose file is gone; where there is one, `parting` says what is left alone.

mod parting;

use clap::{Args, ValueEnum};
use std::collections::BTreeSet;
use std::time::Instant;

use self::parting::Parting;
use super::carry_out::carry_out_on;
use super::checkouts::check_removal;
use super::invocation::{Invocation, Named};
use super::number::at_least;
use super::rounds::rounds_on;
use super::turn::{Turn, plan_of};
use crate::docker::Docker;
use crate::failure::Failure;
use crate::plan::{Action, Container, Plan, StepId};
use crate::runtime::Engine;

/// `larder down`.
#[derive(Args, Debug, Default)]
pub struct Down {
    /// The services; all of the project when none is named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Remove the project's volumes too, and all data in them
    #[arg(short, long)]
    pub volumes: bool,
    /// Remove containers of services that no compose file defines, also those that other files made
    #[arg(long)]
    pub remove_orphans: bool,
    /// Remove images: those that were built under names of the project's own, or all that its services use
    #[arg(long, value_enum, value_name = "WHICH")]
    pub rmi: Option<Images>,
    /// How long each container has until it is killed, in place of its own grace period
    #[arg(short, long, value_name = "SECONDS", value_parser = at_least::<0, u32>)]
    pub timeout: Option<u32>,
}

/// Which images go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Images {
    /// Those that were built under names of the project's own; not under those that a file gives them.
    Local,
    /// All that its services use.
    All,
}

pub(super) async fn down(invocation: &Invocation, args: &Down) -> Result<(), Failure> {
    let begun = Instant::now();
    let named = invocation.named()?;
    rounds_on(invocation, named, async |engine, named| {
        round((invocation, engine), args, named, begun).await
    })
    .await
}

async fn round(
    (invocation, engine): (&Invocation, &Docker),
    args: &Down,
    named: &Named,
    begun: Instant,
) -> Result<(), Failure> {
    let observed = engine.observe(&named.name).await?;
    let all = args.remove_orphans || invocation.removes_orphans(named.project.as_ref());
    let parting = Parting::of(&observed, named, args, all)?;
    check_removal(invocation, named.project.as_ref(), &parting.gone)?;
    let turn = Turn::Remove {
        grace: args.timeout,
        volumes: args.volumes,
    };
    let mut plan = plan_of(parting.gone.clone(), named, turn);
    for step in &mut plan.steps {
        let cause = match &step.action {
            Action::Stop { container, .. }
            | Action::Unpause { container }
            | Action::Remove { container, .. } => parting.cause(container),
            _ => None,
        };
        if let Some(cause) = cause {
            cause.clone_into(&mut step.cause);
        }
    }
    parting.tell(invocation)?;
    let behind: Vec<StepId> = plan.steps.iter().map(|step| step.id).collect();
    for network in parting.networks(&observed, named, args) {
        let action = Action::RemoveNetwork {
            network: network.id.clone(),
            name: network.name.clone(),
        };
        plan.add(None, action, "asked for", behind.clone());
    }
    if args.volumes {
        for volume in parting.volumes(invocation, &observed, named, args) {
            let name = volume.name.clone();
            let action = Action::RemoveVolume { name };
            plan.add(None, action, "asked for", behind.clone());
        }
        add_handed_over(&mut plan, &parting.gone, named);
    }
    let images = args
        .rmi
        .map(|which| parting.images(which, &observed, named, args));
    let mut last = None;
    for name in images.into_iter().flatten() {
        let action = Action::RemoveImage { name };
        let step = plan.add(None, action, "asked for", behind.clone());
        // Names of one image taken at once trip over each other on the engine.
        plan.steps[step.0].settled = last.replace(step).into_iter().collect();
    }
    if plan.is_empty() {
        return invocation.note("nothing to remove");
    }
    carry_out_on(invocation, engine, named, &[], &plan).await?;
    if parting.gone.is_empty() {
        return Ok(());
    }
    invocation.total(parting.gone.len(), "container", "removed", begun)
}

/// Removes the anonymous volumes that containers took over from those they replaced: the engine takes them for named
/// ones and leaves them. Without a file nobody knows that such a name is not somebody's own.
pub(super) fn add_handed_over(plan: &mut Plan, gone: &[&Container], named: &Named) {
    let Some(project) = &named.project else {
        return;
    };
    let declared: BTreeSet<String> = project
        .volumes
        .keys()
        .map(|key| project.volume_name(key))
        .collect();
    // What was mounted into a container of `run` by its name is somebody's own.
    let volumes = gone.iter().filter(|own| !own.one_off);
    let volumes = volumes.flat_map(|own| own.anonymous_volumes());
    let volumes: BTreeSet<&String> = volumes.map(|(_, name)| name).collect();
    for name in volumes.into_iter().filter(|name| !declared.contains(*name)) {
        let name = name.clone();
        let removed = plan.steps.iter();
        let removed = removed.filter(|step| matches!(step.action, Action::Remove { .. }));
        let behind: Vec<StepId> = removed.map(|step| step.id).collect();
        plan.add(
            None,
            Action::RemoveVolume { name },
            "it has no name",
            behind,
        );
    }
}
