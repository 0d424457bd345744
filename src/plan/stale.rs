//! Whether a container that is there is the one that is wanted.

use super::adoption::{self, Claims, is_foreign};
use super::decide::Asked;
use super::hosts::Host;
use super::images::Chosen;
use super::mounted_images::MountedImages;
use super::observed::{Container, Observed, State};
use super::step::{ImageSource, StepId};
use crate::model::{Digest, Project, Service, labels};

/// Why a container is not what is wanted; `None` when it is.
pub(super) fn stale(container: &Container, slot: &Slot<'_>) -> Option<String> {
    if let Some(option) = slot.asked.replaces(container, slot.service) {
        return Some(format!("asked for: `{option}`"));
    }
    if slot.asked.keep {
        let lost = || slot.hosts.iter().find_map(|host| host.lost_by(container));
        return unfit(container, slot)
            .or_else(|| detached(container, slot))
            // What docker compose's containers have of others their labels do not say.
            .or_else(|| lost().filter(|_| !is_foreign(container)));
    }
    if is_foreign(container) {
        adoption::refused(container, slot)
    } else {
        changed(container, slot)
    }
    .or_else(|| unfit(container, slot))
    .or_else(|| detached(container, slot))
    .or_else(|| slot.hosts.iter().find_map(|host| host.lost_by(container)))
    .or_else(|| {
        let whose = container.cut_off?.whose();
        Some(format!("the container {whose} was started after it"))
    })
}

/// What of a container's making is not as it is wanted now, as larder's labels have it.
fn changed(container: &Container, slot: &Slot<'_>) -> Option<String> {
    let label = |key| container.labels.get(key);
    // Whatever else is in its image, it sees nothing of it.
    let same = slot.image.shadowed.map(|key| key.to_string());
    let same = same.is_some_and(|key| label(labels::SHADOWED) == Some(&key));
    let image_moved = !same
        && match (slot.image.fingerprint, &slot.image.source) {
            (Some(fingerprint), ImageSource::Id(id)) => {
                container.image != *id
                    && label(labels::FINGERPRINT) != Some(&fingerprint.to_string())
            }
            (None, ImageSource::Id(id)) => container.image != *id,
            // Only the image's name is gone: what is built now is what the container was made from.
            (Some(fingerprint), ImageSource::Step(_)) => {
                label(labels::FINGERPRINT) != Some(&fingerprint.to_string())
            }
            (None, ImageSource::Step(_)) | (_, ImageSource::Unknown) => true,
        };
    if image_moved {
        Some("its image changed".to_owned())
    } else if label(labels::CONFIG) != Some(&slot.config.to_string()) {
        Some("its configuration changed".to_owned())
    } else if slot.mounted_images.differ(container) {
        Some("an image that it mounts changed".to_owned())
    } else {
        None
    }
}

/// Why a container can be no more what it was made to be, whoever made it.
fn unfit(container: &Container, slot: &Slot<'_>) -> Option<String> {
    match container.state {
        // One that runs has begun with what was there.
        state if !slot.asked.keep && mounts_other(container, slot) && !state.is_running() => {
            Some("what it mounts may have changed".to_owned())
        }
        State::Dead => Some("the engine could not remove it".to_owned()),
        // It is made in more than one call: its image is checked, and its configs and secrets come, after the first.
        State::Created if !is_whole(container, slot) => {
            Some("it was never started, and may be unfinished".to_owned())
        }
        _ => None,
    }
}

/// Whether a container that was never started has all that it was to have. docker compose's say nothing of it.
fn is_whole(container: &Container, slot: &Slot<'_>) -> bool {
    let image = slot.image.source == ImageSource::Id(container.image.clone());
    (image || slot.asked.keep) && !is_foreign(container) && !container.is_unfinished()
}

fn mounts_other(container: &Container, slot: &Slot<'_>) -> bool {
    let mounted = slot.mounted.map(|digest| digest.to_string());
    mounted.is_some_and(|mounted| container.labels.get(labels::MOUNTED) != Some(&mounted))
}

/// The networks that a service's containers are attached to, with the IDs that the engine has under their names.
pub(super) fn networks_of<'a>(
    project: &Project,
    observed: &'a Observed,
    service: &Service,
) -> Vec<(String, Vec<&'a str>)> {
    let named = |key: &String| {
        let name = project.network_name(key);
        let all = observed.networks.iter();
        let ids = all.filter(|network| network.name == name);
        let ids = ids.map(|network| network.id.as_str()).collect();
        (name, ids)
    };
    service.networks.keys().map(named).collect()
}

/// Why a container cannot reach the others: it is not attached to a network, or to one that was removed since, and
/// the engine does not take the one of that name in its place.
fn detached(container: &Container, slot: &Slot<'_>) -> Option<String> {
    let mut renewed = slot.renewed.iter();
    if let Some(name) = renewed.find(|name| container.networks.contains_key(*name)) {
        return Some(format!("network `{name}` is made anew"));
    }
    slot.networks
        .iter()
        .find_map(|(name, ids)| match container.networks.get(name) {
            None => Some(format!("it is not attached to network `{name}`")),
            Some(id) if !id.is_empty() && !ids.contains(&id.as_str()) => {
                Some(format!("network `{name}` that it was made with is gone"))
            }
            Some(_) => None,
        })
}

/// One container of one service, with what it needs.
pub(super) struct Slot<'a> {
    pub(super) service: &'a str,
    pub(super) number: u32,
    pub(super) image: &'a Chosen,
    pub(super) config: Digest,
    /// What the command line asks for.
    pub(super) asked: &'a Asked,
    /// What those are held against that larder did not make; `None` where there are none.
    pub(super) claims: Option<&'a Claims>,
    /// Whether it is run to its end.
    pub(super) one_shot: bool,
    /// The digest of what it binds, then.
    pub(super) mounted: Option<Digest>,
    /// The images that it mounts.
    pub(super) mounted_images: &'a MountedImages,
    pub(super) resources: &'a [StepId],
    /// The networks it is attached to, with the IDs that the engine has under their names.
    pub(super) networks: &'a [(String, Vec<&'a str>)],
    /// Those that are made anew, and that one of its containers is on.
    pub(super) renewed: &'a [String],
    /// The containers that it has something of.
    pub(super) hosts: &'a [Host],
    /// Steps that must have succeeded, and steps that must have ended, before it starts.
    pub(super) gates: &'a (Vec<StepId>, Vec<StepId>),
}
