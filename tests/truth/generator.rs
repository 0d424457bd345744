//! Random examples: small builds that use the whole language, and of which everything can be seen in the image.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::dockerfile::{Break, Dockerfile, Instruction, Stage};
use crate::engine::BASES;
use crate::example::{Example, Place, Section};
use crate::features::{Feature, Features};
use crate::files::{context, extra_context, ignore_lines};
use crate::here::Here;
use crate::instructions::instruction;
use crate::random::Random;

/// The example of a seed.
pub(crate) fn example(seed: u64, features: &Features) -> Example {
    let mut random = Random::new(seed);
    let context = context(&mut random);
    let mut section = Section::default();
    let ignore = random.percent(45).then(|| ignore_lines(&mut random));
    let own_ignore = random.percent(10).then(|| ignore_lines(&mut random));
    let place = match random.below(10) {
        0..4 => Place::Inside("Dockerfile".to_owned()),
        4 => Place::Inside("docker/App.Dockerfile".to_owned()),
        _ => Place::Outside,
    };
    if features.has(Feature::Contexts) && random.percent(12) {
        section
            .contexts
            .insert("extra".to_owned(), extra_context(&mut random));
    }
    let dockerfile = dockerfile(&mut random, features, &context, &section, seed);
    complete(&mut random, features, &dockerfile, &mut section);
    Example {
        seed,
        dockerfile,
        moved_to: random.below(BASES.len()),
        place,
        context,
        own_ignore,
        ignore,
        section,
    }
}

fn dockerfile(
    random: &mut Random,
    features: &Features,
    context: &Context,
    section: &Section,
    seed: u64,
) -> Dockerfile {
    let count = random.weighted(&[(40, 1), (35, 2), (20, 3), (5, 4)]);
    let mut here = Here::new(features, context, section, seed);
    let mut globals = Vec::new();
    for name in ["GLOBAL", "BASE", "A"] {
        if random.percent(20) {
            let value = if name == "BASE" {
                BASES[random.below(2)].clone()
            } else {
                random.word()
            };
            globals.push(Instruction::new("ARG", format!("{name}={value}")));
            here.globals.push(name.to_owned());
        }
    }
    let mut stages: Vec<Stage> = Vec::new();
    for number in 0..count {
        let from = from(random, &mut here, number);
        here.is_last = number + 1 == count;
        let length = 2 + random.below(5);
        let mut body = Vec::new();
        for _ in 0..length {
            let own = instruction(random, &mut here);
            // Who declares an argument means to use it.
            let used = own.keyword == "ARG" && here.is_last && random.percent(90);
            let name = own.arguments.split(['=', ' ']).next().map(str::to_owned);
            body.push(own);
            if let Some(name) = name.filter(|_| used) {
                body.push(Instruction::new("LABEL", format!("seen.{name}=${name}")));
            }
        }
        if here.can_run && random.percent(if here.is_last { 45 } else { 95 }) {
            body.push(here.look(random));
        }
        if random.below(1000) < 3 {
            // Engines differ in it, and larder takes no part.
            body.insert(0, Instruction::new("ARG", "TARGETSTAGE"));
        }
        here.end_stage(&from);
        stages.push(Stage { from, body });
    }
    let escape = if random.percent(8) { '`' } else { '\\' };
    let mut dockerfile = Dockerfile {
        escape,
        comments: Vec::new(),
        globals,
        stages,
        returns: false,
        marked: false,
    };
    style(random, &mut dockerfile);
    dockerfile
}

fn from(random: &mut Random, here: &mut Here<'_>, number: usize) -> Instruction {
    let stages = here.stages.clone();
    let base = match random.below(100) {
        0..8 => "scratch".to_owned(),
        8..16 => BASES[2].clone(),
        16..20 => Example::moving_base(here.seed),
        20..26 => BASES[1].clone(),
        26..45 if here.globals.iter().any(|name| name == "BASE") => {
            let otherwise = format!("${{NONE:-{}}}", BASES[1]);
            let forms = ["$BASE", "${BASE}", "${BASE:-scratch}", otherwise.as_str()];
            (*random.pick(&forms)).to_owned()
        }
        26..60 if !stages.is_empty() => random.pick(&stages).clone(),
        _ => BASES[0].clone(),
    };
    here.begin_stage(&base);
    let named = random
        .percent(60)
        .then(|| format!(" AS {}{number}", random.pick(&["st", "st", "st", "Stage"])));
    let mut from = Instruction::new("FROM", format!("{base}{}", named.unwrap_or_default()));
    if random.percent(5) {
        from = from.flag(*random.pick(&[
            "--platform=$TARGETPLATFORM",
            "--platform=linux/amd64",
            "--platform=$BUILDPLATFORM",
        ]));
    }
    from
}

/// How things are written, which changes nothing.
fn style(random: &mut Random, dockerfile: &mut Dockerfile) {
    let stages = dockerfile.stages.iter_mut();
    let all = stages.flat_map(|stage| std::iter::once(&mut stage.from).chain(&mut stage.body));
    for own in all {
        if random.percent(10) {
            own.above.push(format!("# {}", random.word()));
        }
        own.small_letters = random.percent(5);
        if random.percent(12) {
            own.broken = Some(Break::somewhere(random));
        }
    }
    dockerfile.returns = random.percent(3);
    dockerfile.marked = random.percent(3);
}

/// The rest of the build section.
fn complete(
    random: &mut Random,
    features: &Features,
    dockerfile: &Dockerfile,
    section: &mut Section,
) {
    for name in ["A", "B", "C", "GLOBAL", "UNDECLARED"] {
        if random.percent(15) {
            section.args.insert(name.to_owned(), random.word());
        }
    }
    if random.percent(15) {
        section.labels = BTreeMap::from([("of.section".to_owned(), random.word())]);
    }
    if random.percent(25) {
        section.target = some_target(random, features, dockerfile);
    }
    if random.percent(10) {
        section.network = Some((*random.pick(&["none", "host"])).to_owned());
    }
    if random.percent(10) {
        section
            .hosts
            .insert("some.host".to_owned(), "10.1.2.3".to_owned());
    }
    if random.percent(15) {
        section.secrets.insert("s1".to_owned(), random.word());
    }
    if features.has(Feature::Limits) && random.percent(8) {
        section.open_files = Some(1000);
        section.shm_size = Some(8 << 20);
    }
}

/// A stage, by its name or where it has none and the engine takes it by its number.
pub(crate) fn some_target(
    random: &mut Random,
    features: &Features,
    dockerfile: &Dockerfile,
) -> Option<String> {
    let number = random.below(dockerfile.stages.len());
    let name = dockerfile.stages[number].name().map(str::to_owned);
    name.or_else(|| {
        features
            .has(Feature::TargetByNumber)
            .then(|| number.to_string())
    })
}
