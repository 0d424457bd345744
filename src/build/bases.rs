//! The images that a build starts from, found on the engine as they were fingerprinted. Must not know who builds.

use bollard::Docker;
use bollard::models::ImageInspect;
use bollard::query_parameters::TagImageOptions;

use super::buildkit::refused;
use super::parts::used_bases;
use super::references::{Pins, References};
use crate::model::{ImageRef, labels};
use crate::runtime::{BuildError, BuildRequest};

/// One of them.
pub(super) struct FoundBase {
    /// As the Dockerfile names it.
    pub(super) image: ImageRef,
    /// What keyed it.
    identity: String,
    /// The name of that very image that it came with and that cannot come to mean another, where it has one: by a
    /// registry's digest, or by its fingerprint.
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
        if !used.contains(&image.familiar()) {
            continue;
        }
        let found = find_one(docker, image, &base.identity).await?;
        all.push(found.ok_or_else(|| BuildError::BaseMoved {
            service: request.recipe.service.clone(),
            base: image.familiar(),
        })?);
    }
    Ok(all)
}

/// The image that was keyed: by its exact name, by its ID whatever its name means now, or by its name.
async fn find_one(
    docker: &Docker,
    image: &ImageRef,
    identity: &str,
) -> Result<Option<FoundBase>, BuildError> {
    let exact = exact(image, identity);
    let of = |found: ImageInspect, pinned: Option<String>| FoundBase {
        image: image.clone(),
        identity: identity.to_owned(),
        pinned,
        found,
    };
    if exact.parse::<ImageRef>().is_ok()
        && let Some(found) = inspect(docker, &exact).await?
    {
        // containerd's image store knows each image by a digest, also those that no registry has.
        let pinned = (found.id.as_deref() != Some(identity)).then_some(exact);
        return Ok(Some(of(found, pinned)));
    }
    if identity.starts_with("sha256:")
        && let Some(found) = inspect(docker, identity).await?
    {
        return Ok(Some(of(found, None)));
    }
    let found = inspect(docker, &image.familiar()).await?;
    let same = found.filter(|found| is_same(found, identity));
    Ok(same.map(|found| of(found, None)))
}

/// The name of the image with an identity: of the digest, or the one that larder gives it by its fingerprint.
fn exact(image: &ImageRef, identity: &str) -> String {
    if identity.starts_with("sha256:") {
        format!("{}@{identity}", image.familiar_name())
    } else {
        identity.to_owned()
    }
}

/// The names to be written in place of those that could come to mean other images. An image that has none gets one:
/// BuildKit refuses IDs.
///
/// # Errors
/// The engine does not give it.
pub(super) async fn pins(docker: &Docker, bases: &[FoundBase]) -> Result<Pins, BuildError> {
    let mut pins = Pins::new();
    for base in bases {
        let pinned = if let Some(pinned) = &base.pinned {
            pinned.clone()
        } else {
            let id = base.found.id.as_deref().unwrap_or_default();
            let own = labels::base_name(id);
            name_as(docker, id, &own).await?;
            own.familiar()
        };
        pins.insert(base.image.clone(), pinned);
    }
    Ok(pins)
}

/// That the names which a build goes by beside the pinned ones mean the images that were fingerprinted.
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
        if !beside.contains(&base.image) {
            continue;
        }
        let name = base.image.familiar();
        match (inspect(docker, &name).await?, pins.get(&base.image)) {
            (Some(now), _) if is_same(&now, &base.identity) => {}
            // It came by its digest, and nothing has its name.
            (None, Some(pinned)) => name_as(docker, pinned, &base.image).await?,
            _ => {
                return Err(BuildError::BaseBeside {
                    service: request.recipe.service.clone(),
                    base: name,
                });
            }
        }
    }
    Ok(())
}

/// Gives an image another name.
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
