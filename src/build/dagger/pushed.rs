//! An image as it was pushed: a manifest, and beside it the files that were not said to be there. Brought onto the engine without
//! the layers that it has. Must not know who pushed it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bollard::Docker;
use serde::Deserialize;
use serde_json::json;

use super::load::load;
use crate::model::{Digest, ImageId};
use crate::runtime::EngineError;

/// The digests of an image's uncompressed layers, from the bottom.
pub(super) type Layers = Vec<String>;

/// One image.
#[derive(Debug)]
pub(super) struct Pushed {
    folder: PathBuf,
    manifest: Vec<u8>,
    media_type: String,
    config: String,
    /// The digests of the layers' files.
    layers: Vec<String>,
    /// The digests of the uncompressed layers: the same, where the files are not compressed.
    diff_ids: Layers,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    media_type: String,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
}

#[derive(Deserialize)]
pub(super) struct Configuration {
    pub(super) rootfs: RootFs,
}

#[derive(Deserialize)]
pub(super) struct RootFs {
    pub(super) diff_ids: Layers,
}

impl Pushed {
    /// Reads what was pushed: a manifest, and into `folder` the rest.
    pub(super) fn open(folder: &Path, manifest: &[u8]) -> io::Result<Self> {
        let parsed: Manifest = serde_json::from_slice(manifest)?;
        let layers: Vec<String> = parsed.layers.into_iter().map(|own| own.digest).collect();
        let config = folder.join(hex(&parsed.config.digest)?);
        let config: Configuration = serde_json::from_slice(&std::fs::read(config)?)?;
        let diff_ids = config.rootfs.diff_ids;
        for layer in &layers {
            hex(layer)?;
        }
        if diff_ids.len() != layers.len() {
            return Err(invalid("its layers are not those of its configuration"));
        }
        Ok(Self {
            folder: folder.to_owned(),
            manifest: manifest.to_owned(),
            media_type: parsed.media_type,
            config: parsed.config.digest,
            layers,
            diff_ids,
        })
    }

    /// How many of the lowest layers are those of one of the images that are `there`, in the same order.
    pub(super) fn known(&self, there: &[Layers]) -> usize {
        known(&self.diff_ids, there)
    }

    /// The layers that an engine with the `known` lowest ones has no use for: not those that stand above, too.
    pub(super) fn needless(&self, known: usize) -> BTreeSet<String> {
        let above: BTreeSet<&String> = self.layers[known..].iter().collect();
        let below = self.layers[..known].iter();
        below
            .filter(|layer| !above.contains(layer))
            .cloned()
            .collect()
    }

    /// Whether all layers above the `known` lowest ones were pushed.
    pub(super) fn is_whole(&self, known: usize) -> bool {
        let mut above = self.layers[known..].iter();
        above.all(|layer| self.file(layer).is_file())
    }

    /// Loads the image onto the engine, without the `known` lowest layers.
    pub(super) async fn load(&self, docker: &Docker, known: usize) -> Result<ImageId, EngineError> {
        let needless = self.needless(known);
        let goods = self.layers.iter().filter(|own| !needless.contains(*own));
        let goods: BTreeSet<String> = goods.chain([&self.config]).cloned().collect();
        let files: Vec<(String, PathBuf)> = goods
            .into_iter()
            .map(|digest| (place(&digest), self.file(&digest)))
            .collect();
        let texts = self.texts();
        let write = move |out: &mut dyn Write| write(&files, &texts, out);
        let image = load(docker, write).await?;
        Ok(image.unwrap_or_else(|| ImageId(self.config.clone())))
    }

    fn file(&self, digest: &str) -> PathBuf {
        self.folder
            .join(digest.strip_prefix("sha256:").unwrap_or(digest))
    }

    /// What an archive says of the image, in the words of both image stores (`docker save` since engine 25, which writes
    /// the form of before beside the one of OCI).
    fn texts(&self) -> Vec<(String, Vec<u8>)> {
        let digest = format!("sha256:{}", Digest::of(&self.manifest));
        let index = json!({
            "schemaVersion": 2,
            "manifests": [{
                "mediaType": self.media_type, "digest": digest, "size": self.manifest.len(),
            }],
        });
        let layers: Vec<String> = self.layers.iter().map(|layer| place(layer)).collect();
        let before = json!([{"Config": place(&self.config), "Layers": layers, "RepoTags": null}]);
        vec![
            (place(&digest), self.manifest.clone()),
            ("index.json".to_owned(), index.to_string().into_bytes()),
            ("manifest.json".to_owned(), before.to_string().into_bytes()),
            (
                "oci-layout".to_owned(),
                br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(),
            ),
        ]
    }
}

/// How many of the lowest layers are those of one of the images that are `there`, in the same order.
pub(super) fn known(layers: &[String], there: &[Layers]) -> usize {
    let common = |other: &Layers| {
        let pairs = other.iter().zip(layers);
        pairs.take_while(|(one, other)| one == other).count()
    };
    there.iter().map(common).max().unwrap_or(0)
}

fn hex(digest: &str) -> io::Result<String> {
    let hex = digest.strip_prefix("sha256:");
    let parsed = hex.and_then(|hex| hex.parse::<Digest>().ok());
    let parsed = parsed.ok_or_else(|| invalid("it names a layer by no digest"))?;
    Ok(parsed.to_string())
}

fn place(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn write(
    files: &[(String, PathBuf)],
    texts: &[(String, Vec<u8>)],
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut archive = tar::Builder::new(out);
    let header = |size| {
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o644);
        header
    };
    for (name, text) in texts {
        archive.append_data(&mut header(text.len() as u64), name, text.as_slice())?;
    }
    for (name, path) in files {
        let file = File::open(path)?;
        archive.append_data(&mut header(file.metadata()?.len()), name, file)?;
    }
    archive.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> String {
        format!("sha256:{}", Digest::of(text.as_bytes()))
    }

    /// An image of these layers, of which those in capitals were pushed.
    fn pushed(folder: &Path, layers: &[&str]) -> Pushed {
        let digests: Vec<String> = layers.iter().map(|own| digest(own)).collect();
        let config = json!({"rootfs": {"diff_ids": digests}}).to_string();
        let put = |text: &str| {
            let digest = Digest::of(text.as_bytes()).to_string();
            std::fs::write(folder.join(digest), text).unwrap();
        };
        put(&config);
        let capital = |layer: &&&str| layer.chars().all(char::is_uppercase);
        layers.iter().filter(capital).for_each(|layer| put(layer));
        let layers: Vec<_> = digests.iter().map(|own| json!({"digest": own})).collect();
        let manifest = json!({
            "mediaType": "manifest", "config": {"digest": digest(&config)}, "layers": layers,
        });
        Pushed::open(folder, manifest.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn what_the_engine_has_is_told_by_order_and_what_stands_twice_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let image = pushed(folder.path(), &["base", "work", "NEW", "work"]);
        let layers = |all: &[&str]| -> Layers { all.iter().map(|own| digest(own)).collect() };
        let there = [layers(&["work"]), layers(&["base", "work", "old"])];
        assert_eq!(image.known(&there), 2);
        assert_eq!(image.needless(2), BTreeSet::from([digest("base")]));
        assert!(!image.is_whole(2));
        assert_eq!(image.known(&[]), 0);
        let image = pushed(folder.path(), &["base", "work", "NEW"]);
        assert!(image.is_whole(2) && !image.is_whole(1));
    }

    #[test]
    fn an_archive_has_what_was_pushed_and_what_says_it() {
        let folder = tempfile::tempdir().unwrap();
        let image = pushed(folder.path(), &["base", "NEW"]);
        let files = [(place(&digest("NEW")), image.file(&digest("NEW")))];
        let mut out = Vec::new();
        write(&files, &image.texts(), &mut out).unwrap();
        let mut archive = tar::Archive::new(out.as_slice());
        let names: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        let manifest = format!("sha256:{}", Digest::of(&image.manifest));
        assert_eq!(
            names,
            [
                &*place(&manifest),
                "index.json",
                "manifest.json",
                "oci-layout",
                &*place(&digest("NEW"))
            ]
        );
    }

    #[test]
    fn what_names_no_digest_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = json!({
            "mediaType": "m", "config": {"digest": "sha256:../../etc/passwd"}, "layers": [],
        });
        let manifest = manifest.to_string();
        assert!(Pushed::open(folder.path(), manifest.as_bytes()).is_err());
    }
}
