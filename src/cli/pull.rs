//! `larder pull`: the images that services name, from their registries. What is built here is not pulled.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use clap::Args;

use super::carry_out::carry_out_with;
use super::invocation::{Invocation, Named};
use crate::failure::Failure;
use crate::model::{Project, PullPolicy, familiar};
use crate::plan::{Action, Image, Plan};
use crate::runtime::Engine;
use crate::settings::Progress;

/// `larder pull`.
#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Pull {
    /// The services; all of them when none is named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Accepted and changes nothing: what can be built is never pulled
    #[arg(long)]
    pub ignore_buildable: bool,
    /// Warn of what cannot be pulled, and go on
    #[arg(long)]
    pub ignore_pull_failures: bool,
    /// Those of what they depend on, too
    #[arg(long)]
    pub include_deps: bool,
    /// Go by this in place of what the file says: missing or always
    #[arg(long, value_name = "POLICY", value_parser = ["missing", "always"], hide_possible_values = true)]
    pub policy: Option<String>,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
}

pub(super) async fn pull(invocation: &Invocation, args: &Pull) -> Result<(), Failure> {
    let begun = Instant::now();
    let mut project = invocation.load(&args.services)?;
    let mut services = project.with_dependencies(&args.services)?;
    if !args.include_deps && !args.services.is_empty() {
        services = args.services.iter().cloned().collect();
    }
    if let Some(policy) = &args.policy {
        for service in project.services.values_mut() {
            service.pull_policy = Some(policy.clone());
        }
    }
    let mut settings = invocation.settings(Some(&project), None)?;
    if args.quiet {
        settings.progress = Progress::Quiet;
    }
    let silent = settings.progress.is_silent();
    invocation.warn(&project);
    let engine = invocation.engine().await?;
    let observed = engine.observe(&project.name).await?;
    let (plan, skipped) = plan(&project, &services, &observed.images);
    for text in skipped.iter().filter(|_| !silent) {
        invocation.note(text)?;
    }
    if plan.is_empty() {
        return if silent {
            Ok(())
        } else {
            invocation.note("nothing to pull")
        };
    }
    let count = plan.steps.len();
    let named = Named {
        name: project.name.clone(),
        project: Some(project),
    };
    let carried = carry_out_with(invocation, &engine, &named, &args.services, &plan, settings);
    let failed = match carried.await {
        Err(failure @ Failure::Steps(_)) if args.ignore_pull_failures => {
            let messages = failure.messages();
            for message in &messages {
                message.warning(&invocation.screen, &invocation.folder);
            }
            messages.len()
        }
        carried => carried.map(|_| 0)?,
    };
    if silent {
        return Ok(());
    }
    invocation.total(count.saturating_sub(failed), "image", "pulled", begun)
}

/// The pulls, each image once, and what is said of the services without one.
fn plan(project: &Project, services: &BTreeSet<String>, there: &[Image]) -> (Plan, Vec<String>) {
    let mut plan = Plan::default();
    let mut skipped = Vec::new();
    let makers = project.makers();
    let mut pulled: HashMap<(String, Option<String>), &String> = HashMap::new();
    for name in services {
        let service = &project.services[name];
        let mut skip = |why: &str| skipped.push(format!("{name}: not pulled, {why}"));
        let image = familiar(&project.image_name(name));
        if service.build.is_some() {
            skip("it is built here");
            continue;
        }
        if let Some(maker) = makers.get(&image).and_then(|makers| makers.first()) {
            skip(&format!("`{maker}` builds its image here"));
            continue;
        }
        match service.pulls() {
            PullPolicy::Never | PullPolicy::Build => {
                skip("its `pull_policy` says so");
                continue;
            }
            // docker compose takes `latest` for an image that moves.
            PullPolicy::Missing
                if service.pull_policy.is_some()
                    && !image.ends_with(":latest")
                    && is_there(&image, there) =>
            {
                skip("its image is here already");
                continue;
            }
            _ => {}
        }
        let key = (image.clone(), service.platform.clone());
        if let Some(other) = pulled.get(&key) {
            skip(&format!("as `{other}` has the same image"));
            continue;
        }
        pulled.insert(key, name);
        let action = Action::Pull {
            image: project.image_name(name),
            platform: service.platform.clone(),
            expected: None,
        };
        plan.add(Some(name), action, "asked for", []);
    }
    (plan, skipped)
}

fn is_there(image: &str, there: &[Image]) -> bool {
    let mut names = there
        .iter()
        .flat_map(|own| own.names.iter().chain(&own.digests));
    names.any(|name| name == image)
}
