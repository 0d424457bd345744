//! The kinds of edit, and how often people make them.

use crate::example::Example;
use crate::features::Features;
use crate::mutation_files as files;
use crate::mutation_section as section;
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

/// All of them. Roughly half are edits of files, a third of the Dockerfile, the rest of the build section.
pub(crate) const KINDS: &[Kind] = &[
    kind(14, "a file's content", files::content),
    kind(5, "a file's mode", files::mode),
    kind(2, "a folder's mode", files::folder_mode),
    kind(3, "a file's kind", files::kind),
    kind(3, "a link's target", files::link_target),
    kind(4, "a name", files::rename),
    kind(3, "a place", files::place),
    kind(6, "a new file", files::new_file),
    kind(4, "a file gone", files::remove),
    kind(2, "a new empty folder", files::new_folder),
    kind(1, "an empty folder gone", files::remove_folder),
    kind(1, "two files swapped", files::swap),
    kind(5, "a file that nothing should read", files::unread),
    kind(3, "times only", files::times),
    kind(6, "ignore lines", files::ignore_lines),
    kind(2, "the Dockerfile's own ignore file", files::own_ignore),
    kind(1, "where the Dockerfile lies", files::dockerfile_place),
    kind(4, "a comment", text::comment),
    kind(2, "the case of a keyword", text::keyword_case),
    kind(3, "how a line is broken", text::line_break),
    kind(2, "spaces", text::spaces),
    kind(8, "an instruction's text", text::reword),
    kind(3, "an ARG's default", text::arg_default),
    kind(3, "flags", text::flags),
    kind(2, "the order of instructions", text::swap),
    kind(3, "an instruction gone", text::remove),
    kind(5, "a new instruction", text::insert),
    kind(2, "a base", text::base),
    kind(1, "a stage's name", text::stage_name),
    kind(1, "a here-document", text::heredoc),
    kind(1, "the escape character", text::escape),
    kind(4, "a build argument", section::argument),
    kind(2, "a label", section::label),
    kind(2, "the target", section::target),
    kind(1, "the platform", section::platform),
    kind(1, "the network", section::network),
    kind(1, "hosts", section::hosts),
    kind(1, "secrets", section::secrets),
    kind(1, "limits", section::limits),
    kind(2, "an additional context", section::contexts),
    kind(2, "what says how to build", section::asides),
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
