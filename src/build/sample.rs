//! Recipes for tests, made from a folder and a Dockerfile's text by the simplest reading that can do it: no
//! here-documents, no variables in FROM, COPY of plain paths.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use crate::fingerprint::{
    Base, Context, Cut, Dockerfile, Entry, EntryKind, Ingredients, Instruction, Link, Recipe,
    Section, Stage, StageBase,
};
use crate::model::{Build, Digest};

/// A recipe for `text` in the folder `root`, with a cut behind the given number of instructions of a stage.
pub(crate) fn recipe(root: &Path, text: &str, cuts: &[(usize, usize)]) -> Recipe {
    let dockerfile = dockerfile(text);
    let mut entries = Vec::new();
    walk(root, root, &mut entries);
    entries.sort_by(|one: &Entry, other| one.path.cmp(&other.path));
    let key = |place: &str| Digest::of(format!("{}\0{text}\0{place}", root.display()).as_bytes());
    let mut chain = Vec::new();
    for (stage, own) in dockerfile.stages.iter().enumerate() {
        for (number, instruction) in own.instructions.iter().enumerate() {
            chain.push(Link {
                stage,
                instruction: number + 1,
                line: instruction.lines.0,
                key: key(&format!("{stage} {number}")),
                reads: reads(instruction, &entries),
                ingredients: Ingredients::default(),
            });
        }
    }
    let cuts = cuts.iter().map(|(stage, instructions)| Cut {
        stage: *stage,
        instructions: *instructions,
        key: key(&format!("{stage} {}", instructions - 1)),
        arguments: Vec::new(),
        command: None,
    });
    Recipe {
        service: "sample".to_owned(),
        full: key("full"),
        dependencies: None,
        cuts: cuts.collect(),
        chain,
        opaque: None,
        unpinned: None,
        shadowed: None,
        dockerfile: Arc::new(dockerfile),
        context: Arc::new(Context {
            root: root.to_owned(),
            entries,
        }),
        contexts: BTreeMap::new(),
        bases: Vec::<(_, Base)>::new(),
        build: Build::default(),
        section: Section::default(),
        source: BTreeMap::new(),
        platform: None,
    }
}

/// The dependency images of all cuts of a recipe.
pub(crate) fn on(recipe: &Recipe) -> BTreeMap<usize, Digest> {
    let cuts = recipe.cuts.iter();
    cuts.map(|cut| (cut.stage, cut.key)).collect()
}

fn dockerfile(text: &str) -> Dockerfile {
    let mut global_args = Vec::new();
    let mut stages: Vec<Stage> = Vec::new();
    for instruction in instructions(text) {
        if instruction.keyword == "FROM" {
            stages.push(stage(instruction, &stages));
        } else if let Some(stage) = stages.last_mut() {
            stage.instructions.push(instruction);
        } else {
            global_args.push(instruction);
        }
    }
    let syntax = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("# syntax="));
    Dockerfile {
        name: "Dockerfile".to_owned(),
        text: text.to_owned(),
        escape: '\\',
        syntax: syntax.map(ToOwned::to_owned),
        global_args,
        stages,
    }
}

fn stage(from: Instruction, earlier: &[Stage]) -> Stage {
    let words: Vec<&str> = from.arguments.split_whitespace().collect();
    let words: Vec<&str> = words
        .into_iter()
        .filter(|word| !word.starts_with("--"))
        .collect();
    let known = |stage: &Stage| stage.name.as_deref() == Some(words[0]);
    let base = match (words[0], earlier.iter().position(known)) {
        ("scratch", _) => StageBase::Scratch,
        (_, Some(stage)) => StageBase::Stage(stage),
        (image, None) => StageBase::Image(image.parse().unwrap()),
    };
    Stage {
        name: words.get(2).map(|name| name.to_lowercase()),
        base,
        platform: None,
        instructions: Vec::new(),
        from,
    }
}

fn instructions(text: &str) -> Vec<Instruction> {
    let mut all = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((first, line)) = lines.next() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let (mut source, mut last) = (line.to_owned(), first);
        let mut joined = line.trim_end_matches('\\').to_owned();
        while source.ends_with('\\') {
            let (at, more) = lines.next().unwrap();
            source = format!("{source}\n{more}");
            joined.push_str(more.trim_end_matches('\\'));
            last = at;
        }
        let (keyword, arguments) = joined.split_once(' ').unwrap();
        all.push(Instruction {
            keyword: keyword.to_uppercase(),
            arguments: arguments.trim().to_owned(),
            heredocs: Vec::new(),
            source,
            lines: (first + 1, last + 1),
        });
    }
    all
}

fn reads(instruction: &Instruction, entries: &[Entry]) -> Vec<usize> {
    if instruction.keyword != "COPY" || instruction.arguments.contains("--from") {
        return Vec::new();
    }
    let words = instruction.arguments.split_whitespace();
    let words: Vec<&str> = words.filter(|word| !word.starts_with("--")).collect();
    let sources = &words[..words.len() - 1];
    let is_read = |entry: &Entry| {
        let path = String::from_utf8_lossy(&entry.path);
        sources
            .iter()
            .map(|source| source.trim_end_matches('/'))
            .any(|source| {
                source == "." || path == source || path.starts_with(&format!("{source}/"))
            })
    };
    let numbered = entries.iter().enumerate();
    numbered
        .filter(|(_, entry)| is_read(entry))
        .map(|(number, _)| number)
        .collect()
}

fn walk(root: &Path, folder: &Path, entries: &mut Vec<Entry>) {
    // A recipe whose files do not matter has no folder.
    for found in std::fs::read_dir(folder).into_iter().flatten() {
        let path = found.unwrap().path();
        let metadata = std::fs::symlink_metadata(&path).unwrap();
        let kind = if metadata.is_symlink() {
            let target = std::fs::read_link(&path).unwrap();
            EntryKind::Symlink {
                target: target.as_os_str().as_bytes().to_vec(),
            }
        } else if metadata.is_dir() {
            walk(root, &path, entries);
            EntryKind::Directory
        } else {
            let content = std::fs::read(&path).unwrap();
            EntryKind::File {
                size: content.len() as u64,
                digest: Digest::of(&content),
            }
        };
        let relative = path.strip_prefix(root).unwrap();
        entries.push(Entry {
            path: relative.as_os_str().as_bytes().to_vec(),
            mode: metadata.permissions().mode() & 0o755,
            kind,
        });
    }
}
