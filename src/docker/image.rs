//! Images on the engine: what a build that starts from one gets, names, archives, removal.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::time::Duration;

use bollard::body_try_stream;
use bollard::models::ImageInspect;
use bollard::query_parameters::{
    ImportImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptions, TagImageOptionsBuilder,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use super::Docker;
use super::connect::CHANGE;
use super::error::{Words, gone_is_fine, status};
use crate::fingerprint::{Base, BaseRef, Platform};
use crate::model::{Digest, ImageId, ImageRef, clean, labels};
use crate::runtime::EngineError;

/// How long an archive may take to be loaded.
const LOAD: Duration = Duration::from_hours(1);

impl Docker {
    /// What an image on the engine gives to a build that starts from it; `None` when it is not there.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn base(&self, wanted: &BaseRef) -> Result<Option<FoundBase>, EngineError> {
        let mut name = wanted.wanted().familiar();
        let mut found = self.image_if_there(&name).await?;
        if let (None, Some(digest)) = (&found, wanted.wanted().digest) {
            // containerd's image store forgets which repository it was in when its name moves on.
            found = self.image_if_there(&digest).await?;
            name = digest;
        }
        let Some(found) = found else {
            return Ok(None);
        };
        let own = platform(&found);
        let fits = match (&wanted.platform, &own) {
            (Some(asked), Some(own)) if asked.takes(own) => true,
            (Some(asked), _) => self.is_for(&name, asked).await?,
            // It does not say, and nobody asks.
            (None, None) => true,
            (None, Some(own)) => self.is_native(&name, own).await?,
        };
        Ok(Some(FoundBase {
            several: keeps_several(&found),
            digest: own_digest(&wanted.wanted(), &found),
            fingerprint: fingerprint(&found),
            base: base(&wanted.wanted(), found),
            platform: own,
            fits,
        }))
    }

    /// The platforms for which the engine has an image under a name: one, where it does not keep several.
    ///
    /// # Errors
    /// The engine does not answer, or has no such image.
    pub async fn platforms(&self, name: &str) -> Result<Vec<Platform>, EngineError> {
        if self.api.at_least("1.47") {
            let several = self.listed_platforms(name).await?;
            if !several.is_empty() {
                return Ok(several);
            }
        }
        Ok(platform(&self.image(name).await?).into_iter().collect())
    }

    /// When an image got one of its names last, seconds since 1970; `None` where nobody gave it one here.
    ///
    /// # Errors
    /// The engine does not answer, or has no such image.
    pub async fn named_at(&self, name: &str) -> Result<Option<u64>, EngineError> {
        let metadata = self.image(name).await?.metadata;
        let last = metadata.and_then(|metadata| metadata.last_tag_time);
        // Go's zero time is long before.
        Ok(last.and_then(|last| u64::try_from(last.unix_timestamp()).ok()))
    }

    /// What the image store of containerd keeps under a name, platform by platform; nothing of the other stores.
    async fn listed_platforms(&self, name: &str) -> Result<Vec<Platform>, EngineError> {
        let options = ListImagesOptionsBuilder::new()
            .filters(&HashMap::from([("reference", vec![name])]))
            .manifests(true)
            .build();
        let action = format!("looking at image `{name}`");
        let list = || self.client.list_images(Some(options.clone()));
        let listed = self.ask(&action, list).await?;
        let manifests = listed
            .into_iter()
            .flat_map(|image| image.manifests.unwrap_or_default());
        Ok(manifests
            .filter(|manifest| manifest.available)
            .filter_map(|manifest| manifest.image_data)
            .filter_map(|image| {
                let own = image.platform;
                let text = |part: &Option<String>| part.clone().unwrap_or_default();
                Platform::of_image(
                    &text(&own.os),
                    &text(&own.architecture),
                    &text(&own.variant),
                )
            })
            .collect())
    }

    async fn is_for(&self, name: &str, asked: &Platform) -> Result<bool, EngineError> {
        let all = self.platforms(name).await?;
        Ok(all.iter().any(|own| asked.takes(own)))
    }

    /// The engine's own platform. An engine on this machine's socket runs on this machine's kind of processor, and need
    /// not be asked.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn native(&self) -> Result<Platform, EngineError> {
        if self.address.text.starts_with("unix://") {
            return Ok(Platform::host());
        }
        Ok(Platform::parse(&self.facts().await?.platform))
    }

    /// Whether an image is for the engine's own platform. The engine is asked before the answer is no: this machine may
    /// run larder for another processor.
    async fn is_native(&self, name: &str, own: &Platform) -> Result<bool, EngineError> {
        if self.native().await?.takes(own) {
            return Ok(true);
        }
        let native = Platform::parse(&self.facts().await?.platform);
        Ok(native.takes(own) || self.is_for(name, &native).await?)
    }

    /// The folders that an image declares as volumes, as the engine calls their mounts.
    pub(super) async fn image_volumes(
        &self,
        image: &ImageId,
    ) -> Result<BTreeSet<String>, EngineError> {
        let config = self.image(&image.0).await?.config;
        let volumes = config.and_then(|config| config.volumes);
        let volumes = volumes.unwrap_or_default().into_iter();
        Ok(volumes.map(|own| mounted_at(&own)).collect())
    }

    /// The ID of the image under a name.
    pub(super) async fn image_id(&self, name: &str) -> Result<ImageId, EngineError> {
        let found = self.image(name).await?;
        Ok(ImageId(found.id.unwrap_or_default()))
    }

    pub(super) async fn image(&self, name: &str) -> Result<ImageInspect, EngineError> {
        let action = format!("looking at image `{name}`");
        self.ask(&action, || self.client.inspect_image(name)).await
    }

    async fn image_if_there(&self, name: &str) -> Result<Option<ImageInspect>, EngineError> {
        match self.image(name).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn tag_image(&self, image: &ImageId, name: &str) -> Result<(), EngineError> {
        let action = format!("naming image `{}` `{name}`", image.short());
        let refused = |words: String| EngineError::Refused {
            action: action.clone(),
            status: None,
            source: Box::new(Words(words)),
        };
        let parsed: ImageRef = name.parse().map_err(|error| refused(format!("{error}")))?;
        let Some(tag) = &parsed.tag else {
            return Err(refused("a digest cannot be given to an image".to_owned()));
        };
        let options = TagImageOptionsBuilder::new()
            .repo(&parsed.familiar_name())
            .tag(tag)
            .build();
        let call = self.client.tag_image(&image.0, Some(options));
        self.call(CHANGE, &action, call).await
    }

    /// Loads an image from an archive as `docker save` writes it, uncompressed or not; its ID.
    ///
    /// # Errors
    /// The engine refuses the archive, or reading it fails.
    pub async fn load(
        &self,
        archive: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<ImageId, EngineError> {
        let action = "loading an image";
        let client = self.patient(LOAD);
        let options = ImportImageOptionsBuilder::new().quiet(true).build();
        let mut answers = client.import_image(options, body_try_stream(archive), None);
        let read = async {
            let mut said = String::new();
            while let Some(answer) = answers.next().await {
                said.push_str(&answer?.stream.unwrap_or_default());
            }
            Ok(said)
        };
        let said = self.call(LOAD, action, read).await?;
        match loaded(&said) {
            Some(Loaded::Id(id)) => Ok(ImageId(id.to_owned())),
            Some(Loaded::Name(name)) => self.image_id(name).await,
            None => Err(EngineError::Refused {
                action: action.to_owned(),
                status: None,
                source: Box::new(Words(match said.trim() {
                    "" => "the archive has no image".to_owned(),
                    said => said.to_owned(),
                })),
            }),
        }
    }

    /// Takes a name from an image, and removes the image with its last name. One that is gone is fine.
    ///
    /// # Errors
    /// A container uses the image.
    pub async fn remove_image(&self, name: &str) -> Result<(), EngineError> {
        let action = format!("removing image `{name}`");
        let call = self
            .client
            .remove_image(name, None::<RemoveImageOptions>, None);
        gone_is_fine(self.call(CHANGE, &action, call).await.map(drop))
    }
}

/// An image that a build starts from, as the engine has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundBase {
    /// What the build gets from it.
    pub base: Base,
    /// Its full fingerprint, where larder made it: by its label and the name that only larder gives.
    pub fingerprint: Option<Digest>,
    /// What it is for, as it says itself.
    pub platform: Option<Platform>,
    /// Whether it is for the platform that was asked for.
    pub fits: bool,
    /// The digest of it in its own repository, where the engine knows one.
    pub digest: Option<String>,
    /// Whether it is in containerd's image store, which keeps several platforms of one image, and where one that no
    /// registry has has a digest, too.
    pub several: bool,
}

/// Whether an image is in containerd's image store: its ID is a digest as registries have it. In the other stores it is
/// that of a configuration.
fn keeps_several(found: &ImageInspect) -> bool {
    let digests = found.repo_digests.iter().flatten();
    let mut digests = digests.filter_map(|name| name.rsplit('@').next());
    found.id.is_some() && digests.any(|digest| found.id.as_deref() == Some(digest))
}

/// What an image says that it is for.
pub(super) fn platform(image: &ImageInspect) -> Option<Platform> {
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    Platform::of_image(
        &text(&image.os),
        &text(&image.architecture),
        &text(&image.variant),
    )
}

/// The fingerprint of an image that larder made. One that was made from it has the label, too, but not the name.
fn fingerprint(image: &ImageInspect) -> Option<Digest> {
    let labels = image.config.as_ref()?.labels.as_ref()?;
    let fingerprint: Digest = labels.get(labels::FINGERPRINT)?.parse().ok()?;
    let name = labels::image_name(&fingerprint);
    let named = image.repo_tags.iter().flatten().any(|own| *own == name);
    named.then_some(fingerprint)
}

/// The registry's digest where the engine knows one for this very repository, else the engine's ID.
fn base(image: &ImageRef, found: ImageInspect) -> Base {
    let digest = own_digest(image, &found);
    let config = found.config.unwrap_or_default();
    Base {
        identity: digest.or(found.id).unwrap_or_default(),
        onbuild: config.on_build.unwrap_or_default(),
        env: config.env.unwrap_or_default(),
        working_dir: config.working_dir.unwrap_or_default(),
        volumes: config.volumes.unwrap_or_default(),
    }
}

/// The digest that an image is named by, else the first of those that its repository has it under.
fn own_digest(image: &ImageRef, found: &ImageInspect) -> Option<String> {
    let repository = format!("{}@", image.familiar_name());
    let digests = found.repo_digests.iter().flatten();
    let own = digests.filter_map(|digest| digest.strip_prefix(&repository));
    image
        .digest
        .clone()
        .or_else(|| own.min().map(str::to_owned))
}

#[derive(Debug, PartialEq, Eq)]
enum Loaded<'a> {
    Id(&'a str),
    Name(&'a str),
}

/// What the engine says it loaded, the last if several (moby `image/tarexport/load.go`).
fn loaded(said: &str) -> Option<Loaded<'_>> {
    said.lines().rev().find_map(|line| {
        let line = line.trim();
        let id = line.strip_prefix("Loaded image ID: ").map(Loaded::Id);
        id.or_else(|| line.strip_prefix("Loaded image: ").map(Loaded::Name))
    })
}

/// Where the engine mounts a volume that an image declares.
fn mounted_at(declared: &str) -> String {
    clean(&format!("/{declared}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_digest_of_the_same_repository_is_an_identity() {
        let image: ImageRef = "redis:7".parse().unwrap();
        let found = |digests: &[&str]| ImageInspect {
            id: Some("sha256:id".to_owned()),
            repo_digests: Some(digests.iter().map(ToString::to_string).collect()),
            ..ImageInspect::default()
        };
        let identity = |digests: &[&str]| base(&image, found(digests)).identity;
        assert_eq!(identity(&[]), "sha256:id");
        assert_eq!(identity(&["mirror/redis@sha256:a"]), "sha256:id");
        assert_eq!(identity(&["redis@sha256:c", "redis@sha256:b"]), "sha256:b");
        let pinned = ImageRef {
            digest: Some("sha256:c".to_owned()),
            ..image.clone()
        };
        let digests = found(&["redis@sha256:c", "redis@sha256:b"]);
        assert_eq!(base(&pinned, digests).identity, "sha256:c");
    }

    #[test]
    fn the_engine_says_what_it_loaded() {
        assert_eq!(
            loaded("Loaded image ID: sha256:a\n"),
            Some(Loaded::Id("sha256:a"))
        );
        assert_eq!(
            loaded("Loaded image: a:1\nLoaded image: b:1\n"),
            Some(Loaded::Name("b:1"))
        );
        assert_eq!(loaded(""), None);
    }

    #[test]
    fn declared_volumes_are_mounted_at_clean_paths() {
        for (declared, target) in [
            ("/data", "/data"),
            ("data//x/", "/data/x"),
            ("/a/./b/../c", "/a/c"),
        ] {
            assert_eq!(mounted_at(declared), target);
        }
    }
}
