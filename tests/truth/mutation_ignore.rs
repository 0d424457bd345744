//! Edits of what is ignored, and of where the Dockerfile lies.
// One type for all edits: many of them find nothing to change.
#![allow(clippy::unnecessary_wraps)]

use crate::example::{Example, Place};
use crate::features::Features;
use crate::files::{IGNORES, ignore_lines as some_lines};
use crate::random::Random;

fn edit_lines(lines: &mut Vec<String>, random: &mut Random) -> String {
    let line = (*random.pick(IGNORES)).to_owned();
    let at = random.below(lines.len() + 1);
    match random.below(4) {
        0 if lines.len() > 1 && at < lines.len() => format!("without `{}`", lines.remove(at)),
        1 if lines.len() > 1 => {
            lines.reverse();
            "in the other order".to_owned()
        }
        2 if at < lines.len() => {
            let told = format!("`{line}` in place of `{}`", lines[at]);
            lines[at] = line;
            told
        }
        _ => {
            lines.insert(at, line.clone());
            format!("with `{line}`")
        }
    }
}

pub(crate) fn ignore_lines(
    example: &mut Example,
    random: &mut Random,
    _: &Features,
) -> Option<String> {
    if let Some(lines) = &mut example.own_ignore {
        return Some(format!(
            "<Dockerfile>.dockerignore {}",
            edit_lines(lines, random)
        ));
    }
    match &mut example.ignore {
        Some(_) if random.percent(10) => {
            example.ignore = None;
            Some(".dockerignore is gone".to_owned())
        }
        Some(lines) => Some(format!(".dockerignore {}", edit_lines(lines, random))),
        None => {
            let lines = some_lines(random);
            let told = format!("new .dockerignore {lines:?}");
            example.ignore = Some(lines);
            Some(told)
        }
    }
}

pub(crate) fn own_ignore(
    example: &mut Example,
    random: &mut Random,
    _: &Features,
) -> Option<String> {
    if example.own_ignore.take().is_some() {
        return Some("<Dockerfile>.dockerignore is gone".to_owned());
    }
    // Most often the other one's lines, and one more.
    let mut lines = example.ignore.clone().unwrap_or_else(|| some_lines(random));
    let told = edit_lines(&mut lines, random);
    example.own_ignore = Some(lines);
    Some(format!("new <Dockerfile>.dockerignore, {told}"))
}

pub(crate) fn dockerfile_place(
    example: &mut Example,
    _: &mut Random,
    _: &Features,
) -> Option<String> {
    example.place = match &example.place {
        Place::Outside => Place::Inside("Dockerfile".to_owned()),
        Place::Inside(path) if path == "Dockerfile" => {
            Place::Inside("docker/App.Dockerfile".to_owned())
        }
        Place::Inside(_) => Place::Outside,
    };
    Some(format!("the Dockerfile lies {:?}", example.place))
}
