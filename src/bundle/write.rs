//! A bundle in the making, out of what `docker save` writes. Layers that several images have are in it once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::layout::{
    BASES, BundleError, CONFIG_TYPE, Configuration, Descriptor, Hashed, INDEX, INDEX_TYPE, Index,
    LAYOUT, LAYOUT_TEXT, MANIFEST_TYPE, Manifest, NAME, Named, Saved, blob, broken,
};
use crate::fingerprint::Base;
use crate::model::{Digest, familiar};

/// A bundle that is being written.
pub struct BundleWriter<W: Write> {
    out: tar::Builder<W>,
    written: BTreeSet<String>,
    manifests: Vec<Descriptor>,
}

/// Where the files of an archive lie in it: name → place and bytes, or the file that stands for it.
type Places = BTreeMap<String, Place>;

enum Place {
    At(u64, u64),
    Link(String),
}

impl<W: Write> BundleWriter<W> {
    /// Begins one.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new(out: W) -> Result<Self, BundleError> {
        let mut writer = Self {
            out: tar::Builder::new(out),
            written: BTreeSet::new(),
            manifests: Vec::new(),
        };
        writer.file(LAYOUT, LAYOUT_TEXT.as_bytes())?;
        Ok(writer)
    }

    /// Adds the images of an archive that have one of these names on the engine.
    ///
    /// # Errors
    /// The archive is none, or lacks one of them.
    pub fn add(&mut self, saved: &Path, names: &BTreeSet<Named>) -> Result<(), BundleError> {
        let mut archive = File::open(saved)?;
        let places = places(&archive)?;
        let images = text(&mut archive, &places, "manifest.json")?;
        let images: Vec<Saved> =
            serde_json::from_slice(&images).map_err(|error| broken(error.to_string()))?;
        for name in names {
            let on_engine = name.on_engine();
            let has = |own: &&Saved| {
                let tags = own.repo_tags.iter().flatten();
                tags.map(|tag| familiar(tag)).any(|tag| tag == on_engine)
            };
            let image = images.iter().find(has);
            let image =
                image.ok_or_else(|| broken(format!("the engine did not save `{on_engine}`")))?;
            self.image(&mut archive, &places, image, name)?;
        }
        Ok(())
    }

    fn image(
        &mut self,
        archive: &mut File,
        places: &Places,
        image: &Saved,
        name: &Named,
    ) -> Result<(), BundleError> {
        let config = text(archive, places, &image.config)?;
        let said: Configuration =
            serde_json::from_slice(&config).map_err(|error| broken(error.to_string()))?;
        let config = self.blob(&config, CONFIG_TYPE)?;
        let mut layers = Vec::new();
        for layer in &image.layers {
            let (at, size) = find(places, layer)?;
            layers.push(self.layer(archive, at, size)?);
        }
        let manifest = Manifest {
            schema_version: 2,
            media_type: MANIFEST_TYPE.to_owned(),
            config,
            layers,
        };
        let manifest = serde_json::to_vec(&manifest).map_err(io::Error::from)?;
        let mut manifest = self.blob(&manifest, MANIFEST_TYPE)?;
        manifest.platform = Some(said.platform);
        manifest
            .annotations
            .insert(NAME.to_owned(), name.to_string());
        self.manifests.push(manifest);
        Ok(())
    }

    fn layer(&mut self, archive: &mut File, at: u64, size: u64) -> Result<Descriptor, BundleError> {
        archive.seek(SeekFrom::Start(at))?;
        let mut hashed = Hashed::new(Read::by_ref(archive).take(size));
        io::copy(&mut hashed, &mut io::sink())?;
        let digest = hashed.digest();
        let mut first = [0; 4];
        archive.seek(SeekFrom::Start(at))?;
        let read = Read::by_ref(archive).take(size).read(&mut first)?;
        let media_type = match &first[..read] {
            [0x1f, 0x8b, ..] => "application/vnd.oci.image.layer.v1.tar+gzip",
            [0x28, 0xb5, 0x2f, 0xfd] => "application/vnd.oci.image.layer.v1.tar+zstd",
            _ => "application/vnd.oci.image.layer.v1.tar",
        };
        let descriptor = described(media_type, &digest, size);
        if self.written.insert(descriptor.digest.clone()) {
            archive.seek(SeekFrom::Start(at))?;
            let name = blob(&descriptor.digest);
            let mut header = header(size);
            self.out
                .append_data(&mut header, name, Read::by_ref(archive).take(size))?;
        }
        Ok(descriptor)
    }

    fn blob(&mut self, bytes: &[u8], media_type: &str) -> Result<Descriptor, BundleError> {
        let digest = format!("sha256:{}", Digest::of(bytes));
        if self.written.insert(digest.clone()) {
            self.file(&blob(&digest), bytes)?;
        }
        Ok(described(media_type, &digest, bytes.len() as u64))
    }

    fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), BundleError> {
        let mut header = header(bytes.len() as u64);
        Ok(self.out.append_data(&mut header, name, bytes)?)
    }

    /// Ends it, with what is known of images that others start from.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(mut self, bases: &BTreeMap<String, Base>) -> Result<W, BundleError> {
        let bases = serde_json::to_string(bases).map_err(io::Error::from)?;
        let index = Index {
            schema_version: 2,
            media_type: INDEX_TYPE.to_owned(),
            manifests: std::mem::take(&mut self.manifests),
            annotations: BTreeMap::from([(BASES.to_owned(), bases)]),
        };
        let index = serde_json::to_vec(&index).map_err(io::Error::from)?;
        self.file(INDEX, &index)?;
        Ok(self.out.into_inner()?)
    }
}

fn described(media_type: &str, digest: &str, size: u64) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: digest.to_owned(),
        size,
        platform: None,
        annotations: BTreeMap::new(),
    }
}

/// The same for every run: two bundles of the same images are the same file.
fn header(size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(0);
    header
}

fn places(archive: &File) -> Result<Places, BundleError> {
    let mut places = Places::new();
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        if kind.is_file() {
            places.insert(name, Place::At(entry.raw_file_position(), entry.size()));
        } else if kind.is_symlink()
            && let Some(target) = entry.link_name_bytes()
        {
            // Engines write `../<other layer>/layer.tar`, from the layer's own folder.
            let target = String::from_utf8_lossy(&target).into_owned();
            let target = target.strip_prefix("../").unwrap_or(&target).to_owned();
            places.insert(name, Place::Link(target));
        }
    }
    Ok(places)
}

fn find(places: &Places, name: &str) -> Result<(u64, u64), BundleError> {
    let mut name = name;
    for _ in 0..8 {
        match places.get(name) {
            Some(Place::At(at, size)) => return Ok((*at, *size)),
            Some(Place::Link(target)) => name = target,
            None => break,
        }
    }
    Err(broken(format!("what the engine saved lacks `{name}`")))
}

fn text(archive: &mut File, places: &Places, name: &str) -> Result<Vec<u8>, BundleError> {
    let (at, size) = find(places, name)?;
    archive.seek(SeekFrom::Start(at))?;
    let mut text = Vec::new();
    archive.take(size).read_to_end(&mut text)?;
    Ok(text)
}
