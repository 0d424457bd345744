//! Files into one canonical tree: every document of every file is interpolated, checked, given its included
//! and extended parts, and merged over what came before (compose-go `loadYamlFile`).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::attributes::SERVICE_SHAPE;
use super::environment::Environment;
use super::error::{Error, ErrorKind};
use super::extends::{self, Bases, Layer};
use super::files::Sources;
use super::include;
use super::interpolate::{self, Scope, Unset};
use super::lower::lower;
use super::merge::{merge, reset};
use super::notice::Notices;
use super::nulls;
use super::path::{At, TreePath};
use super::ports;
use super::resolve::{Against, resolve};
use super::top_level::ROOT;
use super::tree::Document;
use crate::model::Inherited;

/// What the loading of files shares.
pub(super) struct Loader<'a> {
    pub(super) sources: &'a mut Sources,
    pub(super) notices: &'a mut Notices,
    pub(super) home: Option<&'a str>,
    /// How many files were included, one that is included twice counted twice.
    pub(super) included: usize,
    /// Whether variables are left as they are written.
    pub(super) as_written: bool,
    /// What variables may still put into documents.
    pub(super) variables: usize,
    /// How many ports services may still have.
    pub(super) ports: usize,
}

impl Loader<'_> {
    /// The top of each document.
    fn root(&self) -> At<'static> {
        if self.as_written {
            At::AS_WRITTEN
        } else {
            At::ROOT
        }
    }

    /// The files merged in order, their paths absolute. `above` are the files that include these.
    ///
    /// # Errors
    /// Anything that is wrong with one of the files, or with how they fit together.
    pub(super) fn model(
        &mut self,
        files: &[PathBuf],
        against: Against<'_>,
        environment: &Environment,
        above: &mut Vec<PathBuf>,
    ) -> Result<Value, Error> {
        let mut tree = Value::Object(Map::new());
        for file in files {
            let number = self.sources.open(file)?;
            above.push(file.clone());
            for document in self.sources.take(number)? {
                let layer = self.layer(document, file, against, environment, above);
                let (layer, resets) = layer.map_err(|error| error.in_file(file))?;
                let unsaid = nulls::unsaid(&layer, &ROOT);
                reset(&mut tree, &resets);
                merge(&mut tree, layer, &ROOT, self.root()).map_err(|error| error.in_file(file))?;
                let mut unsaid = unsaid.into_iter();
                if let Some(error) = unsaid.find(|error| nulls::still_unsaid(&tree, error)) {
                    return Err(error.in_file(file));
                }
            }
            above.pop();
            self.sources.merged(file);
        }
        default_contexts(&mut tree);
        resolve(&mut tree, against)?;
        Ok(tree)
    }

    /// One document with all that it brings in.
    fn layer(
        &mut self,
        document: Document,
        file: &Path,
        against: Against<'_>,
        environment: &Environment,
        above: &mut Vec<PathBuf>,
    ) -> Result<(Value, Vec<TreePath>), Error> {
        let Document { tree, resets } = document;
        let mut tree = self.canonical(tree, file, environment)?;
        nulls::services_are_said(&tree)?;
        if let Some(list) = tree
            .as_object_mut()
            .and_then(|map| map.shift_remove("include"))
        {
            for entry in &include::entries(&list)? {
                include::apply(self, &mut tree, entry, against, environment, above)?;
            }
        }
        let folder = against.folder.to_owned();
        let layer = Layer {
            file: file.to_owned(),
            folder,
            tree,
            resets: resets.clone(),
            broken: HashMap::new(),
        };
        let mut bases = Files {
            loader: self,
            environment,
        };
        Ok((extends::apply(layer, &mut bases)?, resets))
    }

    /// Variables replaced, attributes checked, short forms made long.
    fn canonical(
        &mut self,
        mut tree: Value,
        file: &Path,
        environment: &Environment,
    ) -> Result<Value, Error> {
        self.interpolate(&mut tree, file, environment)?;
        ports::check(&tree, &mut self.ports)?;
        lower(&mut tree, &ROOT, self.root())?;
        if let Some(map) = tree.as_object_mut()
            && map.shift_remove("version").is_some()
        {
            let text = "`version` means nothing any more: leave it out".to_owned();
            self.notices
                .say_at(text, TreePath::of(&["version"]), Some(file));
        }
        Ok(tree)
    }

    fn interpolate(
        &mut self,
        tree: &mut Value,
        file: &Path,
        environment: &Environment,
    ) -> Result<(), Error> {
        let lookup = environment.lookup();
        let scope = Scope::within(&lookup, self.variables);
        let mut unset = Unset::default();
        if self.as_written {
            names_of_files(tree, &scope, &mut unset)?;
        } else {
            interpolate::tree(tree, At::ROOT, &scope, &mut unset)?;
        }
        self.variables = scope.left();
        for (name, path) in unset.iter() {
            self.notices.unset(name, path, file);
        }
        Ok(())
    }
}

/// Replaces the variables in what names other Compose files, which are read whatever else is left as it is written.
fn names_of_files(tree: &mut Value, scope: &Scope<'_>, unset: &mut Unset) -> Result<(), Error> {
    if let Some(include) = tree.get_mut("include") {
        interpolate::tree(include, At::ROOT.key("include"), scope, unset)?;
    }
    let services = tree.get_mut("services").and_then(Value::as_object_mut);
    let above = At::ROOT.key("services");
    for (name, service) in services.into_iter().flatten() {
        if let Some(extends) = service.get_mut("extends") {
            let at = above.key(name);
            interpolate::tree(extends, at.key("extends"), scope, unset)?;
        }
    }
    Ok(())
}

/// A build without a context has the project's folder for one.
pub(super) fn default_contexts(tree: &mut Value) {
    let services = tree.get_mut("services").and_then(Value::as_object_mut);
    for (_, service) in services.into_iter().flatten() {
        if let Some(Value::Object(build)) = service.get_mut("build") {
            build.entry("context").or_insert_with(|| ".".into());
        }
    }
}

/// The files that services of a document extend.
struct Files<'a, 'b> {
    loader: &'a mut Loader<'b>,
    environment: &'a Environment,
}

impl Files<'_, '_> {
    /// The services of a document in canonical form. Of what is wrong with one nobody has to know who does not extend it,
    /// as docker compose checks what comes out of a merge; the rest of the document counts for nothing.
    fn services(
        &mut self,
        mut tree: Value,
        file: &Path,
        broken: &mut HashMap<String, Error>,
    ) -> Result<Map<String, Value>, Error> {
        self.loader.interpolate(&mut tree, file, self.environment)?;
        ports::check(&tree, &mut self.loader.ports)?;
        let services = tree.get_mut("services").map(Value::take);
        let Some(Value::Object(mut services)) = services else {
            return Ok(Map::new());
        };
        let root = self.loader.root();
        let above = root.key("services");
        services.retain(|name, service| {
            if service.is_null() {
                // Nothing of its own, for whoever extends it.
                *service = json!({});
            }
            lower(service, &SERVICE_SHAPE, above.key(name))
                .map_err(|error| broken.insert(name.clone(), error.in_file(file)))
                .is_ok()
        });
        Ok(services)
    }
}

impl Bases for Files<'_, '_> {
    fn base(&mut self, file: &Path) -> Result<Layer, Error> {
        let number = self.loader.sources.open(file)?;
        let mut tree = json!({ "services": {} });
        let mut resets = Vec::new();
        let mut broken = HashMap::new();
        for document in self.loader.sources.take(number)? {
            let services = self.services(document.tree, file, &mut broken);
            let layer = json!({ "services": services.map_err(|error| error.in_file(file))? });
            reset(&mut tree, &document.resets);
            merge(&mut tree, layer, &ROOT, self.loader.root())
                .map_err(|error| error.in_file(file))?;
            resets.extend(document.resets);
        }
        let folder = file.parent().map(Path::to_owned).unwrap_or_default();
        let against = Against {
            folder: &folder,
            home: self.loader.home,
            as_written: self.loader.as_written,
        };
        resolve(&mut tree, against).map_err(|error| error.in_file(file))?;
        Ok(Layer {
            file: file.to_owned(),
            folder,
            tree,
            resets,
            broken,
        })
    }

    fn root(&self) -> At<'static> {
        self.loader.root()
    }

    fn inherited(&mut self, by: Inherited) {
        self.loader.sources.inherited(by);
    }

    fn resolve(&self, file: &str, folder: &Path) -> Result<PathBuf, Error> {
        local(
            file,
            Against {
                folder,
                home: self.loader.home,
                as_written: self.loader.as_written,
            },
        )
    }
}

/// The local file that `extends` or `include` names.
///
/// # Errors
/// It is not on this machine: git and `oci://` references are not fetched.
pub(super) fn local(file: &str, against: Against<'_>) -> Result<PathBuf, Error> {
    if file.contains("://") || file.starts_with("git@") || file.starts_with("github.com/") {
        return Err(ErrorKind::Remote(file.to_owned()).into());
    }
    Ok(PathBuf::from(against.absolute(file)))
}
