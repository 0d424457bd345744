//! What must hold for one service in its project: what it names is defined, and its attributes agree.

use std::collections::{BTreeMap, HashMap};

use super::error::{Error, ErrorKind};
use super::path::TreePath;
use super::{settle, values, watch};
use crate::model::{Build, ImageRef, MountKind, Project, Service};

/// What a service does that says so in `depends_on`.
pub(super) const WAITS: &str = "waits for";

/// Checks a service of a settled project; `off` has the profiles of the services that are switched off.
///
/// # Errors
/// The first thing that does not hold.
pub(super) fn check(
    project: &Project,
    off: &BTreeMap<String, Vec<String>>,
    name: &str,
    service: &Service,
) -> Result<(), Error> {
    let check = Check {
        project,
        off,
        name,
        service,
    };
    check.platform()?;
    check.image()?;
    check.template()?;
    check.dependencies()?;
    check.networks()?;
    check.mounts()?;
    check.files()?;
    check.health()?;
    watch::check(service, &check.path())?;
    check.limits()
}

struct Check<'a> {
    project: &'a Project,
    off: &'a BTreeMap<String, Vec<String>>,
    name: &'a str,
    service: &'a Service,
}

impl Check<'_> {
    fn path(&self) -> TreePath {
        TreePath::of(&["services", self.name])
    }

    fn rule(&self, attribute: &str, text: String) -> Error {
        Error::from(ErrorKind::Rule(text)).at(self.path().and(attribute))
    }

    fn undefined<T>(
        &self,
        verb: &'static str,
        what: &'static str,
        name: &str,
        known: &BTreeMap<String, T>,
        path: TreePath,
    ) -> Result<(), Error> {
        if known.contains_key(name) {
            return Ok(());
        }
        // A service is nothing that it could wait for itself.
        let others = known
            .keys()
            .filter(|name| what != "service" || *name != self.name);
        let known = others.cloned().collect();
        let service = self.name.to_owned();
        Err(Error::from(ErrorKind::Undefined {
            service,
            verb,
            what,
            name: name.to_owned(),
            known,
        })
        .at(path))
    }

    fn image(&self) -> Result<(), Error> {
        let image = self
            .service
            .image
            .as_deref()
            .filter(|image| !image.is_empty());
        match (image, &self.service.build) {
            (None, None) => {
                return Err(Error::from(ErrorKind::NoImage(self.name.to_owned())).at(self.path()));
            }
            (Some(image), _) => {
                image.parse::<ImageRef>().map_err(|reason| {
                    let kind = ErrorKind::Image {
                        service: self.name.to_owned(),
                        reason,
                    };
                    Error::from(kind).at(self.path().and("image"))
                })?;
            }
            (None, Some(_)) => {}
        }
        self.service
            .build
            .as_ref()
            .map_or(Ok(()), |build| self.build(build))
    }

    /// What the file itself says was checked where it is written.
    fn platform(&self) -> Result<(), Error> {
        let platform = self.service.platform.as_deref().unwrap_or_default();
        values::platform(platform).map_err(|reason| {
            let path = self.path().and("platform");
            let note = Some("`DOCKER_DEFAULT_PLATFORM` says it".to_owned());
            let error = Error::from(ErrorKind::Invalid { path, reason });
            Error { note, ..error }
        })
    }

    /// A template stands for the one Dockerfile of a folder that has none.
    fn template(&self) -> Result<(), Error> {
        let Some(template) = self.service.template() else {
            return Ok(());
        };
        let build = self.service.build.as_ref();
        let why = match build {
            None => "it has no `build`",
            Some(build) if build.is_remote() => "its context is not on this machine",
            Some(build) if build.dockerfile_inline.is_some() => "it has a `dockerfile_inline`",
            Some(build) if build.dockerfile.as_deref() != Some("Dockerfile") => {
                "it has a `dockerfile`"
            }
            Some(_) => return Ok(()),
        };
        let text = format!(
            "service `{}` cannot be built from template `{template}`: {why}",
            self.name
        );
        Err(Error::from(ErrorKind::Rule(text)).at(self.path().and("x-larder").and("template")))
    }

    fn build(&self, build: &Build) -> Result<(), Error> {
        let path = self.path().and("build");
        if build.context.is_empty() {
            let path = path.and("context");
            let reason = "it is empty: `.` is the project's folder".to_owned();
            return Err(ErrorKind::Invalid { path, reason }.into());
        }
        if build.dockerfile.is_some() && build.dockerfile_inline.is_some() {
            let text = format!(
                "service `{}` has both `dockerfile` and `dockerfile_inline`",
                self.name
            );
            return Err(Error::from(ErrorKind::Rule(text)).at(path.and("dockerfile_inline")));
        }
        if let Some(platform) = &self.service.platform
            && !build.platforms.is_empty()
            && !build.platforms.contains(platform)
        {
            let text = format!(
                "`build.platforms` of service `{}` lacks its own platform, `{platform}`",
                self.name
            );
            let note = "`platform` says it, or else `DOCKER_DEFAULT_PLATFORM`".to_owned();
            let error = Error::from(ErrorKind::Rule(text)).at(path.and("platforms"));
            return Err(Error {
                note: Some(note),
                ..error
            });
        }
        for (context, name) in build.services_as_contexts() {
            let path = path.clone().and("additional_contexts").and(context);
            self.built(name, path)?;
        }
        for (index, secret) in build.secrets.iter().enumerate() {
            let path = path.clone().and("secrets");
            let path = path.and_item(index, &secret.source);
            self.undefined(
                "builds with",
                "secret",
                &secret.source,
                &self.project.secrets,
                path,
            )?;
        }
        Ok(())
    }

    /// A service whose image is a context of this one's build.
    fn built(&self, name: &str, path: TreePath) -> Result<(), Error> {
        self.waited_for(name, "builds with the image of", true, path.clone())?;
        let other = self.project.services.get(name);
        let text = if name == self.name {
            format!("service `{name}` builds with its own image")
        } else if other.is_some_and(|other| other.build.is_none()) {
            format!(
                "service `{}` builds with the image of `{name}`, which has no `build`",
                self.name
            )
        } else {
            return Ok(());
        };
        Err(Error::from(ErrorKind::Rule(text)).at(path))
    }

    fn dependencies(&self) -> Result<(), Error> {
        for implied in settle::implied(self.service) {
            let path = self.path().and(implied.attribute).and(&implied.name);
            self.waited_for(&implied.name, implied.verb, true, path)?;
        }
        for (name, dependency) in &self.service.depends_on {
            let path = self.path().and("depends_on").and(name);
            self.waited_for(name, WAITS, dependency.required, path)?;
        }
        Ok(())
    }

    fn waited_for(
        &self,
        name: &str,
        verb: &'static str,
        required: bool,
        path: TreePath,
    ) -> Result<(), Error> {
        match self.off.get(name) {
            None => self.undefined(verb, "service", name, &self.project.services, path),
            Some(profiles) if required => {
                let kind = ErrorKind::Off {
                    service: self.name.to_owned(),
                    verb,
                    name: name.to_owned(),
                    profiles: profiles.clone(),
                };
                Err(Error::from(kind).at(path))
            }
            Some(_) => Ok(()),
        }
    }

    fn networks(&self) -> Result<(), Error> {
        if self.service.network_mode.is_some() && !self.service.networks.is_empty() {
            let text = format!(
                "service `{}` has both `network_mode` and `networks`",
                self.name
            );
            return Err(self.rule("network_mode", text));
        }
        for name in self.service.networks.keys() {
            let path = self.path().and("networks").and(name);
            self.undefined(
                "is attached to",
                "network",
                name,
                &self.project.networks,
                path,
            )?;
        }
        self.hardware_address()
    }

    /// A container has one in its first network (docker/compose `prepareContainerMACAddress`).
    fn hardware_address(&self) -> Result<(), Error> {
        let networks = self.service.networks_by_priority();
        let Some((name, Some(attachment))) = networks.first() else {
            return Ok(());
        };
        match (&self.service.mac_address, &attachment.mac_address) {
            (Some(own), Some(other)) if own != other => {
                let text = format!(
                    "service `{}` has the `mac_address` `{own}`, and in its network `{name}` it has `{other}`",
                    self.name
                );
                Err(self.rule("mac_address", text))
            }
            _ => Ok(()),
        }
    }

    fn mounts(&self) -> Result<(), Error> {
        let mut taken: HashMap<&str, String> = HashMap::new();
        let path = |list, index, name: &str| self.path().and(list).and_item(index, name);
        let tmpfs = self.service.tmpfs.iter().enumerate().map(|(index, tmpfs)| {
            let target = tmpfs.split(':').next().unwrap_or_default();
            (target, path("tmpfs", index, target))
        });
        let mounts = self.service.volumes.iter().enumerate();
        let mounts = mounts.map(|(index, mount)| {
            let target = mount.target.as_str();
            (target, path("volumes", index, target))
        });
        for (target, path) in tmpfs.chain(mounts) {
            if target.is_empty() {
                return Err(ErrorKind::Required {
                    path: path.and("target"),
                }
                .into());
            }
            if let Some(other) = taken.insert(target, path.to_string()) {
                let text = format!("`{path}` mounts at `{target}`, and so does `{other}`");
                return Err(Error::from(ErrorKind::Rule(text)).at(path));
            }
        }
        for (index, mount) in self.service.volumes.iter().enumerate() {
            if let (MountKind::Volume, Some(name)) = (mount.kind, &mount.source) {
                let path = path("volumes", index, name);
                self.undefined("mounts", "volume", name, &self.project.volumes, path)?;
            }
        }
        Ok(())
    }

    fn files(&self) -> Result<(), Error> {
        for (index, config) in self.service.configs.iter().enumerate() {
            let path = self.path().and("configs");
            let path = path.and_item(index, &config.source);
            self.undefined(
                "reads",
                "config",
                &config.source,
                &self.project.configs,
                path,
            )?;
        }
        for (index, secret) in self.service.secrets.iter().enumerate() {
            let path = self.path().and("secrets");
            let path = path.and_item(index, &secret.source);
            self.undefined(
                "reads",
                "secret",
                &secret.source,
                &self.project.secrets,
                path,
            )?;
        }
        Ok(())
    }

    fn health(&self) -> Result<(), Error> {
        let first = self
            .service
            .healthcheck
            .as_ref()
            .and_then(|check| check.test.as_ref()?.first());
        match first.map(String::as_str) {
            None | Some("CMD" | "CMD-SHELL" | "NONE") => Ok(()),
            Some(other) => {
                let path = self.path().and("healthcheck").and("test");
                let reason = format!("it starts with `CMD`, `CMD-SHELL` or `NONE`, not `{other}`");
                Err(ErrorKind::Invalid { path, reason }.into())
            }
        }
    }

    /// `deploy` says the same as the older attributes, or nothing (1.7 of the spec's `deploy`).
    fn limits(&self) -> Result<(), Error> {
        let Some(deploy) = &self.service.deploy else {
            return self.scale();
        };
        let differ = |old: &str, new: &str| {
            self.rule(
                old,
                format!(
                    "`{old}` and `deploy.{new}` of service `{}` differ: write one of them",
                    self.name
                ),
            )
        };
        if let (Some(scale), Some(replicas)) = (self.service.scale, deploy.replicas)
            && scale != replicas
        {
            return Err(differ("scale", "replicas"));
        }
        let resources = deploy.resources.as_ref();
        if let Some(limits) = resources.and_then(|resources| resources.limits.as_ref()) {
            if self
                .service
                .cpus
                .is_some_and(|cpus| (cpus - limits.cpus.unwrap_or(0.0)).abs() > 1e-9)
            {
                return Err(differ("cpus", "resources.limits.cpus"));
            }
            if self.service.mem_limit.is_some() && self.service.mem_limit != limits.memory {
                return Err(differ("mem_limit", "resources.limits.memory"));
            }
            if self.service.pids_limit.is_some() && self.service.pids_limit != limits.pids {
                return Err(differ("pids_limit", "resources.limits.pids"));
            }
        }
        if let Some(reserved) = resources.and_then(|resources| resources.reservations.as_ref())
            && self.service.mem_reservation.is_some()
            && self.service.mem_reservation != reserved.memory
        {
            return Err(differ("mem_reservation", "resources.reservations.memory"));
        }
        self.scale()
    }

    fn scale(&self) -> Result<(), Error> {
        let replicas = self.service.replicas();
        if self.service.container_name.is_some() && replicas > 1 {
            let text = format!(
                "service `{}` has a `container_name` and {replicas} containers",
                self.name
            );
            return Err(self.rule("container_name", text));
        }
        Ok(())
    }
}
