//! The images that `down --rmi` takes away, by their names. Dependency images stay, as docker compose's build cache does.

use std::collections::BTreeSet;

use super::observed::{Image, Observed};
use crate::model::{familiar, labels};

/// Which images go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unneeded {
    /// Those that were built for the project.
    Local,
    /// All that its services use.
    All,
}

/// The names to take from images, in this order: `used` are services with the names of their images. An image that larder
/// built has a name by its fingerprint too, by which other projects and clones find it: that goes where no other is left.
pub fn unneeded_images(
    project: &str,
    used: &[(String, String)],
    unneeded: Unneeded,
    observed: &Observed,
) -> Vec<String> {
    let goes = |(service, name): &&(String, String)| {
        let image = || observed.image_named(&familiar(name));
        unneeded == Unneeded::All
            || *name == format!("{project}-{service}")
            || image().is_some_and(|image| is_of(image, project))
    };
    let going = used.iter().filter(goes);
    let going: BTreeSet<String> = going.map(|(_, name)| familiar(name)).collect();
    let mut names = Vec::new();
    for image in &observed.images {
        let all = image.names.iter().cloned();
        let (own, others): (Vec<String>, Vec<String>) = all.partition(|name| going.contains(name));
        if own.is_empty() {
            continue;
        }
        names.extend(own);
        if others.iter().all(|name| labels::is_name(name)) {
            names.extend(others);
        }
    }
    names
}

/// Whether docker compose built it for the project, as its label says. What larder built under a name that a file gives it
/// may be any project's.
fn is_of(image: &Image, project: &str) -> bool {
    let label = image.labels.get(labels::PROJECT);
    label.is_some_and(|own| own == project)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, ImageId};

    fn image(names: &[&str], project: Option<&str>) -> Image {
        let label = project.map(|name| (labels::PROJECT.to_owned(), name.to_owned()));
        Image {
            id: ImageId(names.concat()),
            names: names.iter().map(ToString::to_string).collect(),
            digests: Vec::new(),
            labels: label.into_iter().collect(),
            platforms: Vec::new(),
            age: None,
        }
    }

    #[test]
    fn local_ones_are_those_that_were_built() {
        let [api, shared, tagged] = [b"api", b"sha", b"tag"].map(|key| Digest::of(key));
        let [api, shared, tagged] = [api, shared, tagged].map(|key| labels::image_name(&key));
        let observed = Observed {
            images: vec![
                image(&["hub-api:latest", &api], None),
                image(&["hub-web:latest", "clone-web:latest", &shared], None),
                image(&["me/app:1", &tagged], None),
                image(&["me/old:1"], Some("hub")),
                image(&["redis:7"], Some("another")),
                image(&["hub-other:latest"], None),
            ],
            ..Observed::default()
        };
        let used = [
            ("api", "hub-api"),
            ("web", "hub-web"),
            ("app", "me/app:1"),
            ("old", "docker.io/me/old:1"),
            ("cache", "redis:7"),
            ("gone", "nowhere"),
        ];
        let used = used.map(|(service, name)| (service.to_owned(), name.to_owned()));
        let local = unneeded_images("hub", &used, Unneeded::Local, &observed);
        assert_eq!(
            local,
            ["hub-api:latest", &api, "hub-web:latest", "me/old:1"]
        );
        let all = unneeded_images("hub", &used, Unneeded::All, &observed);
        let expected = [
            "hub-api:latest",
            &api,
            "hub-web:latest",
            "me/app:1",
            &tagged,
        ];
        assert_eq!(all, [&expected[..], &["me/old:1", "redis:7"]].concat());
    }
}
