//! What `larder why` says of an edit, held against the edit itself: the difference between what two fingerprints were made
//! of must name what was changed, and nothing that was not.

use std::collections::BTreeSet;

use larder::fingerprint::{Recipe, Record, What, compare};

use crate::context::{Context, Node};
use crate::dockerfile::Instruction;
use crate::example::{Example, Place};

/// What is wrong with the explanation of a changed fingerprint, if anything.
pub(crate) fn complaint(
    (before, then): (&Example, &Recipe),
    (after, now): (&Example, &Recipe),
) -> Option<String> {
    if then.full == now.full {
        return None;
    }
    let changes = compare(&Record::of(then), &Record::of(now));
    let told: Vec<&What> = changes.iter().map(|change| &change.what).collect();
    let say = |what: String| Some(format!("{what}; it tells {changes:#?}"));
    if told.is_empty() || told.contains(&&What::Key) {
        return say("`why` does not know what changed".to_owned());
    }
    if then.opaque.is_some() || now.opaque.is_some() {
        return None;
    }
    let edited = Edited::of(before, after);
    let named = named(&told);
    if edited.only_files {
        if named.is_disjoint(&edited.paths) {
            return say(format!("`why` names none of {:?}", edited.paths));
        }
        // A link that leads elsewhere takes other files in, which are as they were.
        if !edited.links && !named.is_subset(&edited.paths) {
            return say(format!("`why` names more than {:?}", edited.paths));
        }
        if let Some(other) = told.iter().find(|what| !matches!(what, What::Files { .. })) {
            return say(format!("`why` tells of more than files: {other:?}"));
        }
    }
    // Where the Dockerfile is copied, an instruction that the target does not need is a file's content.
    let as_file = matches!(&after.place, Place::Inside(path) if named.contains(path));
    if edited.only_instructions && !as_file && !tells_of(&told, &edited.instructions) {
        return say(format!("`why` names none of {:?}", edited.instructions));
    }
    None
}

/// The paths that are named.
fn named(told: &[&What]) -> BTreeSet<String> {
    let files = told.iter().filter_map(|what| match what {
        What::Files { files } => Some(files),
        _ => None,
    });
    let paths = files.flatten().map(|file| &file.path.0);
    paths
        .map(|path| String::from_utf8_lossy(path).into_owned())
        .collect()
}

/// Whether one of these instructions, or of their here-documents, is among what is told.
fn tells_of(told: &[&What], instructions: &BTreeSet<String>) -> bool {
    told.iter().any(|what| match what {
        What::Instruction { before, now } => {
            let mut texts = [before, now].into_iter().flatten();
            texts.any(|text| instructions.contains(&spaced(text)))
        }
        What::Document => true,
        _ => false,
    })
}

fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What was edited.
struct Edited {
    /// The paths in the context that are not what they were.
    paths: BTreeSet<String>,
    /// Whether a link is among them.
    links: bool,
    only_files: bool,
    /// The instructions that only one side has.
    instructions: BTreeSet<String>,
    /// Nothing but instructions in the middle of a stage was edited.
    only_instructions: bool,
}

impl Edited {
    fn of(before: &Example, after: &Example) -> Self {
        let (one, other) = (&before.context, &after.context);
        let all = one.nodes.keys().chain(other.nodes.keys());
        let paths = all.filter(|path| one.nodes.get(*path) != other.nodes.get(*path));
        let paths: BTreeSet<String> = paths.cloned().collect();
        let link = |context: &Context, path: &String| {
            matches!(context.nodes.get(path), Some(Node::Link(_)))
        };
        let links = paths
            .iter()
            .any(|path| link(one, path) || link(other, path));
        let rest = |example: &Example, dockerfile: bool| {
            let mut rest = example.clone();
            rest.context = Context::default();
            if dockerfile {
                for stage in &mut rest.dockerfile.stages {
                    stage.body.clear();
                }
            }
            rest
        };
        let (first, second) = (texts(before), texts(after));
        Self {
            only_files: rest(before, false) == rest(after, false),
            only_instructions: one == other
                && first != second
                && rest(before, true) == rest(after, true),
            instructions: first.symmetric_difference(&second).cloned().collect(),
            paths,
            links,
        }
    }
}

/// The instructions in the middle of stages, as they are keyed.
fn texts(example: &Example) -> BTreeSet<String> {
    let text = |own: &Instruction| {
        let flags = own.flags.join(" ");
        spaced(&format!("{} {flags} {}", own.keyword, own.arguments))
    };
    let stages = example.dockerfile.stages.iter();
    stages.flat_map(|stage| &stage.body).map(text).collect()
}
