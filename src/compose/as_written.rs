//! A project's files with their variables as they are written, and the names in them: `config --no-interpolate`. What a
//! variable would say is not known here.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::assemble::Parts;
use super::error::Error;
use super::files::Sources;
use super::load::{LoadOptions, active_profiles, ground, model};
use super::notice::Notices;
use crate::model::Warning;

/// The files of a project in one canonical tree, their variables as they are written. Services of all profiles are in it,
/// and nothing that is unsaid is written out.
///
/// # Errors
/// As [`super::load`], as far as it is known without the variables.
pub fn load_as_written(options: &LoadOptions) -> Result<(Value, Vec<Warning>), Error> {
    read(options, |tree, _| Ok(tree))
}

/// What a project's files name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The services of all profiles.
    pub services: BTreeSet<String>,
    /// The volumes that services mount which are on.
    pub volumes: BTreeSet<String>,
    /// The networks that such services are attached to.
    pub networks: BTreeSet<String>,
    /// The profiles of all services.
    pub profiles: BTreeSet<String>,
    /// The image of each service that is on, by the services' names.
    pub images: Vec<String>,
}

/// The names in a project's files, as far as they are written without variables.
///
/// # Errors
/// As [`load_as_written`].
pub fn names_as_written(options: &LoadOptions) -> Result<(Names, Vec<Warning>), Error> {
    read(options, |tree, profiles| {
        let all = tree.get("services").and_then(Value::as_object);
        let services = all.into_iter().flat_map(Map::keys).cloned().collect();
        let project = tree["name"].as_str().unwrap_or_default().to_owned();
        let parts = Parts::of(tree, profiles, &[])?;
        let mut names = Names {
            services,
            profiles: parts.profiles(),
            ..Names::default()
        };
        let mut on: Vec<_> = parts.services.iter().collect();
        on.sort_by_key(|(name, _)| *name);
        for (name, service) in on {
            let image = service.get("image").and_then(Value::as_str);
            let image = image.filter(|image| !image.is_empty());
            let own = || format!("{project}-{name}");
            names.images.push(image.map_or_else(own, str::to_owned));
            names.volumes.extend(mounted(service, &parts.rest));
            names.networks.extend(attached(service, &parts.rest));
        }
        Ok(names)
    })
}

fn read<T>(
    options: &LoadOptions,
    take: impl FnOnce(Value, &[String]) -> Result<T, Error>,
) -> Result<(T, Vec<Warning>), Error> {
    let mut sources = Sources::default();
    let mut notices = Notices::default();
    let loaded = ground(options, &mut sources, &mut notices).and_then(|ground| {
        let mut tree = model(options, &ground, &mut sources, &mut notices, true)?;
        let profiles = active_profiles(options, &ground.environment);
        tree["name"] = ground.name.into();
        take(tree, &profiles)
    });
    loaded
        .map_err(|error| sources.locate(error).with_hole(&notices))
        .map(|taken| (taken, notices.located(&sources)))
}

/// The project's volumes that a service mounts; a short form may have variables behind the name.
fn mounted(service: &Value, rest: &Value) -> Vec<String> {
    let mounts = service.get("volumes").and_then(Value::as_array);
    let named = |mount: &Value| match mount {
        Value::String(text) => text.split(':').next().map(str::to_owned),
        long if long.get("type")? == "volume" => Some(long.get("source")?.as_str()?.to_owned()),
        _ => None,
    };
    let mut volumes: Vec<_> = mounts.into_iter().flatten().filter_map(named).collect();
    volumes.retain(|name| rest["volumes"].get(name).is_some());
    volumes
}

/// The project's networks that a service is attached to: by default one that nobody has to define.
fn attached(service: &Value, rest: &Value) -> Vec<String> {
    let mut networks: Vec<String> = match service.get("networks") {
        Some(Value::Object(map)) => map.keys().cloned().collect(),
        Some(Value::Array(list)) => {
            let texts = list.iter().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    };
    if networks.is_empty() && service.get("network_mode").is_none_or(Value::is_null) {
        return vec!["default".to_owned()];
    }
    networks.retain(|name| name == "default" || rest["networks"].get(name).is_some());
    networks
}
