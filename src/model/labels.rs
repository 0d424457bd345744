//! The labels that larder writes: docker compose's own, so that its commands work on a stack that larder
//! started (docker/compose `pkg/api/labels.go`), and larder's, which its own decisions rest on.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use super::{Digest, ImageId, ImageRef};

/// The project's name.
pub const PROJECT: &str = "com.docker.compose.project";
/// The service's name.
pub const SERVICE: &str = "com.docker.compose.service";
/// The container's number in its service, from 1.
pub const NUMBER: &str = "com.docker.compose.container-number";
/// `True` on a container that `run` made, else `False`.
pub const ONE_OFF: &str = "com.docker.compose.oneoff";
/// On a container that `run` made: what tells it from all others.
pub const SLUG: &str = "com.docker.compose.slug";
/// docker compose's hash of the service; a container without the key is invisible to its commands.
pub const CONFIG_HASH: &str = "com.docker.compose.config-hash";
/// What docker compose compares the image with.
pub const IMAGE: &str = "com.docker.compose.image";
/// `service:condition:restart` of each dependency, joined by commas.
pub const DEPENDS_ON: &str = "com.docker.compose.depends_on";
/// The project's folder.
pub const WORKING_DIR: &str = "com.docker.compose.project.working_dir";
/// The Compose files, joined by commas.
pub const CONFIG_FILES: &str = "com.docker.compose.project.config_files";
/// The files named by `--env-file`, joined by commas.
pub const ENVIRONMENT_FILE: &str = "com.docker.compose.project.environment_file";
/// The version of the command that made it.
pub const VERSION: &str = "com.docker.compose.version";
/// A network's key in the Compose file.
pub const NETWORK: &str = "com.docker.compose.network";
/// A volume's key in the Compose file.
pub const VOLUME: &str = "com.docker.compose.volume";

/// On an image and its containers: the full fingerprint. Like the next, it is empty where there is none, since an image
/// has the labels of its base and a container those of its image.
pub const FINGERPRINT: &str = "dev.larder.fingerprint";
/// On a dependency image: the key of its cut. On a full image: its dependency fingerprint.
pub const DEPENDENCIES: &str = "dev.larder.dependencies";
/// On the image of an additional context: the key of what it holds.
pub const CONTEXT: &str = "dev.larder.context";
/// On a container, network or volume: larder's own hash of what it was made from, image aside.
pub const CONFIG: &str = "dev.larder.config";
/// On the container of a service that is run to its end: the digest of what it mounts of the machine.
pub const MOUNTED: &str = "dev.larder.mounted";
/// On a container that mounts images: their IDs in the order of the mounts, joined by commas.
pub const IMAGE_MOUNTS: &str = "dev.larder.image-mounts";
/// On a container with host ports that were chosen in place of taken ones: `127.0.0.1:8080:80/tcp=23456`, joined by commas.
pub const PORTS: &str = "dev.larder.ports";
/// On a container that has something of another one, beside its network: `ipc=ID`, `pid=ID`, `volumes_from=ID`, `links=ID`,
/// joined by commas. A list of containers says the network.
pub const SHARES: &str = "dev.larder.shares";

/// On an image and its containers: the fingerprint without what bind mounts hide of it, where they hide something. Empty
/// elsewhere, as above.
pub const SHADOWED: &str = "dev.larder.shadowed";

/// On an image that larder built: the project and the service that it was built for, `hub/api`. Others that want the same image share it.
pub const MADE_FOR: &str = "dev.larder.made-for";
/// On a full image: the keys of the dependency images that it goes with, joined by commas.
pub const CUTS: &str = "dev.larder.cuts";

/// larder's labels of an image or a container. All are said, empty where there is none, so that those of what it is
/// made from do not show through.
pub fn of_build(
    fingerprint: Option<Digest>,
    dependencies: Option<Digest>,
    shadowed: Option<Digest>,
) -> BTreeMap<String, String> {
    let said =
        |digest: Option<Digest>| digest.map_or_else(String::new, |digest| digest.to_string());
    BTreeMap::from([
        (FINGERPRINT.to_owned(), said(fingerprint)),
        (DEPENDENCIES.to_owned(), said(dependencies)),
        (SHADOWED.to_owned(), said(shadowed)),
    ])
}

/// What is said of an image beside that: for whom it was built, and which dependency images it goes with. No decision about a
/// container rests on these.
pub fn of_image(project: &str, service: &str, cuts: &[Digest]) -> BTreeMap<String, String> {
    let cuts: Vec<String> = cuts.iter().map(ToString::to_string).collect();
    BTreeMap::from([
        (MADE_FOR.to_owned(), format!("{project}/{service}")),
        (CUTS.to_owned(), cuts.join(",")),
    ])
}

/// The label that says an image's key, be it a dependency image or not.
pub const fn of_key(is_dependencies: bool) -> &'static str {
    if is_dependencies {
        DEPENDENCIES
    } else {
        FINGERPRINT
    }
}

/// What [`IMAGE_MOUNTS`] says of these images; `None` where there are none.
pub fn image_mounts(images: &[ImageId]) -> Option<String> {
    let images: Vec<&str> = images.iter().map(|image| image.0.as_str()).collect();
    (!images.is_empty()).then(|| images.join(","))
}

/// The name that larder gives to the image with this full fingerprint.
///
/// `localhost/` is a registry that nobody pulls from, so the name can only mean what is on this engine.
pub fn image_name(fingerprint: &Digest) -> String {
    format!("{IMAGES}{fingerprint}")
}

/// The fingerprint in such a name.
pub fn fingerprint_in(name: &str) -> Option<&str> {
    name.strip_prefix(IMAGES)
}

/// Whether a name is one of those that larder gives beside those of people.
pub fn is_name(name: &str) -> bool {
    name.starts_with("localhost/larder/")
}

/// The name of a container until all of it is there, which no other container has. docker compose's commands go by labels.
pub fn unfinished_name(name: &str) -> String {
    // The system's own random numbers are the keys of the hasher.
    let chance = RandomState::new().hash_one(name);
    format!("{UNFINISHED}{:012x}_{name}", chance & 0xffff_ffff_ffff)
}

/// Whether a container's name is of that form.
pub fn is_unfinished_name(name: &str) -> bool {
    let own = name.strip_prefix(UNFINISHED);
    let own = own.and_then(|own| own.split_once('_'));
    own.is_some_and(|(own, _)| own.len() == 12 && own.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// What [`unfinished_name`] puts in front. No project's name has a dot, so no name of its containers begins like that.
const UNFINISHED: &str = "unfinished.";

/// What [`image_name`] puts in front.
const IMAGES: &str = "localhost/larder/image:";

/// The name that larder gives to the dependency image with this key.
pub fn dependencies_name(key: &Digest) -> String {
    format!("localhost/larder/dependencies:{key}")
}

/// The name that larder gives to the image of an additional context with this key.
pub fn context_name(key: &Digest) -> String {
    format!("localhost/larder/context:{key}")
}

/// The name that larder gives to a base image with this ID, which has no other name that stays.
pub fn base_name(id: &str) -> ImageRef {
    ImageRef {
        registry: "localhost".to_owned(),
        repository: "larder/base".to_owned(),
        tag: Some(id.rsplit(':').next().unwrap_or(id).to_owned()),
        digest: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfinished_container_is_known_by_its_name() {
        let name = unfinished_name("hub-db-1");
        assert_ne!(name, unfinished_name("hub-db-1"));
        assert!(
            name.ends_with("_hub-db-1") && is_unfinished_name(&name),
            "{name}"
        );
        for name in [
            "hub-db-1",
            "202611290101_app-db-1",
            "0123456789ab_hub-db-1",
            "unfinished-db-1",
            "unfinished.0123456789xy_db",
        ] {
            assert!(!is_unfinished_name(name), "{name}");
        }
    }

    #[test]
    fn no_label_of_a_base_shows_through() {
        let none = of_build(None, None, None);
        for label in [FINGERPRINT, DEPENDENCIES, SHADOWED] {
            assert_eq!(none[label], "", "{label}");
        }
    }
}
