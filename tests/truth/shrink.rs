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
    let mut add = |without: &dyn Fn(&mut Example, &mut Example)| {
        let mut smaller = pair.clone();
        without(&mut smaller.0, &mut smaller.1);
        if smaller != *pair {
            all.push(smaller);
        }
    };
    let (one, other) = (&pair.0.dockerfile, &pair.1.dockerfile);
    for stage in 0..one.stages.len().min(other.stages.len()) {
        add(&|one, other| {
            one.dockerfile.stages.remove(stage);
            other.dockerfile.stages.remove(stage);
        });
        for own in &one.stages[stage].body {
            add(&|one, other| {
                for example in [one, other] {
                    let body = &mut example.dockerfile.stages[stage].body;
                    if let Some(at) = body.iter().position(|found| found == own) {
                        body.remove(at);
                    }
                }
            });
        }
    }
    let above: Vec<&str> = pair
        .0
        .context
        .nodes
        .keys()
        .filter(|path| !path.contains('/'))
        .map(String::as_str)
        .collect();
    let below = pair
        .0
        .context
        .nodes
        .keys()
        .filter(|path| path.contains('/'))
        .map(String::as_str);
    for path in above.into_iter().chain(below) {
        add(&|one, other| {
            one.context.remove(path);
            other.context.remove(path);
        });
    }
    add(&|one, other| (one.ignore, other.ignore) = (None, None));
    add(&|one, other| (one.own_ignore, other.own_ignore) = (None, None));
    for at in 0..one.globals.len() {
        add(&|one, other| {
            for example in [one, other] {
                if at < example.dockerfile.globals.len() {
                    example.dockerfile.globals.remove(at);
                }
            }
        });
    }
    add(&|one, other| (one.section.target, other.section.target) = (None, None));
    add(&|one, other| (one.section.network, other.section.network) = (None, None));
    for example_section in [
        |example: &mut Example| example.section.args.clear(),
        |example: &mut Example| example.section.labels.clear(),
        |example: &mut Example| example.section.hosts.clear(),
        |example: &mut Example| example.section.secrets.clear(),
        |example: &mut Example| example.section.contexts.clear(),
        |example: &mut Example| example.section.asides.clear(),
    ] {
        add(&|one, other| {
            example_section(one);
            example_section(other);
        });
    }
    add(&|one, other| {
        for example in [one, other] {
            let stages = example.dockerfile.stages.iter_mut();
            for own in
                stages.flat_map(|stage| std::iter::once(&mut stage.from).chain(&mut stage.body))
            {
                own.above.clear();
                own.broken = None;
                own.small_letters = false;
            }
        }
    });
    all
}
