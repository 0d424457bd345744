//! An image archive, as Dagger writes it, brought onto the engine: only the layers that the engine lacks where
//! its store takes that, else all of it. Must not know who wrote it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bollard::Docker;
use serde::Deserialize;

use super::load::load;
use super::pushed::{Configuration, Layers};
use crate::model::ImageId;
use crate::runtime::EngineError;

/// One image in an uncompressed archive in `docker save` form.
#[derive(Debug)]
pub(super) struct Archive {
    path: PathBuf,
    /// The configuration's file: its name ends in the digest that is the image's ID in the classic store.
    config: String,
    /// The files of the layers, from the bottom.
    layers: Vec<String>,
    /// The digests of the uncompressed layers, from the bottom.
    pub(super) diff_ids: Layers,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Manifest {
    config: String,
    layers: Vec<String>,
}

impl Archive {
    /// Reads what an archive holds.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let manifests: Vec<Manifest> = parsed(path, "manifest.json")?;
        let [Manifest { config, layers }] = <[Manifest; 1]>::try_from(manifests)
            .map_err(|all| invalid(format!("an archive of {} images", all.len())))?;
        let Configuration { rootfs } = parsed(path, &config)?;
        if rootfs.diff_ids.len() != layers.len() {
            return Err(invalid(
                "an archive whose layers are not those of its image".to_owned(),
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            config,
            layers,
            diff_ids: rootfs.diff_ids,
        })
    }

    /// Loads the image onto the engine, leaving out the `known` lowest layers where the engine lets that be.
    pub(super) async fn load(self, docker: &Docker, known: usize) -> Result<ImageId, EngineError> {
        let thin: BTreeSet<String> = self.layers.iter().take(known).cloned().collect();
        // A layer that stands above too, as an empty one does, is needed there.
        let above: BTreeSet<&String> = self.layers.iter().skip(known).collect();
        let thin = thin
            .into_iter()
            .filter(|layer| !above.contains(layer))
            .collect();
        match self.send(docker, thin).await {
            // The containerd image store takes no image without all its layers.
            Err(_) if known > 0 => self.send(docker, BTreeSet::new()).await,
            sent => sent,
        }
    }

    async fn send(
        &self,
        docker: &Docker,
        without: BTreeSet<String>,
    ) -> Result<ImageId, EngineError> {
        let path = self.path.clone();
        let image = load(docker, move |out| copy(&path, &without, out)).await?;
        Ok(image.unwrap_or_else(|| self.id()))
    }

    fn id(&self) -> ImageId {
        let name = self.config.rsplit('/').next().unwrap_or(&self.config);
        ImageId(format!("sha256:{}", name.trim_end_matches(".json")))
    }
}

fn parsed<T: for<'de> Deserialize<'de>>(path: &Path, name: &str) -> io::Result<T> {
    let mut archive = tar::Archive::new(File::open(path)?);
    for entry in archive.entries_with_seek()? {
        let mut entry = entry?;
        if entry.path_bytes().as_ref() == name.as_bytes() {
            let mut text = Vec::new();
            entry.read_to_end(&mut text)?;
            return serde_json::from_slice(&text).map_err(io::Error::from);
        }
    }
    Err(invalid(format!("an archive without `{name}`")))
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn copy(path: &Path, without: &BTreeSet<String>, out: &mut dyn Write) -> io::Result<()> {
    let mut archive = tar::Archive::new(File::open(path)?);
    let mut copy = tar::Builder::new(out);
    for entry in archive.entries_with_seek()? {
        let mut entry = entry?;
        if without.contains(&*String::from_utf8_lossy(&entry.path_bytes())) {
            continue;
        }
        let header = entry.header().clone();
        copy.append(&header, &mut entry)?;
    }
    copy.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(folder: &Path) -> PathBuf {
        let path = folder.join("image.tar");
        let mut tar = tar::Builder::new(File::create(&path).unwrap());
        let mut add = |name: &str, text: &str| {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, text.as_bytes()).unwrap();
        };
        add("blobs/sha256/l1", "one");
        add("blobs/sha256/l2", "two");
        add(
            "blobs/sha256/c0",
            r#"{"rootfs":{"diff_ids":["sha256:l1","sha256:l2"]}}"#,
        );
        add(
            "manifest.json",
            r#"[{"Config":"blobs/sha256/c0","Layers":["blobs/sha256/l1","blobs/sha256/l2"]}]"#,
        );
        tar.into_inner().unwrap();
        path
    }

    #[test]
    fn an_archive_tells_its_layers_and_the_images_id() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(&archive(folder.path())).unwrap();
        assert_eq!(archive.diff_ids, ["sha256:l1", "sha256:l2"]);
        assert_eq!(archive.id().0, "sha256:c0");
    }

    #[test]
    fn a_thin_copy_lacks_the_known_layers_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = archive(folder.path());
        let mut out = Vec::new();
        copy(
            &path,
            &BTreeSet::from(["blobs/sha256/l1".to_owned()]),
            &mut out,
        )
        .unwrap();
        let mut thin = tar::Archive::new(out.as_slice());
        let names: Vec<String> = thin
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(
            names,
            ["blobs/sha256/l2", "blobs/sha256/c0", "manifest.json"]
        );
    }
}
