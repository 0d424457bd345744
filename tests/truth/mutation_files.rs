//! Edits of the context: its files, links and folders.
// One type for all edits: many of them find nothing to change.
#![allow(clippy::unnecessary_wraps)]

use crate::context::Node;
use crate::example::Example;
use crate::features::Features;
use crate::files::{FILES, archive, file_mode, folder_mode as some_folder_mode};
use crate::random::Random;

pub(crate) fn content(example: &mut Example, random: &mut Random, _: &Features) -> Option<String> {
    let path = random.any(&example.context.files())?.clone();
    let Some(Node::File { content, .. }) = example.context.nodes.get_mut(&path) else {
        return None;
    };
    *content = match path.as_str() {
        "data.tar" => archive(&random.word()),
        // Of the same size: that is what BuildKit compares.
        _ if random.percent(50) && !content.is_empty() => content
            .iter()
            .map(|byte| {
                if *byte == b'\n' {
                    *byte
                } else {
                    byte.wrapping_add(1) & 0x7f
                }
            })
            .collect(),
        _ => format!("{}\n", random.word()).into(),
    };
    Some(format!("content of {path}"))
}

pub(crate) fn mode(example: &mut Example, random: &mut Random, _: &Features) -> Option<String> {
    let path = random.any(&example.context.files())?.clone();
    let Some(Node::File { mode, .. }) = example.context.nodes.get_mut(&path) else {
        return None;
    };
    *mode = if random.percent(60) {
        *mode ^ 0o111
    } else {
        file_mode(random)
    };
    Some(format!("mode of {path}"))
}

pub(crate) fn folder_mode(
    example: &mut Example,
    random: &mut Random,
    _: &Features,
) -> Option<String> {
    let path = random.any(&example.context.folders())?.clone();
    let mode = some_folder_mode(random);
    example
        .context
        .nodes
        .insert(path.clone(), Node::Folder { mode });
    Some(format!("mode of {path}/"))
}

pub(crate) fn kind(example: &mut Example, random: &mut Random, _: &Features) -> Option<String> {
    let all: Vec<String> = example.context.nodes.keys().cloned().collect();
    let path = random.any(&all)?.clone();
    let becomes = match &example.context.nodes[&path] {
        Node::File { .. } if random.percent(70) => {
            Node::Link((*random.pick(&["b.txt", "/lib/c.py", "nowhere"])).to_owned())
        }
        Node::File { .. } => Node::Folder { mode: 0o755 },
        Node::Link(_) | Node::Folder { .. } => Node::File {
            content: random.word().into(),
            mode: 0o644,
        },
    };
    example.context.remove(&path);
    example.context.put(&path, becomes);
    Some(format!("kind of {path}"))
}

pub(crate) fn link_target(
    example: &mut Example,
    random: &mut Random,
    _: &Features,
) -> Option<String> {
    let path = random
        .any(&example.context.paths(|node| matches!(node, Node::Link(_))))?
        .clone();
    let targets = [
        "a.txt",
        "b.txt",
        "lib",
        "src",
        "../a.txt",
        "/b.txt",
        "nowhere",
        "./lib",
        "lib/",
        "lib/../a.txt",
        "../../../a.txt",
        "link",
    ];
    example.context.nodes.insert(
        path.clone(),
        Node::Link((*random.pick(&targets)).to_owned()),
    );
    Some(format!("target of {path}"))
}

fn move_to(example: &mut Example, from: &str, to: &str) -> Option<String> {
    if example.context.nodes.contains_key(to) || to.starts_with(&format!("{from}/")) {
        return None;
    }
    for (path, node) in example.context.remove(from) {
        let path = format!("{to}{}", path.strip_prefix(from).unwrap_or_default());
        example.context.put(&path, node);
    }
    Some(format!("{from} becomes {to}"))
}

pub(crate) fn rename(example: &mut Example, random: &mut Random, _: &Features) -> Option<String> {
    let all: Vec<String> = example.context.nodes.keys().cloned().collect();
    let from = random.any(&all)?.clone();
    let folder = from
        .rsplit_once('/')
        .map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let name = *random.pick(&["renamed", "z.txt", "other.py", ".hidden", "sp ace", "x.log"]);
    move_to(example, &from, &format!("{folder}{name}"))
}

pub(crate) fn place(example: &mut Example, random: &mut Random, _: &Features) -> Option<String> {
    let all: Vec<String> = example.context.nodes.keys().cloned().collect();
    let from = random.any(&all)?.clone();
    let name = from.rsplit('/').next()?.to_owned();
    let mut folders = example.context.folders();
    folders.push("new".to_owned());
    let folder = random.pick(&folders).clone();
    move_to(example, &from, &format!("{folder}/{name}"))
}

pub(crate) fn new_file(example: &mut Example, random: &mut Random, _: &Features) -> Option<String> {
    let path = if random.percent(50) {
        (*random.pick(FILES)).to_owned()
    } else {
        let folders = example.context.folders();
        let folder = random
            .any(&folders)
            .map_or(String::new(), |folder| format!("{folder}/"));
        format!(
            "{folder}{}",
            random.pick(&["new.txt", "new.log", "new", "z.py"])
        )
    };
    if example.context.nodes.contains_key(&path) {
        return None;
    }
    let word = random.word();
    example.context.file(&path, word);
    Some(format!("new {path}"))
}

pub(crate) fn remove(example: &mut Example, random: &mut Random, _: &Features) -> Option<String> {
    let path = random
        .any(
            &example
                .context
                .paths(|node| !matches!(node, Node::Folder { .. })),
        )?
        .clone();
    example.context.remove(&path);
    Some(format!("{path} is gone"))
}

pub(crate) fn new_folder(
    example: &mut Example,
    random: &mut Random,
    _: &Features,
) -> Option<String> {
    let mut folders: Vec<String> = example
        .context
        .folders()
        .iter()
        .map(|folder| format!("{folder}/"))
        .collect();
    folders.push(String::new());
    let above = random.pick(&folders);
    let path = format!("{above}fresh");
    example.context.put(&path, Node::Folder { mode: 0o755 });
    Some(format!("new {path}/"))
}

pub(crate) fn remove_folder(
    example: &mut Example,
    random: &mut Random,
    _: &Features,
) -> Option<String> {
    let nodes = &example.context.nodes;
    let empty = |path: &String| !nodes.keys().any(|own| own.starts_with(&format!("{path}/")));
    let folders: Vec<String> = example
        .context
        .folders()
        .into_iter()
        .filter(empty)
        .collect();
    let path = random.any(&folders)?.clone();
    example.context.remove(&path);
    Some(format!("{path}/ is gone"))
}

pub(crate) fn swap(example: &mut Example, random: &mut Random, _: &Features) -> Option<String> {
    let files = example.context.files();
    let (one, other) = (random.any(&files)?.clone(), random.any(&files)?.clone());
    let (first, second) = (
        example.context.nodes[&one].clone(),
        example.context.nodes[&other].clone(),
    );
    example.context.nodes.insert(one.clone(), second);
    example.context.nodes.insert(other.clone(), first);
    Some(format!("{one} and {other} change places"))
}

pub(crate) fn unread(example: &mut Example, random: &mut Random, _: &Features) -> Option<String> {
    let path = *random.pick(&[
        "unread/me",
        "unread/new",
        "unread/deep/x",
        ".git/HEAD",
        "unread/more.txt",
    ]);
    let word = random.word();
    example.context.file(path, word);
    Some(format!("content of {path}"))
}

pub(crate) fn times(example: &mut Example, random: &mut Random, _: &Features) -> Option<String> {
    example.context.age = 2000 + random.next() % 100_000;
    Some("times of all files".to_owned())
}
