//! Edits of what a Dockerfile says.
// One type for all edits: many of them find nothing to change.
#![allow(clippy::unnecessary_wraps)]

use crate::dockerfile::{Dockerfile, Instruction};
use crate::engine::BASES;
use crate::example::Example;
use crate::features::Features;
use crate::here::Here;
use crate::instructions::instruction;
use crate::random::Random;

/// One of the instructions that are wanted.
pub(crate) fn one<'a>(
    example: &'a mut Example,
    random: &mut Random,
    wanted: impl Fn(&Instruction) -> bool,
) -> Option<&'a mut Instruction> {
    let (stage, at) = *random.any(&example.dockerfile.places(wanted))?;
    Some(&mut example.dockerfile.stages[stage].body[at])
}

/// Words of the kind that the generator makes give way to others; of the rest a letter changes.
pub(crate) fn reword(
    example: &mut Example,
    random: &mut Random,
    features: &Features,
) -> Option<String> {
    let seed = example.seed;
    let word = random.word();
    let (stage, at) = *random.any(&example.dockerfile.places(|own| own.heredoc.is_none()))?;
    let can_run = example
        .dockerfile
        .places(|own| own.keyword == "RUN")
        .iter()
        .any(|place| place.0 == stage);
    let own = &mut example.dockerfile.stages[stage].body[at];
    let before = own.arguments.clone();
    if let Some(place) = place_of_word(&before) {
        own.arguments.replace_range(place..place + 6, &word);
    } else if own.keyword == "RUN" && !before.starts_with('[') {
        own.arguments = format!("{before}; echo {word} > /tmp/{word}");
    } else {
        // Another instruction with the same keyword.
        let mut here = Here::new(
            features,
            &example.context,
            &example.section,
            seed ^ random.next(),
        );
        here.can_run = can_run;
        for _ in 0..300 {
            let other = instruction(random, &mut here);
            if other.keyword == own.keyword {
                own.arguments = other.arguments;
                own.heredoc = other.heredoc;
                break;
            }
        }
    }
    Some(format!(
        "{}: `{before}` becomes `{}`",
        own.keyword, own.arguments
    ))
}

/// Where a word of the generator's stands.
fn place_of_word(text: &str) -> Option<usize> {
    let digits = |at: usize| {
        text.get(at + 1..at + 6)
            .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    text.match_indices('w')
        .map(|(at, _)| at)
        .find(|at| digits(*at))
}

pub(crate) fn arg_default(
    example: &mut Example,
    random: &mut Random,
    features: &Features,
) -> Option<String> {
    let value = crate::instructions::value(random, features);
    let global = random.percent(40);
    let own = if global && !example.dockerfile.globals.is_empty() {
        let at = random.below(example.dockerfile.globals.len());
        &mut example.dockerfile.globals[at]
    } else {
        one(example, random, |own| {
            own.keyword == "ARG" && !own.arguments.contains(' ')
        })?
    };
    let before = own.arguments.clone();
    let name = before.split('=').next()?;
    own.arguments = match name {
        "BASE" if global => format!("BASE={}", random.pick(&BASES[..])),
        _ if before.contains('=') && random.percent(20) => name.to_owned(),
        _ => format!("{name}={value}"),
    };
    Some(format!("ARG: `{before}` becomes `{}`", own.arguments))
}

pub(crate) fn flags(
    example: &mut Example,
    random: &mut Random,
    features: &Features,
) -> Option<String> {
    let own = one(example, random, |own| {
        matches!(own.keyword, "COPY" | "ADD" | "RUN" | "HEALTHCHECK")
    })?;
    if !own.flags.is_empty() && random.percent(50) {
        let flag = own.flags.remove(random.below(own.flags.len()));
        return Some(format!("{} without {flag}", own.keyword));
    }
    let flag = match own.keyword {
        "RUN" => {
            // What nobody looks at changes nothing.
            if own.heredoc.is_none() && !own.arguments.starts_with('[') {
                own.arguments.push_str("; look /more > /tmp/more");
            }
            "--mount=type=bind,target=/more".to_owned()
        }
        "HEALTHCHECK" => format!("--retries={}", 2 + random.below(9)),
        _ => {
            let mut all = vec![
                "--chown=8:9".to_owned(),
                "--chown=daemon".to_owned(),
                "--chmod=711".to_owned(),
                "--chmod=600".to_owned(),
            ];
            if features.has(crate::features::Feature::Link) {
                all.push("--link".to_owned());
            }
            if features.has(crate::features::Feature::Exclude) {
                all.extend(["--exclude=*.txt".to_owned(), "--exclude=**/c.py".to_owned()]);
            }
            random.pick(&all).clone()
        }
    };
    let name = flag.split('=').next().unwrap_or(&flag).to_owned();
    own.flags
        .retain(|other| own.keyword == "RUN" || !other.starts_with(&name));
    own.flags.push(flag.clone());
    Some(format!("{} with {flag}", own.keyword))
}

pub(crate) fn swap(example: &mut Example, random: &mut Random, _: &Features) -> Option<String> {
    let (stage, at) = *random.any(&example.dockerfile.places(|_| true))?;
    let body = &mut example.dockerfile.stages[stage].body;
    if at + 1 >= body.len() {
        return None;
    }
    body.swap(at, at + 1);
    Some(format!(
        "{} and {} change places",
        body[at + 1].keyword,
        body[at].keyword
    ))
}

pub(crate) fn remove(example: &mut Example, random: &mut Random, _: &Features) -> Option<String> {
    let (stage, at) = *random.any(&example.dockerfile.places(|_| true))?;
    let gone = example.dockerfile.stages[stage].body.remove(at);
    Some(format!("without {} {}", gone.keyword, gone.arguments))
}

pub(crate) fn insert(
    example: &mut Example,
    random: &mut Random,
    features: &Features,
) -> Option<String> {
    let (stage, at) = *random.any(&example.dockerfile.places(|_| true))?;
    let mut here = Here::new(features, &example.context, &example.section, random.next());
    here.can_run = example
        .dockerfile
        .places(|own| own.keyword == "RUN")
        .iter()
        .any(|place| place.0 == stage);
    here.is_last = stage + 1 == example.dockerfile.stages.len();
    let own = instruction(random, &mut here);
    let told = format!("with {} {}", own.keyword, own.arguments);
    example.dockerfile.stages[stage].body.insert(at + 1, own);
    Some(told)
}

pub(crate) fn base(example: &mut Example, random: &mut Random, _: &Features) -> Option<String> {
    if example.moved().is_some() && random.percent(70) {
        example.moved_to = random.below(BASES.len());
        return Some(format!(
            "the name of a base moves to {}",
            BASES[example.moved_to]
        ));
    }
    let at = random.below(example.dockerfile.stages.len());
    let from = &mut example.dockerfile.stages[at].from;
    let before = from.arguments.clone();
    let named = before
        .split_once(" AS ")
        .map_or(String::new(), |(_, name)| format!(" AS {name}"));
    let base = random.pick(&BASES[..]);
    from.arguments = format!("{base}{named}");
    Some(format!("FROM: `{before}` becomes `{}`", from.arguments))
}

/// A stage gets another name, here and wherever it is named.
pub(crate) fn stage_name(
    example: &mut Example,
    random: &mut Random,
    _: &Features,
) -> Option<String> {
    let names: Vec<String> = example
        .dockerfile
        .stages
        .iter()
        .filter_map(|stage| stage.name().map(str::to_owned))
        .collect();
    let old = random.any(&names)?.clone();
    let new = random.word();
    rename_stage(&mut example.dockerfile, &old, &new);
    if example.section.target.as_ref() == Some(&old) {
        example.section.target = Some(new.clone());
    }
    Some(format!("stage {old} becomes {new}"))
}

fn rename_stage(dockerfile: &mut Dockerfile, old: &str, new: &str) {
    let named = format!(" AS {old}");
    for stage in &mut dockerfile.stages {
        let from = &mut stage.from.arguments;
        if let Some(base) = from.strip_suffix(&named) {
            *from = format!("{base} AS {new}");
        }
        let (base, name) = from
            .split_once(" AS ")
            .map_or((from.as_str(), None), |(base, name)| (base, Some(name)));
        if base == old {
            *from = name.map_or_else(|| new.to_owned(), |name| format!("{new} AS {name}"));
        }
        for flag in stage.body.iter_mut().flat_map(|own| &mut own.flags) {
            for form in [old.to_owned(), old.to_uppercase()] {
                if *flag == format!("--from={form}") {
                    *flag = format!("--from={new}");
                }
            }
            *flag = flag.replace(&format!("from={old},"), &format!("from={new},"));
        }
    }
}

pub(crate) fn heredoc(example: &mut Example, random: &mut Random, _: &Features) -> Option<String> {
    let word = random.word();
    let own = one(example, random, |own| own.heredoc.is_some())?;
    let keyword = own.keyword;
    let body = own.heredoc.as_mut()?;
    match keyword {
        "RUN" => *body += "echo more > /tmp/",
        _ => *body += "$B ",
    }
    *body += &word;
    *body += "\n";
    Some(format!("here-document of {keyword}"))
}
