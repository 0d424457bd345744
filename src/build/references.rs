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
pub(super) type Pins = BTreeMap<ImageRef, String>;

/// What the names in a recipe's Dockerfile stand for.
pub(super) struct References<'a> {
    recipe: &'a Recipe,
    pins: &'a Pins,
}

impl<'a> References<'a> {
    pub(super) fn new(recipe: &'a Recipe, pins: &'a Pins) -> Self {
        Self { recipe, pins }
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
        for (at, flag) in self.flags(own)?.into_iter().rev() {
            let written = self.flag(&own.keyword, flag);
            source.replace_range(at..at + flag.len(), &written);
        }
        (source != own.source).then_some(source)
    }

    /// The flags of an instruction and where they stand in its text: behind the keyword and each other, with white space
    /// and line ends between them. `None` where there is more, a comment or a flag that is broken or quoted.
    fn flags<'i>(&self, own: &'i Instruction) -> Option<Vec<(usize, &'i str)>> {
        let escape = self.recipe.dockerfile.escape;
        let words = own.arguments.split_whitespace();
        let flags: Vec<&str> = words.take_while(|word| word.starts_with("--")).collect();
        let read = own.flags(escape);
        let plain = read.iter().zip(&flags);
        let mut plain = plain.map(|(read, flag)| read == flag || !names_something(read));
        if read.len() != flags.len() || !plain.all(|plain| plain) {
            return None;
        }
        let mut at = own.source.len() - own.source.trim_start().len() + own.keyword.len();
        let mut found = Vec::new();
        for flag in flags {
            at += gap(own.source.get(at..)?, escape);
            if !own.source[at..].starts_with(flag) {
                return None;
            }
            found.push((at, flag));
            at += flag.len();
        }
        Some(found)
    }

    /// Whether what an instruction names can be replaced.
    fn is_plain(&self, own: &Instruction) -> bool {
        let read = own.flags(self.recipe.dockerfile.escape);
        !read.iter().any(|flag| names_something(flag)) || self.flags(own).is_some()
    }

    /// What an instruction names behind `from=`.
    fn names(&self, own: &Instruction) -> Vec<Named<'a>> {
        let read = own.flags(self.recipe.dockerfile.escape);
        let fields = read.iter().flat_map(|flag| flag.split(','));
        let words = fields.filter_map(|field| Some(from(&own.keyword, field)?.1));
        words
            .filter_map(|word| self.named(&own.keyword, word))
            .collect()
    }

    /// The images that instructions name.
    pub(super) fn copied(&self) -> BTreeSet<ImageRef> {
        self.readers().flat_map(|own| self.images(own)).collect()
    }

    fn images(&self, own: &Instruction) -> Vec<ImageRef> {
        let names = self.names(own).into_iter();
        names.filter_map(|named| self.image(named)).collect()
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
            AdditionalContext::Folder(folder) => {
                let key = folder.key(self.recipe.platform.as_deref());
                Some(labels::context_name(&key))
            }
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

    /// An instruction that names a context in a way that cannot be replaced: in quotes, with escapes, behind a comment.
    pub(super) fn hidden(&self) -> Option<&'a Instruction> {
        let is_context = |named: &Named<'_>| matches!(named, Named::Context(_));
        self.readers()
            .filter(|own| !self.is_plain(own))
            .find(|own| self.names(own).iter().any(is_context))
    }

    /// The pinned images that a builder may come upon by another way than through the text: by a trigger that a base
    /// image or a stage leaves, in words that are written in an unusual way, or in a text that is not understood.
    pub(super) fn beside(&self) -> BTreeSet<ImageRef> {
        let mut open: BTreeSet<ImageRef> = self.pins.keys().cloned().collect();
        if self.recipe.opaque.is_some() {
            return open;
        }
        let stages = &self.recipe.dockerfile.stages;
        let from = stages.iter().filter_map(|stage| match &stage.base {
            StageBase::Image(image) => Some(image.clone()),
            StageBase::Context(name) => self.image(Named::Context(name)),
            StageBase::Stage(_) | StageBase::Scratch | StageBase::Unknown => None,
        });
        let (plain, odd): (Vec<_>, Vec<_>) = self.readers().partition(|own| self.is_plain(own));
        let of = |all: Vec<&Instruction>| -> Vec<ImageRef> {
            all.into_iter().flat_map(|own| self.images(own)).collect()
        };
        let in_text: BTreeSet<ImageRef> = from.chain(of(plain)).collect();
        let odd = of(odd);
        let triggers = self.triggers();
        open.retain(|image| {
            let name = image.familiar_name().to_lowercase();
            let named = |text: &String| {
                text.contains(['"', '\'', '\\', '`'])
                    || text.contains("from=") && text.contains(own_name(&name))
            };
            !in_text.contains(image) || odd.contains(image) || triggers.iter().any(named)
        });
        open
    }

    /// The triggers that stages and base images leave, in lower case.
    pub(super) fn triggers(&self) -> Vec<String> {
        let stages = self.recipe.dockerfile.stages.iter();
        let own = stages.flat_map(|stage| &stage.instructions);
        let own = own.filter(|own| own.keyword == "ONBUILD");
        let own = own.map(|own| own.arguments.to_lowercase());
        let of_bases = self.recipe.bases.iter().flat_map(|(_, base)| &base.onbuild);
        own.chain(of_bases.map(|text| text.to_lowercase()))
            .collect()
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

/// Whether a flag may name an image, a stage or a context.
fn names_something(flag: &str) -> bool {
    flag.starts_with("--from") || flag.starts_with("--mount")
}

/// How many bytes of white space and line ends a text starts with.
fn gap(text: &str, escape: char) -> usize {
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Some(behind) = rest.strip_prefix(escape) else {
            return text.len() - rest.len();
        };
        let behind = behind.trim_start_matches([' ', '\t', '\r']);
        if !behind.starts_with('\n') {
            return text.len() - rest.len();
        }
        rest = behind;
    }
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

/// The names of the images that a recipe's additional contexts are built as.
pub fn context_names(recipe: &Recipe) -> impl Iterator<Item = String> {
    folder_images(recipe).map(|(_, image)| labels::context_name(&image.full))
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
        assert_eq!(beside(odd, "RUN x"), ["x/b:1"]);
        let quoted = "FROM a\nCOPY --chown=\"1:1\" --from=x/b:1 / /\n";
        assert_eq!(beside(quoted, "RUN x"), Vec::<String>::new());
        assert_eq!(beside(both, "RUN \"x\""), ["a:latest", "x/b:1"]);
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
    fn a_flag_stands_where_flags_stand() {
        let recipe = sample("FROM a\nCOPY --from=b x /\nRUN --mount=from=b,target=/x y\n");
        let pins = pins(&["b"]);
        let references = References::new(&recipe, &pins);
        let [copy, run] = &recipe.dockerfile.stages[0].instructions[..] else {
            unreachable!()
        };
        let written = |own: &Instruction, source: &str| {
            let mut own = own.clone();
            own.source = source.to_owned();
            (references.is_plain(&own), references.source(&own))
        };
        assert!(written(copy, &copy.source).0);
        let broken = written(copy, "copy \\\n \\ \n  --from=b x /");
        assert_eq!(
            broken,
            (true, Some("copy \\\n \\ \n  --from=b@1 x /".to_owned()))
        );
        for odd in [
            "COPY \\\n  # --from=b\n  --from=b x /",
            "COPY --fr\\\nom=b x /; --from=b",
        ] {
            assert_eq!(written(copy, odd), (false, None), "{odd}");
        }
        let comment = "RUN \\\n  # --mount=FROM=b,target=/x\n  --mount=from=b,target=/x y";
        assert_eq!(written(run, comment), (false, None));
    }
}
