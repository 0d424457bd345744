//! `larder events`: what happens to the project's containers, as it happens.

use clap::Args;
use futures_util::StreamExt;
use serde_json::json;

use super::invocation::Invocation;
use super::moment::{Moment, moment};
use super::stack;
use crate::docker::ContainerEvent;
use crate::failure::Failure;
use crate::plan::Container;
use crate::term::visible;

/// `larder events`.
#[derive(Args, Debug)]
pub struct Events {
    /// The services; all of them when none is named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Print a JSON object per line
    #[arg(long)]
    pub json: bool,
    /// Begin with what happened then: `2026-11-28T10:00:00Z`, seconds since 1970, or `10m` for ten minutes ago
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<Moment>,
    /// End with what happens then
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<Moment>,
}

pub(super) async fn events(invocation: &Invocation, args: &Events) -> Result<(), Failure> {
    let named = invocation.named()?;
    let engine = invocation.engine().await?;
    let pair = |moment: Moment| (moment.0, moment.1);
    let (since, until) = (args.since.map(pair), args.until.map(pair));
    // It listens before it looks.
    let mut events = Box::pin(engine.container_events(&named.name, since, until));
    if !args.services.is_empty() {
        let listed = engine.list(Some(&named.name), true).await?;
        let containers: Vec<Container> = listed.into_iter().map(|own| own.container).collect();
        stack::of_services(&containers, &args.services, &named.services())?;
    }
    let screen = &invocation.screen;
    while let Some(event) = events.next().await {
        let event = event?;
        let asked = args.services.is_empty() || args.services.contains(&event.service);
        // docker compose leaves out those of `run`, too.
        if event.one_off || !asked {
            continue;
        }
        screen.out(&if args.json {
            object(&event)
        } else {
            line(&event)
        });
        if screen.is_deaf() {
            break;
        }
    }
    Ok(())
}

fn line(event: &ContainerEvent) -> String {
    let attributes = event.attributes.iter();
    let attributes: Vec<String> = attributes
        // Of a line that goes back to its beginning only the end would be seen.
        .map(|(name, value)| format!("{name}={value}").replace(['\r', '\n'], " "))
        .collect();
    let text = format!(
        "{} container {} {} ({})",
        event.at.text,
        event.action,
        event.container,
        attributes.join(", ")
    );
    format!("{}\n", visible(&text))
}

fn object(event: &ContainerEvent) -> String {
    let object = json!({
        "time": event.at.text,
        "type": "container",
        "service": event.service,
        "id": event.container,
        "action": event.action,
        "attributes": event.attributes,
        "schema": 1,
    });
    format!("{object}\n")
}
