//! What both builders need to know of a request: its arguments, labels, bases and secrets. Must not know who builds.

use std::collections::{BTreeMap, BTreeSet};

use super::references::{Pins, References};
use crate::fingerprint::{Recipe, StageBase};
use crate::model::{Build, FileObject, ImageRef};
use crate::runtime::{BuildError, BuildPart, BuildRequest};

/// The build arguments that have a value.
pub(super) fn build_args(build: &Build) -> impl Iterator<Item = (String, String)> {
    build
        .args
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
}

/// The labels of the image. A dependency image has none of the build section: services whose labels differ
/// share it.
pub(super) fn image_labels(request: &BuildRequest<'_>) -> BTreeMap<String, String> {
    let mut labels = match &request.part {
        BuildPart::Dependencies { .. } => BTreeMap::new(),
        BuildPart::Target { .. } => request.recipe.build.labels.clone(),
    };
    labels.extend(request.labels.clone());
    labels
}

/// The names of the images that a part of a recipe is built from: not those that nothing names but the FROM of stages that
/// are not built, or that start from their dependency images.
pub fn used_bases(recipe: &Recipe, part: &BuildPart<'_>) -> BTreeSet<String> {
    let replaced = |number: usize| match part {
        BuildPart::Dependencies { stage } => number > *stage,
        BuildPart::Target { on } => on.contains_key(&number),
    };
    let stages = || recipe.dockerfile.stages.iter().enumerate();
    let from = |without: bool| -> BTreeSet<String> {
        stages()
            .filter(|(number, _)| replaced(*number) == without)
            .filter_map(|(_, stage)| match &stage.base {
                StageBase::Image(image) => Some(image.familiar()),
                _ => None,
            })
            .collect()
    };
    let (unused, mut used) = (from(true), from(false));
    let none = Pins::new();
    let references = References::new(recipe, &none);
    used.extend(references.copied().iter().map(ImageRef::familiar));
    let by_trigger = !references.triggers().is_empty();
    let all = recipe.bases.iter().map(|(image, _)| image.familiar());
    all.filter(|name| by_trigger || !unused.contains(name) || used.contains(name))
        .collect()
}

/// The secrets that a build may mount: id → content.
pub(super) async fn secrets(
    request: &BuildRequest<'_>,
) -> Result<BTreeMap<String, Vec<u8>>, BuildError> {
    let mut contents = BTreeMap::new();
    for secret in &request.recipe.build.secrets {
        let id = secret.target.as_ref().unwrap_or(&secret.source);
        let from = request.project.secrets.get(&secret.source);
        let text = from.and_then(FileObject::text);
        let content = match (from.and_then(|from| from.file.as_ref()), text) {
            (Some(file), _) => tokio::fs::read(file).await.map_err(|source| {
                let source = std::io::Error::new(source.kind(), format!("`{file}`: {source}"));
                let service = request.recipe.service.clone();
                BuildError::Context { service, source }
            })?,
            (None, Some(text)) => text.as_bytes().to_vec(),
            // Without its variable there is no secret, and the build goes on, as with docker compose.
            (None, None) if from.is_some_and(|from| from.environment.is_some()) => continue,
            (None, None) => {
                return Err(BuildError::Unsupported {
                    service: request.recipe.service.clone(),
                    builder: request.builder,
                    attribute: format!("secrets.{}", secret.source),
                });
            }
        };
        contents.insert(id.clone(), content);
    }
    Ok(contents)
}
