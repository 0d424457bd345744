//! The lines of `larder.lock` that vouch for the project's own images in a registry: who reads the file's changes decides who is
//! believed, and nobody has to trust the registry.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use super::invocation::Invocation;
use super::lock::Change;
use super::prepare::{Goal, Prepared, prepare};
use crate::failure::Failure;
use crate::fingerprint::{LOCK_FILE, Lock, Platform};
use crate::model::{ImageRef, Repository};
use crate::settings::Cache;

/// How long a registry may take to say what an old line is about.
const PATIENCE: Duration = Duration::from_secs(5);

/// Takes in the digests of images that registries have under the keys of now, where these are not trusted anyway. A line that is
/// there stays, unless all are upgraded; those of other keys go. A registry that does not answer changes no line.
pub(super) async fn vouch(
    invocation: &Invocation,
    before: &Lock,
    changes: &mut BTreeMap<ImageRef, Change>,
    upgrade: bool,
) -> Result<(), Failure> {
    let project = invocation.load_all()?;
    let settings = invocation.settings(Some(&project), None)?;
    let prepared = prepare(invocation, project, &[], settings, Goal::FINGERPRINTS);
    let mut prepared = Box::pin(prepared).await?;
    let untrusted = |cache: &Cache| -> Vec<Repository> {
        let own = cache.from.iter().filter(|own| !cache.trusts(own));
        own.cloned().collect()
    };
    let lying = match prepared.lying(invocation, untrusted).await {
        Ok(lying) => lying,
        Err(failure) => {
            for mut message in failure.messages() {
                message.text.push_str(", so its images are not locked anew");
                message.warning(&invocation.screen, &invocation.folder);
            }
            return Ok(());
        }
    };
    let own_image = prepared.known().find(|(_, recipe)| {
        let file = before.file().strip_prefix(&recipe.context.root);
        let mut entries = recipe.context.entries.iter();
        file.is_ok_and(|file| entries.any(|own| own.path == file.as_os_str().as_bytes()))
    });
    if let Some((service, _)) = own_image {
        invocation.warning(&format!(
            "`{LOCK_FILE}` is copied into the image of `{service}`, so a line for that image makes it another one: leave the file \
             out in `.dockerignore`"
        ));
    }
    let mut found: BTreeMap<ImageRef, String> = BTreeMap::new();
    for image in lying.into_values() {
        found.extend(image.image.digest.map(|digest| (image.name, digest)));
    }
    // Of a service whose fingerprint is not known, and of other platforms, no line can be judged.
    let built = prepared.project.services.values();
    let built = built.filter(|own| own.build.is_some()).count();
    let all_known = prepared.known().count() == built;
    for (image, digest) in before.entries() {
        if Repository::is_keyed(image)
            && !found.contains_key(image)
            && all_known
            && prepared.is_outdated(invocation, image).await
        {
            changes.insert(image.clone(), Change::Removed(digest.to_owned()));
        }
    }
    for (image, now) in found {
        let change = match before.digest(&image) {
            Some(own) if own == now || !upgrade => Change::Kept(own.to_owned()),
            Some(own) => Change::Upgraded(own.to_owned(), now),
            None => Change::Added(now),
        };
        changes.insert(image, change);
    }
    Ok(())
}

impl Prepared {
    /// Whether an image in a registry is for a platform of this run, and so one that nobody asks for any more; or is gone.
    async fn is_outdated(&mut self, invocation: &Invocation, image: &ImageRef) -> bool {
        let native = self.engine.native().await;
        let (Ok(registries), Ok(native)) = (self.registries(invocation).await, native) else {
            return false;
        };
        let asked = registries.image(image, &native);
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(None)) => true,
            Ok(Ok(Some(found))) => {
                let own = found.platform;
                let mut asked = self.known().filter_map(|(_, own)| own.platform.as_deref());
                own.is_none_or(|own| {
                    native.takes(&own) || asked.any(|asked| Platform::parse(asked).takes(&own))
                })
            }
            _ => false,
        }
    }
}
