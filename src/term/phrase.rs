//! What a step does and has done, in the few words that fit a line of progress.

use crate::model::short_name;
use crate::plan::{Action, ImageSource, Step};

/// What a line of progress stands for: the service, or the thing where a step is done for none.
pub(super) fn subject(step: &Step) -> &str {
    match (&step.service, &step.action) {
        (Some(service), _) => service,
        (
            None,
            Action::CreateNetwork { name, .. }
            | Action::CreateVolume { name, .. }
            | Action::RemoveNetwork { name, .. }
            | Action::RemoveImage { name },
        ) => name,
        // Nobody named an anonymous one.
        (None, Action::RemoveVolume { name }) => match name.get(..12) {
            Some(short) if name.len() == 64 => short,
            _ => name,
        },
        (None, Action::Pull { image, .. }) => image.split('@').next().unwrap_or(image),
        (None, _) => "project",
    }
}

/// What the step is doing.
pub(super) fn doing(action: &Action) -> String {
    match action {
        Action::CreateNetwork { .. } => "creating the network".to_owned(),
        Action::CreateVolume { .. } => "creating the volume".to_owned(),
        Action::Pull { image, .. } => format!("pulling {}", short_name(image)),
        Action::Push { name, .. } => format!("pushing {}", short_name(name)),
        Action::BuildDependencies { .. } => "building its dependencies".to_owned(),
        Action::Build { .. } => "building".to_owned(),
        Action::Tag { name, .. } => format!("naming the image {name}"),
        Action::Create(_) => "creating".to_owned(),
        Action::Stop { .. } => "stopping".to_owned(),
        Action::Remove { .. } => "removing".to_owned(),
        Action::Kill { signal, .. } => format!("sending {signal}"),
        Action::Pause { .. } => "pausing".to_owned(),
        Action::RemoveNetwork { .. } => "removing the network".to_owned(),
        Action::RemoveVolume { .. } => "removing the volume".to_owned(),
        Action::RemoveImage { .. } => "removing the image".to_owned(),
        Action::Rename { .. } => "renaming".to_owned(),
        Action::Start { .. } => "starting".to_owned(),
        Action::Unpause { .. } => "resuming".to_owned(),
        Action::Wait { until, .. } => format!("waiting until {until}"),
    }
}

/// What the step is doing, where the details of it follow.
pub(super) fn verb(action: &Action) -> String {
    match action {
        Action::BuildDependencies { .. } => "building".to_owned(),
        action => doing(action),
    }
}

/// What the step has done.
pub(super) fn done(action: &Action) -> String {
    match action {
        Action::CreateNetwork { .. } => "network created".to_owned(),
        Action::CreateVolume { .. } => "volume created".to_owned(),
        Action::Pull { image, .. } => format!("pulled {}", short_name(image)),
        Action::Push { name, .. } => format!("pushed {}", short_name(name)),
        Action::BuildDependencies { .. } => "dependencies built".to_owned(),
        Action::Build { .. } => "built".to_owned(),
        Action::Tag {
            image: ImageSource::Id(_),
            name,
        } => format!("image reused as {name}"),
        Action::Tag { name, .. } => format!("image named {name}"),
        Action::Create(creation) => format!("created {}", creation.name),
        Action::Stop { .. } => "stopped".to_owned(),
        Action::Remove { .. } => "removed".to_owned(),
        Action::Kill { signal, .. } => format!("{signal} sent"),
        Action::Pause { .. } => "paused".to_owned(),
        Action::RemoveNetwork { .. } => "network removed".to_owned(),
        Action::RemoveVolume { .. } => "volume removed".to_owned(),
        Action::RemoveImage { .. } => "image removed".to_owned(),
        Action::Rename { name, .. } => format!("renamed to {name}"),
        Action::Start { .. } => "started".to_owned(),
        Action::Unpause { .. } => "resumed".to_owned(),
        Action::Wait { until, .. } => until.to_string(),
    }
}

/// What the step has not done.
pub(super) fn failed(action: &Action) -> String {
    match action {
        Action::Wait { until, .. } => format!("not {until}"),
        Action::RemoveNetwork { .. } => "network not removed".to_owned(),
        Action::RemoveVolume { .. } => "volume not removed".to_owned(),
        Action::RemoveImage { .. } => "image not removed".to_owned(),
        action => format!("{} failed", doing(action)),
    }
}

/// The kind of a step, the same in every run: what its duration is remembered under.
pub(super) fn kind(action: &Action) -> &'static str {
    match action {
        Action::CreateNetwork { .. } => "create-network",
        Action::CreateVolume { .. } => "create-volume",
        Action::Pull { .. } => "pull",
        Action::Push { .. } => "push",
        Action::BuildDependencies { .. } => "build-dependencies",
        Action::Build { .. } => "build",
        Action::Tag { .. } => "tag",
        Action::Create(_) => "create",
        Action::Stop { .. } => "stop",
        Action::Remove { .. } => "remove",
        Action::Kill { .. } => "kill",
        Action::Pause { .. } => "pause",
        Action::RemoveNetwork { .. } => "remove-network",
        Action::RemoveVolume { .. } => "remove-volume",
        Action::RemoveImage { .. } => "remove-image",
        Action::Rename { .. } => "rename",
        Action::Start { .. } => "start",
        Action::Unpause { .. } => "unpause",
        Action::Wait { .. } => "wait",
    }
}

/// Whether a step may take long enough for a person to wonder.
pub(super) fn is_slow(action: &Action) -> bool {
    matches!(
        action,
        Action::Pull { .. }
            | Action::Push { .. }
            | Action::BuildDependencies { .. }
            | Action::Build { .. }
            | Action::Stop { .. }
            | Action::Wait { .. }
    )
}

/// Whether a step takes away what a person may miss.
pub(super) fn is_removal(action: &Action) -> bool {
    matches!(
        action,
        Action::RemoveNetwork { .. } | Action::RemoveVolume { .. } | Action::RemoveImage { .. }
    )
}

/// Bytes for a person: `3.4 MB`.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let (mut tenths, mut unit) = (count / 100, 0);
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    if tenths < 100 {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    } else {
        format!("{} {}", tenths / 10, UNITS[unit])
    }
}
