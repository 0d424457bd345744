//! A run over many examples: several at a time, each as it is and with some edits.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tokio::runtime::Builder;

use crate::check::{Sides, Verdict, judge, look};
use crate::engine::Engine;
use crate::example::Example;
use crate::features::{Features, last_line};
use crate::generator::example;
use crate::mutation::{Mutation, mutate};
use crate::random::Random;
use crate::report::Report;
use crate::shrink::shrink;
use crate::why;

/// How many edits one example gets: it is built once for all of them.
pub(crate) const EDITS: usize = 6;
/// So many stories of what is wrong end a run.
const ENOUGH: usize = 10;

/// After so many pairs a long run tells how far it is.
const TOLD_EVERY: usize = 250;

/// What a run is.
pub(crate) struct Run {
    /// How many pairs of builds are wanted.
    pub(crate) pairs: usize,
    /// The first example's seed; the others follow it.
    pub(crate) seed: u64,
    pub(crate) workers: usize,
}

struct Worker<'a> {
    engine: Engine,
    features: &'a Features,
    report: &'a Mutex<Report>,
}

impl Run {
    pub(crate) fn carry_out(&self, features: &Features) -> Report {
        let report = Mutex::new(Report::default());
        let next = AtomicU64::new(self.seed);
        thread::scope(|scope| {
            for _ in 0..self.workers {
                scope.spawn(|| {
                    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                    runtime.block_on(async {
                        let worker = Worker {
                            engine: Engine::connect().await,
                            features,
                            report: &report,
                        };
                        while !self.is_over(&report) {
                            let seed = next.fetch_add(1, Ordering::Relaxed);
                            Box::pin(worker.example(seed)).await;
                        }
                    });
                });
            }
        });
        report.into_inner().unwrap()
    }

    fn is_over(&self, report: &Mutex<Report>) -> bool {
        let report = report.lock().unwrap();
        report.pairs() >= self.pairs || report.wrong.len() >= ENOUGH || report.is_hopeless()
    }
}

impl Worker<'_> {
    async fn example(&self, seed: u64) {
        let example = example(seed, self.features);
        Box::pin(self.look_at(&example)).await;
        if let Some((name, _)) = example.moved() {
            self.engine.forget(&name).await;
        }
    }

    async fn look_at(&self, example: &Example) {
        let seed = example.seed;
        let before = look(&self.engine, example).await;
        if let Some(words) = before.refused() {
            self.tell(
                &format!(
                    "larder refuses what the engine builds: {words}\n{}",
                    example.describe()
                ),
                seed,
            );
        }
        if let Err(why) = &before.truth {
            let why = format!("seed {seed}: {}", last_line(why));
            self.report.lock().unwrap().not_built.push(why);
        }
        let (Ok(_), Ok(recipe)) = (&before.truth, &before.larder) else {
            return;
        };
        {
            let mut report = self.report.lock().unwrap();
            report.examples += 1;
            report.opaque += usize::from(recipe.opaque.is_some());
            report.never_reused += usize::from(recipe.unpinned.is_some());
        }
        let has_cuts = !recipe.cuts.is_empty();
        Box::pin(self.compare_builds(example, &before, has_cuts)).await;
        let mut random = Random::new(!seed);
        for _ in 0..EDITS {
            let mutation = mutate(example, &mut random, self.features);
            Box::pin(self.pair(example, &before, mutation)).await;
        }
    }

    /// What larder builds is what the whole Dockerfile gives.
    async fn compare_builds(&self, example: &Example, before: &Sides, has_cuts: bool) {
        let Some(difference) = before.differs_from_larders(&self.engine).await else {
            return;
        };
        {
            let mut report = self.report.lock().unwrap();
            let count = if has_cuts {
                &mut report.resumed
            } else {
                &mut report.whole
            };
            *count += 1;
        }
        if difference.is_empty() {
            return;
        }
        let differs = async |pair: &(Example, Example)| {
            let sides = look(&self.engine, &pair.0).await;
            sides
                .differs_from_larders(&self.engine)
                .await
                .is_some_and(|all| !all.is_empty())
        };
        let pair = (example.clone(), example.clone());
        let (small, _) = Box::pin(shrink(pair, differs)).await;
        let sides = look(&self.engine, &small).await;
        let difference = sides
            .differs_from_larders(&self.engine)
            .await
            .unwrap_or(difference);
        let cuts = sides
            .larder
            .map(|recipe| format!("{:?}", recipe.cuts))
            .unwrap_or_default();
        let story = format!(
            "larder builds another image than docker (docker's | larder's):\n  {}\ncuts: {cuts}\n{}",
            difference.join("\n  "),
            small.describe()
        );
        self.tell(&story, example.seed);
    }

    async fn pair(&self, example: &Example, before: &Sides, mutation: Mutation) {
        let after = look(&self.engine, &mutation.example).await;
        let verdict = judge(before, &after);
        if verdict.is_wrong()
            && let Some(difference) = self.unsteady(example, before).await
        {
            let story = format!(
                "two builds of one example differ, so it proves nothing:\n  {}\n{}",
                difference.join("\n  "),
                example.describe()
            );
            self.tell(&story, example.seed);
            return;
        }
        {
            let mut report = self.report.lock().unwrap();
            let pairs = report.pairs();
            report.count(mutation.kind, &verdict);
            if matches!(verdict, Verdict::FalseMiss) {
                let line = format!(
                    "{} (seed {}): {}",
                    mutation.kind, example.seed, mutation.what
                );
                eprintln!("  false miss: {line}");
                report.needless.push(example.describe());
            }
            if report.pairs() > pairs && report.pairs().is_multiple_of(TOLD_EVERY) {
                eprintln!("{}", report.describe());
            }
        }
        self.ask_why((example, before), (&mutation, &after));
        if verdict.is_wrong() {
            Box::pin(self.tell_of_pair(example, mutation, &verdict)).await;
        }
    }

    /// What `larder why` says of the edit is what was edited.
    fn ask_why(
        &self,
        (example, before): (&Example, &Sides),
        (mutation, after): (&Mutation, &Sides),
    ) {
        let (Ok(then), Ok(now)) = (&before.larder, &after.larder) else {
            return;
        };
        if then.full == now.full {
            return;
        }
        self.report.lock().unwrap().explained += 1;
        if let Some(complaint) = why::complaint((example, then), (&mutation.example, now)) {
            let story = format!(
                "{complaint}\nedit of {}: {}\nbefore:\n{}after:\n{}",
                mutation.kind,
                mutation.what,
                example.describe(),
                mutation.example.describe()
            );
            self.tell(&story, example.seed);
        }
    }

    /// What differs where an example is built once more.
    async fn unsteady(&self, example: &Example, before: &Sides) -> Option<Vec<String>> {
        let again = look(&self.engine, example).await;
        let difference = match (&before.truth, &again.truth) {
            (Ok(first), Ok(second)) => first.difference(second),
            (_, Err(why)) => vec![why.clone()],
            (Err(_), _) => Vec::new(),
        };
        (!difference.is_empty()).then_some(difference)
    }

    async fn tell_of_pair(&self, example: &Example, mutation: Mutation, verdict: &Verdict) {
        let judged = async |pair: &(Example, Example)| {
            let before = look(&self.engine, &pair.0).await;
            let after = look(&self.engine, &pair.1).await;
            judge(&before, &after)
        };
        let kind = std::mem::discriminant(verdict);
        let still =
            async |pair: &(Example, Example)| std::mem::discriminant(&judged(pair).await) == kind;
        let pair = shrink((example.clone(), mutation.example), still).await;
        let what = match judged(&pair).await {
            Verdict::FalseHit(all) => {
                format!("FALSE HIT: equal fingerprints, and\n  {}", all.join("\n  "))
            }
            Verdict::Refused(words) => {
                format!("larder refuses the edited one, which the engine builds: {words}")
            }
            other => format!("{verdict:?}, then {other:?}"),
        };
        let story = format!(
            "{what}\nedit of {}: {}\nbefore:\n{}after:\n{}",
            mutation.kind,
            mutation.what,
            pair.0.describe(),
            pair.1.describe()
        );
        self.tell(&story, example.seed);
    }

    fn tell(&self, story: &str, seed: u64) {
        let story = format!("{story}to see it again: make truth N=1 SEED={seed}\n");
        eprintln!("{story}");
        self.report.lock().unwrap().wrong.push(story);
    }
}
