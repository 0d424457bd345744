//! Which of several files a path is written in, and where: also when a service has it from one that it extends. Each
//! file is read for it only once, and none before somebody asks.

use std::path::Path;

use super::error::Error;
use super::locate::Spots;
use super::path::{Segment, TreePath};
use crate::model::{Inherited, Place, Project};

/// The place in a project's Compose files where `path` is written, or the nearest part above it that is.
pub fn place(project: &Project, path: &[&str]) -> Option<Place> {
    Places::in_project(project).find(&TreePath::of(path), None)
}

/// The place of one item of a list, which has `text` in it.
pub fn place_of_item(project: &Project, path: &[&str], index: usize, text: &str) -> Option<Place> {
    let path = TreePath::of(path).and_item(index, text);
    Places::in_project(project).find(&path, None)
}

/// Where paths are written.
pub(super) struct Places<'a> {
    files: Vec<File<'a>>,
    inherited: &'a [Inherited],
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
    spots: Option<Spots>,
}

/// A path that was found.
pub(super) struct Written<'a> {
    pub(super) place: Place,
    /// Who has it from whom, when the service of the path does not have it itself.
    pub(super) from: Option<&'a Inherited>,
    /// How much of the path was found, and whether that is sure.
    score: (usize, bool),
}

/// So many services are looked through that extend each other.
const HANDS: usize = 16;

/// So much of a path names a service.
const SERVICE: usize = 2;

impl<'a> Places<'a> {
    /// For paths in these files, each given with its text.
    pub(super) fn of(
        files: impl Iterator<Item = (&'a Path, &'a str)>,
        inherited: &'a [Inherited],
    ) -> Self {
        let files = files.map(|(path, text)| File {
            path,
            text,
            spots: None,
        });
        Self {
            files: files.collect(),
            inherited,
        }
    }

    /// For paths in the files of a project.
    pub(super) fn in_project(project: &'a Project) -> Self {
        let texts = project.texts.iter();
        let texts = texts.map(|(file, text)| (file.as_path(), text.as_str()));
        Self::of(texts, &project.inherited)
    }

    /// Gives an error the line that it is about.
    pub(super) fn locate(&mut self, mut error: Error) -> Error {
        let file = error.place.as_ref().map(|place| place.file.clone());
        let known = error.place.as_ref().is_some_and(|place| place.at.is_some());
        if let (false, Some(path)) = (known, &error.path)
            && let Some(found) = self.search(path, file.as_deref())
        {
            error.place = Some(found.place);
            if let (Some(by), Some(Segment::Key(service))) = (found.from, path.0.get(1)) {
                let note = format!(
                    "service `{service}` has it from `{}`, by `extends`",
                    by.base
                );
                error.note = Some(note);
            }
        }
        error
    }

    /// The place of `path` in `file`, or in whichever file has most of it, the later ones first.
    pub(super) fn find(&mut self, path: &TreePath, file: Option<&Path>) -> Option<Place> {
        self.search(path, file).map(|found| found.place)
    }

    /// The place of all of `path` in `file`.
    pub(super) fn exactly(&mut self, path: &TreePath, file: &Path) -> Option<Place> {
        let found = self.written(path, Some(file));
        let whole = found.filter(|found| found.score == (path.0.len(), true));
        whole.map(|found| found.place)
    }

    /// The same, with who has it from whom.
    pub(super) fn search(&mut self, path: &TreePath, file: Option<&Path>) -> Option<Written<'a>> {
        let own = self.written(path, file);
        let service = match path.0.as_slice() {
            [Segment::Key(kind), Segment::Key(service), _, ..] if kind == "services" => service,
            _ => return own,
        };
        if own.as_ref().is_some_and(|own| own.score.0 > SERVICE) {
            return own;
        }
        self.handed_on(service, path, file).or(own)
    }

    /// Looks in what the service extends, what that extends, and so on.
    fn handed_on(
        &mut self,
        service: &str,
        path: &TreePath,
        file: Option<&Path>,
    ) -> Option<Written<'a>> {
        let inherited = self.inherited;
        let (mut service, mut file) = (service, file);
        for _ in 0..HANDS {
            let by = inherited
                .iter()
                .rev()
                .find(|by| by.service == service && file.is_none_or(|file| file == by.file))?;
            let mut path = path.clone();
            path.0[1] = Segment::Key(by.base.clone());
            if let Some(found) = self.written(&path, Some(&by.base_file))
                && found.score.0 > SERVICE
            {
                let from = Some(by);
                return Some(Written { from, ..found });
            }
            (service, file) = (&by.base, Some(by.base_file.as_path()));
        }
        None
    }

    fn written(&mut self, path: &TreePath, file: Option<&Path>) -> Option<Written<'a>> {
        let mut best: Option<Written<'a>> = None;
        for source in &mut self.files {
            if file.is_some_and(|file| file != source.path) {
                continue;
            }
            let spots = source.spots.get_or_insert_with(|| Spots::read(source.text));
            let Some(found) = spots.find(path).filter(|found| found.depth > 0) else {
                continue;
            };
            let score = (found.depth, found.sure);
            if best.as_ref().is_none_or(|best| score >= best.score) {
                let place = Place {
                    file: source.path.to_owned(),
                    at: Some(found.at),
                };
                best = Some(Written {
                    place,
                    from: None,
                    score,
                });
            }
        }
        best
    }
}
