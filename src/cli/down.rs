//! `larder down`: stops and removes the project's containers and networks, and its volumes when asked. Goes
//! by labels, so it works where the Compose file is gone; where there is one, it says what is left alone.

use clap::Args;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::invocation::{Invocation, Named};
use super::rounds::rounds;
use super::turn::{Turn, turn_all};
use crate::docker::Docker;
use crate::failure::Failure;
use crate::model::{Project, labels};
use crate::plan::{Container, Resource, stranger_warning};
use crate::runtime::{Engine, EngineError};
use crate::term::duration;

/// `larder down`.
#[derive(Args, Debug)]
pub struct Down {
    /// Remove the project's volumes too, and all data in them
    #[arg(short, long)]
    pub volumes: bool,
    /// Remove containers of services that no Compose file defines
    #[arg(long)]
    pub remove_orphans: bool,
}

pub(super) async fn down(invocation: &Invocation, args: &Down) -> Result<(), Failure> {
    let begun = Instant::now();
    let named = invocation.named()?;
    rounds(invocation, async || {
        round(invocation, args, &named, begun).await
    })
    .await
}

async fn round(
    invocation: &Invocation,
    args: &Down,
    named: &Named,
    begun: Instant,
) -> Result<(), Failure> {
    let engine = invocation.engine_to_change("down", &named.name).await?;
    let observed = engine.observe(&named.name).await?;
    let containers = &observed.containers;
    let goes =
        |service: &str| named.is_on(service) || args.remove_orphans && !named.is_off(service);
    let (gone, kept): (Vec<_>, Vec<_>) = containers
        .iter()
        .partition(|container| goes(&container.service));
    let volumes = args.volumes && !own(&observed.volumes, named).is_empty();
    if gone.is_empty() && own(&observed.networks, named).is_empty() && !volumes {
        invocation.note("nothing to remove")?;
    }
    let turn = Turn::Remove {
        volumes: args.volumes,
    };
    turn_all(invocation, &engine, named, gone.clone(), turn).await?;
    let (off, orphans): (Vec<_>, Vec<_>) = kept
        .into_iter()
        .partition(|container| named.is_off(&container.service));
    if !orphans.is_empty() {
        let strangers: Vec<&str> = orphans.iter().map(|c| c.name.as_str()).collect();
        invocation.warning(&stranger_warning(&strangers));
    }
    if !off.is_empty() {
        invocation.warning(&format!(
            "no profile of {} is active, so it stays: `larder --profile '*' down` removes it",
            names(&off)
        ));
    }
    let networks = own(&observed.networks, named);
    let networks = remove(&networks, async |network| {
        engine.remove_network(&network.id).await
    });
    tell(invocation, "network", networks.await)?;
    if args.volumes {
        let volumes = declared(
            invocation,
            own(&observed.volumes, named),
            &observed.volumes,
            named,
        );
        let volumes = remove(&volumes, async |volume| {
            engine.remove_volume(&volume.name).await
        });
        tell(invocation, "volume", volumes.await)?;
        handed_over(&engine, &gone, named).await?;
    }
    if gone.is_empty() {
        return Ok(());
    }
    invocation.total(gone.len(), "container", "removed", begun)
}

/// Removes the anonymous volumes that containers took over from those they replaced: the engine takes them for named
/// ones and leaves them. Without a file nobody knows that such a name is not somebody's own.
async fn handed_over(
    engine: &Docker,
    gone: &[&Container],
    named: &Named,
) -> Result<(), EngineError> {
    let Some(project) = &named.project else {
        return Ok(());
    };
    let declared: BTreeSet<String> = project
        .volumes
        .keys()
        .map(|key| project.volume_name(key))
        .collect();
    let volumes = gone
        .iter()
        .flat_map(|container| container.anonymous_volumes());
    for (_, volume) in volumes.filter(|(_, name)| !declared.contains(*name)) {
        match engine.remove_volume(volume).await {
            // Another container uses it too.
            Ok(())
            | Err(EngineError::Refused {
                status: Some(409), ..
            }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn names(containers: &[&Container]) -> String {
    let names: Vec<String> = containers.iter().map(|c| format!("`{}`", c.name)).collect();
    names.join(", ")
}

/// The networks or volumes that carry the project's label, without those that the file says are somebody else's.
fn own<'a>(resources: &'a [Resource], named: &Named) -> Vec<&'a Resource> {
    let label = |resource: &&Resource| {
        let label = resource.labels.get(labels::PROJECT);
        label.is_some_and(|label| *label == named.name)
    };
    let external: Vec<String> = named.project.iter().flat_map(external).collect();
    resources
        .iter()
        .filter(label)
        .filter(|resource| !external.contains(&resource.name))
        .collect()
}

/// The engine's names for what the project declares external.
fn external(project: &Project) -> Vec<String> {
    let networks = project
        .networks
        .iter()
        .filter(|(_, network)| network.external);
    let volumes = project.volumes.iter().filter(|(_, volume)| volume.external);
    networks
        .map(|(key, _)| project.network_name(key))
        .chain(volumes.map(|(key, _)| project.volume_name(key)))
        .collect()
}

/// Of the project's volumes, those that services use, as docker compose has it; all, where there is no file.
/// What holds data and stays is told: a volume that no service uses, and one under a declared name that is not the
/// project's (docker compose removes that one).
fn declared<'a>(
    invocation: &Invocation,
    own: Vec<&'a Resource>,
    all: &[Resource],
    named: &Named,
) -> Vec<&'a Resource> {
    let Some(project) = &named.project else {
        return own;
    };
    let inside = project
        .volumes
        .iter()
        .filter(|(_, volume)| !volume.external);
    let inside: BTreeSet<String> = inside.map(|(key, _)| project.volume_name(key)).collect();
    for foreign in all.iter().filter(|volume| inside.contains(&volume.name)) {
        if !own.iter().any(|volume| volume.name == foreign.name) {
            invocation.warning(&format!(
                "volume `{}` was not made for this project and stays",
                foreign.name
            ));
        }
    }
    let (gone, kept): (Vec<_>, Vec<_>) = own
        .into_iter()
        .partition(|volume| inside.contains(&volume.name));
    let active = if project.disabled.is_empty() {
        ""
    } else {
        " with an active profile"
    };
    for volume in kept {
        invocation.warning(&format!(
            "volume `{name}` stays, as no service{active} uses it: `docker volume rm {name}` removes it",
            name = volume.name
        ));
    }
    gone
}

/// Removes them side by side, each with what came of it: how long it took, or why it was not removed.
async fn remove<'a>(
    resources: &[&'a Resource],
    remove: impl AsyncFn(&Resource) -> Result<(), EngineError>,
) -> Vec<(&'a Resource, Result<Duration, EngineError>)> {
    let removed = resources.iter().map(async |resource| {
        let begun = Instant::now();
        let result = remove(resource).await;
        (*resource, result.map(|()| begun.elapsed()))
    });
    join_all(removed).await
}

/// One that is still in use stays, with a warning; any other refusal ends the command.
fn tell(
    invocation: &Invocation,
    kind: &str,
    removed: Vec<(&Resource, Result<Duration, EngineError>)>,
) -> Result<(), Failure> {
    for (resource, result) in removed {
        let name = &resource.name;
        match result {
            Ok(took) => {
                let took = duration(took);
                invocation.note(&format!("{name}: {kind} removed in {took}"))?;
            }
            // 403: "has active endpoints"; 409: "volume is in use".
            Err(EngineError::Refused {
                status: Some(403 | 409),
                ..
            }) => invocation.warning(&format!("{kind} `{name}` is still in use and stays")),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
