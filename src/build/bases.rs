//! The images that a build starts from, found on the engine as they were fingerprinted. Must not know who builds.

use bollard::Docker;
use bollard::models::ImageInspect;
use bollard::query_parameters::TagImageOptions;

use super::buildkit::refused;
use super::parts::used_bases;
use super::references::{Pins, References};
use crate::model::ImageRef;
use crate::runtime::{BuildError, BuildRequest};

/// One of them.
pub(super) struct FoundBase {
    /// As the Dockerfile names it.
    pub(super) image: ImageRef,
    /// What keyed it.
    identity: String,
    /// The name of that very image on this engine, where it has one that cannot come to mean another.
    pub(super) pinned: Option<String>,
    pub(super) found: ImageInspect,
}

/// Finds the images that a part of a recipe is built from.
///
/// # Errors
/// One is not there any more.
pub(super) async fn find(
    docker: &Docker,
    request: &BuildRequest<'_>,
) -> Result<Vec<FoundBase>, BuildError> {
    let used = used_bases(request.recipe, &request.part);
    let mut all = Vec::new();
    for (image, base) in &request.recipe.bases {
        let name = image.familiar();
        if !used.contains(&name) {
            continue;
        }
        let identity = base.identity.clone();
        let exact = exact(image, &identity);
        let is_name = exact.parse::<ImageRef>().is_ok();
        let pinned = if is_name {
            inspect(docker, &exact).await?
        } else {
            None
        };
        let (pinned, found) = match pinned {
            Some(found) => (Some(exact), Some(found)),
            None => (None, inspect(docker, &name).await?),
        };
        let same = found.filter(|found| pinned.is_some() || is_same(found, &identity));
        let found = same.ok_or_else(|| BuildError::BaseMoved {
            service: request.recipe.service.clone(),
            base: name,
        })?;
        all.push(FoundBase {
            image: image.clone(),
            identity,
            pinned,
            found,
        });
    }
    Ok(all)
}

/// The name of the image with an identity: of the digest, or the one that larder gives it by its fingerprint.
fn exact(image: &ImageRef, identity: &str) -> String {
    if identity.starts_with("sha256:") {
        format!("{}@{identity}", image.familiar_name())
    } else {
        identity.to_owned()
    }
}

/// The names to be written in place of those that could come to mean other images.
pub(super) fn pins(bases: &[FoundBase]) -> Pins {
    let pins = bases
        .iter()
        .filter_map(|base| Some((base.image.clone(), base.pinned.clone()?)));
    pins.collect()
}

/// That the names which a build goes by mean the images that were fingerprinted.
///
/// # Errors
/// One does not.
pub(super) async fn stand_still(
    docker: &Docker,
    request: &BuildRequest<'_>,
    bases: &[FoundBase],
    pins: &Pins,
) -> Result<(), BuildError> {
    let beside = References::new(request.recipe, pins).beside();
    for base in bases {
        let by_name = base.pinned.is_none();
        if !by_name && !beside.contains(&base.image) {
            continue;
        }
        let name = base.image.familiar();
        match (inspect(docker, &name).await?, &base.pinned) {
            (Some(now), _) if is_same(&now, &base.identity) => continue,
            // It came by its digest, and nothing has its name.
            (None, Some(pinned)) => {
                name_as(docker, pinned, &base.image).await?;
                continue;
            }
            _ => {}
        }
        let (service, base) = (request.recipe.service.clone(), name);
        return Err(if by_name {
            BuildError::BaseMoved { service, base }
        } else {
            BuildError::BaseBeside { service, base }
        });
    }
    Ok(())
}

/// Gives an image the name by which a Dockerfile knows it.
async fn name_as(docker: &Docker, pinned: &str, image: &ImageRef) -> Result<(), BuildError> {
    let options = TagImageOptions {
        repo: Some(image.familiar_name()),
        tag: image.tag.clone(),
    };
    let named = docker.tag_image(pinned, Some(options)).await;
    let doing = format!("naming `{pinned}` as `{image}`");
    named.map_err(|error| refused(&doing, error).into())
}

async fn inspect(docker: &Docker, name: &str) -> Result<Option<ImageInspect>, BuildError> {
    match docker.inspect_image(name).await {
        Ok(found) => Ok(Some(found)),
        Err(bollard::errors::Error::DockerResponseServerError {
            status_code: 404, ..
        }) => Ok(None),
        Err(error) => Err(refused(&format!("inspecting `{name}`"), error).into()),
    }
}

/// Whether an image is the one that was keyed as `identity`: an image's ID, a registry's digest, or the name that
/// larder gives it by its fingerprint.
fn is_same(image: &ImageInspect, identity: &str) -> bool {
    let digests = image.repo_digests.iter().flatten();
    let mut names = image.repo_tags.iter().flatten();
    image.id.as_deref() == Some(identity)
        || names.any(|own| own == identity)
        || digests
            .into_iter()
            .any(|own| own == identity || own.rsplit('@').next() == Some(identity))
}
