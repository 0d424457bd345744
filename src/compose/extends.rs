//! `extends`: a service that starts from another one, of this document or of another file (compose-go
//! `loader/extends.go`). Iterative, so that a chain of any length is a list and not a stack.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::attributes::SERVICE_SHAPE;
use super::error::{Error, ErrorKind};
use super::merge::{merge, reset};
use super::path::{At, Segment, TreePath};
use crate::model::Inherited;

/// So many values may services take over from others, ten thousand of a hundred each: a large one that many extend
/// is as good a bomb as an alias. A long text counts as several.
const VALUES: usize = 1_000_000;
/// So many bytes of text count as a value.
const TEXT: usize = 64;

/// A file's services in canonical form, as `extends` sees them.
pub(super) struct Layer {
    pub(super) file: PathBuf,
    /// What `file:` in it is relative to.
    pub(super) folder: PathBuf,
    pub(super) tree: Value,
    pub(super) resets: Vec<TreePath>,
    /// What is wrong with services that are not in the tree for it.
    pub(super) broken: HashMap<String, Error>,
}

/// Where other files come from: canonical, with their own paths resolved.
pub(super) trait Bases {
    /// Reads a file that `extends` names.
    fn base(&mut self, file: &Path) -> Result<Layer, Error>;
    /// The path that `file:` means.
    fn resolve(&self, file: &str, folder: &Path) -> Result<PathBuf, Error>;
    /// The top of each document.
    fn root(&self) -> At<'static>;
    /// Is told who took over from whom.
    fn inherited(&mut self, by: Inherited);
}

/// The layer with every `extends` carried out.
///
/// # Errors
/// A base that is not there, services that extend each other, a file that cannot be read.
pub(super) fn apply(layer: Layer, bases: &mut dyn Bases) -> Result<Value, Error> {
    let names: Vec<String> = match layer.tree.get("services") {
        Some(Value::Object(services)) => services
            .iter()
            .filter(|(_, service)| service.get("extends").is_some())
            .map(|(name, _)| name.clone())
            .collect(),
        _ => Vec::new(),
    };
    let mut family = Family {
        resets: vec![by_service(&layer)],
        layers: vec![layer],
        opened: HashMap::new(),
        done: HashSet::new(),
        left: VALUES,
        bases,
    };
    for name in names {
        family.complete((0, name))?;
    }
    Ok(family.layers.swap_remove(0).tree)
}

/// A service: the number of its layer, and its name.
type Member = (usize, String);

/// The resets of a layer in each of its services.
type Resets = HashMap<String, Vec<TreePath>>;

fn by_service(layer: &Layer) -> Resets {
    let mut resets = Resets::new();
    for path in &layer.resets {
        if let Some(Segment::Key(service)) = path.0.get(1) {
            let own = resets.entry(service.clone()).or_default();
            own.push(path.clone());
        }
    }
    resets
}

struct Family<'a> {
    layers: Vec<Layer>,
    resets: Vec<Resets>,
    /// The layers that are files of their own; the first one is a document of its file.
    opened: HashMap<PathBuf, usize>,
    done: HashSet<Member>,
    /// What is left of [`VALUES`].
    left: usize,
    bases: &'a mut dyn Bases,
}

impl Family<'_> {
    fn service(&mut self, (layer, name): &Member) -> Option<&mut Value> {
        self.layers[*layer].tree.get_mut("services")?.get_mut(name)
    }

    /// Walks down to what extends nothing, or is complete already, and merges on the way back.
    fn complete(&mut self, first: Member) -> Result<(), Error> {
        let mut chain: Vec<(Member, Member)> = Vec::new();
        let mut on_chain = HashSet::new();
        let mut member = first;
        while !self.done.contains(&member) {
            let Some(base) = self.base_of(&member)? else {
                break;
            };
            if !on_chain.insert(member.clone()) {
                let from = chain.iter().position(|(of, _)| *of == member).unwrap_or(0);
                let names = chain[from..]
                    .iter()
                    .map(|((_, name), _)| name.clone())
                    .chain([member.1.clone()]);
                let path = TreePath::of(&["services", &member.1, "extends"]);
                return Err(Error::from(ErrorKind::ExtendsCycle(names.collect())).at(path));
            }
            chain.push((member, base.clone()));
            member = base;
        }
        for (member, base) in chain.into_iter().rev() {
            self.merge(&member, &base)?;
            self.done.insert(member);
        }
        Ok(())
    }

    /// The service that a service extends, its file opened.
    fn base_of(&mut self, member: &Member) -> Result<Option<Member>, Error> {
        let Some(extends) = self
            .service(member)
            .and_then(|service| service.get("extends"))
            .cloned()
        else {
            return Ok(None);
        };
        let path = TreePath::of(&["services", &member.1, "extends"]);
        let Some(name) = extends.get("service").and_then(Value::as_str) else {
            return Err(ErrorKind::Required {
                path: path.and("service"),
            }
            .into());
        };
        let layer = match extends.get("file").and_then(Value::as_str) {
            None => member.0,
            Some(file) => self
                .open(file, member.0)
                .map_err(|error| error.at(path.clone()))?,
        };
        let base = (layer, name.to_owned());
        if let Some(error) = self.layers[layer].broken.remove(name) {
            return Err(error);
        }
        if self.service(&base).is_none() {
            let services = self.layers[layer]
                .tree
                .get("services")
                .and_then(Value::as_object);
            let known = services
                .map(|map| map.keys().cloned().collect())
                .unwrap_or_default();
            let file = self.layers[layer].file.clone();
            let kind = ErrorKind::NoBase {
                service: member.1.clone(),
                base: base.1,
                file,
                known,
            };
            return Err(Error::from(kind).at(path));
        }
        Ok(Some(base))
    }

    fn open(&mut self, file: &str, from: usize) -> Result<usize, Error> {
        let path = self.bases.resolve(file, &self.layers[from].folder)?;
        if let Some(known) = self.opened.get(&path) {
            return Ok(*known);
        }
        let layer = self.bases.base(&path)?;
        let number = self.layers.len();
        self.resets.push(by_service(&layer));
        self.layers.push(layer);
        self.opened.insert(path, number);
        Ok(number)
    }

    fn merge(&mut self, member: &Member, base: &Member) -> Result<(), Error> {
        let Some(mut service) = self.service(member).map(Value::take) else {
            return Ok(());
        };
        if let Some(map) = service.as_object_mut() {
            map.shift_remove("extends");
        }
        // Counted before there is a second one of it.
        let cost = self.service(base).map_or(0, |base| values(base));
        let left = self.left.checked_sub(cost);
        self.left = left.ok_or_else(|| {
            let path = TreePath::of(&["services", &member.1, "extends"]);
            Error::from(ErrorKind::Extended(VALUES)).at(path)
        })?;
        let mut merged = self.service(base).cloned().unwrap_or(Value::Null);
        if let Some(resets) = self.resets[member.0].get(&member.1) {
            let mut tree = serde_json::json!({ "services": { &member.1: merged } });
            reset(&mut tree, resets);
            merged = tree["services"][&member.1].take();
        }
        let root = self.bases.root();
        let services = root.key("services");
        merge(
            &mut merged,
            service,
            &SERVICE_SHAPE,
            services.key(&member.1),
        )?;
        if let Some(place) = self.service(member) {
            *place = merged;
        }
        self.bases.inherited(Inherited {
            service: member.1.clone(),
            file: self.layers[member.0].file.clone(),
            base: base.1.clone(),
            base_file: self.layers[base.0].file.clone(),
        });
        Ok(())
    }
}

fn values(tree: &Value) -> usize {
    match tree {
        Value::String(text) => 1 + text.len() / TEXT,
        Value::Array(items) => 1 + items.iter().map(values).sum::<usize>(),
        Value::Object(map) => {
            let keys = map.keys().map(|key| key.len() / TEXT).sum::<usize>();
            1 + keys + map.values().map(values).sum::<usize>()
        }
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Files by name.
    struct Library(Vec<(&'static str, Value)>);

    impl Bases for Library {
        fn root(&self) -> At<'static> {
            At::ROOT
        }

        fn base(&mut self, file: &Path) -> Result<Layer, Error> {
            let (_, tree) = self
                .0
                .iter()
                .find(|(name, _)| Path::new(name) == file)
                .unwrap();
            Ok(layer(tree.clone(), file))
        }

        fn resolve(&self, file: &str, _: &Path) -> Result<PathBuf, Error> {
            Ok(PathBuf::from(file))
        }

        fn inherited(&mut self, _: Inherited) {}
    }

    fn layer(tree: Value, file: &Path) -> Layer {
        Layer {
            file: file.to_owned(),
            folder: PathBuf::new(),
            tree,
            resets: Vec::new(),
            broken: HashMap::new(),
        }
    }

    fn extended(services: &Value, files: Vec<(&'static str, Value)>) -> Result<Value, Error> {
        let tree = json!({ "services": services });
        Ok(apply(layer(tree, Path::new("main")), &mut Library(files))?["services"].take())
    }

    #[test]
    fn chains_go_over_services_and_files() {
        let services = extended(
            &json!({
                "a": {"image": "a", "extends": {"service": "b"}},
                "b": {"hostname": "b", "extends": {"service": "c", "file": "other"}}
            }),
            vec![(
                "other",
                json!({"services": {
                    "c": {"user": "c", "extends": {"service": "d"}},
                    "d": {"user": "d", "image": "d", "environment": {"D": "1"}}
                }}),
            )],
        );
        let b = json!({"user": "c", "image": "d", "environment": {"D": "1"}, "hostname": "b"});
        let services = services.unwrap();
        assert_eq!(services["b"], b);
        assert_eq!(services["a"]["image"], "a");
        assert_eq!(services["a"]["user"], "c");
    }

    #[test]
    fn cycles_and_strangers_are_named() {
        let cycle = json!({"a": {"extends": {"service": "b"}}, "b": {"extends": {"service": "a"}}});
        assert_eq!(
            extended(&cycle, vec![]).unwrap_err().to_string(),
            "services extend each other: a → b → a"
        );
        let stranger = extended(
            &json!({"a": {"extends": {"service": "bb"}}, "b": {}}),
            vec![],
        )
        .unwrap_err();
        assert_eq!(
            stranger.to_string(),
            "service `a` extends `bb`, which `main` does not define"
        );
        assert_eq!(
            stranger.hints(),
            ["did you mean `b`? services here: `a`, `b`"]
        );
    }

    #[test]
    fn a_long_chain_is_no_deep_stack() {
        let mut services = serde_json::Map::new();
        for number in 0..20_000 {
            services.insert(
                format!("s{number}"),
                json!({"extends": {"service": format!("s{}", number + 1)}}),
            );
        }
        services.insert("s20000".into(), json!({"image": "x"}));
        assert_eq!(
            extended(&services.into(), vec![]).unwrap()["s0"]["image"],
            "x"
        );
    }
}
