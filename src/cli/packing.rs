//! A bundle in the making: what of a run's images goes into it, saved by the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Permissions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::pin;

use futures_util::StreamExt;

use tempfile::NamedTempFile;

use super::invocation::Invocation;
use super::prepare::Prepared;
use crate::bundle::{BundleError, BundleWriter, Named};
use crate::failure::Failure;
use crate::fingerprint::{Base, Fingerprinted};
use crate::model::labels;
use crate::runtime::Engine;
use crate::term::{Waiting, size};

/// A bundle beside its place: half of one is never there.
pub(super) struct Packing {
    file: PathBuf,
    writer: BundleWriter<BufWriter<NamedTempFile>>,
    bases: BTreeMap<String, Base>,
    packed: BTreeSet<Named>,
}

impl Packing {
    /// Begins one.
    pub(super) fn begin(file: &Path) -> Result<Self, Failure> {
        let begun = || {
            if file.is_dir() {
                return Err(std::io::Error::from(std::io::ErrorKind::IsADirectory).into());
            }
            let beside = beside(file)?;
            BundleWriter::new(BufWriter::new(beside))
        };
        Ok(Self {
            writer: begun().map_err(|source| unwritten(file, source))?,
            file: file.to_owned(),
            bases: BTreeMap::new(),
            packed: BTreeSet::new(),
        })
    }

    /// Packs the images of a run that are on the engine.
    pub(super) async fn pack(
        &mut self,
        invocation: &Invocation,
        prepared: &Prepared,
    ) -> Result<(), Failure> {
        let observed = prepared.engine.observe(&prepared.project.name).await?;
        let mut names = BTreeSet::new();
        for service in &prepared.services {
            match prepared.recipes.get(service) {
                Some(Fingerprinted::Known(recipe)) if recipe.unpinned.is_none() => {
                    names.insert(Named::Image(recipe.full));
                    for cut in &recipe.cuts {
                        let name = labels::dependencies_name(&cut.key);
                        let here = observed.image_for(labels::DEPENDENCIES, &cut.key, &name);
                        names.extend(here.map(|_| Named::Dependencies(cut.key)));
                    }
                }
                Some(_) => {}
                None => {
                    let name = prepared.project.image_name(service).parse();
                    names.extend(name.ok().map(Named::Name));
                }
            }
        }
        let shown = Waiting::show(
            prepared.settings.progress,
            &invocation.screen,
            "saving images",
        );
        let mut saved = beside(&self.file).map_err(|source| self.failed(source.into()))?;
        let on_engine: Vec<String> = names.iter().map(Named::on_engine).collect();
        if !on_engine.is_empty() {
            let mut pieces = pin!(prepared.engine.save(&on_engine));
            while let Some(piece) = pieces.next().await {
                let written = saved.write_all(&piece?);
                written.map_err(|source| self.failed(source.into()))?;
            }
            let added = self.writer.add(saved.path(), &names);
            added.map_err(|source| self.failed(source))?;
        }
        drop(shown);
        self.packed.extend(names);
        self.bases.extend(prepared.bases.clone());
        Ok(())
    }

    /// Ends it, and puts it where it is wanted.
    pub(super) fn end(self, invocation: &Invocation) -> Result<(), Failure> {
        let Self {
            file,
            writer,
            bases,
            packed,
        } = self;
        let written = || {
            let mut out = writer.finish(&bases)?;
            out.flush()?;
            let out = out
                .into_inner()
                .map_err(std::io::IntoInnerError::into_error)?;
            let bytes = out.as_file().metadata()?.len();
            out.persist(&file).map_err(|error| error.error)?;
            Ok(bytes)
        };
        let bytes = written().map_err(|source| unwritten(&file, source))?;
        let images = if packed.len() == 1 { "image" } else { "images" };
        let line = format!(
            "{} {images} in {}, {}\n",
            packed.len(),
            file.display(),
            size(bytes)
        );
        invocation.screen.err(&line);
        Ok(())
    }

    fn failed(&self, source: BundleError) -> Failure {
        unwritten(&self.file, source)
    }
}

fn beside(file: &Path) -> std::io::Result<NamedTempFile> {
    let folder = file.parent().filter(|own| !own.as_os_str().is_empty());
    tempfile::Builder::new()
        .prefix(".larder-bundle-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder.unwrap_or(Path::new(".")))
}

fn unwritten(file: &Path, source: BundleError) -> Failure {
    Failure::Bundle {
        path: file.to_owned(),
        written: true,
        source,
    }
}
