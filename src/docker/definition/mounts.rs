//! What a container sees in its file system beside its image.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bollard::models::{
    Mount as EngineMount, MountBindOptions, MountTmpfsOptions, MountType, MountVolumeOptions,
};

use super::files;
use crate::docker::ApiVersion;
use crate::model::{BindOptions, Mount, MountKind, Service};
use crate::runtime::{ContainerSpec, EngineError};

/// A container's mounts, in the two forms that the engine has for them.
#[derive(Debug, Default)]
pub(super) struct Storage {
    /// `HostConfig.Binds`: `source:target:options`. The only form in which the engine makes a missing host
    /// path, so docker compose uses it where it can (moby#43483).
    pub(super) binds: Vec<String>,
    /// `HostConfig.Mounts`.
    pub(super) mounts: Vec<EngineMount>,
    /// `HostConfig.Tmpfs`.
    pub(super) tmpfs: HashMap<String, String>,
}

/// Puts a service's mounts into the engine's words. An anonymous volume is handed over where the service or the image
/// declares it still (compose `buildContainerMountOptions`): elsewhere it would hide what the image has there now.
///
/// # Errors
/// The engine is too old for one of them.
pub(super) fn mounts(
    spec: &ContainerSpec<'_>,
    service: &Service,
    image_volumes: &BTreeSet<String>,
    api: ApiVersion,
) -> Result<Storage, EngineError> {
    let mut all = Storage::default();
    let mut inherits: BTreeMap<&str, &str> = spec
        .inherits
        .iter()
        .map(|(target, volume)| (target.as_str(), volume.as_str()))
        .collect();
    for mount in &service.volumes {
        match mount.kind {
            MountKind::Bind => all.bind(mount, api),
            MountKind::Volume => {
                let inherited = inherits.remove(mount.target.as_str());
                all.volume(spec, mount, inherited, api)?;
            }
            MountKind::Tmpfs => all.mounts.push(tmpfs(mount)),
        }
    }
    inherits.retain(|target, _| image_volumes.contains(*target));
    all.mounts
        .extend(inherits.into_iter().map(|(target, volume)| EngineMount {
            typ: Some(MountType::VOLUME),
            source: Some(volume.to_owned()),
            target: Some(target.to_owned()),
            ..EngineMount::default()
        }));
    all.mounts.extend(files::binds(spec.project, service));
    for entry in &service.tmpfs {
        let (path, options) = entry.split_once(':').unwrap_or((entry, ""));
        all.tmpfs.insert(path.to_owned(), options.to_owned());
    }
    Ok(all)
}

impl Storage {
    fn bind(&mut self, mount: &Mount, api: ApiVersion) {
        let source = mount.source.clone().unwrap_or_default();
        let options = mount.bind.as_ref();
        let create = options.is_none_or(|bind| bind.create_host_path);
        // The form with colons cannot hold a path that has one.
        if create && !source.contains(':') {
            self.binds.push(bind_text(&source, mount));
            return;
        }
        let propagation = options.and_then(|bind| bind.propagation.as_deref());
        self.mounts.push(EngineMount {
            typ: Some(MountType::BIND),
            source: Some(source),
            target: Some(mount.target.clone()),
            read_only: Some(mount.read_only),
            consistency: mount.consistency.clone(),
            bind_options: Some(MountBindOptions {
                propagation: propagation.and_then(|text| text.parse().ok()),
                create_mountpoint: (create && api.at_least("1.42")).then_some(true),
                ..MountBindOptions::default()
            }),
            ..EngineMount::default()
        });
    }

    fn volume(
        &mut self,
        spec: &ContainerSpec<'_>,
        mount: &Mount,
        inherited: Option<&str>,
        api: ApiVersion,
    ) -> Result<(), EngineError> {
        let subpath = mount.volume.as_ref().and_then(|v| v.subpath.clone());
        if subpath.is_some() {
            api.has("1.45", || {
                format!("`volume.subpath` of service `{}`", spec.service)
            })?;
        }
        let named = mount
            .source
            .as_ref()
            .map(|key| spec.project.volume_name(key));
        if let (Some(name), None) = (&named, &subpath) {
            self.binds.push(bind_text(name, mount));
            return Ok(());
        }
        let nocopy = mount.volume.as_ref().is_some_and(|v| v.nocopy);
        self.mounts.push(EngineMount {
            typ: Some(MountType::VOLUME),
            source: named.or_else(|| inherited.map(ToOwned::to_owned)),
            target: Some(mount.target.clone()),
            read_only: Some(mount.read_only),
            volume_options: (nocopy || subpath.is_some()).then(|| MountVolumeOptions {
                no_copy: Some(nocopy),
                subpath,
                ..MountVolumeOptions::default()
            }),
            ..EngineMount::default()
        });
        Ok(())
    }
}

/// `source:target:rw,z,rshared,nocopy` (docker/compose `toBindString`).
fn bind_text(source: &str, mount: &Mount) -> String {
    let none = BindOptions::default();
    let bind = mount.bind.as_ref().unwrap_or(&none);
    let access = if mount.read_only { "ro" } else { "rw" };
    let nocopy = mount.volume.as_ref().is_some_and(|volume| volume.nocopy);
    let options = [
        Some(access),
        bind.selinux.as_deref(),
        bind.propagation.as_deref(),
        nocopy.then_some("nocopy"),
    ];
    let options: Vec<&str> = options.into_iter().flatten().collect();
    format!("{source}:{}:{}", mount.target, options.join(","))
}

fn tmpfs(mount: &Mount) -> EngineMount {
    EngineMount {
        typ: Some(MountType::TMPFS),
        target: Some(mount.target.clone()),
        read_only: Some(mount.read_only),
        tmpfs_options: mount.tmpfs.as_ref().map(|options| MountTmpfsOptions {
            size_bytes: options.size.map(|size| size.0),
            mode: options.mode.map(i64::from),
            ..MountTmpfsOptions::default()
        }),
        ..EngineMount::default()
    }
}

/// A read-only bind of one file.
pub(super) fn file_bind(source: &str, target: String) -> EngineMount {
    EngineMount {
        typ: Some(MountType::BIND),
        source: Some(source.to_owned()),
        target: Some(target),
        read_only: Some(true),
        ..EngineMount::default()
    }
}
