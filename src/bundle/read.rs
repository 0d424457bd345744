//! A bundle that somebody brought. Nothing of it is believed: names are few and exact, everything is compared with its digest,
//! and an image under a key must say that key itself.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::layout::{
    BASES, BundleError, Configuration, Descriptor, Hashed, INDEX, Index, LAYOUT, Manifest, NAME,
    Named, Saved, blob, broken,
};
use crate::fingerprint::{Base, Platform};
use crate::model::{Digest, labels};

/// The largest text that is read whole, in bytes.
const TEXT: u64 = 8 << 20;
/// The most files that there may be.
const MOST: usize = 100_000;

/// A bundle.
#[derive(Debug)]
pub struct Bundle {
    path: PathBuf,
    /// The blobs by their digests: where they lie, and bytes.
    blobs: BTreeMap<String, (u64, u64)>,
    /// Its images.
    pub images: Vec<BundledImage>,
    /// What images start from that are not in it.
    pub bases: BTreeMap<String, Base>,
}

/// An image in a bundle.
#[derive(Clone, Debug)]
pub struct BundledImage {
    /// What it is called.
    pub name: Named,
    /// What it is for.
    pub platform: Option<Platform>,
    /// Bytes of its layers.
    pub bytes: u64,
    /// The digest of its configuration: its ID in an engine's classic store.
    pub config: String,
    layers: Vec<String>,
}

impl Bundle {
    /// Reads what a file has, and no layer yet.
    ///
    /// # Errors
    /// It is no bundle, or an image in it is not what it is called.
    pub fn open(path: &Path) -> Result<Self, BundleError> {
        let mut file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(broken("not a file"));
        }
        let files = files(&file)?;
        if !files.contains_key(LAYOUT) {
            return Err(broken(format!("it has no `{LAYOUT}`")));
        }
        let at = files.get(INDEX).copied();
        let at = at.ok_or_else(|| broken(format!("it has no `{INDEX}`")))?;
        let index: Index = json(&text(&mut file, at)?, INDEX)?;
        let bases = index.annotations.get(BASES);
        let bases = bases.map(|text| json(text.as_bytes(), BASES)).transpose()?;
        let mut bundle = Self {
            path: path.to_owned(),
            blobs: files,
            images: Vec::new(),
            bases: bases.unwrap_or_default(),
        };
        for manifest in &index.manifests {
            let image = bundle.image(&mut file, manifest)?;
            bundle.images.push(image);
        }
        Ok(bundle)
    }

    fn image(&self, file: &mut File, own: &Descriptor) -> Result<BundledImage, BundleError> {
        let name = own.annotations.get(NAME).map(String::as_str);
        let name = name.unwrap_or_default();
        let named = Named::parse(name);
        let named = named.ok_or_else(|| broken(format!("`{name}` is no name of an image")))?;
        let manifest: Manifest = json(&self.checked(file, &own.digest)?, name)?;
        let config = self.checked(file, &manifest.config.digest)?;
        let config: Configuration = json(&config, name)?;
        let said = config.config.and_then(|own| own.labels).unwrap_or_default();
        let says = |label: &str, key: &Digest| said.get(label) == Some(&key.to_string());
        let true_to_name = match &named {
            Named::Image(full) => says(labels::FINGERPRINT, full),
            Named::Dependencies(key) => says(labels::DEPENDENCIES, key),
            Named::Name(_) => true,
        };
        if !true_to_name {
            return Err(broken(format!(
                "the image `{name}` does not say that it is that"
            )));
        }
        for layer in &manifest.layers {
            self.place(&layer.digest)?;
        }
        let platform = config.platform;
        let layers = manifest.layers.into_iter();
        Ok(BundledImage {
            name: named,
            platform: Platform::of_image(&platform.os, &platform.architecture, &platform.variant),
            bytes: layers.clone().map(|layer| layer.size).sum(),
            config: manifest.config.digest,
            layers: layers.map(|layer| layer.digest).collect(),
        })
    }

    fn place(&self, digest: &str) -> Result<(u64, u64), BundleError> {
        let place = self.blobs.get(&blob(digest)).copied();
        place.ok_or_else(|| broken(format!("it lacks `{digest}`")))
    }

    fn checked(&self, file: &mut File, digest: &str) -> Result<Vec<u8>, BundleError> {
        let text = text(file, self.place(digest)?)?;
        if format!("sha256:{}", Digest::of(&text)) != digest {
            return Err(changed(digest));
        }
        Ok(text)
    }

    /// Writes some of its images as `docker load` takes them. Each layer is compared with its digest on the way, and the list of
    /// images comes last: where one is another, the engine gets none.
    ///
    /// # Errors
    /// A layer is not what its digest says, or nobody takes what is written.
    pub fn write(&self, images: &[BundledImage], out: &mut dyn Write) -> Result<(), BundleError> {
        let mut file = File::open(&self.path)?;
        let mut archive = tar::Builder::new(out);
        let mut written = std::collections::BTreeSet::new();
        let mut saved = Vec::new();
        for image in images {
            let all = image.layers.iter().chain([&image.config]);
            for digest in all {
                if !written.insert(digest.clone()) {
                    continue;
                }
                let (at, size) = self.place(digest)?;
                file.seek(SeekFrom::Start(at))?;
                let mut header = tar::Header::new_ustar();
                header.set_size(size);
                header.set_mode(0o644);
                let mut hashed = Hashed::new(Read::by_ref(&mut file).take(size));
                archive.append_data(&mut header, file_of(digest), &mut hashed)?;
                if hashed.digest() != *digest {
                    return Err(changed(digest));
                }
            }
            saved.push(Saved {
                config: file_of(&image.config),
                repo_tags: Some(vec![image.name.on_engine()]),
                layers: image.layers.iter().map(|own| file_of(own)).collect(),
            });
        }
        let list = serde_json::to_vec(&saved).map_err(io::Error::from)?;
        let mut header = tar::Header::new_ustar();
        header.set_size(list.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, "manifest.json", list.as_slice())?;
        archive.finish()?;
        Ok(())
    }
}

/// The name of a file that `docker load` is given.
fn file_of(digest: &str) -> String {
    let hex = digest.rsplit(':').next().unwrap_or(digest);
    format!("{hex}.blob")
}

fn changed(digest: &str) -> BundleError {
    broken(format!(
        "`{digest}` is not what it was: the file is damaged"
    ))
}

/// The regular files of a bundle that have a name which one may have: where they lie, and bytes.
fn files(file: &File) -> Result<BTreeMap<String, (u64, u64)>, BundleError> {
    let mut files = BTreeMap::new();
    let mut archive = tar::Archive::new(file);
    let not_tar = |_| broken("it is no tar archive, or it was cut off");
    for entry in archive.entries_with_seek().map_err(not_tar)? {
        let entry = entry.map_err(not_tar)?;
        let name = entry.path_bytes();
        let name = std::str::from_utf8(&name).unwrap_or_default();
        let is_blob = name
            .strip_prefix("blobs/sha256/")
            .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if !(is_blob || matches!(name, LAYOUT | INDEX)) || !entry.header().entry_type().is_file() {
            continue;
        }
        let place = (entry.raw_file_position(), entry.size());
        let twice = files.insert(name.to_owned(), place).is_some();
        if twice || files.len() > MOST {
            return Err(broken(format!("it has `{name}` twice, or too many files")));
        }
    }
    Ok(files)
}

fn text(file: &mut File, (at, size): (u64, u64)) -> Result<Vec<u8>, BundleError> {
    if size > TEXT {
        return Err(broken("a text in it has too many bytes"));
    }
    file.seek(SeekFrom::Start(at))?;
    let mut text = Vec::new();
    Read::by_ref(file).take(size).read_to_end(&mut text)?;
    Ok(text)
}

fn json<T: DeserializeOwned>(text: &[u8], what: &str) -> Result<T, BundleError> {
    serde_json::from_slice(text).map_err(|error| broken(format!("`{what}`: {error}")))
}
