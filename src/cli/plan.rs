//! `larder plan`: what `up` would do and why. Changes nothing.

use super::args::{Plan, Report};
use super::invocation::Invocation;
use super::prepare::{Goal, prepare};
use crate::failure::Failure;
use crate::fingerprint::{BaseRef, Fingerprinted};
use crate::plan;

pub(super) async fn plan(invocation: &Invocation, args: &Plan) -> Result<(), Failure> {
    let project = invocation.load(&args.services)?;
    let settings = invocation.settings(Some(&project), None)?;
    invocation.warn(&project);
    let goal = Goal {
        containers: true,
        wait: true,
        acts: false,
    };
    let prepared = prepare(invocation, project, &args.services, settings, goal).await?;
    let (decided, _) = prepared.decide(invocation).await?;
    match args.format {
        Report::Json => invocation
            .screen
            .out(&format!("{:#}\n", plan::json(&decided))),
        Report::Text => {
            for warning in &decided.warnings {
                invocation.warning(warning);
            }
            invocation.screen.out(&plan::text(&decided));
        }
    }
    for (service, recipe) in &prepared.recipes {
        if let Fingerprinted::Missing(bases) = recipe {
            invocation.warning(&unknown(service, bases));
        }
    }
    Ok(())
}

/// What it means that base images are not on the engine.
pub(super) fn unknown(service: &str, bases: &[BaseRef]) -> String {
    let bases: Vec<String> = bases.iter().map(ToString::to_string).collect();
    format!(
        "the fingerprint of `{service}` is not known before {} is on the engine; `larder up` pulls or builds it",
        bases.join(", ")
    )
}
