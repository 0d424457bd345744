//! A plan as text for a person and as JSON for a program.

use std::fmt::Write;

use serde_json::{Value, json};

use super::step::{Action, Plan, Step};
use crate::compose::Outside;
use crate::model::{HookTime, short_name};

/// The plan for a person: a line per service, then the steps in order with their causes.
pub fn text(plan: &Plan) -> String {
    let mut out = String::new();
    let width = plan
        .services
        .keys()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0);
    for (name, service) in &plan.services {
        let _ = writeln!(out, "{name:width$}  {:6}  {}", service.image, service.cause);
    }
    if plan.is_empty() {
        out.push_str("\nnothing to do\n");
        return out;
    }
    out.push('\n');
    let digits = plan.steps.len().to_string().len();
    for step in &plan.steps {
        let _ = write!(out, "{:>digits$}  {}", step.id.0 + 1, sentence(step));
        let _ = write!(out, ": {}", step.cause);
        let after: Vec<String> = step
            .after
            .iter()
            .chain(&step.settled)
            .map(|id| (id.0 + 1).to_string())
            .collect();
        if !after.is_empty() {
            let _ = write!(out, " (after {})", after.join(", "));
        }
        out.push('\n');
    }
    out
}

/// So many of those that name a path are told.
const NAMED_BY: usize = 5;

/// The paths outside of the project's folder for a person: each with who names it. Nothing where there are none.
pub fn outside_text(outside: &[Outside]) -> String {
    let mut out = String::new();
    if !outside.is_empty() {
        out.push_str("\noutside the project\n");
    }
    for one in outside {
        let _ = write!(out, "  {}", one.path.display());
        if let Some(to) = &one.leads_to {
            let _ = write!(out, " → {}", to.display());
        }
        let shown: Vec<&str> = one.named_by.iter().map(String::as_str).collect();
        let (shown, more) = shown.split_at(shown.len().min(NAMED_BY));
        let _ = write!(out, ": {}", shown.join(", "));
        if !more.is_empty() {
            let _ = write!(out, " and {} more", more.len());
        }
        out.push('\n');
    }
    out
}

/// What a step does, in a few words.
pub fn sentence(step: &Step) -> String {
    let service = step.service.as_deref().unwrap_or_default();
    match &step.action {
        Action::CreateNetwork { name, .. } => format!("create network {name}"),
        Action::CreateVolume { name, .. } => format!("create volume {name}"),
        Action::Pull {
            image,
            platform: None,
            ..
        } => format!("pull {}", short_name(image)),
        Action::Pull {
            image,
            platform: Some(platform),
            ..
        } => format!("pull {} for {platform}", short_name(image)),
        Action::Push { name, .. } => format!("push the image of {service} as {}", short_name(name)),
        Action::BuildDependencies { key, builder, .. } => {
            format!(
                "build the dependencies of {service} with {builder} ({})",
                key.short()
            )
        }
        Action::Build { on, builder, .. } if on.is_empty() => {
            format!("build {service} with {builder}")
        }
        Action::Build { builder, .. } => {
            format!("build {service} on its dependencies with {builder}")
        }
        Action::Tag { name, .. } => format!("tag the image of {service} as {name}"),
        Action::Create(creation) => format!("create {}", creation.name),
        Action::Stop {
            container, hooks, ..
        } => {
            let stopped = format!("stop {service} ({})", short(container));
            match hooks_of(*hooks, HookTime::PreStop) {
                Some(hooks) => format!("run {hooks}, then {stopped}"),
                None => stopped,
            }
        }
        Action::Kill { container, signal } => {
            format!("send {signal} to {service} ({})", short(container))
        }
        Action::Pause { container } => format!("pause {service} ({})", short(container)),
        Action::RemoveNetwork { name, .. } => format!("remove network {name}"),
        Action::RemoveVolume { name } => format!("remove volume {name}"),
        Action::RemoveImage { name } => format!("remove image {}", short_name(name)),
        Action::Remove { container, .. } => format!("remove {service} ({})", short(container)),
        Action::Rename { name, .. } => format!("rename to {name}"),
        Action::Start { hooks, .. } => match hooks_of(*hooks, HookTime::PostStart) {
            Some(hooks) => format!("start {service} and run {hooks}"),
            None => format!("start {service}"),
        },
        Action::Unpause { container } => format!("unpause {service} ({})", short(container)),
        Action::Wait { until, .. } => format!("wait until {service} is {until}"),
    }
}

fn hooks_of(count: usize, time: HookTime) -> Option<String> {
    match count {
        0 => None,
        1 => Some(format!("its `{time}` hook")),
        more => Some(format!("its {more} `{time}` hooks")),
    }
}

fn short(container: &str) -> &str {
    &container[..container.len().min(12)]
}

/// The plan for a program: `{"schema": 1, "services": {…}, "steps": […], "warnings": […]}`.
pub fn json(plan: &Plan) -> Value {
    json!({
        "schema": 1,
        "services": plan.services,
        "steps": plan.steps,
        "warnings": plan.warnings,
    })
}
