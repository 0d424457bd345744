//! The sources of a Dockerfile against the folder they are read from: which files each one takes in, and the
//! digest of each file. What comes out is a snapshot; nothing behind it reads the context again.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::content::Reader;
use super::error::Error;
use super::order::by_path;
use super::recipe::{Context, Entry, EntryKind};
use super::sources::Source;
use super::statcache::StatCache;
use super::threads;
use super::walk::{Folder, Item, Kind};

/// How often a context is read again when it changes meanwhile.
const ATTEMPTS: usize = 3;
/// Fewer files than this are read before another thread has started.
const WORTH_A_THREAD: usize = 256;

/// A context's entries, and what each source takes of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathered {
    pub(super) context: Arc<Context>,
    pub(super) taken: BTreeMap<Source, Taken>,
}

/// What one source takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// Indexes into the context's entries, sorted.
    pub(super) reads: Vec<usize>,
    /// Whether it names a single file.
    pub(super) one_file: bool,
    /// Whether it names something that must be there and is not.
    pub(super) missing: bool,
}

/// Reads what `sources` take of `folder`.
pub(super) fn gather(
    folder: Folder<'_>,
    sources: &BTreeSet<Source>,
    cache: &StatCache,
) -> Result<Gathered, Error> {
    let mut attempt = 1;
    loop {
        match once(folder, sources, cache) {
            Err(Error::Changed { .. }) if attempt < ATTEMPTS => attempt += 1,
            result => return result,
        }
    }
}

fn once(
    folder: Folder<'_>,
    sources: &BTreeSet<Source>,
    cache: &StatCache,
) -> Result<Gathered, Error> {
    let mut located = Vec::with_capacity(sources.len());
    let mut items = Vec::new();
    let mut starts = BTreeSet::new();
    for source in sources {
        let found = source.locate(folder)?;
        items.extend(found.links.iter().cloned());
        for root in &found.roots {
            let start = source.walk_from(root);
            let above =
                parents(&start).filter(|above| above.len() >= root.len() && !above.is_empty());
            for path in above.chain([start.as_slice()]) {
                items.extend(look(folder, path)?);
            }
            if start.is_empty() || items.last().is_some_and(|item| item.is_folder_at(&start)) {
                starts.insert(start);
            }
        }
        located.push(found);
    }
    let mut items = merged(folder, items, folder.walk(outermost(&starts), cache)?)?;
    drop_empty_provisional(&mut items);

    let mut taken: Vec<Taken> = Vec::with_capacity(sources.len());
    for (source, found) in sources.iter().zip(&located) {
        taken.push(take(source, &found.roots, &found.links, &items));
    }
    let links = located.iter().flat_map(|found| &found.links);
    let roots = located.iter().flat_map(|found| &found.roots);
    let named = links.map(|link| &link.path).chain(roots).chain(&starts);
    let named: Vec<&[u8]> = named.map(Vec::as_slice).collect();
    let positions = keep_taken(folder, &named, &mut items, &taken)?;
    for taken in &mut taken {
        taken.reads.iter_mut().for_each(|at| *at = positions[*at]);
    }
    let entries = read_all(folder, items, cache)?;
    let context = Arc::new(Context {
        root: folder.root.to_owned(),
        entries,
    });
    Ok(Gathered {
        context,
        taken: sources.iter().cloned().zip(taken).collect(),
    })
}

/// What lies at a path, when the ignore patterns leave it in the context, or may leave something below it.
fn look(folder: Folder<'_>, path: &[u8]) -> Result<Option<Item>, Error> {
    if path.is_empty() {
        return Ok(None);
    }
    let excluded = folder.ignore.matches_path(path).0;
    let item = folder
        .look(path)?
        .filter(|item| !excluded || matches!(item.kind, Kind::Directory));
    Ok(item.map(|item| Item {
        provisional: excluded,
        ..item
    }))
}

/// What was named and what was walked, each once, in the order of paths. A link was followed when it was named: it has to
/// be the same one still.
fn merged(folder: Folder<'_>, mut named: Vec<Item>, walked: Vec<Item>) -> Result<Vec<Item>, Error> {
    named.sort_by(by_path);
    named.dedup_by(|a, b| a.path == b.path);
    let mut others = Vec::new();
    for item in named {
        match walked.binary_search_by(|own| by_path(own, &item)) {
            Ok(at) if walked[at].is_still(&item) => {}
            Ok(_) => {
                return Err(Error::Changed {
                    path: folder.absolute(&item.path),
                });
            }
            Err(_) => others.push(item),
        }
    }
    if others.is_empty() {
        return Ok(walked);
    }
    others.extend(walked);
    // A stable sort merges two lists that are in order.
    others.sort_by(by_path);
    Ok(others)
}

/// The starts that do not lie below another one.
fn outermost(starts: &BTreeSet<Vec<u8>>) -> Vec<Vec<u8>> {
    let below = |path: &[u8]| {
        path.iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'/')
            .any(|(at, _)| starts.contains(&path[..at]))
            || !path.is_empty() && starts.contains(&b""[..])
    };
    starts
        .iter()
        .filter(|start| !below(start))
        .cloned()
        .collect()
}

/// Takes out the excluded folders in which nothing was excepted.
fn drop_empty_provisional(items: &mut Vec<Item>) {
    let empty = |item: &Item| {
        let prefix = [&item.path, &b"/"[..]].concat();
        let first = items.partition_point(|item| item.path < prefix);
        let mut below = items[first..]
            .iter()
            .take_while(|item| item.path.starts_with(&prefix));
        item.provisional && below.all(|item| item.provisional)
    };
    if items.iter().all(|item| !item.provisional) {
        return;
    }
    let provisional = items.iter().filter(|item| item.provisional);
    let empty: HashSet<Vec<u8>> = provisional
        .filter(|item| empty(item))
        .map(|item| item.path.clone())
        .collect();
    items.retain(|item| !item.provisional || !empty.contains(&item.path));
}

/// The folders above a path, the nearest first, the root left out.
fn parents(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.iter()
        .enumerate()
        .rev()
        .filter(|(_, byte)| **byte == b'/')
        .map(|(at, _)| &path[..at])
}

/// What a source takes of the sorted items.
fn take(source: &Source, roots: &[Vec<u8>], links: &[Item], items: &[Item]) -> Taken {
    let position = |path: &[u8]| {
        items
            .binary_search_by(|item| item.path.as_slice().cmp(path))
            .ok()
    };
    let mut reads: Vec<usize> = links
        .iter()
        .filter_map(|link| position(&link.path))
        .collect();
    let mut one_file = source.names_one();
    for root in roots {
        let own = position(root);
        one_file &= own.is_some_and(|at| matches!(items[at].kind, Kind::File(_) | Kind::Known(..)));
        reads.extend(own);
        let prefix = if root.is_empty() {
            Vec::new()
        } else {
            [root, &b"/"[..]].concat()
        };
        let first = items.partition_point(|item| item.path < prefix);
        let length = items[first..].partition_point(|item| item.path.starts_with(&prefix));
        let below = first..first + length;
        if !source.chooses() {
            reads.extend(below);
            continue;
        }
        let paths = below.map(|at| (at, &items[at].path[prefix.len()..]));
        for at in source.select(paths) {
            reads.push(at);
            let above = parents(&items[at].path).take_while(|above| above.len() > root.len());
            reads.extend(above.filter_map(position));
        }
    }
    reads.sort_unstable();
    reads.dedup();
    Taken {
        reads,
        one_file: one_file && !roots.is_empty(),
        missing: source.required().is_some()
            && !roots
                .iter()
                .any(|root| root.is_empty() || position(root).is_some()),
    }
}

/// Keeps what is taken, with the folders above it, and gives the new position of each old one. Where all of it is taken, only
/// folders above what was `named` can be missing: a walk finds a folder before what is in it.
fn keep_taken(
    folder: Folder<'_>,
    named: &[&[u8]],
    items: &mut Vec<Item>,
    taken: &[Taken],
) -> Result<Vec<usize>, Error> {
    let mut used = vec![false; items.len()];
    taken
        .iter()
        .flat_map(|taken| &taken.reads)
        .for_each(|at| used[*at] = true);
    let mut above: BTreeSet<&[u8]> = BTreeSet::new();
    if used.contains(&false) {
        let mut last: &[u8] = b"";
        for (item, _) in items.iter().zip(&used).filter(|(_, used)| **used) {
            let parent = parents(&item.path).next().unwrap_or_default();
            if parent != last {
                above.extend(parents(&item.path));
                last = parent;
            }
        }
    } else {
        above.extend(named.iter().flat_map(|path| parents(path)));
    }
    let mut missing = Vec::new();
    for path in above {
        match items.binary_search_by(|item| item.path.as_slice().cmp(path)) {
            Ok(at) => used[at] = true,
            Err(_) => missing.extend(folder.look(path)?),
        }
    }
    if missing.is_empty() && !used.contains(&false) {
        return Ok((0..items.len()).collect());
    }
    let mut kept: Vec<(Option<usize>, Item)> = items
        .drain(..)
        .enumerate()
        .filter(|(at, _)| used[*at])
        .map(|(at, item)| (Some(at), item))
        .chain(missing.into_iter().map(|item| (None, item)))
        .collect();
    kept.sort_by(|(_, a), (_, b)| a.path.cmp(&b.path));
    let mut positions = vec![usize::MAX; used.len()];
    for (new, (old, item)) in kept.into_iter().enumerate() {
        if let Some(old) = old {
            positions[old] = new;
        }
        items.push(item);
    }
    Ok(positions)
}

/// The items as entries, every file with its digest.
fn read_all(folder: Folder<'_>, items: Vec<Item>, cache: &StatCache) -> Result<Vec<Entry>, Error> {
    let unknown: Vec<&Item> = items
        .iter()
        .filter(|item| matches!(item.kind, Kind::File(_)))
        .collect();
    let reader = || Reader::new(folder.root, cache);
    let read = threads::map_with(&unknown, WORTH_A_THREAD, reader, |reader, item| {
        reader.content(item)
    });
    let mut read = read.into_iter();
    let entry = |item: Item| {
        let (mut mode, path) = (item.mode, item.path);
        let kind = match item.kind {
            Kind::Known(size, digest) => EntryKind::File { size, digest },
            Kind::File(_) => {
                let content = read.next().transpose()?;
                let changed = || Error::Changed {
                    path: folder.absolute(&path),
                };
                let content = content.ok_or_else(changed)?;
                mode = content.mode;
                EntryKind::File {
                    size: content.stat.size,
                    digest: content.digest,
                }
            }
            Kind::Symlink(target) => EntryKind::Symlink { target },
            Kind::Directory => EntryKind::Directory,
        };
        Ok(Entry { path, mode, kind })
    };
    items.into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;
    use crate::fingerprint::lab::{Lab, paths, reads};

    fn lab(copy: &str) -> Lab {
        let text = format!("FROM a\n{copy}\n");
        Lab::new(&text)
            .files(&[
                "a.txt",
                "b.txt",
                "app/x/package.json",
                "app/y/package.json",
                "app/y/main.js",
                "deep/er/f",
            ])
            .file(".dockerignore", "Dockerfile\n.dockerignore\n")
    }

    #[test]
    fn sources_take_what_buildkit_takes() {
        let cases: [(&str, &[&str]); 14] = [
            ("COPY a.txt /", &["a.txt"]),
            ("COPY *.txt /", &["a.txt", "b.txt"]),
            ("COPY [ab].txt nothing* /", &["a.txt", "b.txt"]),
            ("COPY /deep/ /", &["deep", "deep/er", "deep/er/f"]),
            ("COPY ../../deep/./er /", &["deep/er", "deep/er/f"]),
            (
                "COPY app/*/package.json /",
                &["app/x/package.json", "app/y/package.json"],
            ),
            (
                "COPY app/y* /",
                &["app/y", "app/y/main.js", "app/y/package.json"],
            ),
            (
                "COPY --parents app/*/package.json /",
                &[
                    "app",
                    "app/x",
                    "app/x/package.json",
                    "app/y",
                    "app/y/package.json",
                ],
            ),
            (
                "COPY --parents app/./y/*.js /",
                &["app", "app/y", "app/y/main.js"],
            ),
            (
                "COPY --parents **/*.js /",
                &["app", "app/y", "app/y/main.js"],
            ),
            (
                "COPY --exclude=*.js app/y /",
                &["app/y", "app/y/package.json"],
            ),
            (
                "COPY --exclude=** --exclude=!x/** app /",
                &["app", "app/x", "app/x/package.json"],
            ),
            (
                "COPY [^b]*.txt /",
                &[
                    "a.txt",
                    "app",
                    "app/x",
                    "app/x/package.json",
                    "app/y",
                    "app/y/main.js",
                    "app/y/package.json",
                    "b.txt",
                    "deep",
                    "deep/er",
                    "deep/er/f",
                ],
            ),
            ("ADD a.txt /", &["a.txt"]),
        ];
        for (copy, expected) in cases {
            assert_eq!(reads(&lab(copy).recipe(), 2), expected, "{copy}");
        }
    }

    #[test]
    fn the_folders_above_are_sent_but_not_read() {
        let recipe = lab("COPY deep/er/f /").recipe();
        assert_eq!(paths(&recipe), ["deep", "deep/er", "deep/er/f"]);
        assert_eq!(reads(&recipe, 2), ["deep/er/f"]);
        assert_eq!(
            lab("COPY deep/er/f /").mode("deep", 0o700).full(),
            lab("COPY deep/er/f /").full()
        );
    }

    #[test]
    fn links_are_followed_by_name_and_kept_in_folders() {
        let lab = |copy: &str| {
            lab(copy)
                .link("to", "deep")
                .link("up", "app/../to/er")
                .link("abs", "/a.txt")
                .link("app/in", "../b.txt")
        };
        let cases: [(&str, &[&str]); 5] = [
            ("COPY to/er/f /", &["deep/er/f", "to"]),
            ("COPY up /", &["deep/er", "deep/er/f", "to", "up"]),
            ("COPY ab* /", &["a.txt", "abs"]),
            ("COPY app/in /", &["app/in", "b.txt"]),
            (
                "COPY --exclude=*/* app /",
                &["app", "app/in", "app/x", "app/y"],
            ),
        ];
        for (copy, expected) in cases {
            assert_eq!(reads(&lab(copy).recipe(), 2), expected, "{copy}");
        }
        assert_ne!(
            lab("COPY to/er/f /").full(),
            lab("COPY to/er/f /").link("to", "./deep").full()
        );
        assert_ne!(
            lab("COPY app/in /").full(),
            lab("COPY app/in /").file("b.txt", "2").full()
        );
        assert_eq!(
            lab("COPY app /").full(),
            lab("COPY app /").file("b.txt", "2").full()
        );
    }

    #[test]
    fn links_never_lead_out_of_the_context() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "1").unwrap();
        let target = outside.path().to_str().unwrap().to_owned();
        let lost = [
            lab("COPY out/secret /").link("out", &target),
            lab("COPY out /").link("out", &target),
            lab("COPY a/b /").link("a", "a"),
        ];
        for lab in lost {
            assert!(matches!(lab.try_recipe(), Err(Error::NoSource { .. })));
        }
    }

    #[test]
    fn excluded_folders_are_there_only_for_what_is_excepted() {
        let lab = |ignore: &str| {
            lab("COPY . /").file(
                ".dockerignore",
                &format!("Dockerfile\n.dockerignore\n*.txt\n{ignore}"),
            )
        };
        assert_eq!(
            paths(&lab("app\ndeep\n!app/y/main.js").recipe()),
            ["app", "app/y", "app/y/main.js"]
        );
        assert_eq!(
            paths(&lab("**\n!**/f").recipe()),
            ["deep", "deep/er", "deep/er/f"]
        );
        assert_eq!(
            paths(&lab("app\ndeep/er/f\n").recipe()),
            ["deep", "deep/er"]
        );
    }

    #[test]
    fn folders_that_nothing_reads_are_not_entered() {
        let lab = lab("COPY app/*/package.json a.txt /");
        // Opening it would be an error, even for root.
        let lab = lab
            .folder("app/y/node_modules")
            .link("app/y/node_modules/loop", "loop")
            .folder("other");
        assert_eq!(
            paths(&lab.recipe()),
            [
                "a.txt",
                "app",
                "app/x",
                "app/x/package.json",
                "app/y",
                "app/y/package.json"
            ]
        );
    }

    #[test]
    fn fifos_and_sockets_are_passed_over_unopened() {
        let lab = lab("COPY . /");
        let before = lab.full();
        let _socket = std::os::unix::net::UnixListener::bind(lab.path("socket")).unwrap();
        let fifo = |lab: &Lab| {
            let mut mkfifo = std::process::Command::new("mkfifo");
            let made = mkfifo.arg(lab.path("fifo")).status().unwrap();
            assert!(made.success());
        };
        fifo(&lab);
        assert_eq!(lab.full(), before);
        let named = Lab::new("FROM a\nCOPY fifo /\n");
        fifo(&named);
        assert_eq!(reads(&named.recipe(), 2), [""; 0]);
    }

    #[test]
    fn names_are_bytes() {
        let named = |name: &[u8]| {
            let lab = lab("COPY . /");
            std::fs::write(lab.path("").join(std::ffi::OsStr::from_bytes(name)), "").unwrap();
            lab.full()
        };
        assert_ne!(named(b"\xff"), named(b"\xfe"));
        assert_ne!(named(b"a\nb"), named(b"a b"));
    }

    #[test]
    fn a_cached_digest_gives_the_same_entries() {
        let lab = lab("COPY . /");
        let ignore = crate::fingerprint::ignorefile::Patterns::default();
        let root = lab.path("");
        let folder = Folder {
            root: &root,
            ignore: &ignore,
        };
        let sources = BTreeSet::from([Source::everything()]);
        let cache = StatCache::open(Some(&lab.path("../stat")));
        let first = gather(folder, &sources, &cache).unwrap();
        assert_eq!(
            gather(folder, &sources, &cache).unwrap().context.entries,
            first.context.entries
        );
        std::fs::write(lab.path("a.txt"), "a.tx2").unwrap();
        assert_ne!(
            gather(folder, &sources, &cache).unwrap().context.entries,
            first.context.entries
        );
    }
}
