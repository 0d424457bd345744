//! `larder volumes`: the project's volumes.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::{Value, json};

use super::args::{Listing, listing};
use super::invocation::Invocation;
use super::stack;
use crate::failure::Failure;
use crate::plan::Container;
use crate::term::table;

/// `larder volumes`.
#[derive(Args, Debug)]
pub struct Volumes {
    /// The services whose containers mount them; when none is named, all of the project
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// The format: table or json
    #[arg(long, value_parser = listing, default_value = "table", hide_default_value = true)]
    pub format: Listing,
    /// Print names alone
    #[arg(short, long)]
    pub quiet: bool,
}

pub(super) async fn volumes(invocation: &Invocation, args: &Volumes) -> Result<(), Failure> {
    let named = invocation.named()?;
    let engine = invocation.engine().await?;
    let (mut volumes, listed) = tokio::try_join!(
        engine.list_volumes(&named.name),
        engine.list(Some(&named.name), true)
    )?;
    let containers: Vec<Container> = listed.into_iter().map(|own| own.container).collect();
    let chosen = stack::of_services(&containers, &args.services, &named.services())?;
    if !args.services.is_empty() {
        let mounted = chosen.iter().flat_map(|own| own.volumes.values());
        let mounted: BTreeSet<&String> = mounted.collect();
        volumes.retain(|volume| mounted.contains(&volume.name));
    }
    let screen = &invocation.screen;
    if args.quiet {
        for volume in &volumes {
            screen.out(&format!("{}\n", volume.name));
        }
    } else if args.format == Listing::Json {
        let volumes: Vec<Value> = volumes
            .iter()
            .map(|own| json!({"name": own.name, "driver": own.driver, "key": own.key}))
            .collect();
        let document = json!({"schema": 1, "volumes": volumes});
        screen.out(&format!("{document:#}\n"));
    } else {
        let rows = volumes.into_iter().map(|own| [own.driver, own.name]);
        let rows: Vec<[String; 2]> = rows.collect();
        screen.out(&table(["DRIVER", "VOLUME NAME"], &rows));
    }
    Ok(())
}
