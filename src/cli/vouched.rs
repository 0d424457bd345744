//! The lines of `larder.lock` that vouch for the project's own images in a registry: who reads the file's changes decides who is
//! believed, and nobody has to trust the registry.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;

use super::invocation::Invocation;
use super::lock::Change;
use super::prepare::{Goal, prepare};
use crate::failure::Failure;
use crate::fingerprint::{LOCK_FILE, Lock};
use crate::model::{ImageRef, Repository};
use crate::settings::Cache;

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
        let own = cache.from.iter().filter(|_| !cache.trusted);
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
    for (image, digest) in before.entries() {
        if Repository::is_keyed(image) && !found.contains_key(image) {
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
