//! The proof of the fingerprint, on a real engine: random builds are edited at random, and built before and after by docker
//! itself, without any cache. Equal fingerprints must mean equal images; what is built on dependency images must be what
//! the whole Dockerfile gives. `make truth N=2000` looks at many, `make test` at a few dozen.
//!
//! `example` is one build, of a `dockerfile`, a `context` and a build section; `generator` makes random ones, with `files`,
//! and what is `here` for `instructions`, `copying` and `running`; `mutation` and those beside it edit them; `features` asks
//! which of the language the engine has · `engine` says what is true, `image` reads it, `fingerprint` is larder's side,
//! `check` compares, `why` looks at what is said of a difference · `run` goes over many, `shrink` makes small what is wrong,
//! `report` counts.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "truth/check.rs"]
mod check;
#[path = "truth/context.rs"]
mod context;
#[path = "truth/copying.rs"]
mod copying;
#[path = "truth/dockerfile.rs"]
mod dockerfile;
#[path = "truth/engine.rs"]
mod engine;
#[path = "truth/example.rs"]
mod example;
#[path = "truth/features.rs"]
mod features;
#[path = "truth/files.rs"]
mod files;
#[path = "truth/fingerprint.rs"]
mod fingerprint;
#[path = "truth/generator.rs"]
mod generator;
#[path = "truth/here.rs"]
mod here;
#[path = "truth/image.rs"]
mod image;
#[path = "truth/instructions.rs"]
mod instructions;
#[path = "truth/mutation.rs"]
mod mutation;
#[path = "truth/mutation_files.rs"]
mod mutation_files;
#[path = "truth/mutation_ignore.rs"]
mod mutation_ignore;
#[path = "truth/mutation_section.rs"]
mod mutation_section;
#[path = "truth/mutation_style.rs"]
mod mutation_style;
#[path = "truth/mutation_text.rs"]
mod mutation_text;
#[path = "truth/random.rs"]
mod random;
#[path = "truth/report.rs"]
mod report;
#[path = "truth/run.rs"]
mod run;
#[path = "truth/running.rs"]
mod running;
#[path = "truth/shrink.rs"]
mod shrink;
#[path = "truth/why.rs"]
mod why;

use engine::Engine;
use features::Features;
use run::{EDITS, Run};

/// How many pairs `make test` looks at, and where it starts.
const PAIRS: usize = 30;
const SEED: u64 = 1;

/// So many hundredths of the edits may change a fingerprint and no image.
const NEEDLESS: f64 = 5.0;
/// In fewer pairs one more or less says nothing.
const ENOUGH_TO_TELL: usize = 500;

fn number<T: std::str::FromStr>(variable: &str) -> Option<T> {
    let text = std::env::var(variable)
        .ok()
        .filter(|text| !text.is_empty())?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is no number")),
    )
}

#[test]
fn equal_fingerprints_mean_equal_images() {
    let run = Run {
        pairs: number("TRUTH_PAIRS").unwrap_or(PAIRS),
        seed: number("TRUTH_SEED").unwrap_or(SEED),
        workers: number("TRUTH_WORKERS").unwrap_or(2),
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let engine = runtime.block_on(Engine::connect());
    engine.make_bases();
    let features = runtime.block_on(Features::probe(&engine));
    let version = runtime.block_on(engine.version());
    eprintln!(
        "truth: engine {version}, {} pairs from seed {}\n{}",
        run.pairs,
        run.seed,
        features.describe()
    );
    assert_eq!(features.lost(&version), [], "left out");
    let report = run.carry_out(&features);
    runtime.block_on(engine.forget_bases());
    for why in &report.not_built {
        eprintln!("  not built: {why}");
    }
    // Whoever looks at one example wants to see all of it.
    for story in report.needless.iter().filter(|_| run.pairs <= EDITS) {
        eprint!("{story}");
    }
    eprintln!("{}", report.describe());
    assert!(
        report.wrong.is_empty(),
        "{} bugs:\n{}",
        report.wrong.len(),
        report.wrong.join("\n")
    );
    assert!(
        !report.is_hopeless(),
        "the engine refuses {} examples and builds {}",
        report.not_built.len(),
        report.examples
    );
    if run.pairs >= PAIRS {
        assert_eq!(report.unseen(), [""; 0], "never seen in this run");
    }
    if report.pairs() >= ENOUGH_TO_TELL {
        assert!(
            report.needless_percent() < NEEDLESS,
            "{:.1} % of the edits changed a fingerprint and no image",
            report.needless_percent()
        );
    }
}
