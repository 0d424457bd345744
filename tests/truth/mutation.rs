//! The kinds of edit, and how often people make them.

use crate::example::Example;
use crate::features::Features;
use crate::mutation_files as files;
use crate::mutation_ignore as ignore;
use crate::mutation_section as section;
use crate::mutation_style as style;
use crate::mutation_text as text;
use crate::random::Random;

/// Changes one thing; what, for a person, or `None` where there is no such thing.
pub(crate) type Edit = fn(&mut Example, &mut Random, &Features) -> Option<String>;

/// A kind of edit.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    weight: usize,
    edit: Edit,
}

const fn kind(weight: usize, name: &'static str, edit: Edit) -> Kind {
    Kind { name, weight, edit }
}

/// All of them, in thousandths: six in ten are edits of files, three of the Dockerfile, one of the build section.
pub(crate) const KINDS: &[Kind] = &[
    kind(140, "a file's content", files::content),
    kind(25, "a file's mode", files::mode),
    kind(8, "a folder's mode", files::folder_mode),
    kind(15, "a file's kind", files::kind),
    kind(15, "a link's target", files::link_target),
    kind(25, "a name", files::rename),
    kind(20, "a place", files::place),
    kind(50, "a new file", files::new_file),
    kind(30, "a file gone", files::remove),
    kind(8, "a new empty folder", files::new_folder),
    kind(4, "an empty folder gone", files::remove_folder),
    kind(5, "two files swapped", files::swap),
    kind(40, "a file that nothing should read", files::unread),
    kind(20, "times only", files::times),
    kind(40, "ignore lines", ignore::ignore_lines),
    kind(12, "the Dockerfile's own ignore file", ignore::own_ignore),
    kind(5, "where the Dockerfile lies", ignore::dockerfile_place),
    kind(30, "a comment", style::comment),
    kind(8, "the case of a keyword", style::keyword_case),
    kind(15, "how a line is broken", style::line_break),
    kind(10, "spaces", style::spaces),
    kind(6, "line ends", style::line_ends),
    kind(60, "an instruction's text", text::reword),
    kind(20, "an ARG's default", text::arg_default),
    kind(20, "flags", text::flags),
    kind(8, "the order of instructions", text::swap),
    kind(25, "an instruction gone", text::remove),
    kind(40, "a new instruction", text::insert),
    kind(20, "a base", text::base),
    kind(8, "a stage's name", text::stage_name),
    kind(10, "a here-document", text::heredoc),
    kind(2, "the escape character", style::escape),
    kind(30, "a build argument", section::argument),
    kind(12, "a label", section::label),
    kind(15, "the target", section::target),
    kind(3, "the platform", section::platform),
    kind(2, "the network", section::network),
    kind(2, "hosts", section::hosts),
    kind(2, "secrets", section::secrets),
    kind(2, "limits", section::limits),
    kind(15, "an additional context", section::contexts),
    kind(10, "what says how to build", section::asides),
];

/// An edited example.
pub(crate) struct Mutation {
    pub(crate) kind: &'static str,
    pub(crate) what: String,
    pub(crate) example: Example,
}

/// One edit of one kind that the example has something for.
pub(crate) fn mutate(example: &Example, random: &mut Random, features: &Features) -> Mutation {
    let weights: Vec<(usize, &Kind)> = KINDS.iter().map(|kind| (kind.weight, kind)).collect();
    loop {
        let kind = random.weighted(&weights);
        let mut edited = example.clone();
        if let Some(what) = (kind.edit)(&mut edited, random, features)
            && edited != *example
        {
            return Mutation {
                kind: kind.name,
                what,
                example: edited,
            };
        }
    }
}
