//! The images and additional contexts that a Dockerfile names, by names that can mean nothing else: an image's by its digest,
//! a context's by the image that stands for it, since engines before 23.0 know no contexts. Text in, text out; must not
//! know where a digest comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use crate::fingerprint::{
    AdditionalContext, Dockerfile, Instruction, Recipe, Section, Stage, StageBase,
};
use crate::model::{Build, ImageRef, labels};

/// Images to be taken by another name than the one that is written.
pub type Pins = BTreeMap<ImageRef, String>;

/// What the names in a recipe's Dockerfile stand for.
pub(super) struct References<'a> {
    recipe: &'a Recipe,
    pins: &'a Pins,
    folders: BTreeMap<&'a str, String>,
}

impl<'a> References<'a> {
    pub(super) fn new(recipe: &'a Recipe, pins: &'a Pins) -> Self {
        let folders = recipe.contexts.iter().filter_map(|(name, context)| {
            let AdditionalContext::Folder(folder) = context else {
                return None;
            };
            let key = folder.key(recipe.platform.as_deref());
            Some((name.as_str(), labels::context_name(&key)))
        });
        Self {
            recipe,
            pins,
            folders: folders.collect(),
        }
    }

    /// Whether the text stays as it is: that of a Dockerfile which is not understood does, too.
    pub(super) fn is_empty(&self) -> bool {
        self.recipe.opaque.is_some() || self.pins.is_empty() && self.recipe.contexts.is_empty()
    }

    /// A stage's FROM with another base than the one that is written, on one line.
    pub(super) fn from(&self, stage: &Stage) -> Option<String> {
        let base = match &stage.base {
            StageBase::Image(image) => self.pins.get(image)?.clone(),
            StageBase::Context(name) => self.context(name)?,
            StageBase::Stage(_) | StageBase::Scratch | StageBase::Unknown => return None,
        };
        Some(from_image(&stage.from, &base))
    }

    /// What is left of a stage: nothing, where a context takes its place.
    pub(super) fn instructions<'s>(&self, stage: &'s Stage) -> &'s [Instruction] {
        let name = stage.name.as_deref();
        let replaced = name.and_then(|name| self.recipe.context(name)).is_some();
        if replaced { &[] } else { &stage.instructions }
    }

    /// The text of a COPY or RUN with other names in it.
    pub(super) fn source(&self, own: &Instruction) -> Option<String> {
        let mut source = own.source.clone();
        let mut at = 0;
        for flag in flags(own) {
            let written = self.flag(&own.keyword, flag);
            let found = at + source[at..].find(flag)?;
            source.replace_range(found..found + flag.len(), &written);
            at = found + written.len();
        }
        (source != own.source).then_some(source)
    }

    fn flag(&self, keyword: &str, flag: &str) -> String {
        let fields = flag.split(',').map(|field| {
            let named = from(keyword, field);
            match named.and_then(|(before, word)| Some((before, self.replaced(keyword, word)?))) {
                Some((before, name)) => format!("{before}{name}"),
                None => field.to_owned(),
            }
        });
        fields.collect::<Vec<_>>().join(",")
    }

    fn replaced(&self, keyword: &str, word: &str) -> Option<String> {
        match self.named(keyword, word)? {
            Named::Context(name) => self.context(name),
            Named::Image(image) => self.pins.get(&image).cloned(),
        }
    }

    /// The image that stands for an additional context.
    fn context(&self, name: &str) -> Option<String> {
        match self.recipe.contexts.get(name)? {
            AdditionalContext::Folder(_) => self.folders.get(name).cloned(),
            AdditionalContext::Image(image) => {
                let pinned = self.pins.get(image).cloned();
                Some(pinned.unwrap_or_else(|| image.familiar()))
            }
            AdditionalContext::Elsewhere(_) => None,
        }
    }

    /// What a word behind `from=` means, where it is no stage.
    fn named(&self, keyword: &str, word: &str) -> Option<Named<'a>> {
        let stage = word.to_lowercase();
        let mut stages = self.recipe.dockerfile.stages.iter();
        let by_number = keyword == "COPY" && word.parse::<usize>().is_ok();
        if by_number || stages.any(|own| own.name.as_deref() == Some(&stage)) {
            return None;
        }
        match self.recipe.context(word) {
            Some((name, _)) => Some(Named::Context(name)),
            None => Some(Named::Image(word.parse().ok()?)),
        }
    }

    /// The image that a name means, an additional context's or its own.
    fn image(&self, named: Named<'_>) -> Option<ImageRef> {
        match named {
            Named::Image(image) => Some(image),
            Named::Context(name) => match self.recipe.contexts.get(name)? {
                AdditionalContext::Image(image) => Some(image.clone()),
                AdditionalContext::Folder(_) | AdditionalContext::Elsewhere(_) => None,
            },
        }
    }

    /// The instructions that name images or contexts.
    fn readers(&self) -> impl Iterator<Item = &'a Instruction> {
        let stages = self.recipe.dockerfile.stages.iter();
        let all = stages.flat_map(|stage| &stage.instructions);
        all.filter(|own| matches!(own.keyword.as_str(), "COPY" | "RUN"))
    }

    /// An instruction that names a context in a way that cannot be replaced: in quotes or with escapes.
    pub(super) fn hidden(&self) -> Option<&'a Instruction> {
        let escape = self.recipe.dockerfile.escape;
        self.readers().filter(|own| !is_plain(own)).find(|own| {
            let flags = own.flags(escape);
            let mut words = words(&own.keyword, flags.iter().map(String::as_str));
            words.any(|word| {
                let named = self.named(&own.keyword, word);
                matches!(named, Some(Named::Context(_)))
            })
        })
    }

    /// The pinned images that a builder may come upon by another way than through the text: by a trigger that a base
    /// image or a stage leaves, in words that are written in an unusual way, or in a text that is not understood.
    pub(super) fn beside(&self) -> BTreeSet<ImageRef> {
        let mut open: BTreeSet<ImageRef> = self.pins.keys().cloned().collect();
        if self.recipe.opaque.is_some() || !self.readers().all(is_plain) {
            return open;
        }
        let stages = &self.recipe.dockerfile.stages;
        let from = stages.iter().filter_map(|stage| match &stage.base {
            StageBase::Image(image) => Some(image.clone()),
            StageBase::Context(name) => self.image(Named::Context(name)),
            StageBase::Stage(_) | StageBase::Scratch | StageBase::Unknown => None,
        });
        let copied = self.readers().flat_map(|own| {
            let words = words(&own.keyword, flags(own));
            words.filter_map(|word| self.image(self.named(&own.keyword, word)?))
        });
        let in_text: BTreeSet<ImageRef> = from.chain(copied).collect();
        let of_stages = stages.iter().flat_map(|stage| &stage.instructions);
        let of_stages = of_stages.filter(|own| own.keyword == "ONBUILD");
        let of_stages = of_stages.map(|own| own.arguments.as_str());
        let of_bases = self.recipe.bases.iter().flat_map(|(_, base)| &base.onbuild);
        let triggers: Vec<&str> = of_stages.chain(of_bases.map(String::as_str)).collect();
        open.retain(|image| {
            let name = image.familiar_name();
            let named = |text: &&str| text.contains("from=") && text.contains(own_name(&name));
            !in_text.contains(image) || triggers.iter().any(named)
        });
        open
    }
}

/// What a name means.
enum Named<'a> {
    /// An additional context, by the name it has in the recipe.
    Context(&'a str),
    Image(ImageRef),
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

/// The flags in front of an instruction's arguments, as written.
fn flags(own: &Instruction) -> impl Iterator<Item = &str> {
    let words = own.arguments.split_whitespace();
    words.take_while(|word| word.starts_with("--"))
}

/// Whether flags are written without quotes and escapes, and stand in the text as they are read.
fn is_plain(own: &Instruction) -> bool {
    let mut at = 0;
    let mut lines = own.source.lines().map(str::trim_start);
    // What a comment among the lines says would be taken for the flag.
    if lines.any(|line| line.starts_with('#') && line.contains("from=")) {
        return false;
    }
    flags(own).all(|flag| {
        let found = own.source[at..].find(flag);
        at += found.map_or(0, |found| found + flag.len());
        found.is_some() && !flag.contains(['"', '\'', '\\', '`'])
    })
}

/// The words behind `from=` in some flags.
fn words<'f>(keyword: &str, flags: impl Iterator<Item = &'f str>) -> impl Iterator<Item = &'f str> {
    let fields = flags.flat_map(|flag| flag.split(','));
    fields.filter_map(move |field| Some(from(keyword, field)?.1))
}

/// A field of a flag that names an image or a stage, apart from that name: `--from=` of COPY, `from=` in a `--mount` of RUN.
fn from<'f>(keyword: &str, field: &'f str) -> Option<(&'f str, &'f str)> {
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

/// The folders among the additional contexts of a recipe, each with its name, as builds of images that hold what is read
/// of them: a `COPY --from` and a stage find there what BuildKit would find in the folder.
pub(super) fn folder_images(recipe: &Recipe) -> impl Iterator<Item = (&String, Recipe)> {
    recipe.contexts.iter().filter_map(|(name, context)| {
        let AdditionalContext::Folder(folder) = context else {
            return None;
        };
        let dockerfile = Dockerfile {
            name: name.clone(),
            text: "FROM scratch\nCOPY . /\n".to_owned(),
            escape: '\\',
            syntax: None,
            global_args: Vec::new(),
            stages: Vec::new(),
        };
        let image = Recipe {
            service: recipe.service.clone(),
            full: folder.key(recipe.platform.as_deref()),
            dependencies: None,
            cuts: Vec::new(),
            chain: Vec::new(),
            opaque: Some("all of it is taken in".to_owned()),
            unpinned: None,
            shadowed: None,
            dockerfile: Arc::new(dockerfile),
            context: Arc::clone(folder),
            contexts: BTreeMap::new(),
            bases: Vec::new(),
            build: Build::default(),
            section: Section::default(),
            source: BTreeMap::new(),
            platform: recipe.platform.clone(),
        };
        Some((name, image))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::resume::rewrite;
    use crate::build::sample::recipe;
    use crate::fingerprint::{Base, Context};
    use crate::runtime::BuildPart;
    use std::path::Path;

    fn pins(images: &[&str]) -> Pins {
        let pin = |name: &&str| (name.parse().unwrap(), format!("{name}@1"));
        images.iter().map(pin).collect()
    }

    fn sample(text: &str) -> Recipe {
        recipe(Path::new("/nonexistent-is-empty"), text, &[])
    }

    fn pinned(line: &str) -> String {
        let recipe = sample(&format!("FROM node AS Node\nFROM a\n{line}\n"));
        let own = &recipe.dockerfile.stages[1].instructions[0];
        let pins = pins(&["node", "a", "a:1", "b:1"]);
        let source = References::new(&recipe, &pins).source(own);
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
                working_dir: String::new(),
                volumes: Vec::new(),
            };
            recipe.bases = vec![("a".parse().unwrap(), base)];
            let pins = pins(&["a", "x/b:1"]);
            let beside = References::new(&recipe, &pins).beside();
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

    #[test]
    fn images_take_the_place_of_contexts() {
        let text = "FROM alpine AS one\nCOPY \\\n  --from=more x /\nFROM a AS gone\nRUN x\n\
            FROM b\nCOPY --from=one y /\nCOPY --from=0 --chown=1 z /\n\
            RUN --mount=from=more,target=/a --mount=target=/b,from=more2 cat more /a\nCOPY --from=c x /\n";
        let mut recipe = recipe(Path::new("/nonexistent-is-empty"), text, &[]);
        let folder = AdditionalContext::Folder(Arc::new(Context::default()));
        let image = AdditionalContext::Image("redis:7".parse().unwrap());
        recipe.contexts = BTreeMap::from([
            ("alpine".to_owned(), image.clone()),
            ("more".to_owned(), folder),
            ("more2".to_owned(), image.clone()),
            ("one".to_owned(), image.clone()),
            ("gone".to_owned(), image),
        ]);
        let stages = &mut Arc::make_mut(&mut recipe.dockerfile).stages;
        stages[0].base = StageBase::Context("alpine".to_owned());
        stages[0].name = Some("first".to_owned());
        stages[1].base = StageBase::Context("gone".to_owned());
        let key = folder_images(&recipe).next().unwrap().1.full;
        let none = BTreeMap::new();
        let rewritten = rewrite(&recipe, &BuildPart::Target { on: &none });
        let text = rewritten
            .text
            .replace(&labels::context_name(&key), "FOLDER");
        let expected = "FROM redis:7 AS one\nCOPY \\\n  --from=FOLDER x /\nFROM redis:7 AS gone\n\
            FROM b\nCOPY --from=redis:7 y /\nCOPY --from=0 --chown=1 z /\n\
            RUN --mount=from=FOLDER,target=/a --mount=target=/b,from=redis:7 cat more /a\nCOPY --from=c x /\n";
        assert_eq!(text, expected);
        assert_eq!(rewritten.original(6), Some(7));
        assert_eq!(rewritten.spot("[stage-2 2/4] COPY").unwrap().line, 7);
    }

    #[test]
    fn a_comment_among_the_lines_is_no_flag() {
        let recipe = sample("FROM a\nCOPY --from=b x /\n");
        let mut own = recipe.dockerfile.stages[0].instructions[0].clone();
        assert!(is_plain(&own));
        own.source = "COPY \\\n  # --from=b\n  --from=b x /".to_owned();
        assert!(!is_plain(&own));
    }
}
