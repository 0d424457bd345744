//! What of a service's file system does not come from its image: its bind mounts, and what else is mounted. Says nothing
//! where the image could be seen all the same.

use std::collections::HashSet;

use serde_json::Value;

use crate::model::{ImageRef, Mount, MountKind, Project, Service};

/// Where the engine itself reads or writes before anything is mounted (the names of users, `resolv.conf`), or mounts its
/// own.
const THE_ENGINES: &[&str] = &["etc", "proc", "sys", "dev"];
/// What lets a process take a mount away, or look beneath it.
const UNCOVERING: &[&str] = &["ALL", "SYS_ADMIN"];

/// What lies over a service's image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cover {
    /// The targets of bind mounts, cleaned.
    pub(super) binds: Vec<String>,
    /// The targets of what the engine may fill with what the image has there, as written.
    pub(super) filled: Vec<String>,
    /// Where its process starts, when the service says so.
    pub(super) working_dir: Option<String>,
}

impl Cover {
    /// What lies over the image of a service; `None` where nothing can be relied on. `seen` are the images that others see.
    pub(super) fn of(project: &Project, name: &str, seen: &Seen) -> Option<Self> {
        let service = project.services.get(name)?;
        if is_switched_off(service) || uncovers(service) || seen.has_one(project, name) {
            return None;
        }
        let bind = |kind| kind == MountKind::Bind;
        let binds = service.volumes.iter().filter(|mount| bind(mount.kind));
        let binds: Vec<String> = binds
            .filter_map(|mount| place("/", &mount.target))
            .filter(|target| !is_the_engines(target))
            .collect();
        let keeps = |mount: &&Mount| mount.volume.as_ref().is_some_and(|own| own.nocopy);
        let volumes = service.volumes.iter();
        let volumes = volumes.filter(|mount| mount.kind == MountKind::Volume && !keeps(mount));
        let volumes = volumes.map(|mount| mount.target.as_str());
        // Memory is empty, unless an option asks for a copy of what the image has there.
        let tmpfs = service.tmpfs.iter().filter_map(|text| text.split_once(':'));
        let tmpfs = tmpfs.filter(|(_, options)| options.contains("copy"));
        let filled = volumes.chain(tmpfs.map(|(target, _)| target));
        (!binds.is_empty()).then(|| Self {
            binds,
            filled: filled.map(ToOwned::to_owned).collect(),
            working_dir: service.working_dir.clone(),
        })
    }
}

/// `x-larder: {shadowed: false}`.
fn is_switched_off(service: &Service) -> bool {
    let own = service.other.get("x-larder");
    own.and_then(|own| own.get("shadowed")) == Some(&Value::Bool(false))
}

/// Whether its processes may look beneath a mount, or other mounts come from elsewhere.
fn uncovers(service: &Service) -> bool {
    let uncovering = |name: &String| {
        let name = name.to_uppercase();
        UNCOVERING.contains(&name.strip_prefix("CAP_").unwrap_or(&name))
    };
    let mut hooks = service.post_start.iter().chain(&service.pre_stop);
    service.privileged == Some(true)
        || hooks.any(|hook| hook.privileged == Some(true))
        || service.cap_add.iter().any(uncovering)
        || !service.volumes_from.is_empty()
}

/// The images that services run by their names, and so with other mounts than those of the service that builds them, or
/// mount.
pub(super) struct Seen {
    images: HashSet<ImageRef>,
    /// Whether there is one whose name does not parse: it may be any.
    any: bool,
}

impl Seen {
    pub(super) fn of(project: &Project) -> Self {
        let mut seen = Self {
            images: HashSet::new(),
            any: false,
        };
        let mut add = |image: &str| match image.parse() {
            Ok(image) => drop(seen.images.insert(image)),
            Err(_) => seen.any = true,
        };
        for (name, service) in &project.services {
            service.mounted_images().for_each(&mut add);
            if service.build.is_none() {
                add(&project.image_name(name));
            }
        }
        seen
    }

    /// Whether what a service builds is among them.
    fn has_one(&self, project: &Project, name: &str) -> bool {
        let mut own = project.built_images(name);
        self.any || own.any(|image| self.images.contains(&image))
    }
}

/// A path of the container, cleaned; `None` for one that may lead elsewhere than its text says.
pub(super) fn place(folder: &str, path: &str) -> Option<String> {
    let whole = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{folder}/{path}")
    };
    let parts = whole.split('/').filter(|part| !matches!(*part, "" | "."));
    let parts: Vec<&str> = parts.collect();
    (whole.starts_with('/') && !parts.contains(&"..")).then(|| format!("/{}", parts.join("/")))
}

/// Whether a cleaned path lies below another one.
pub(super) fn is_below(path: &[u8], above: &str) -> bool {
    let above = above.trim_end_matches('/').as_bytes();
    path.strip_prefix(above)
        .is_some_and(|rest| rest.len() > 1 && rest[0] == b'/')
}

fn is_the_engines(target: &str) -> bool {
    let first = target.split('/').nth(1).unwrap_or_default();
    first.is_empty() || THE_ENGINES.contains(&first)
}
