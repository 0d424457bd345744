//! `larder fingerprint`: what each image is keyed by.

use clap::Args;
use serde_json::{Map, Value, json};

use super::args::Report;
use super::invocation::Invocation;
use super::plan::unknown;
use super::prepare::{Goal, load_and_prepare};
use crate::failure::Failure;
use crate::fingerprint::Fingerprinted;
use crate::term::table;

/// `larder fingerprint`.
#[derive(Args, Debug)]
pub struct Fingerprint {
    /// The services; all of them when none is named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// The format
    #[arg(long, value_enum, default_value_t)]
    pub format: Report,
}

pub(super) async fn fingerprint(
    invocation: &Invocation,
    args: &Fingerprint,
) -> Result<(), Failure> {
    let prepared = load_and_prepare(invocation, &args.services, Goal::FINGERPRINTS).await?;
    // The named services alone, not what they depend on.
    let asked = |name: &String| args.services.is_empty() || args.services.contains(name);
    let mut rows = Vec::new();
    for (service, found) in prepared.recipes.iter().filter(|(name, _)| asked(name)) {
        match found {
            Fingerprinted::Known(recipe) => rows.push((
                service.clone(),
                recipe.full.to_string(),
                recipe.dependencies.map(|digest| digest.to_string()),
            )),
            Fingerprinted::Missing(bases) => {
                invocation.warning(&unknown(&prepared.project, service, bases));
            }
        }
    }
    match args.format {
        Report::Json => {
            let services: Map<String, Value> = rows
                .into_iter()
                .map(|(service, full, dependencies)| {
                    (service, json!({"full": full, "dependencies": dependencies}))
                })
                .collect();
            let document = json!({"schema": 1, "services": services});
            invocation.screen.out(&format!("{document:#}\n"));
        }
        Report::Text => {
            let rows: Vec<[String; 3]> = rows
                .into_iter()
                .map(|(service, full, dependencies)| {
                    [
                        service,
                        full,
                        dependencies.unwrap_or_else(|| "-".to_owned()),
                    ]
                })
                .collect();
            let header = ["SERVICE", "FULL", "DEPENDENCIES"];
            invocation.screen.out(&table(header, &rows));
        }
    }
    Ok(())
}
