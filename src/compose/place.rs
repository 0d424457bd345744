//! Which of several files a path is written in, and where. Each file is read for it only once, and none before
//! somebody asks.

use std::path::Path;

use super::locate::Spots;
use super::path::TreePath;
use crate::model::{Place, Project};

/// The place in a project's Compose files where `path` is written, or the nearest part above it that is.
pub fn place(project: &Project, path: &[&str]) -> Option<Place> {
    let texts = project.texts.iter();
    let mut places = Places::of(texts.map(|(file, text)| (file.as_path(), text.as_str())));
    places.find(&TreePath::of(path), None)
}

/// Where paths are written.
pub(super) struct Places<'a> {
    files: Vec<File<'a>>,
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
    spots: Option<Spots>,
}

impl<'a> Places<'a> {
    /// For paths in these files, each given with its text.
    pub(super) fn of(files: impl Iterator<Item = (&'a Path, &'a str)>) -> Self {
        let files = files.map(|(path, text)| File {
            path,
            text,
            spots: None,
        });
        Self {
            files: files.collect(),
        }
    }

    /// The place of `path` in `file`, or in whichever file has most of it, the later ones first.
    pub(super) fn find(&mut self, path: &TreePath, file: Option<&Path>) -> Option<Place> {
        let mut best: Option<(usize, Place)> = None;
        for source in &mut self.files {
            if file.is_some_and(|file| file != source.path) {
                continue;
            }
            let spots = source.spots.get_or_insert_with(|| Spots::read(source.text));
            if let Some(found) = spots.find(path)
                && found.depth > 0
                && best.as_ref().is_none_or(|(depth, _)| found.depth >= *depth)
            {
                let place = Place {
                    file: source.path.to_owned(),
                    at: Some(found.at),
                };
                best = Some((found.depth, place));
            }
        }
        best.map(|(_, place)| place)
    }
}
