//! All images and who uses them, for a decision about which of larder's own may go: lists, and one inspection for each image.

use std::collections::BTreeSet;

use bollard::models::{ImageHistoryResponseItem, ImageInspect};
use bollard::query_parameters::{ListContainersOptionsBuilder, ListImagesOptions};
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::Docker;
use super::observe::image;
use crate::model::{Digest, DigestWriter, ImageId, labels};
use crate::plan::{Inventory, StoredImage};
use crate::runtime::EngineError;

/// How many images are looked at at a time.
const AT_ONCE: usize = 16;

impl Docker {
    /// All images of the engine, and those that containers are made from or mount.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn inventory(&self) -> Result<Inventory, EngineError> {
        let client = &self.client;
        let all = ListContainersOptionsBuilder::new().all(true).build();
        // Images first: a container that is made meanwhile is seen, and so is its image.
        let listed = self.ask_list("listing images", || {
            client.list_images(None::<ListImagesOptions>)
        });
        let listed = listed.await?;
        let looks = listed.into_iter().map(async |summary| {
            let listed = image(summary);
            let found = match self.image(&listed.id.0).await {
                Err(EngineError::Refused {
                    status: Some(404), ..
                }) => return Ok(None),
                found => found?,
            };
            Ok::<_, EngineError>(Some(StoredImage {
                size: found
                    .size
                    .and_then(|size| size.try_into().ok())
                    .unwrap_or(0),
                since: since(&found),
                layers: chain(&found),
                image: listed,
            }))
        });
        let looks = stream::iter(looks).buffered(AT_ONCE);
        let images: Vec<Option<StoredImage>> = looks.try_collect().await?;
        let containers = self
            .ask("listing containers", || {
                client.list_containers(Some(all.clone()))
            })
            .await?;
        let mut used = BTreeSet::new();
        for container in containers {
            used.extend(container.image_id.map(ImageId));
            let mounts = container.labels.unwrap_or_default();
            let mounts = mounts.get(labels::IMAGE_MOUNTS).map_or("", String::as_str);
            let mounts = mounts.split(',').filter(|id| !id.is_empty());
            used.extend(mounts.map(|id| ImageId(id.to_owned())));
        }
        Ok(Inventory {
            images: images.into_iter().flatten().collect(),
            used,
        })
    }

    /// The size of each layer of an image in bytes, from the lowest on. Engines list instructions and not layers, so of two
    /// instructions that left nothing it is not known which one has a layer.
    ///
    /// # Errors
    /// The engine does not answer, or has no such image.
    pub async fn layer_sizes(&self, own: &StoredImage) -> Result<Vec<u64>, EngineError> {
        let id = &own.image.id;
        let action = format!("looking at image `{}`", id.short());
        let history = || self.client.image_history(&id.0);
        let history = self.ask(&action, history).await?;
        Ok(sizes(&history, own.layers.len()))
    }

    /// Takes all names of an image away that larder gave it, and with the last one the image itself.
    ///
    /// # Errors
    /// A container uses it.
    pub async fn discard(&self, own: &StoredImage) -> Result<(), EngineError> {
        let names: BTreeSet<&String> = own.own_names().collect();
        // The name by which larder finds it goes last: where the engine refuses one, it is still found.
        let (found_by, others): (Vec<_>, Vec<_>) =
            names.into_iter().partition(|name| labels::is_name(name));
        let names = [others, found_by].concat();
        if names.is_empty() {
            return self.remove_image(&own.image.id.0).await;
        }
        for name in names {
            self.remove_image(name).await?;
        }
        Ok(())
    }
}

/// When an image came to be what it is here: when it was made, or got a name.
fn since(found: &ImageInspect) -> (i64, u32) {
    let named = found.metadata.as_ref().and_then(|own| own.last_tag_time);
    let dates = [found.created, named].into_iter().flatten();
    let all = dates.map(|date| (date.unix_timestamp(), date.nanosecond()));
    all.max().unwrap_or_default()
}

/// What tells each layer from others: all layers up to it.
fn chain(found: &ImageInspect) -> Vec<Digest> {
    let layers = found.root_fs.as_ref().and_then(|own| own.layers.clone());
    let mut below = Digest::of(b"");
    let chained = layers.unwrap_or_default().into_iter().map(|layer| {
        let mut writer = DigestWriter::new("larder layer");
        writer.text(&below.to_string()).text(&layer);
        below = writer.finish();
        below
    });
    chained.collect()
}

/// Sizes of so many layers, from what the engine says of instructions, the last one first.
fn sizes(history: &[ImageHistoryResponseItem], layers: usize) -> Vec<u64> {
    let all = history.iter().rev();
    let all = all.map(|own| (own.created_by.as_str(), own.size.try_into().unwrap_or(0)));
    let all: Vec<(&str, u64)> = all.collect();
    let fitting = all.iter().filter(|(by, size)| *size > 0 || makes_layer(by));
    let fitting: Vec<u64> = fitting.map(|(_, size)| *size).collect();
    if fitting.len() == layers {
        return fitting;
    }
    let nonzero = all.iter().map(|(_, size)| *size).filter(|size| *size > 0);
    let mut sizes: Vec<u64> = nonzero.collect();
    while sizes.len() > layers.max(1) {
        let last = sizes.pop().unwrap_or(0);
        if let Some(before) = sizes.last_mut() {
            *before += last;
        }
    }
    let mut all = vec![0; layers.saturating_sub(sizes.len())];
    all.append(&mut sizes);
    all.truncate(layers);
    all
}

/// Whether an instruction makes a layer also where it leaves nothing in it.
fn makes_layer(by: &str) -> bool {
    let own = by
        .strip_prefix("/bin/sh -c ")
        .map(|own| match own.strip_prefix("#(nop)") {
            Some(own) => own.trim_start(),
            None => "RUN",
        });
    let own = own.unwrap_or(by);
    let word = own.split_whitespace().next().unwrap_or_default();
    matches!(word, "RUN" | "COPY" | "ADD" | "WORKDIR")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(by: &str, size: i64) -> ImageHistoryResponseItem {
        ImageHistoryResponseItem {
            created_by: by.to_owned(),
            size,
            ..ImageHistoryResponseItem::default()
        }
    }

    #[test]
    fn a_layer_has_the_size_of_its_instruction() {
        let history = [
            item("CMD [\"x\"]", 0),
            item("RUN /bin/sh -c true # buildkit", 0),
            item("COPY app /app # buildkit", 5),
            item("WORKDIR /app", 0),
            item("/bin/sh -c #(nop)  ENV A=1", 0),
            item("/bin/sh -c #(nop) ADD file:1 in / ", 70),
        ];
        assert_eq!(sizes(&history, 4), [70, 0, 5, 0]);
        // Who says otherwise is taken by what has a size.
        assert_eq!(sizes(&history, 3), [0, 70, 5]);
        assert_eq!(sizes(&history, 1), [75]);
        assert_eq!(sizes(&[], 2), [0, 0]);
        assert!(sizes(&history, 0).is_empty());
    }
}
