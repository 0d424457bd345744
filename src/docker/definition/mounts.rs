//! What a container sees in its file system beside its image.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    Mount as EngineMount, MountBindOptions, MountImageOptions, MountTmpfsOptions, MountType,
    MountVolumeOptions,
};

use super::gate::{self, Gate};
use super::{Surroundings, api_socket, files};
use crate::model::{BindOptions, Mount, MountKind, Service, VolumeOptions};
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
/// declares it still (compose `buildContainerMountOptions`): elsewhere it would hide what the image has there now. What comes with
/// `volumes_from` is that of the other container.
///
/// # Errors
/// The engine is too old for one of them.
pub(super) fn mounts(
    spec: &ContainerSpec<'_>,
    service: &Service,
    surroundings: &Surroundings,
    gate: Gate<'_>,
) -> Result<Storage, EngineError> {
    let mut all = Storage::default();
    let mut inherits: BTreeMap<&str, &str> = spec
        .inherits
        .iter()
        .map(|(target, volume)| (target.as_str(), volume.as_str()))
        .collect();
    for mount in &service.volumes {
        match mount.kind {
            MountKind::Bind => all.bind(mount, gate)?,
            MountKind::Volume => {
                let inherited = inherits.remove(mount.target.as_str());
                all.volume(spec, mount, inherited, gate)?;
            }
            MountKind::Tmpfs => all.mounts.push(tmpfs(mount)),
            MountKind::Image => {
                let mount = gate.pass(&gate::IMAGE_MOUNT, Some(image(mount)))?;
                all.mounts.extend(mount);
            }
            MountKind::Npipe => all.mounts.push(engine_mount(mount, MountType::NPIPE)),
            MountKind::Cluster => {
                let mount = engine_mount(mount, MountType::CLUSTER);
                let mount = gate.pass(&gate::CLUSTER_MOUNT, Some(mount))?;
                all.mounts.extend(mount);
            }
        }
    }
    let hides = &surroundings.mounted_by_others;
    inherits.retain(|target, _| {
        surroundings.image_volumes.contains(*target) && !hides.contains(*target)
    });
    all.mounts
        .extend(inherits.into_iter().map(|(target, volume)| EngineMount {
            typ: Some(MountType::VOLUME),
            source: Some(volume.to_owned()),
            target: Some(target.to_owned()),
            ..EngineMount::default()
        }));
    all.mounts.extend(files::binds(spec.project, service));
    if api_socket::asks(service) {
        all.binds.push(api_socket::bind());
    }
    for entry in &service.tmpfs {
        let (path, options) = entry.split_once(':').unwrap_or((entry, ""));
        all.tmpfs.insert(path.to_owned(), options.to_owned());
    }
    Ok(all)
}

impl Storage {
    fn bind(&mut self, mount: &Mount, gate: Gate<'_>) -> Result<(), EngineError> {
        let none = BindOptions::default();
        let options = mount.bind.as_ref();
        let create = options.is_none_or(|bind| bind.create_host_path);
        let options = options.unwrap_or(&none);
        let source = mount.source.clone().unwrap_or_default();
        let recursive = options.recursive.as_deref().unwrap_or_default();
        // With a propagation docker compose takes the other form, which creates nothing on an old engine and knows no
        // label of SELinux: what the file says comes first.
        let as_text = create && (!gate.api.at_least("1.42") || options.selinux.is_some());
        let plain = create && options.propagation.is_none();
        // The form with colons cannot hold a path that has one.
        if (plain || as_text) && recursive.is_empty() && !source.contains(':') {
            self.binds.push(bind_text(&source, mount));
            return Ok(());
        }
        let only_read = gate.pass(
            &gate::RECURSIVE_READ,
            matches!(recursive, "writable" | "readonly").then_some(recursive),
        )?;
        let propagation = options.propagation.as_deref();
        self.mounts.push(EngineMount {
            bind_options: Some(MountBindOptions {
                propagation: propagation.and_then(|text| text.parse().ok()),
                create_mountpoint: (create && gate.api.at_least("1.42")).then_some(true),
                non_recursive: (recursive == "disabled").then_some(true),
                read_only_non_recursive: (only_read == Some("writable")).then_some(true),
                read_only_force_recursive: (only_read == Some("readonly")).then_some(true),
            }),
            ..engine_mount(mount, MountType::BIND)
        });
        Ok(())
    }

    fn volume(
        &mut self,
        spec: &ContainerSpec<'_>,
        mount: &Mount,
        inherited: Option<&str>,
        gate: Gate<'_>,
    ) -> Result<(), EngineError> {
        let none = VolumeOptions::default();
        let options = mount.volume.as_ref().unwrap_or(&none);
        let subpath = options.subpath.clone().filter(|path| !path.is_empty());
        let subpath = gate.pass(&gate::VOLUME_SUBPATH, subpath)?;
        let key = mount.source.as_ref();
        let named = key.map(|key| spec.project.volume_name(key));
        let labelled = mount.bind.as_ref().is_some_and(|b| b.selinux.is_some());
        // Text alone can ask for a label of SELinux.
        let says_more = !options.labels.is_empty() || options.nocopy && !labelled;
        if let Some(name) = &named
            && subpath.is_none()
            && !says_more
        {
            self.binds.push(bind_text(name, mount));
            return Ok(());
        }
        let options =
            (options.nocopy || subpath.is_some() || !options.labels.is_empty()).then(|| {
                MountVolumeOptions {
                    no_copy: Some(options.nocopy),
                    labels: (!options.labels.is_empty())
                        .then(|| options.labels.clone().into_iter().collect()),
                    subpath,
                    ..MountVolumeOptions::default()
                }
            });
        self.mounts.push(EngineMount {
            source: named.or_else(|| inherited.map(ToOwned::to_owned)),
            volume_options: options,
            ..engine_mount(mount, MountType::VOLUME)
        });
        Ok(())
    }
}

/// What every kind of mount says.
fn engine_mount(mount: &Mount, kind: MountType) -> EngineMount {
    EngineMount {
        typ: Some(kind),
        source: mount.source.clone(),
        target: Some(mount.target.clone()),
        read_only: Some(mount.read_only),
        consistency: mount.consistency.clone(),
        ..EngineMount::default()
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
        tmpfs_options: mount.tmpfs.as_ref().map(|options| MountTmpfsOptions {
            size_bytes: options.size.map(|size| size.0),
            mode: options.mode.map(i64::from),
            ..MountTmpfsOptions::default()
        }),
        ..engine_mount(mount, MountType::TMPFS)
    }
}

fn image(mount: &Mount) -> EngineMount {
    let options = mount.image.as_ref();
    EngineMount {
        image_options: options.map(|image| MountImageOptions {
            subpath: image.subpath.clone(),
        }),
        ..engine_mount(mount, MountType::IMAGE)
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
