//! Makes a pair smaller for as long as it still shows the same bug: what both have in common is left out, piece by piece.

use std::time::{Duration, Instant};

use crate::example::Example;

/// How long a smaller pair is looked for.
const PATIENCE: Duration = Duration::from_mins(4);

type Pair = (Example, Example);

/// The smallest pair that is still wrong.
pub(crate) async fn shrink(mut pair: Pair, is_wrong: impl AsyncFn(&Pair) -> bool) -> Pair {
    let begun = Instant::now();
    loop {
        let mut smaller = None;
        for candidate in candidates(&pair) {
            if begun.elapsed() > PATIENCE {
                return pair;
            }
            if is_wrong(&candidate).await {
                smaller = Some(candidate);
                break;
            }
        }
        match smaller {
            Some(found) => pair = found,
            None => return pair,
        }
    }
}

/// The pair without one thing, each in its turn: the large things first.
fn candidates(pair: &Pair) -> Vec<Pair> {
    let mut all = Vec::new();
    without_instructions(pair, &mut all);
    without_files(pair, &mut all);
    let parts: [fn(&mut Example); 10] = [
        |own| own.ignore = None,
        |own| own.own_ignore = None,
        |own| own.section.target = None,
        |own| own.section.network = None,
        |own| own.section.args.clear(),
        |own| own.section.labels.clear(),
        |own| own.section.hosts.clear(),
        |own| own.section.secrets.clear(),
        |own| own.section.contexts.clear(),
        |own| own.section.asides.clear(),
    ];
    for part in parts.into_iter().chain([plainly as fn(&mut Example)]) {
        add(pair, &mut all, part);
    }
    all
}

/// Takes something away from both, where that leaves another pair.
fn add(pair: &Pair, all: &mut Vec<Pair>, without: impl Fn(&mut Example)) {
    let mut smaller = pair.clone();
    without(&mut smaller.0);
    without(&mut smaller.1);
    if smaller != *pair {
        all.push(smaller);
    }
}

fn without_instructions(pair: &Pair, all: &mut Vec<Pair>) {
    let dockerfile = &pair.0.dockerfile;
    for (number, stage) in dockerfile.stages.iter().enumerate() {
        add(pair, all, |example| {
            let stages = &mut example.dockerfile.stages;
            if number < stages.len() {
                stages.remove(number);
            }
        });
        for own in &stage.body {
            add(pair, all, |example| {
                let body = example.dockerfile.stages.get_mut(number);
                let body = body.map(|stage| &mut stage.body);
                if let Some(body) = body
                    && let Some(at) = body.iter().position(|found| found == own)
                {
                    body.remove(at);
                }
            });
        }
    }
    for own in &dockerfile.globals {
        add(pair, all, |example| {
            example.dockerfile.globals.retain(|found| found != own);
        });
    }
}

/// Whole folders first.
fn without_files(pair: &Pair, all: &mut Vec<Pair>) {
    let mut paths: Vec<&String> = pair.0.context.nodes.keys().collect();
    paths.sort_by_key(|path| path.contains('/'));
    for path in paths {
        add(pair, all, |example| {
            example.context.remove(path);
        });
    }
}

/// Without what is only about how a Dockerfile is written.
fn plainly(example: &mut Example) {
    example.dockerfile.returns = false;
    example.dockerfile.marked = false;
    let stages = example.dockerfile.stages.iter_mut();
    for own in stages.flat_map(|stage| std::iter::once(&mut stage.from).chain(&mut stage.body)) {
        own.above.clear();
        own.broken = None;
        own.small_letters = false;
    }
}
