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
        let at = at.ok_or_else(|| broken(format!("it has no `{INDEX}`, or was cut off")))?;
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
    BundleError::Damaged(digest.to_owned())
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::Cursor;

    use super::super::write::BundleWriter;
    use super::*;

    fn file(tar: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]) {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes).unwrap();
    }

    /// What an engine of 20.10 saves: a layer that two images share is a link the second time.
    fn saved(full: &Digest, label: &str) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let config = format!(
            r#"{{"os":"linux","architecture":"amd64","config":{{"Labels":{{"{}":"{label}"}}}}}}"#,
            labels::FINGERPRINT
        );
        file(&mut tar, "c1.json", config.as_bytes());
        file(
            &mut tar,
            "c2.json",
            br#"{"os":"linux","architecture":"amd64"}"#,
        );
        file(&mut tar, "l1/layer.tar", b"one");
        file(&mut tar, "l2/layer.tar", b"\x1f\x8btwo");
        let mut link = tar::Header::new_ustar();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        tar.append_link(&mut link, "l3/layer.tar", "../l1/layer.tar")
            .unwrap();
        let list = serde_json::json!([
            {"Config": "c1.json", "RepoTags": [labels::image_name(full)], "Layers": ["l1/layer.tar", "l2/layer.tar"]},
            {"Config": "c2.json", "RepoTags": ["redis:7"], "Layers": ["l3/layer.tar"]},
        ]);
        file(&mut tar, "manifest.json", list.to_string().as_bytes());
        tar.into_inner().unwrap()
    }

    fn bundle(label: &str) -> Vec<u8> {
        let full = Digest::of(b"x");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("saved.tar");
        std::fs::write(&path, saved(&full, label)).unwrap();
        let mut writer = BundleWriter::new(Vec::new()).unwrap();
        let names = [Named::Image(full), Named::Name("redis:7".parse().unwrap())];
        writer.add(&path, &BTreeSet::from(names)).unwrap();
        writer.finish(&BTreeMap::new()).unwrap()
    }

    fn open(bytes: &[u8]) -> Result<(tempfile::TempDir, Bundle), BundleError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bundle.tar");
        std::fs::write(&path, bytes).unwrap();
        let bundle = Bundle::open(&path)?;
        Ok((folder, bundle))
    }

    fn names(tar: &[u8]) -> Vec<String> {
        let mut archive = tar::Archive::new(Cursor::new(tar));
        let entries = archive.entries().unwrap();
        let names = entries.map(|own| own.unwrap().path().unwrap().display().to_string());
        names.collect()
    }

    #[test]
    fn what_is_written_is_read_and_a_shared_layer_is_in_it_once() {
        let full = Digest::of(b"x");
        let bytes = bundle(&full.to_string());
        let (_folder, bundle) = open(&bytes).unwrap();
        let called: Vec<String> = bundle
            .images
            .iter()
            .map(|own| own.name.to_string())
            .collect();
        assert_eq!(called, [format!("fp-{full}"), "redis:7".to_owned()]);
        assert_eq!(
            bundle
                .images
                .iter()
                .map(|own| own.bytes)
                .collect::<Vec<_>>(),
            [8, 3]
        );
        // Layout, index, two configurations, two manifests, two layers.
        assert_eq!(names(&bytes).len(), 8);
        let mut out = Vec::new();
        bundle.write(&bundle.images, &mut out).unwrap();
        let written = names(&out);
        assert_eq!(written.len(), 5, "{written:?}");
        assert_eq!(written.last().unwrap(), "manifest.json");
    }

    #[test]
    fn an_image_that_does_not_say_its_fingerprint_is_refused() {
        let error = open(&bundle("another")).unwrap_err().to_string();
        assert!(error.contains("does not say that it is that"), "{error}");
    }

    #[test]
    fn a_layer_that_changed_is_noticed_before_the_list_of_images_is_written() {
        let full = Digest::of(b"x");
        let mut bytes = bundle(&full.to_string());
        let at = bytes.windows(3).position(|own| own == b"one").unwrap();
        bytes[at] = b'O';
        let (_folder, bundle) = open(&bytes).unwrap();
        let mut out = Vec::new();
        let error = bundle.write(&bundle.images, &mut out).unwrap_err();
        assert!(error.to_string().contains("damaged"), "{error}");
        assert!(!String::from_utf8_lossy(&out).contains("manifest.json"));
    }

    #[test]
    fn links_and_other_names_count_for_nothing_and_a_name_comes_once() {
        let whole = bundle(&Digest::of(b"x").to_string());
        let with = |more: &dyn Fn(&mut tar::Builder<Vec<u8>>)| {
            let mut tar = tar::Builder::new(Vec::new());
            let mut archive = tar::Archive::new(Cursor::new(&whole));
            for entry in archive.entries().unwrap() {
                let mut entry = entry.unwrap();
                let header = entry.header().clone();
                tar.append(&header, &mut entry).unwrap();
            }
            more(&mut tar);
            tar.into_inner().unwrap()
        };
        let other = with(&|tar| file(tar, "etc/passwd", b"x"));
        assert_eq!(open(&other).unwrap().1.images.len(), 2);
        let twice = with(&|tar| file(tar, INDEX, b"{}"));
        assert!(open(&twice).unwrap_err().to_string().contains("twice"));
        let mut link = tar::Header::new_ustar();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        let mut tar = tar::Builder::new(Vec::new());
        file(&mut tar, LAYOUT, b"{}");
        tar.append_link(&mut link, INDEX, "/etc/passwd").unwrap();
        let error = open(&tar.into_inner().unwrap()).unwrap_err().to_string();
        assert!(error.contains("no `index.json`"), "{error}");
    }
}
