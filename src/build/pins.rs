//! The images that a Dockerfile names, by a name that can mean nothing else: that of their digest. Text in, text out;
//! must not know where a digest comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;

use crate::fingerprint::{Instruction, Recipe, Stage, StageBase};
use crate::model::ImageRef;

/// Images to be taken by another name than the one that is written.
#[derive(Clone, Debug, Default)]
pub struct Pins {
    by_image: BTreeMap<ImageRef, String>,
    /// What `--from` names that is no image: stages, and additional contexts.
    others: BTreeSet<String>,
    /// How many stages there are: `COPY --from` takes their numbers, too.
    stages: usize,
}

impl Pins {
    /// The names to be written in a recipe's Dockerfile in place of those of some images.
    pub fn new(recipe: &Recipe, by_image: BTreeMap<ImageRef, String>) -> Self {
        let stages = &recipe.dockerfile.stages;
        let named = stages.iter().filter_map(|stage| stage.name.clone());
        let contexts = match recipe.build.other.get("additional_contexts") {
            Some(Value::Object(map)) => map.keys().cloned().collect(),
            Some(Value::Array(list)) => {
                let pairs = list
                    .iter()
                    .filter_map(|pair| pair.as_str()?.split_once('='));
                pairs.map(|(name, _)| name.to_owned()).collect()
            }
            _ => Vec::new(),
        };
        Self {
            by_image,
            others: named.chain(contexts).collect(),
            stages: stages.len(),
        }
    }

    /// A stage's FROM with its image pinned, on one line.
    pub(super) fn from(&self, stage: &Stage) -> Option<String> {
        let StageBase::Image(image) = &stage.base else {
            return None;
        };
        Some(from_image(&stage.from, self.by_image.get(image)?))
    }

    /// The text of a COPY or RUN with the images pinned that it reads from.
    pub(super) fn source(&self, own: &Instruction) -> Option<String> {
        let mut source = own.source.clone();
        let mut at = 0;
        for flag in flags(&own.arguments) {
            let pinned = self.flag(&own.keyword, flag);
            let found = at + source[at..].find(flag)?;
            source.replace_range(found..found + flag.len(), &pinned);
            at = found + pinned.len();
        }
        (source != own.source).then_some(source)
    }

    fn flag(&self, keyword: &str, flag: &str) -> String {
        let pinned = |word: &str| {
            let image = self.image(keyword, word)?;
            self.by_image.get(&image)
        };
        let fields = flag.split(',').map(|field| match from(keyword, field) {
            Some((before, word)) => match pinned(word) {
                Some(pin) => format!("{before}{pin}"),
                None => field.to_owned(),
            },
            None => field.to_owned(),
        });
        fields.collect::<Vec<_>>().join(",")
    }

    /// The image that a word behind `from=` means.
    fn image(&self, keyword: &str, word: &str) -> Option<ImageRef> {
        let is_number = || word.parse().is_ok_and(|number: usize| number < self.stages);
        let short = word.strip_suffix(":latest").unwrap_or(word);
        let lower = word.to_lowercase();
        if [word, short, &lower]
            .iter()
            .any(|name| self.others.contains(*name))
        {
            return None;
        }
        if keyword == "COPY" && is_number() {
            return None;
        }
        word.parse().ok()
    }

    /// The pinned images that a builder may come upon by another way than through the text: by a trigger that a base
    /// image or a stage leaves, or in words that are written in an unusual way.
    pub(super) fn beside(&self, recipe: &Recipe) -> BTreeSet<ImageRef> {
        let mut open: BTreeSet<ImageRef> = self.by_image.keys().cloned().collect();
        let instructions = || {
            let stages = recipe.dockerfile.stages.iter();
            stages.flat_map(|stage| &stage.instructions)
        };
        let reads = |own: &&Instruction| matches!(own.keyword.as_str(), "COPY" | "RUN");
        if !instructions().filter(reads).all(is_plain) {
            return open;
        }
        let from = recipe.dockerfile.stages.iter();
        let from = from.filter_map(|stage| match &stage.base {
            StageBase::Image(image) => Some(image.clone()),
            _ => None,
        });
        let copied = instructions().filter(reads).flat_map(|own| {
            let words = words(&own.keyword, flags(&own.arguments));
            words.filter_map(|word| self.image(&own.keyword, word))
        });
        let in_text: BTreeSet<ImageRef> = from.chain(copied).collect();
        let triggers = instructions().filter(|own| own.keyword == "ONBUILD");
        let triggers = triggers.map(|own| own.arguments.as_str());
        let of_bases = recipe.bases.iter().flat_map(|(_, base)| &base.onbuild);
        let triggers: Vec<&str> = triggers.chain(of_bases.map(String::as_str)).collect();
        open.retain(|image| {
            let name = image.familiar_name();
            let named = |text: &&str| text.contains("from=") && text.contains(own_name(&name));
            !in_text.contains(image) || triggers.iter().any(named)
        });
        open
    }
}

/// `FROM` with its base replaced; flags and name as written.
pub(super) fn from_image(from: &Instruction, image: &str) -> String {
    let mut words = from.arguments.split_whitespace();
    let mut line = from.keyword.clone();
    for word in words.by_ref() {
        if !word.starts_with("--") {
            break;
        }
        let _ = write!(line, " {word}");
    }
    let _ = write!(line, " {image}");
    for word in words {
        let _ = write!(line, " {word}");
    }
    line
}

/// The last part of a repository's name, which each way to write it has.
fn own_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// The flags in front of an instruction's arguments.
fn flags(arguments: &str) -> impl Iterator<Item = &str> {
    let words = arguments.split_whitespace();
    words.take_while(|word| word.starts_with("--"))
}

/// Whether flags are written without quotes and escapes, and stand in the text as they are read.
fn is_plain(own: &Instruction) -> bool {
    let mut at = 0;
    flags(&own.arguments).all(|flag| {
        let found = own.source[at..].find(flag);
        at += found.map_or(0, |found| found + flag.len());
        found.is_some() && !flag.contains(['"', '\'', '\\', '`'])
    })
}

/// The words behind `from=` in some flags.
fn words<'a>(
    keyword: &'a str,
    flags: impl Iterator<Item = &'a str>,
) -> impl Iterator<Item = &'a str> {
    let fields = flags.flat_map(|flag| flag.split(','));
    fields.filter_map(move |field| Some(from(keyword, field)?.1))
}

/// A field of a flag that names an image or a stage, apart from that name: `--from=` of COPY, `from=` in a `--mount` of RUN.
fn from<'a>(keyword: &str, field: &'a str) -> Option<(&'a str, &'a str)> {
    let key = match keyword {
        "COPY" => field.strip_prefix("--")?,
        "RUN" => field.strip_prefix("--mount=").unwrap_or(field),
        _ => return None,
    };
    let (name, word) = key.split_once('=')?;
    let is_from = match keyword {
        "COPY" => name == "from",
        _ => name.eq_ignore_ascii_case("from"),
    };
    is_from.then(|| (&field[..field.len() - word.len()], word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::sample::recipe;
    use crate::fingerprint::Base;
    use std::path::Path;

    fn pins(recipe: &Recipe, images: &[&str]) -> Pins {
        let pin = |name: &&str| (name.parse().unwrap(), format!("{name}@1"));
        Pins::new(recipe, images.iter().map(pin).collect())
    }

    fn sample(text: &str) -> Recipe {
        recipe(Path::new("/nonexistent-is-empty"), text, &[])
    }

    fn pinned(line: &str) -> String {
        let recipe = sample(&format!("FROM node AS Node\nFROM a\n{line}\n"));
        let own = &recipe.dockerfile.stages[1].instructions[0];
        let source = pins(&recipe, &["node", "a", "a:1", "b:1"]).source(own);
        source.unwrap_or_else(|| "as written".to_owned())
    }

    #[test]
    fn images_are_pinned_where_they_are_named() {
        assert_eq!(
            pinned("COPY --link --from=a /a /b"),
            "COPY --link --from=a@1 /a /b"
        );
        assert_eq!(
            pinned("RUN --mount=from=a:1,target=/a --mount=target=/b,FROM=b:1 \\\n  use from=a:1"),
            "RUN --mount=from=a:1@1,target=/a --mount=target=/b,FROM=b:1@1 \\\n  use from=a:1"
        );
    }

    #[test]
    fn a_stage_is_no_image() {
        for line in [
            "COPY --from=node /a /b",
            "COPY --from=NODE /a /b",
            "COPY --from=0 /a /b",
            "COPY --from=c /a /b",
            "COPY a --from=a",
            "RUN --mount=from=node,target=/a x",
            "RUN --mount=from=a:12,target=/a x",
            "RUN from=a x",
            "ADD --from=a /a /b",
            "LABEL --from=a",
        ] {
            assert_eq!(pinned(line), "as written", "{line}");
        }
    }

    #[test]
    fn what_the_text_does_not_decide_is_known() {
        let beside = |text: &str, trigger: &str| {
            let mut recipe = sample(text);
            let base = Base {
                identity: String::new(),
                onbuild: vec![trigger.to_owned()],
                env: Vec::new(),
            };
            recipe.bases = vec![("a".parse().unwrap(), base)];
            let beside = pins(&recipe, &["a", "x/b:1"]).beside(&recipe);
            beside.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let both = "FROM a\nCOPY --from=x/b:1 / /\n";
        assert!(beside(both, "RUN x").is_empty());
        assert_eq!(beside(both, "COPY --from=docker.io/x/b:1 / /"), ["x/b:1"]);
        assert_eq!(beside("FROM a\n", "RUN x"), ["x/b:1"]);
        let own = "FROM a AS c\nONBUILD COPY --from=x/b:1 / /\nFROM c\nCOPY --from=x/b:1 / /\n";
        assert_eq!(beside(own, "RUN x"), ["x/b:1"]);
        let odd = "FROM a\nCOPY --from=x/\\b:1 / /\n";
        assert_eq!(beside(odd, "RUN x"), ["a:latest", "x/b:1"]);
    }
}
