//! What Dagger's `dockerBuild` has no input for, or does otherwise than BuildKit, and how images are named to it.
//! Pure; must not know how a build is started.

use bollard::models::ImageInspect;

use crate::fingerprint::Recipe;
use crate::model::ImageRef;
use crate::runtime::{BuildPart, BuildRequest};

/// The first attribute of a build section that `dockerBuild` has no input for (API 0.21).
pub(super) fn beyond_dagger(request: &BuildRequest<'_>) -> Option<String> {
    let build = &request.recipe.build;
    let special = request
        .recipe
        .context
        .entries
        .iter()
        .any(|entry| entry.mode & 0o7000 != 0);
    let fixed = [
        ("context", build.is_remote()),
        // Dagger takes a folder without its set-user-ID, set-group-ID and sticky bits.
        ("files with special mode bits", special),
        ("network", build.network.is_some()),
        ("extra_hosts", !build.extra_hosts.is_empty()),
        ("shm_size", build.shm_size.is_some()),
        ("ulimits", !build.ulimits.is_empty()),
        ("no_cache", build.no_cache),
    ];
    // Bases are pulled before anybody builds (`pull`).
    let mut other = build.other.keys();
    let other = other.find(|key| !key.starts_with("x-") && key.as_str() != "pull");
    fixed
        .into_iter()
        .find_map(|(name, set)| set.then(|| name.to_owned()))
        .or_else(|| other.cloned())
        .or_else(|| changed_owner(request))
}

/// A COPY or ADD that sets owners or modes: Dagger sets them on a folder that is there already, too, where BuildKit
/// leaves it as it is (seen with the engine of 0.21.9).
fn changed_owner(request: &BuildRequest<'_>) -> Option<String> {
    let recipe = request.recipe;
    let stages = recipe.dockerfile.stages.iter().enumerate();
    let carried_out = stages.flat_map(|(number, stage)| {
        let cut = recipe.cuts.iter().find(|cut| cut.stage == number);
        let end = match request.part {
            BuildPart::Dependencies { stage } if number > stage => 0,
            BuildPart::Dependencies { stage } if number == stage => {
                cut.map_or(0, |cut| cut.instructions)
            }
            _ => stage.instructions.len(),
        };
        &stage.instructions[..end]
    });
    carried_out
        .filter(|own| matches!(own.keyword.as_str(), "COPY" | "ADD"))
        .find_map(|own| {
            let mut flags = own.arguments.split_whitespace();
            let flag = flags
                .by_ref()
                .take_while(|word| word.starts_with("--"))
                .find(|flag| flag.starts_with("--chown=") || flag.starts_with("--chmod="))?;
            Some(format!("{} {flag}", own.keyword))
        })
}

/// The images that a RUN mounts from: their names are not pinned in the text.
pub(super) fn mounted_images(recipe: &Recipe) -> Vec<ImageRef> {
    let stages = recipe.dockerfile.stages.iter();
    stages
        .flat_map(|stage| &stage.instructions)
        .filter(|own| own.keyword == "RUN")
        .flat_map(|own| own.arguments.split_whitespace())
        .filter_map(|word| word.strip_prefix("--mount="))
        .flat_map(|mount| mount.split(','))
        .filter_map(|field| field.strip_prefix("from=")?.parse().ok())
        .collect()
}

/// The image's name with a digest under which a registry has it: its own registry's, else that of another one,
/// since a digest says the same wherever it is found.
pub(super) fn pinned(image: &ImageRef, found: &ImageInspect) -> Option<String> {
    let name = image.familiar_name();
    let digests = found.repo_digests.iter().flatten();
    let digests = digests.filter_map(|own| own.split_once('@'));
    let digests: Vec<(&str, &str)> = digests.collect();
    let own = digests.iter().find(|(of, _)| *of == name);
    let (_, digest) = own.or_else(|| digests.first())?;
    Some(format!("{name}@{digest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_pinned_by_its_own_registrys_digest_before_anothers() {
        let image: ImageRef = "python:3.11".parse().unwrap();
        let found = |digests: &[&str]| ImageInspect {
            repo_digests: Some(digests.iter().map(ToString::to_string).collect()),
            ..ImageInspect::default()
        };
        assert_eq!(pinned(&image, &found(&[])), None);
        let other = found(&["mirror:5000/python@sha256:2"]);
        assert_eq!(pinned(&image, &other).unwrap(), "python@sha256:2");
        let both = found(&["mirror:5000/python@sha256:2", "python@sha256:1"]);
        assert_eq!(pinned(&image, &both).unwrap(), "python@sha256:1");
    }
}
