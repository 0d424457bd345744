//! `larder images`: the images that the project's containers were made from.

use std::collections::BTreeMap;

use clap::Args;
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use super::args::{Listing, listing};
use super::invocation::Invocation;
use super::moment::Moment;
use super::stack;
use crate::docker::{ImageFacts, Stamp};
use crate::failure::Failure;
use crate::model::{ImageId, ImageRef};
use crate::plan::Container;
use crate::runtime::EngineError;
use crate::term::{roughly, size, table};

/// `larder images`.
#[derive(Args, Debug)]
pub struct Images {
    /// The services; all of them when none is named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// The format: table or json
    #[arg(long, value_parser = listing, default_value = "table", hide_default_value = true)]
    pub format: Listing,
    /// Print IDs alone
    #[arg(short, long)]
    pub quiet: bool,
}

/// What is known of an image; nothing, where it is gone from under its container.
type Facts<'a> = BTreeMap<&'a ImageId, Option<ImageFacts>>;

pub(super) async fn images(invocation: &Invocation, args: &Images) -> Result<(), Failure> {
    let named = invocation.named()?;
    let engine = invocation.engine().await?;
    let listed = engine.list(Some(&named.name), true).await?;
    let containers: Vec<Container> = listed.into_iter().map(|own| own.container).collect();
    let mut chosen = stack::of_services(&containers, &args.services, &named.services())?;
    let one_off = |own: &&Container| {
        own.one_off && (args.services.is_empty() || args.services.contains(&own.service))
    };
    chosen.extend(containers.iter().filter(one_off));
    chosen.sort_by_key(|container| &container.name);
    let screen = &invocation.screen;
    if args.quiet {
        let mut seen: Vec<&str> = Vec::new();
        for container in chosen {
            let id = container.image.0.trim_start_matches("sha256:");
            if !seen.contains(&id) {
                seen.push(id);
                screen.out(&format!("{id}\n"));
            }
        }
        return Ok(());
    }
    let mut facts: Facts<'_> = chosen.iter().map(|own| (&own.image, None)).collect();
    let looks = facts.iter_mut().map(async |(id, found)| {
        *found = engine.image_facts(id).await?;
        Ok::<_, EngineError>(())
    });
    try_join_all(looks).await?;
    if args.format == Listing::Json {
        let images: Vec<Value> = chosen.into_iter().map(|own| object(own, &facts)).collect();
        let document = json!({"schema": 1, "images": images});
        screen.out(&format!("{document:#}\n"));
    } else {
        let rows: Vec<[String; 7]> = chosen.into_iter().map(|own| row(own, &facts)).collect();
        let header = [
            "CONTAINER",
            "REPOSITORY",
            "TAG",
            "PLATFORM",
            "IMAGE ID",
            "SIZE",
            "CREATED",
        ];
        screen.out(&table(header, &rows));
    }
    Ok(())
}

/// The name by which a container was made, in two parts; an ID is no name.
fn name(container: &Container) -> (Option<String>, Option<String>) {
    let text = &container.image_name;
    let hex = |text: &str| text.len() >= 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if text.starts_with("sha256:") || hex(text) {
        return (None, None);
    }
    match text.parse::<ImageRef>() {
        Ok(name) => (Some(name.familiar_name()), name.tag),
        Err(_) => (None, None),
    }
}

fn row(container: &Container, facts: &Facts<'_>) -> [String; 7] {
    let facts = facts.get(&container.image).and_then(Option::as_ref);
    let (repository, tag) = name(container);
    let none = || "<none>".to_owned();
    let at = facts.and_then(|own| own.named_at.or(own.created.as_ref().map(|at| at.seconds)));
    let age = at.map(|at| Moment::now().0.saturating_sub(at));
    let platform = facts.and_then(|own| own.platform.as_ref());
    [
        container.name.clone(),
        repository.unwrap_or_else(none),
        tag.unwrap_or_else(none),
        platform.map(ToString::to_string).unwrap_or_default(),
        container.image.short().to_owned(),
        facts.map(|own| size(own.size)).unwrap_or_default(),
        age.map(|age| format!("{} ago", roughly(age.try_into().unwrap_or(0))))
            .unwrap_or_default(),
    ]
}

fn object(container: &Container, facts: &Facts<'_>) -> Value {
    let facts = facts.get(&container.image).and_then(Option::as_ref);
    let (repository, tag) = name(container);
    let platform = facts.and_then(|own| own.platform.as_ref());
    let created = facts.and_then(|own| own.created.as_ref());
    let named = facts.and_then(|own| own.named_at);
    json!({
        "id": container.image.0,
        "container": container.name,
        "service": container.service,
        "repository": repository,
        "tag": tag,
        "platform": platform.map(ToString::to_string),
        "size": facts.map(|own| own.size),
        "created": created.map(|at| &at.text),
        "named": named.map(|at| Stamp::of_seconds(at).text),
    })
}
