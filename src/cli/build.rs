//! `larder build`: images, and nothing else.

use std::collections::BTreeSet;
use std::time::Instant;

use super::args::Services;
use super::carry_out::carry_out;
use super::invocation::Invocation;
use super::prepare::{Goal, load_and_prepare};
use super::records;
use super::rounds::rounds;
use crate::failure::Failure;
use crate::model::Service;
use crate::plan::Action;

pub(super) async fn build(invocation: &Invocation, args: &Services) -> Result<(), Failure> {
    let begun = Instant::now();
    // No container is looked at.
    rounds(invocation, None, async || {
        round(invocation, args, begun).await
    })
    .await
}

async fn round(invocation: &Invocation, args: &Services, begun: Instant) -> Result<(), Failure> {
    let goal = Goal {
        containers: false,
        dependencies: true,
        wait: false,
        builds: true,
        acts: true,
        starts: false,
    };
    // Without a `build:` there is nothing to build; with names, those and not what they depend on.
    let names = &args.services;
    let mut prepared = Box::pin(load_and_prepare(invocation, names, goal)).await?;
    prepared.services.retain(|name| {
        let service = prepared.project.services.get(name);
        service.is_some_and(|service| service.build.is_some())
            && (names.is_empty() || names.contains(name))
    });
    for name in &prepared.services {
        if let Some(platform) = one_of_several(&prepared.project.services[name]) {
            invocation.warning(&format!(
                "`{name}` is built for {platform} alone, and not for all that `build.platforms` lists"
            ));
        }
    }
    prepared.push_too(invocation).await;
    let (plan, dagger) = prepared.decide(invocation).await?;
    let kept = records::keep(prepared.settings.cache.as_deref(), &prepared.recipes);
    if !plan.is_empty() {
        carry_out(invocation, &prepared, &plan, dagger).await?;
        prepared.put_records(invocation, &plan).await;
    }
    if let Some(kept) = kept {
        kept.await?;
    }
    let built = plan.steps.iter();
    let built = built.filter(|step| matches!(step.action, Action::Build { .. }));
    let built = built.filter_map(|step| step.service.as_ref());
    let built: BTreeSet<&String> = built.chain(&prepared.built).collect();
    match built.len() {
        0 => invocation.total(prepared.services.len(), "image", "up to date", begun),
        count => invocation.total(count, "image", "built", begun),
    }
}

/// The platform that a service is built for out of several. docker compose refuses such a build where the engine
/// keeps one platform of an image, and builds as larder does when it starts the service.
fn one_of_several(service: &Service) -> Option<String> {
    let several = service.build.as_ref()?.platforms.len() > 1;
    let own = service.platform.as_ref().filter(|_| several);
    own.map(|platform| format!("`{platform}`"))
        .or_else(|| several.then(|| "the engine's own platform".to_owned()))
}
