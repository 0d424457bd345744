//! What a Compose file leaves unsaid: defaults, dependencies that other attributes imply, the `default` network,
//! names (compose-go `normalize.go` and `transform/defaults.go`).

use super::environment::Environment;
use super::notice::Notices;
use super::path::TreePath;
use crate::model::{
    Condition, Dependency, FileObject, MountKind, Network, Owner, Project, Service, Share, Volume,
    clean, link,
};

/// Writes out what is unsaid.
pub(super) fn settle(project: &mut Project, environment: &Environment, notices: &mut Notices) {
    let mut uses_default = false;
    for (name, service) in &mut project.services {
        defaults(service, environment);
        imply_dependencies(service);
        if service.network_mode.is_none() && service.networks.is_empty() {
            service.networks.insert("default".to_owned(), None);
        }
        uses_default |= service.networks.contains_key("default");
        warn_of_drives(name, service, notices);
        warn_of_reach(name, service, notices);
    }
    if uses_default {
        project.networks.entry("default".to_owned()).or_default();
    }
    let prefix = project.name.clone();
    project
        .networks
        .iter_mut()
        .for_each(|(key, network)| name(&prefix, key, network));
    project
        .volumes
        .iter_mut()
        .for_each(|(key, volume)| name(&prefix, key, volume));
    project
        .configs
        .iter_mut()
        .for_each(|(key, config)| name(&prefix, key, config));
    project
        .secrets
        .iter_mut()
        .for_each(|(key, secret)| name(&prefix, key, secret));
}

fn defaults(service: &mut Service, environment: &Environment) {
    if let Some(build) = &mut service.build {
        if build.dockerfile.is_none() && build.dockerfile_inline.is_none() {
            build.dockerfile = Some("Dockerfile".to_owned());
        }
        for (name, value) in &mut build.args {
            if value.is_none() {
                *value = environment.get(name).map(str::to_owned);
            }
        }
        build.args.retain(|_, value| value.is_some());
    }
    service.platform = service.platform.take().or_else(|| {
        let default = environment.get("DOCKER_DEFAULT_PLATFORM");
        default
            .filter(|platform| !platform.is_empty())
            .map(str::to_owned)
    });
    if let (Some(scale), Some(deploy)) = (service.scale, &mut service.deploy) {
        deploy.replicas.get_or_insert(scale);
    }
    service.dns.retain(|server| !server.is_empty());
    if service.pull_policy.as_deref() == Some("if_not_present") {
        service.pull_policy = Some("missing".to_owned());
    }
    for port in &mut service.ports {
        if port.protocol.is_empty() {
            "tcp".clone_into(&mut port.protocol);
        }
        port.mode.get_or_insert_with(|| "ingress".to_owned());
    }
    for secret in &mut service.secrets {
        secret
            .target
            .get_or_insert_with(|| format!("/run/secrets/{}", secret.source));
    }
    for mount in service
        .volumes
        .iter_mut()
        .filter(|mount| !mount.target.is_empty())
    {
        mount.target = clean(&mount.target);
        if let Some(tmpfs) = &mut mount.tmpfs {
            tmpfs.size = tmpfs.size.filter(|size| size.0 != 0);
        }
    }
}

/// A service that an attribute other than `depends_on` means to wait for.
pub(super) struct Implied {
    pub(super) attribute: &'static str,
    /// What the attribute does with it.
    pub(super) verb: &'static str,
    pub(super) name: String,
    restart: bool,
}

/// What `links`, `volumes_from` and namespaces shared with a service mean to wait for.
pub(super) fn implied(service: &Service) -> Vec<Implied> {
    let mut implied = Vec::new();
    let mut imply = |attribute, verb, name: &str, restart| {
        implied.push(Implied {
            attribute,
            verb,
            name: name.to_owned(),
            restart,
        });
    };
    for entry in &service.links {
        imply("links", Share::Links.verb(), link(entry).0, true);
    }
    let mut shared = |attribute, verb, mode: &Option<String>| {
        if let Some(Owner::Service(name)) = mode.as_deref().and_then(Owner::of_mode) {
            imply(attribute, verb, name, true);
        }
    };
    for (share, mode) in [
        (Share::Memory, &service.ipc),
        (Share::Processes, &service.pid),
        (Share::Network, &service.network_mode),
    ] {
        shared(share.attribute(), share.verb(), mode);
    }
    shared("uts", "shares the host name of", &service.uts);
    // Last, as a dependency has the switches of the attribute that implies it first.
    for entry in &service.volumes_from {
        if let (Owner::Service(name), _) = Owner::of_volumes(entry) {
            imply("volumes_from", Share::Volumes.verb(), name, false);
        }
    }
    implied
}

fn imply_dependencies(service: &mut Service) {
    for Implied { name, restart, .. } in implied(service) {
        let dependency = Dependency {
            condition: Condition::Started,
            required: true,
            restart,
        };
        service.depends_on.entry(name).or_insert(dependency);
    }
}

/// `v:/data` looks like a volume `v`, and is a Windows drive for docker compose and so for larder.
fn warn_of_drives(name: &str, service: &Service, notices: &mut Notices) {
    for (index, mount) in service.volumes.iter().enumerate() {
        let drive = mount.target.get(1..3) == Some(":/");
        if drive && mount.kind == MountKind::Volume && mount.source.is_none() {
            let text = format!(
                "`{}` is read as a path on a Windows drive: a volume's name needs two letters here",
                mount.target
            );
            let path = TreePath::of(&["services", name, "volumes"]);
            let path = path.and_item(index, &mount.target);
            notices.say_at(text, path, None);
        }
    }
}

/// What a service may do beyond its container, and what it asks for in vain.
fn warn_of_reach(name: &str, service: &Service, notices: &mut Notices) {
    let mut say = |attribute, text| {
        let path = TreePath::of(&["services", name, attribute]);
        notices.say_at(text, path, None);
    };
    if service.use_api_socket == Some(true) {
        let text = format!(
            "`{name}` gets the engine's socket and your credentials for registries: it can do there whatever you can"
        );
        say("use_api_socket", text);
    }
    if let Some(mode) = service.uts.as_deref().filter(|mode| *mode != "host") {
        let text = format!(
            "`uts: {mode}` of `{name}` has no effect: an engine shares no host name but that of its own machine, `host`"
        );
        say("uts", text);
    }
}

/// A resource with a name of its own for the engine.
trait Resource {
    fn slot(&mut self) -> (&mut Option<String>, bool);
}

impl Resource for Network {
    fn slot(&mut self) -> (&mut Option<String>, bool) {
        (&mut self.name, self.external)
    }
}

impl Resource for Volume {
    fn slot(&mut self) -> (&mut Option<String>, bool) {
        (&mut self.name, self.external)
    }
}

impl Resource for FileObject {
    fn slot(&mut self) -> (&mut Option<String>, bool) {
        (&mut self.name, self.external)
    }
}

/// Without a name of its own it is `<project>_<key>`, and an external one its key.
fn name(project: &str, key: &str, resource: &mut impl Resource) {
    let (name, external) = resource.slot();
    // Of a variable that is not set.
    *name = name.take().filter(|name| !name.is_empty());
    name.get_or_insert_with(|| {
        if external {
            key.to_owned()
        } else {
            format!("{project}_{key}")
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_gives_the_platform_that_a_service_does_not() {
        let environment = |platform: &str| {
            let pair = ("DOCKER_DEFAULT_PLATFORM".to_owned(), platform.to_owned());
            Environment::new([pair].into())
        };
        let settled = |own: Option<&str>, default: &str| {
            let mut service = Service {
                platform: own.map(str::to_owned),
                ..Service::default()
            };
            defaults(&mut service, &environment(default));
            service.platform
        };
        assert_eq!(settled(None, "linux/arm64").as_deref(), Some("linux/arm64"));
        assert_eq!(
            settled(Some("linux/amd64"), "linux/arm64").as_deref(),
            Some("linux/amd64")
        );
        assert_eq!(settled(None, ""), None);
    }
}
