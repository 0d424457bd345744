//! `larder plan`: what `up` would do and why. Changes nothing.

use clap::Args;
use std::collections::BTreeSet;

use serde_json::json;

use super::args::Report;
use super::asked::Asked;
use super::invocation::Invocation;
use super::prepare::{Goal, prepare};
use crate::compose;
use crate::failure::Failure;
use crate::fingerprint::{BaseRef, Fingerprinted};
use crate::model::Project;
use crate::plan;
use crate::term::{chain, chain_json};

/// `larder plan`.
#[derive(Args, Debug)]
pub struct Plan {
    /// The services, with all that they depend on; all of them when none is named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// What else is asked for.
    #[command(flatten)]
    pub asked: Asked,
    /// The format
    #[arg(long, value_enum, default_value_t)]
    pub format: Report,
    /// Show the chain of each image that is built here
    #[arg(short, long)]
    pub verbose: bool,
}

pub(super) async fn plan(invocation: &Invocation, args: &Plan) -> Result<(), Failure> {
    let goal = Goal {
        containers: true,
        dependencies: !args.asked.no_deps,
        wait: true,
        builds: true,
        acts: false,
        starts: false,
    };
    let names = args.asked.names(&args.services);
    let mut project = invocation.load(&names)?;
    args.asked.adjust(&mut project)?;
    let mut settings = invocation.settings(Some(&project), None)?;
    settings.ports = args.asked.ports.unwrap_or(settings.ports);
    invocation.warn(&project);
    let mut prepared = prepare(invocation, project, &names, settings, goal).await?;
    let asked = &args.asked;
    prepared.asked = asked.of_containers(&args.services, &prepared.services);
    prepared.asked.remove_orphans |= invocation.removes_orphans(Some(&prepared.project));
    let (mut decided, _) = prepared.decide(invocation).await?;
    let conflicts = prepared.port_conflicts(&decided).await?;
    let refused = conflicts
        .iter()
        .map(|own| format!("`up` will be refused: {own}"));
    decided.warnings.extend(refused);
    let checkout = prepared.check_checkouts(invocation, &decided).await;
    let refused =
        checkout.unwrap_or_else(|failure| Some(format!("`up` will be refused: {failure}")));
    decided.warnings.extend(refused);
    let outside = compose::outside(&prepared.project, &prepared.services);
    let verbose = args.verbose || invocation.global.verbose > 0;
    let known = || {
        let all = prepared.recipes.iter();
        all.filter_map(|(service, recipe)| match recipe {
            Fingerprinted::Known(recipe) => Some((service, recipe)),
            Fingerprinted::Missing(_) => None,
        })
    };
    match args.format {
        Report::Json => {
            let mut document = plan::json(&decided);
            document["outside"] = json!(outside);
            if !prepared.ports.is_empty() {
                document["chosen_ports"] = json!(prepared.ports);
            }
            for (service, recipe) in known().filter(|_| verbose) {
                document["services"][service]["chain"] = chain_json(recipe);
            }
            invocation.screen.out(&format!("{document:#}\n"));
        }
        Report::Text => {
            for warning in &decided.warnings {
                invocation.warning(warning);
            }
            invocation.screen.out(&plan::text(&decided));
            invocation.screen.out(&plan::outside_text(&outside));
            for port in &prepared.ports {
                invocation.screen.out(&format!("\n{}\n", port.sentence()));
            }
            for (_, recipe) in known().filter(|_| verbose) {
                let text = chain(recipe, invocation.screen.columns());
                invocation.screen.out(&format!("\n{text}"));
            }
        }
    }
    for (service, recipe) in &prepared.recipes {
        if let Fingerprinted::Missing(bases) = recipe {
            invocation.warning(&unknown(&prepared.project, service, bases));
        }
    }
    Ok(())
}

/// What it means that base images are not on the engine, or are to be built anew first.
pub(super) fn unknown(project: &Project, service: &str, bases: &[BaseRef]) -> String {
    let builder = |base: &BaseRef| {
        let mut services = project.services.keys();
        services.find(|own| project.built_images(own).any(|image| image == base.image))
    };
    let built: BTreeSet<&String> = bases.iter().filter_map(builder).collect();
    if built.is_empty() {
        let bases: Vec<String> = bases.iter().map(ToString::to_string).collect();
        return format!(
            "the fingerprint of `{service}` is not known before {} is on the engine; `larder up` pulls it",
            bases.join(", ")
        );
    }
    let built: Vec<&str> = built.into_iter().map(String::as_str).collect();
    format!(
        "the fingerprint of `{service}` is not known before `{}` is built, whose image it takes in; `larder up` builds it first",
        built.join("`, `")
    )
}
