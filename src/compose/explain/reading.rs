//! The files of a project on their second reading, in the order in which they were merged: what each says of a path, what
//! the service of the path has from those it extends, and what is removed on the way.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::Value;

use super::document::{Document, File};
use super::origin::Origins;
use super::search::{Layer, Search};
use super::standing::Event;
use super::subject::{Part, Step, find, is_typed};
use crate::compose::include::RESOURCES;
use crate::model::Project;

/// How many services are followed that extend each other.
const HANDS: usize = 16;
/// How often files are looked into for one path: where each of several documents extends a service of another file with
/// several, there are powers of them.
const LOOKS: usize = 2_000;

pub(super) struct Reading<'a> {
    project: &'a Project,
    root: Rc<Origins>,
    files: HashMap<PathBuf, Rc<File>>,
    /// The variables of included files; none where it is not known which.
    included: HashMap<PathBuf, Option<Rc<Origins>>>,
}

impl<'a> Reading<'a> {
    pub(super) fn of(project: &'a Project, root: Origins) -> Self {
        Self {
            project,
            root: Rc::new(root),
            files: HashMap::new(),
            included: HashMap::new(),
        }
    }

    /// The variables of the project itself.
    pub(super) fn root(&self) -> Rc<Origins> {
        Rc::clone(&self.root)
    }

    /// The variables that a file is read with; `None` where it is read with several.
    pub(super) fn origins(&mut self, file: &Path) -> Option<Rc<Origins>> {
        if self.is_own(file) {
            return Some(self.root());
        }
        let (project, root) = (self.project, &self.root);
        let known = self.included.entry(file.to_owned());
        let known = known.or_insert_with(|| {
            let mut ways = project.included.iter().filter(|way| way.file == file);
            let way = ways.next()?;
            // A file that is included twice may have other variables each time.
            let of_it = root.of_included(way).filter(|_| ways.next().is_none())?;
            Some(Rc::new(of_it))
        });
        known.clone()
    }

    fn is_own(&self, file: &Path) -> bool {
        self.project.files.iter().any(|own| own == file)
    }

    /// What the files say of a path, the weakest first.
    pub(super) fn events(&mut self, steps: &[Step]) -> Vec<Event> {
        let mut search = Search::of(steps, LOOKS);
        for file in self.layers(steps) {
            let layer = Layer {
                file,
                by: None,
                only: None,
                origins: self.origins(file),
                is_own: self.is_own(file),
                depth: 0,
            };
            self.layer(&layer, steps, &mut search);
        }
        search.events
    }

    /// The files that are merged. Of included ones their resources are imported, and nothing else.
    fn layers(&self, steps: &[Step]) -> &'a [PathBuf] {
        let project = self.project;
        match steps.first() {
            Some(Step::Key(kind)) if RESOURCES.contains(&kind.as_str()) => &project.layers,
            _ => &project.files,
        }
    }

    /// The path that a file has at what was typed, or that a `!reset` in it leads to.
    pub(super) fn written(&mut self, parts: &[Part]) -> Option<Vec<Step>> {
        let layers = self.project.layers.iter().rev();
        for file in layers {
            let file = self.file(file)?;
            for document in file.documents.iter().rev() {
                let raw = find(&document.raw, parts);
                if let Ok((steps, _)) = raw.or_else(|_| find(&document.tree, parts)) {
                    return Some(steps);
                }
                let mut resets = document.resets.iter();
                let reset = resets.find(|reset| {
                    let keys: Vec<_> = reset.iter().map(String::as_str).collect();
                    is_typed(&keys, parts)
                });
                if let Some(reset) = reset {
                    return Some(reset.iter().cloned().map(Step::Key).collect());
                }
            }
        }
        None
    }

    fn file(&mut self, path: &Path) -> Option<Rc<File>> {
        if let Some(known) = self.files.get(path) {
            return Some(Rc::clone(known));
        }
        let texts = &self.project.texts;
        let (_, text) = texts.iter().find(|(name, _)| name == path)?;
        let file = Rc::new(File::read(text));
        self.files.insert(path.to_owned(), Rc::clone(&file));
        Some(file)
    }

    /// Notes what a file says; before each document what its service has from those it extends.
    fn layer(&mut self, layer: &Layer<'a>, steps: &[Step], search: &mut Search) {
        let left = search.looks.checked_sub(1);
        let (Some(left), Some(file)) = (left, self.file(layer.file)) else {
            return;
        };
        search.looks = left;
        let documents = file.documents.iter().enumerate();
        let documents: Vec<_> = documents
            .filter(|(number, _)| layer.only.is_none_or(|only| only == *number))
            .collect();
        // A file that is opened for its services is merged before they take over anything.
        let is_opened = layer.by.is_some() && layer.only.is_none();
        if is_opened {
            for &(number, document) in &documents {
                self.base(layer, (number, document), steps, search);
            }
        }
        for (number, document) in documents {
            if !is_opened {
                self.base(layer, (number, document), steps, search);
            }
            search.document(layer, document, &file, steps);
        }
    }

    /// Notes what a document's service has from the one it extends.
    fn base(
        &mut self,
        layer: &Layer<'a>,
        (number, document): (usize, &Document),
        steps: &[Step],
        search: &mut Search,
    ) {
        let [Step::Key(kind), Step::Key(service), ..] = steps else {
            return;
        };
        let is_handed_on = !matches!(steps.get(2), Some(Step::Key(key)) if key == "extends");
        if kind != "services" || !is_handed_on || layer.depth >= HANDS {
            return;
        }
        let own = document.tree.get("services");
        let Some(extends) = own.and_then(|own| own.get(service)?.get("extends")) else {
            return;
        };
        let named = extends.get("service").and_then(Value::as_str);
        let named = named.filter(|name| !name.contains('$'));
        let mut bases = self.project.inherited.iter().filter(|by| {
            by.service == *service
                && by.file == layer.file
                && named.is_none_or(|name| by.base == name)
        });
        let Some(by) = bases.next() else { return };
        let is_same_document = by.base_file == layer.file && extends.get("file").is_none();
        let is_opened = layer.by.is_some() && layer.only.is_none();
        let mut above = steps.to_vec();
        above[1] = Step::Key(by.base.clone());
        let below = Layer {
            file: &by.base_file,
            by: Some(by),
            only: (is_same_document && !is_opened).then_some(number),
            depth: layer.depth + 1,
            ..layer.clone()
        };
        let is_here = own.is_some_and(|own| own.get(&by.base).is_some());
        if is_here || !is_same_document || is_opened {
            self.layer(&below, &above, search);
            return;
        }
        // What is included counts as if it were written here.
        let project = self.project;
        for file in project
            .layers
            .iter()
            .filter(|file| !project.files.contains(file))
        {
            let included = Layer {
                file,
                only: None,
                origins: self.origins(file),
                ..below.clone()
            };
            self.layer(&included, &above, search);
        }
    }
}
