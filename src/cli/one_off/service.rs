//! What a one-off container is made from: the service as the file has it, and what was typed over that.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use super::Run;
use crate::cli::invocation::Invocation;
use crate::compose;
use crate::failure::Failure;
use crate::model::{
    Digest, DigestWriter, MountKind, OneOff, Owner, Project, Service, UnknownService, Volume, link,
};

/// Changes the service in question; the name of its container.
///
/// # Errors
/// The project does not have the service, or a file of variables cannot be read.
pub(super) fn define(
    invocation: &Invocation,
    project: &mut Project,
    args: &Run,
    tty: bool,
) -> Result<String, Failure> {
    let name = args.service();
    let Some(mut service) = project.services.remove(name) else {
        return Err(UnknownService {
            name: name.to_owned(),
            known: project.services.keys().cloned().collect(),
        }
        .into());
    };
    let one_off = OneOff {
        slug: slug().to_string(),
        interactive: args.interactive,
        remove: args.rm,
        aliases: args.use_aliases,
        typed_ports: !args.service_ports,
    };
    let container = args.name.clone();
    let container = container.unwrap_or_else(|| one_off.name(&project.name, name));
    service.container_name = Some(container.clone());
    service.one_off = Some(Box::new(one_off));
    service.tty = Some(tty);
    service.stdin_open = Some(args.interactive);
    service.scale = Some(1);
    service.restart = None;
    if let Some(deploy) = &mut service.deploy {
        deploy.restart_policy = None;
    }
    let variables = variables(invocation, args)?;
    let variables = variables.into_iter();
    service
        .environment
        .extend(variables.map(|(name, value)| (name, Some(value))));
    typed(invocation, project, &mut service, args);
    if args.no_deps {
        alone(project, &mut service);
    }
    project.services.insert(name.to_owned(), service);
    if args.pull != "policy" {
        for service in project.services.values_mut() {
            service.pull_policy = Some(args.pull.clone());
        }
    }
    Ok(container)
}

/// Puts what was typed over what the file says. Texts were looked at when they were typed.
fn typed(invocation: &Invocation, project: &mut Project, service: &mut Service, args: &Run) {
    if let Some(text) = &args.entrypoint {
        service.entrypoint = compose::typed_command(text).ok();
        // The image's own command is for the image's own entrypoint.
        service.command = Some(Vec::new());
    }
    if !args.command().is_empty() {
        service.command = Some(args.command().to_vec());
    }
    service.user = args.user.clone().or(service.user.take());
    service.working_dir = args.workdir.clone().or(service.working_dir.take());
    service.cap_drop.retain(|own| !args.cap_add.contains(own));
    service.cap_add.extend(args.cap_add.iter().cloned());
    service.cap_add.retain(|own| !args.cap_drop.contains(own));
    service.cap_drop.extend(args.cap_drop.iter().cloned());
    let labels = args.label.iter().filter_map(|text| text.split_once('='));
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
    service.labels.extend(labels);
    if !args.service_ports {
        let ports = args.publish.iter();
        let ports = ports.filter_map(|text| compose::typed_ports(text).ok());
        service.ports = ports.flatten().collect();
    }
    let home = invocation.environment.get("HOME").map(String::as_str);
    for text in &args.volume {
        let Ok(mount) = compose::typed_mount(text, &invocation.folder, home) else {
            continue;
        };
        if let (MountKind::Volume, Some(name)) = (mount.kind, &mount.source)
            && !project.volumes.contains_key(name)
        {
            // One that the file does not have goes by its own name.
            let volume = Volume {
                name: Some(name.clone()),
                ..Volume::default()
            };
            project.volumes.insert(name.clone(), volume);
        }
        // It stands in for what is mounted there.
        service.volumes.retain(|own| own.target != mount.target);
        service.volumes.push(mount);
    }
}

/// The variables that were typed, over those of files; what has no value is none.
fn variables(invocation: &Invocation, args: &Run) -> Result<BTreeMap<String, String>, Failure> {
    let bare = |text: &String| !text.contains('=');
    let mut here = BTreeMap::new();
    if !args.env_from_file.is_empty() || args.env.iter().any(bare) {
        here = compose::environment(&invocation.options(&[]))?;
    }
    let mut all = BTreeMap::new();
    for text in &args.env {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text.as_str(), here.get(text).cloned()),
        };
        all.extend(value.map(|value| (name.to_owned(), value)));
    }
    for file in &args.env_from_file {
        let path = invocation.folder.join(file);
        // A file knows what was typed, and what the project's variables are.
        let mut known = here.clone();
        known.extend(all.clone());
        for (name, value) in compose::typed_variables(&path, &known)? {
            all.entry(name).or_insert(value);
        }
    }
    Ok(all)
}

/// Takes a service out of what starts with it: whatever it has of other services, it has of their first containers as they
/// are.
fn alone(project: &Project, service: &mut Service) {
    service.depends_on.clear();
    let container = |name: &str| project.container_name(name, 1);
    for mode in [
        &mut service.network_mode,
        &mut service.ipc,
        &mut service.pid,
    ] {
        let owner = mode.as_deref().and_then(Owner::of_mode);
        if let Some(Owner::Service(name)) = owner {
            *mode = Some(Owner::Container(&container(name)).to_string());
        }
    }
    for entry in &mut service.volumes_from {
        if let (Owner::Service(name), mode) = Owner::of_volumes(entry) {
            let mode = mode.map(|mode| format!(":{mode}")).unwrap_or_default();
            *entry = format!("{}{mode}", Owner::Container(&container(name)));
        }
    }
    for entry in std::mem::take(&mut service.links) {
        let (name, alias) = link(&entry);
        let link = format!("{}:{alias}", container(name));
        service.external_links.push(link);
    }
}

/// What no other container has.
fn slug() -> Digest {
    let mut writer = DigestWriter::new("larder-one-off-v1");
    // The system's own random numbers are the keys of the hashers.
    for _ in 0..4 {
        writer.number(RandomState::new().hash_one(std::process::id()));
        writer.number(RandomState::new().hash_one(std::time::SystemTime::now()));
    }
    writer.finish()
}
