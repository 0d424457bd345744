//! What COPY, ADD and bind mounts name in a context, and what that takes in: wildcards as Go's
//! `filepath.Match` reads them, links on the way followed inside the context (fsutil `copy.go`,
//! `ResolveWildcards` and `RootPath`), folders whole.

use super::error::Error;
use super::glob::{Glob, has_wildcard};
use super::ignorefile::Patterns;
use super::walk::{Folder, Item, Kind, child};
use super::words::Unclear;
use crate::model::clean;

/// A link chain longer than this is no chain (`fs.RootPath`).
const MAX_LINKS: usize = 255;

/// One source, read out of an instruction.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source {
    /// The folders in front of the first wildcard, cleaned, without `/` at either end.
    literal: String,
    /// The components from the first wildcard on.
    globs: Vec<Glob>,
    /// `--parents`: what is taken of it.
    only: Option<String>,
    /// `--exclude`.
    excludes: Vec<String>,
}

impl Source {
    /// The whole context.
    pub(super) fn everything() -> Self {
        Self::default()
    }

    /// The source of a bind mount, where nothing is a wildcard.
    pub(super) fn mounted(path: &str) -> Self {
        Self {
            literal: rooted(path),
            ..Self::default()
        }
    }

    /// A source of COPY or ADD, variables expanded.
    pub(super) fn copied(path: &str, parents: bool, excludes: &[String]) -> Result<Self, Unclear> {
        // What variables hold may be a secret.
        let malformed = |_| Unclear::NotUnderstood("a pattern is malformed".to_owned());
        let (base, only) = match (parents, path.split_once("/./")) {
            (false, _) => (path, None),
            (true, None) => ("/", Some(rooted(path))),
            (true, Some((base, only))) => (base, Some(rooted(only))),
        };
        let base = rooted(base);
        let mut literal = Vec::new();
        let mut globs = Vec::new();
        for part in base.split('/').filter(|part| !part.is_empty()) {
            if part.contains("[^") {
                // Go's negated class also matches `/`: take the whole folder rather than miss a file.
                return Ok(Self {
                    literal: literal.join("/"),
                    ..Self::default()
                });
            }
            if globs.is_empty() && !has_wildcard(part) {
                literal.push(part);
            } else {
                globs.push(Glob::parse(part).map_err(malformed)?);
            }
        }
        Patterns::of(only.as_deref()).map_err(malformed)?;
        Patterns::of(excludes.iter().map(String::as_str)).map_err(malformed)?;
        Ok(Self {
            literal: literal.join("/"),
            globs,
            only,
            excludes: excludes.to_vec(),
        })
    }

    /// The path that must be there: a wildcard may match nothing (BuildKit's `AllowEmptyWildcard`), and the
    /// context itself always is.
    pub(super) fn required(&self) -> Option<&str> {
        let named = self.names_one() && !self.literal.is_empty();
        named.then_some(self.literal.as_str())
    }

    /// Whether a single path is named, with nothing for a wildcard or a flag to choose.
    pub(super) fn names_one(&self) -> bool {
        self.globs.is_empty() && self.only.is_none()
    }

    /// The path below the context, where it names one.
    pub(super) fn path(&self) -> Option<&str> {
        self.names_one().then_some(self.literal.as_str())
    }

    /// A stand-in for a source of which less is taken, under a name that no file has.
    pub(super) fn reduced(number: usize) -> Self {
        Self::mounted(&format!("\0{number}"))
    }

    /// Whether flags choose among what it names. The folders above what they leave are made again with the
    /// modes they have here (fsutil `createParentDirs`), chosen or not.
    pub(super) fn chooses(&self) -> bool {
        self.only.is_some() || !self.excludes.is_empty()
    }

    /// The paths it stands for, and every link on the way to them.
    pub(super) fn locate(&self, folder: Folder<'_>) -> Result<Located, Error> {
        let mut located = Located::default();
        let Some(start) = located.follow(folder, self.literal.as_bytes())? else {
            return Ok(located);
        };
        if self.globs.is_empty() {
            located.roots.push(start);
            return Ok(located);
        }
        let mut level = vec![start];
        for (index, glob) in self.globs.iter().enumerate() {
            let last = index + 1 == self.globs.len();
            let mut next = Vec::new();
            for parent in &level {
                for name in folder
                    .names(parent)?
                    .iter()
                    .filter(|name| glob.matches(name))
                {
                    let path = child(parent, name);
                    // Folders behind a link are not looked into for the rest of the pattern.
                    let is_folder = || {
                        Ok(matches!(
                            folder.look(&path)?,
                            Some(Item {
                                kind: Kind::Directory,
                                ..
                            })
                        ))
                    };
                    if last || is_folder()? {
                        next.push(path);
                    }
                }
            }
            next.sort();
            level = next;
        }
        for path in level {
            let resolved = located.follow(folder, &path)?;
            located.roots.extend(resolved);
        }
        Ok(located)
    }

    /// The folder below `root` that has to be walked: less than all of it when `--parents` names one.
    pub(super) fn walk_from(&self, root: &[u8]) -> Vec<u8> {
        let parts = self.only.iter().flat_map(|only| only.split('/'));
        let plain =
            parts.take_while(|part| !part.is_empty() && !part.contains(['*', '?', '[', '\\']));
        plain.fold(root.to_owned(), |path, part| child(&path, part.as_bytes()))
    }

    /// What it takes of what lies below a root: positions in `paths`, which are sorted and relative to it.
    pub(super) fn select<'p>(&self, paths: impl Iterator<Item = (usize, &'p [u8])>) -> Vec<usize> {
        // Both lists were read when the source was made.
        let only = self
            .only
            .as_deref()
            .map(|only| Patterns::of([only]).unwrap_or_default());
        let excludes = Patterns::of(self.excludes.iter().map(String::as_str)).unwrap_or_default();
        paths
            .filter(|(_, path)| !excludes.matches_path(path).0)
            .filter(|(_, path)| only.as_ref().is_none_or(|only| only.matches_path(path).0))
            .map(|(at, _)| at)
            .collect()
    }
}

/// `path` below `/`, cleaned, without the slash.
pub(super) fn rooted(path: &str) -> String {
    clean(&format!("/{path}"))
        .trim_start_matches('/')
        .to_owned()
}

/// Where a source leads.
#[derive(Debug, Default)]
pub(super) struct Located {
    /// Paths without links in them; the empty one is the whole context.
    pub(super) roots: Vec<Vec<u8>>,
    /// The links that were followed.
    pub(super) links: Vec<Item>,
}

impl Located {
    /// `path` with all links in it followed, none of them out of the context; `None` when nothing is there.
    fn follow(&mut self, folder: Folder<'_>, path: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let mut rest: Vec<Vec<u8>> = components(path).rev().map(<[u8]>::to_owned).collect();
        let mut at: Vec<u8> = Vec::new();
        let mut links = 0;
        while let Some(part) = rest.pop() {
            if part == b".." {
                at.truncate(at.iter().rposition(|byte| *byte == b'/').unwrap_or(0));
                continue;
            }
            let here = child(&at, &part);
            let Some(item) = folder.look(&here)? else {
                return Ok(None);
            };
            match &item.kind {
                Kind::Symlink(target) => {
                    links += 1;
                    if links > MAX_LINKS || folder.ignore.matches_path(&here).0 {
                        return Ok(None);
                    }
                    if target.starts_with(b"/") {
                        at.clear();
                    }
                    rest.extend(components(target).rev().map(<[u8]>::to_owned));
                    self.links.push(item);
                }
                Kind::File(_) | Kind::Known(..) if !rest.is_empty() => return Ok(None),
                Kind::File(_) | Kind::Known(..) | Kind::Directory => at = here,
            }
        }
        Ok(Some(at))
    }
}

fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
}
