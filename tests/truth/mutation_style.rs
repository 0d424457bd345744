//! Edits of how a Dockerfile is written, which most often change nothing.
// One type for all edits: many of them find nothing to change.
#![allow(clippy::unnecessary_wraps)]

use crate::dockerfile::Break;
use crate::example::Example;
use crate::features::Features;
use crate::mutation_text::one;
use crate::random::Random;

pub(crate) fn comment(example: &mut Example, random: &mut Random, _: &Features) -> Option<String> {
    let line = if random.percent(75) {
        format!("# {}", random.word())
    } else {
        String::new()
    };
    if random.percent(30) {
        // Not at the very top: `# escape=` must stay the first line.
        example.dockerfile.comments.push(line);
    } else {
        one(example, random, |_| true)?.above.push(line);
    }
    Some("a comment or an empty line more".to_owned())
}

pub(crate) fn keyword_case(
    example: &mut Example,
    random: &mut Random,
    _: &Features,
) -> Option<String> {
    let own = one(example, random, |_| true)?;
    own.small_letters = !own.small_letters;
    Some(format!("case of {}", own.keyword))
}

pub(crate) fn line_break(
    example: &mut Example,
    random: &mut Random,
    _: &Features,
) -> Option<String> {
    let own = one(example, random, |own| own.heredoc.is_none())?;
    own.broken = match &own.broken {
        Some(_) if random.percent(40) => None,
        _ => Some(Break::somewhere(random)),
    };
    Some(format!("line break in {}", own.keyword))
}

/// More spaces than are needed, at the end or behind the keyword.
pub(crate) fn spaces(example: &mut Example, random: &mut Random, _: &Features) -> Option<String> {
    let place = random.below(3);
    let own = one(example, random, |own| own.heredoc.is_none())?;
    match place {
        0 => own.arguments.push_str("  "),
        1 => own.arguments.insert_str(0, "  "),
        _ => own.arguments.insert(0, '\t'),
    }
    Some(format!("spaces in {}", own.keyword))
}

pub(crate) fn escape(example: &mut Example, _: &mut Random, _: &Features) -> Option<String> {
    let escape = &mut example.dockerfile.escape;
    *escape = if *escape == '`' { '\\' } else { '`' };
    Some(format!("escape is {escape}"))
}

pub(crate) fn line_ends(
    example: &mut Example,
    random: &mut Random,
    _: &Features,
) -> Option<String> {
    let dockerfile = &mut example.dockerfile;
    if random.percent(70) {
        dockerfile.returns = !dockerfile.returns;
        Some("line ends of the other system".to_owned())
    } else {
        dockerfile.marked = !dockerfile.marked;
        Some("a byte order mark more or less".to_owned())
    }
}
