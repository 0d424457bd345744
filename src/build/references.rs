//! Additional contexts in a Dockerfile's text. Engines before 23.0 know none, so each of them is an image by the time that a
//! builder reads the text, and its name is replaced by that image's. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::fingerprint::{
    AdditionalContext, Dockerfile, Instruction, Recipe, Section, Stage, StageBase,
};
use crate::model::{Build, labels};

/// The images that additional contexts stand for.
pub(super) struct References<'a> {
    recipe: &'a Recipe,
    images: BTreeMap<&'a str, String>,
}

impl<'a> References<'a> {
    pub(super) fn of(recipe: &'a Recipe) -> Self {
        let images = recipe.contexts.iter().filter_map(|(name, context)| {
            let image = match context {
                AdditionalContext::Folder(folder) => {
                    labels::context_name(&folder.key(recipe.platform.as_deref()))
                }
                AdditionalContext::Image(image) => image.familiar(),
                AdditionalContext::Elsewhere(_) => return None,
            };
            Some((name.as_str(), image))
        });
        Self {
            recipe,
            images: images.collect(),
        }
    }

    /// Whether the text stays as it is.
    pub(super) fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// The image that a stage starts from, where it starts from a context.
    pub(super) fn base(&self, stage: &Stage) -> Option<&str> {
        match &stage.base {
            StageBase::Context(name) => self.images.get(name.as_str()).map(String::as_str),
            _ => None,
        }
    }

    /// What is left of a stage: nothing, where a context takes its place.
    pub(super) fn instructions<'s>(&self, stage: &'s Stage) -> &'s [Instruction] {
        let name = stage.name.as_deref();
        let replaced = name.and_then(|name| self.recipe.context(name)).is_some();
        if replaced { &[] } else { &stage.instructions }
    }

    /// An instruction's text with the images in place of the contexts.
    pub(super) fn replaced<'s>(&self, own: &'s Instruction) -> Cow<'s, str> {
        let mut text = Cow::Borrowed(own.source.as_str());
        for (flag, name) in self.named(own) {
            let Some(image) = self.images.get(name.as_str()) else {
                continue;
            };
            let replaced = match flag.strip_prefix(MOUNT) {
                Some(mount) => {
                    let fields = mount.split(',').map(|field| match from(field) {
                        Some(_) => format!("from={image}"),
                        None => field.to_owned(),
                    });
                    format!("{MOUNT}{}", fields.collect::<Vec<_>>().join(","))
                }
                None => format!("--from={image}"),
            };
            text = Cow::Owned(text.replace(&flag, &replaced));
        }
        text
    }

    /// An instruction that names a context in a way that cannot be replaced: in quotes, with escapes, or once more in
    /// what it runs.
    pub(super) fn hidden(&self) -> Option<&'a Instruction> {
        let stages = self.recipe.dockerfile.stages.iter();
        let mut all = stages.flat_map(|stage| &stage.instructions);
        all.find(|own| {
            let named = self.named(own);
            named.iter().any(|(flag, _)| {
                let flags = own.flags(self.recipe.dockerfile.escape);
                // A flag that another one starts with is found in that one, too.
                let written = flags
                    .iter()
                    .filter(|own| own.contains(flag.as_str()))
                    .count();
                own.source.matches(flag.as_str()).count() != written
            })
        })
    }

    /// The flags of an instruction that name a context, each with its name.
    fn named(&self, own: &Instruction) -> Vec<(String, String)> {
        let flags = own.flags(self.recipe.dockerfile.escape).into_iter();
        let named = flags.filter_map(|flag| {
            let from = match own.keyword.as_str() {
                "COPY" => flag.strip_prefix("--from=")?,
                "RUN" => {
                    let fields = flag.strip_prefix(MOUNT)?.split(',');
                    fields.filter_map(from).next_back()?
                }
                _ => return None,
            };
            let stage = from.to_lowercase();
            let mut stages = self.recipe.dockerfile.stages.iter();
            let by_number = own.keyword == "COPY" && from.parse::<usize>().is_ok();
            if by_number || stages.any(|own| own.name.as_deref() == Some(&stage)) {
                return None;
            }
            let name = self.recipe.context(from)?.0.clone();
            Some((flag, name))
        });
        let mut named: Vec<_> = named.collect();
        // The longest first: a shorter one may be its beginning.
        named.sort_by_key(|(flag, _)| std::cmp::Reverse(flag.len()));
        named
    }
}

const MOUNT: &str = "--mount=";

/// What a field of a mount names, where it is its `from`.
fn from(field: &str) -> Option<&str> {
    let (key, value) = field.split_once('=')?;
    key.eq_ignore_ascii_case("from").then_some(value)
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
    use std::path::Path;

    use super::*;
    use crate::build::resume::rewrite;
    use crate::build::sample::recipe;
    use crate::fingerprint::Context;
    use crate::runtime::BuildPart;

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
}
