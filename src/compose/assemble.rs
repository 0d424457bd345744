//! The merged tree into model types: services switched on by profile, their env and label files read, the rest
//! deserialised.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::attributes::SERVICE;
use super::environment::Environment;
use super::error::{Error, ErrorKind};
use super::notice::Notices;
use super::omit_empty::omit;
use super::path::{Segment, TreePath};
use super::schema::is_extension;
use super::top_level::ROOT_TABLE;
use super::{dotenv, text};
use crate::model::{Named, Project, Service};

/// So many services may a project have. Ten thousand take larder 70 MB, and an engine hours.
const SERVICES: usize = 30_000;

/// A merged tree with its services apart.
pub(super) struct Parts {
    /// The services that are on.
    pub(super) services: Map<String, Value>,
    /// The profiles of those that are off.
    pub(super) off: BTreeMap<String, Vec<String>>,
    /// Everything else.
    pub(super) rest: Value,
    keeps_env_files: bool,
}

impl Parts {
    /// Takes the services that the active profiles switch on. Naming a service activates its profiles, all of
    /// them (compose-go `WithServicesEnabled`).
    ///
    /// # Errors
    /// The tree is empty, or no service has a name that was asked for.
    pub(super) fn of(
        mut tree: Value,
        profiles: &[String],
        named: &[String],
    ) -> Result<Self, Error> {
        if tree.as_object().is_none_or(Map::is_empty) {
            return Err(ErrorKind::Empty.into());
        }
        let mut services = match tree
            .as_object_mut()
            .and_then(|map| map.shift_remove("services"))
        {
            Some(Value::Object(services)) => services,
            _ => Map::new(),
        };
        if services.len() > SERVICES {
            return Err(ErrorKind::Services(SERVICES).into());
        }
        let mut active: BTreeSet<String> = profiles.iter().cloned().collect();
        for name in named {
            let Some(service) = services.get(name) else {
                let known = services.keys().cloned().collect();
                return Err(ErrorKind::UnknownService {
                    name: name.clone(),
                    known,
                }
                .into());
            };
            if !is_on(service, &active) {
                active.extend(profiles_of(service));
            }
        }
        let mut off = BTreeMap::new();
        services.retain(|name, service| {
            let on = is_on(service, &active);
            if !on {
                off.insert(name.clone(), profiles_of(service));
            }
            on
        });
        Ok(Self {
            services,
            off,
            rest: tree,
            keeps_env_files: false,
        })
    }

    /// The profiles that services name, on or off.
    pub(super) fn profiles(&self) -> BTreeSet<String> {
        let on = self.services.values().flat_map(profiles_of);
        on.chain(self.off.values().flatten().cloned()).collect()
    }

    /// The files that give services variables and labels, with who names them.
    pub(super) fn files(&self) -> impl Iterator<Item = Named> {
        let lists = self.services.iter().flat_map(|(name, service)| {
            let of = move |key| (name, key, service.get(key).and_then(Value::as_array));
            [of("env_file"), of("label_file")]
        });
        lists.flat_map(|(name, key, list)| {
            let items = list.into_iter().flatten().enumerate();
            items.filter_map(move |(index, item)| {
                let file = item.get("path").unwrap_or(item).as_str()?;
                Some(Named {
                    file: file.into(),
                    by: format!("services.{name}.{key}[{index}]"),
                    service: Some(name.clone()),
                })
            })
        })
    }

    /// Forgets the files that give services variables and labels.
    pub(super) fn leave_files_unread(&mut self) {
        for service in self.services.values_mut().filter_map(Value::as_object_mut) {
            service.shift_remove("env_file");
            service.shift_remove("label_file");
        }
    }

    /// Keeps the names of the files that give services variables, in place of what they say.
    pub(super) fn keep_env_files(&mut self) {
        for service in self.services.values_mut().filter_map(Value::as_object_mut) {
            let files = service.get_mut("env_file").and_then(Value::as_array_mut);
            for file in files.into_iter().flatten() {
                name_env_file(file);
            }
        }
        self.keeps_env_files = true;
    }

    /// The project, without what is only known outside of the tree.
    ///
    /// # Errors
    /// An env file that is missing or cannot be read, and values that the model does not have.
    pub(super) fn project(
        mut self,
        environment: &Environment,
        notices: &mut Notices,
    ) -> Result<Project, Error> {
        let mut project = Project {
            disabled: self.off.into_keys().collect(),
            ..Project::default()
        };
        for (name, mut service) in self.services {
            let path = TreePath::of(&["services", &name]);
            if !self.keeps_env_files {
                read_env_files(&mut service, &path, environment, notices)?;
            }
            read_label_files(&mut service, &path, environment, notices)?;
            omit(&mut service, &SERVICE);
            mount_kinds(&service, &path)?;
            let service: Service = typed(service, path)?;
            project.services.insert(name, service);
        }
        omit(&mut self.rest, &ROOT_TABLE);
        project.networks = section(&mut self.rest, "networks")?;
        project.volumes = section(&mut self.rest, "volumes")?;
        project.configs = section(&mut self.rest, "configs")?;
        project.secrets = section(&mut self.rest, "secrets")?;
        if let Value::Object(rest) = self.rest {
            project.extensions = rest
                .into_iter()
                .filter(|(key, _)| is_extension(key))
                .collect();
        }
        Ok(project)
    }
}

/// An env file by its path alone, where there is no more to say of it.
fn name_env_file(file: &mut Value) {
    if let Some(map) = file.as_object_mut() {
        let required = map.entry("required").or_insert(true.into());
        if *required == true && !map.contains_key("format") {
            *file = map.get("path").cloned().unwrap_or_default();
        }
    }
}

fn profiles_of(service: &Value) -> Vec<String> {
    let list = service.get("profiles").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

fn is_on(service: &Value, active: &BTreeSet<String>) -> bool {
    let own = profiles_of(service);
    own.is_empty() || active.contains("*") || own.iter().any(|profile| active.contains(profile))
}

/// A mount that says not what it is cannot be told from one that is a volume.
fn mount_kinds(service: &Value, path: &TreePath) -> Result<(), Error> {
    let mounts = service.get("volumes").and_then(Value::as_array);
    for (index, mount) in mounts.into_iter().flatten().enumerate() {
        if mount.get("type").is_none() {
            let target = mount.get("target").and_then(Value::as_str);
            let path = path.clone().and("volumes");
            let path = path.and_item(index, target.unwrap_or_default());
            let path = path.and("type");
            return Err(ErrorKind::Required { path }.into());
        }
    }
    Ok(())
}

/// A section of named resources; a null one has all defaults.
fn section<T: DeserializeOwned + Default>(
    rest: &mut Value,
    kind: &str,
) -> Result<BTreeMap<String, T>, Error> {
    let Some(Value::Object(map)) = rest.get_mut(kind).map(Value::take) else {
        return Ok(BTreeMap::new());
    };
    map.into_iter()
        .map(|(name, value)| {
            let path = TreePath::of(&[kind, &name]);
            let resource = if value.is_null() {
                T::default()
            } else {
                typed(value, path)?
            };
            Ok((name, resource))
        })
        .collect()
}

/// A part of the tree as the model has it. The tables leave little to go wrong here.
fn typed<T: DeserializeOwned>(value: Value, mut path: TreePath) -> Result<T, Error> {
    use serde_path_to_error::Segment as Step;
    serde_path_to_error::deserialize(value).map_err(|error| {
        path.0
            .extend(error.path().iter().filter_map(|step| match step {
                Step::Seq { index } => Some(Segment::Index(*index)),
                Step::Map { key } => Some(Segment::Key(key.clone())),
                _ => None,
            }));
        ErrorKind::Invalid {
            path,
            reason: error.into_inner().to_string(),
        }
        .into()
    })
}

/// Reads `env_file` into `environment`; what is written in the Compose file wins, also where it says that a variable has
/// no value.
fn read_env_files(
    service: &mut Value,
    path: &TreePath,
    environment: &Environment,
    notices: &mut Notices,
) -> Result<(), Error> {
    let Some(map) = service.as_object_mut() else {
        return Ok(());
    };
    if let Some(Value::Array(list)) = map.shift_remove("env_file") {
        let own = match map.shift_remove("environment") {
            Some(Value::Object(own)) => own,
            _ => Map::new(),
        };
        let read = env_files(&list, &own, path, environment, notices)?;
        map.insert("environment".into(), over(read, own));
    }
    Ok(())
}

/// Reads `label_file` into `labels`; what is written in the Compose file wins.
fn read_label_files(
    service: &mut Value,
    path: &TreePath,
    environment: &Environment,
    notices: &mut Notices,
) -> Result<(), Error> {
    let Some(map) = service.as_object_mut() else {
        return Ok(());
    };
    if let Some(Value::Array(list)) = map.shift_remove("label_file") {
        let mut labels = BTreeMap::new();
        for file in list.iter().filter_map(Value::as_str).map(Path::new) {
            let text =
                text::read_env(file).map_err(|error| error.at(path.clone().and("label_file")))?;
            let holes = dotenv::parse(&text, &mut labels, &|_| None, environment.meter())
                .map_err(|bad| bad.of(file).at(path.clone().and("label_file")))?;
            notices.holes(holes, file);
        }
        let own = match map.shift_remove("labels") {
            Some(Value::Object(own)) => own,
            _ => Map::new(),
        };
        map.insert("labels".into(), over(labels, own));
    }
    Ok(())
}

fn over(read: BTreeMap<String, String>, own: Map<String, Value>) -> Value {
    let mut all: Map<String, Value> = read
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect();
    all.extend(own);
    all.into()
}

fn env_files(
    list: &[Value],
    own: &Map<String, Value>,
    service: &TreePath,
    environment: &Environment,
    notices: &mut Notices,
) -> Result<BTreeMap<String, String>, Error> {
    let lookup = |name: &str| {
        let own = || own.get(name).and_then(Value::as_str);
        environment.get(name).or_else(own).map(str::to_owned)
    };
    let mut read = BTreeMap::new();
    for (index, entry) in list.iter().enumerate() {
        let path = || service.clone().and("env_file").and_index(index);
        let file = PathBuf::from(
            entry
                .get("path")
                .and_then(Value::as_str)
                .unwrap_or_default(),
        );
        let required = entry
            .get("required")
            .and_then(Value::as_bool)
            .unwrap_or(true);
        if !required && !file.exists() {
            continue;
        }
        let text = text::read_env(&file).map_err(|error| error.at(path()))?;
        let parsed = match entry.get("format").and_then(Value::as_str) {
            None | Some("" | ".env") => {
                dotenv::parse(&text, &mut read, &lookup, environment.meter())
            }
            Some("raw") => dotenv::parse_raw(&text, &mut read, &lookup, environment.meter())
                .map(|()| Vec::new()),
            Some(other) => {
                let (path, reason) = (path().and("format"), format!("`{other}` is not `raw`"));
                return Err(ErrorKind::Invalid { path, reason }.into());
            }
        };
        let holes = parsed.map_err(|bad| bad.of(&file).at(path()))?;
        notices.holes(holes, &file);
    }
    Ok(read)
}
