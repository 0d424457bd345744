//! What a run found, counted.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::check::Verdict;

/// How often each verdict was given.
#[derive(Clone, Copy, Default)]
struct Counts {
    hits: usize,
    misses: usize,
    false_hits: usize,
    false_misses: usize,
    no_image: usize,
    refused: usize,
}

impl Counts {
    fn pairs(self) -> usize {
        self.hits + self.misses + self.false_hits + self.false_misses
    }
}

/// So many examples may be refused by the engine for each one that it builds, and so many more.
const REFUSED: (usize, usize) = (1, 20);

/// The whole run.
#[derive(Default)]
pub(crate) struct Report {
    kinds: BTreeMap<&'static str, Counts>,
    pub(crate) examples: usize,
    /// In the engine's words, why it did not build the others.
    pub(crate) not_built: Vec<String>,
    pub(crate) opaque: usize,
    pub(crate) never_reused: usize,
    /// Images of larder's that were compared with whole ones: on dependency images, and not.
    pub(crate) resumed: usize,
    pub(crate) whole: usize,
    /// Differences of which `why` was asked.
    pub(crate) explained: usize,
    /// Bugs, each as a whole story.
    pub(crate) wrong: Vec<String>,
    /// The examples of which an edit changed the fingerprint and not the image.
    pub(crate) needless: Vec<String>,
}

impl Report {
    pub(crate) fn count(&mut self, kind: &'static str, verdict: &Verdict) {
        let counts = self.kinds.entry(kind).or_default();
        match verdict {
            Verdict::Hit => counts.hits += 1,
            Verdict::Miss => counts.misses += 1,
            Verdict::FalseHit(_) => counts.false_hits += 1,
            Verdict::FalseMiss => counts.false_misses += 1,
            Verdict::NoImage => counts.no_image += 1,
            Verdict::Refused(_) => counts.refused += 1,
        }
    }

    fn sum(&self) -> Counts {
        let mut sum = Counts::default();
        for own in self.kinds.values() {
            sum.hits += own.hits;
            sum.misses += own.misses;
            sum.false_hits += own.false_hits;
            sum.false_misses += own.false_misses;
            sum.no_image += own.no_image;
            sum.refused += own.refused;
        }
        sum
    }

    pub(crate) fn pairs(&self) -> usize {
        self.sum().pairs()
    }

    /// False misses, in hundredths of the pairs.
    pub(crate) fn needless_percent(&self) -> f64 {
        percent(self.sum().false_misses, self.pairs())
    }

    /// Whether the engine refuses so much that a run has no end.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.not_built.len() > REFUSED.0 * self.examples + REFUSED.1
    }

    /// What a run of some length has to have seen, and did not: without it, nothing wrong says nothing.
    pub(crate) fn unseen(&self) -> Vec<&'static str> {
        let sum = self.sum();
        let seen = [
            (
                sum.hits,
                "an edit that changes neither fingerprint nor image",
            ),
            (sum.misses, "an edit that changes both"),
            (self.resumed, "an image built on dependency images"),
            (self.whole, "an image built whole"),
            (self.explained, "a difference that `why` explains"),
        ];
        let unseen = seen.into_iter().filter(|(count, _)| *count == 0);
        unseen.map(|(_, what)| what).collect()
    }

    /// For a person.
    pub(crate) fn describe(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "{:<36} {:>6} {:>6} {:>6} {:>10} {:>18} {:>9}",
            "edit", "pairs", "hits", "misses", "FALSE HITS", "false misses", "no image"
        );
        let all = self.kinds.iter().map(|(name, counts)| (*name, *counts));
        for (name, own) in all.chain([("all", self.sum())]) {
            let needless = format!(
                "{} ({:.1} %)",
                own.false_misses,
                percent(own.false_misses, own.pairs())
            );
            let _ = writeln!(
                text,
                "{name:<36} {:>6} {:>6} {:>6} {:>10} {needless:>18} {:>9}",
                own.pairs(),
                own.hits,
                own.misses,
                own.false_hits,
                own.no_image
            );
        }
        let _ = writeln!(
            text,
            "{} examples, {} more that the engine did not build; {} not understood by larder, {} never reused; larder's own image \
             compared with docker's: {} on dependency images, {} whole; `why` asked {} times",
            self.examples,
            self.not_built.len(),
            self.opaque,
            self.never_reused,
            self.resumed,
            self.whole,
            self.explained
        );
        text
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    100.0 * number(part) / number(whole.max(1))
}
