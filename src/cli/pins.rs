//! The images of a project by names that cannot come to mean others: digests that a registry knows, or larder's own names of
//! what is on the engine.

use std::collections::{BTreeMap, BTreeSet};

use super::invocation::Invocation;
use super::offers::{Question, doubt};
use super::plan::unknown;
use super::prepare::Prepared;
use crate::compose;
use crate::export::Pins;
use crate::failure::Failure;
use crate::fingerprint::{BaseRef, Fingerprinted, Lock, Platform, Recipe};
use crate::model::{ImageId, ImageRef, Repository, labels};
use crate::plan::{Image, Sought};

/// An image of the project.
enum Used {
    /// A service of the project builds it.
    Built {
        service: String,
        recipe: Box<Recipe>,
    },
    /// It is only named.
    Named {
        image: ImageRef,
        platform: Option<Platform>,
    },
}

/// An image on the engine, and the name under which it goes into an archive.
pub(super) struct Packed {
    pub(super) id: ImageId,
    pub(super) name: String,
    /// Whether it has that name already.
    pub(super) is_named: bool,
}

impl Prepared {
    /// All images by digests on registries.
    ///
    /// # Errors
    /// One of them has none, or its registry is out of reach.
    pub(super) async fn pinned(&mut self, invocation: &Invocation) -> Result<Pins, Failure> {
        let lock = Lock::read(&self.project.working_dir)?;
        let mut pins = Pins::default();
        let mut missing = BTreeSet::new();
        for service in self.services.clone() {
            let place = ["services", &service, "image"];
            let used = self.used(&service)?;
            let pinned = self.pin(invocation, &lock, used, place, &mut missing);
            if let Some(name) = pinned.await? {
                pins.services.insert(service, name);
            }
        }
        for (name, service) in self.mounted_images() {
            let place = ["services", &service, "volumes"];
            let used = self.named(&name, None)?;
            let pinned = self.pin(invocation, &lock, used, place, &mut missing);
            if let Some(pinned) = pinned.await? {
                pins.mounted.insert(name, pinned);
            }
        }
        if missing.is_empty() {
            return Ok(pins);
        }
        let have = match missing.len() {
            1 => "is built here, and no registry is known to have its image",
            _ => "are built here, and no registry is known to have their images",
        };
        Err(Failure::Unexported {
            text: format!("`{}` {have}", Vec::from_iter(missing).join("`, `")),
            hint: "`larder prewarm` pushes to the registry that `x-larder: {cache: REPOSITORY}` names; `--with-images DIR` writes all images beside the file".to_owned(),
        })
    }

    /// An image by its digest on a registry; `None` where it is built and on none, which adds its service to those that miss it.
    async fn pin(
        &mut self,
        invocation: &Invocation,
        lock: &Lock,
        used: Used,
        place: [&str; 3],
        missing: &mut BTreeSet<String>,
    ) -> Result<Option<String>, Failure> {
        match used {
            Used::Built { service, recipe } => {
                let found = self.published(invocation, lock, &service, &recipe);
                let found = found.await?;
                if found.is_none() {
                    missing.insert(service);
                }
                Ok(found)
            }
            Used::Named { image, platform } => {
                let pinned = self.digest(lock, image, platform, &place);
                Ok(Some(pinned.await?.canonical()))
            }
        }
    }

    /// All images as they are on the engine.
    ///
    /// # Errors
    /// One of them is not there.
    pub(super) fn packed(&self) -> Result<(Pins, Vec<Packed>), Failure> {
        let mut pins = Pins {
            bundled: true,
            ..Pins::default()
        };
        let mut all: BTreeMap<String, Packed> = BTreeMap::new();
        for service in &self.services {
            let packed = self.pack(self.used(service)?)?;
            pins.services.insert(service.clone(), packed.name.clone());
            all.insert(packed.name.clone(), packed);
        }
        for (name, _) in self.mounted_images() {
            let packed = self.pack(self.named(&name, None)?)?;
            pins.mounted.insert(name, packed.name.clone());
            all.insert(packed.name.clone(), packed);
        }
        Ok((pins, all.into_values().collect()))
    }

    fn pack(&self, used: Used) -> Result<Packed, Failure> {
        let absent = |text: String, hint: String| Failure::Unexported { text, hint };
        match used {
            Used::Built { service, recipe } => {
                let name = labels::image_name(&recipe.full);
                let found = self
                    .observed
                    .image_for(labels::FINGERPRINT, &recipe.full, &name);
                let found = found.ok_or_else(|| {
                    absent(
                        format!(
                            "no image on the engine has the fingerprint of `{service}` ({})",
                            recipe.full.short()
                        ),
                        format!("`larder build {service}` makes it"),
                    )
                })?;
                Ok(Packed {
                    id: found.id.clone(),
                    name,
                    is_named: true,
                })
            }
            Used::Named { image, .. } => {
                let name = image.familiar();
                let is_it = |own: &&Image| own.names.contains(&name) || own.digests.contains(&name);
                let found = self.observed.images.iter().find(is_it).ok_or_else(|| {
                    absent(
                        format!("image `{name}` is not on the engine"),
                        "`larder pull` brings it".to_owned(),
                    )
                })?;
                let own = labels::base_name(&found.id.0).familiar();
                Ok(Packed {
                    is_named: found.names.contains(&own),
                    id: found.id.clone(),
                    name: own,
                })
            }
        }
    }

    /// The image of a service.
    fn used(&self, service: &str) -> Result<Used, Failure> {
        if self.recipes.contains_key(service) {
            return self.built(service);
        }
        let own = &self.project.services[service];
        let platform = own.platform.as_deref().map(Platform::parse);
        self.named(&self.project.image_name(service), platform)
    }

    /// The image under a name, which a service of the project may build.
    fn named(&self, name: &str, platform: Option<Platform>) -> Result<Used, Failure> {
        let makers = self.project.makers();
        let image: ImageRef = name.parse().map_err(|_| Failure::Unexported {
            text: format!("`{name}` is no image"),
            hint: "name an image".to_owned(),
        })?;
        let maker = makers.get(&image.familiar()).and_then(|own| own.first());
        match maker.filter(|own| self.recipes.contains_key(**own)) {
            Some(maker) => self.built(maker),
            None => Ok(Used::Named { image, platform }),
        }
    }

    fn built(&self, service: &str) -> Result<Used, Failure> {
        match self.recipes.get(service) {
            Some(Fingerprinted::Known(recipe)) => Ok(Used::Built {
                service: service.to_owned(),
                recipe: recipe.clone(),
            }),
            other => {
                let bases = match other {
                    Some(Fingerprinted::Missing(bases)) => bases.as_slice(),
                    _ => &[],
                };
                Err(Failure::Unexported {
                    text: unknown(&self.project, service, bases),
                    hint: "`larder build` brings what it starts from, too".to_owned(),
                })
            }
        }
    }

    /// The images that services mount, each with one of these.
    fn mounted_images(&self) -> BTreeMap<String, String> {
        let services = self.services.iter();
        let mounts = services.flat_map(|service| {
            let images = self.project.services[service].mounted_images();
            images.map(|image| (image.to_owned(), service.clone()))
        });
        mounts.collect()
    }

    /// The name, with its digest, of the image with a fingerprint on a registry: as the engine knows it, else as the registries
    /// of the project have it. What nothing proves to be that image is not taken.
    async fn published(
        &mut self,
        invocation: &Invocation,
        lock: &Lock,
        service: &str,
        recipe: &Recipe,
    ) -> Result<Option<String>, Failure> {
        let cache = self.settings.caches.of(service).clone();
        let repositories: Vec<Repository> = cache.to.iter().chain(&cache.from).cloned().collect();
        let name = labels::image_name(&recipe.full);
        let found = self
            .observed
            .image_for(labels::FINGERPRINT, &recipe.full, &name);
        let found = found.cloned();
        let digests = found.iter().flat_map(|image| &image.digests);
        let known = digests.filter(|digest| {
            let repository = digest.split('@').next().unwrap_or_default();
            repositories.iter().any(|own| own.to_string() == repository)
        });
        if let Some(known) = known.min() {
            return Ok(Some(known.clone()));
        }
        let offer = self.pantry.offers.get(&recipe.full);
        if let Some(offer) = offer.filter(|offer| offer.doubt.is_none()) {
            return Ok(Some(offer.image.clone()));
        }
        if repositories.is_empty() {
            return Ok(None);
        }
        let registries = self.registries(invocation).await?;
        let platform = recipe.platform_on(&self.engine.native().await?);
        for repository in &repositories {
            let image = repository.image(&recipe.full);
            let remote = match registries.image(&image, &platform).await {
                Ok(remote) => remote,
                Err(error) => {
                    invocation.warning(&format!("`{repository}` is not asked for images: {error}"));
                    continue;
                }
            };
            let Some(remote) = remote else {
                continue;
            };
            let asked = Question {
                sought: Sought {
                    service: service.to_owned(),
                    key: recipe.full,
                    is_dependencies: false,
                },
                repository: repository.clone(),
                image,
                platform: platform.clone(),
            };
            let own = found.as_ref();
            let is_ours = own.is_some_and(|own| remote.ids.contains(&own.id));
            let folder = &self.project.working_dir;
            if is_ours || doubt(&cache, lock, &asked, &remote, folder).await.is_none() {
                return Ok(Some(remote.image.canonical()));
            }
        }
        Ok(None)
    }

    /// An image with its digest: of the one that the engine has, else the locked one, else what its registry has now.
    async fn digest(
        &self,
        lock: &Lock,
        image: ImageRef,
        platform: Option<Platform>,
        path: &[&str],
    ) -> Result<ImageRef, Failure> {
        if image.digest.is_some() {
            return Ok(image);
        }
        let with = |digest: String| ImageRef {
            digest: Some(digest),
            ..image.clone()
        };
        let wanted = BaseRef {
            image: image.clone(),
            platform,
            locked: None,
        };
        let place = || compose::place(&self.project, path).map(Box::new);
        let failed = |source| Failure::Registry {
            image: image.familiar(),
            place: place(),
            source,
        };
        let found = self.engine.base(&wanted).await?;
        if let Some((found, digest)) = found.and_then(|own| Some((own.clone(), own.digest?))) {
            let known = with(digest);
            // containerd's image store gives digests to images that no registry has.
            let exact = ImageRef {
                tag: None,
                ..known.clone()
            };
            let asked = async || self.engine.registry_digest(&exact).await.map_err(failed);
            if !found.several || asked().await?.is_some() {
                return Ok(known);
            }
        }
        if let Some(locked) = lock.digest(&image) {
            return Ok(with(locked.to_owned()));
        }
        match self.engine.registry_digest(&image).await.map_err(failed)? {
            Some(digest) => Ok(with(digest)),
            None => Err(Failure::NoDigest {
                image: image.familiar(),
                place: place(),
            }),
        }
    }
}
