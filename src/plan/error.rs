//! Why what is wanted cannot be reached, and what may help.

use crate::fingerprint::Platform;
use crate::model::{Cycle, ImageRef, Share};

/// What is wanted cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Services wait for each other.
    #[error("services wait for each other: {}", .0.0.join(" → "))]
    Cycle(Cycle),
    /// Services are built from each other's images.
    #[error("services are built from each other's images: {}", .0.join(", "))]
    BuildCircle(Vec<String>),
    /// A network of somebody else's is not there.
    #[error("network `{name}` is declared external, but the engine has none of that name")]
    ExternalNetwork {
        /// The engine's name for it.
        name: String,
    },
    /// A volume of somebody else's is not there.
    #[error("volume `{name}` is declared external, but the engine has none of that name")]
    ExternalVolume {
        /// The engine's name for it.
        name: String,
    },
    /// A container of somebody else's is not there.
    #[error("service `{service}` {} container `{name}`, but the engine has none of that name", .share.verb())]
    NoContainer {
        /// The service.
        service: String,
        /// What it has of it.
        share: Share,
        /// The container.
        name: String,
    },
    /// An image may not be pulled, and is not there.
    #[error(
        "service `{service}` has `pull_policy: {policy}`, but image `{image}` is not on the engine{}",
        for_platform(.platform.as_deref())
    )]
    NeverPulled {
        /// The platform asked for.
        platform: Option<String>,
        /// The service.
        service: String,
        /// What its `pull_policy` is.
        policy: String,
        /// The image.
        image: String,
    },
    /// One name for images of two platforms.
    #[error(
        "services `{}` and `{}` want image `{image}` for {} and for {}, but an engine keeps one image under a name",
        .services[0].0, .services[1].0, .services[0].1, .services[1].1
    )]
    TwoPlatforms {
        /// The image.
        image: String,
        /// The services, each with its platform.
        services: Box<[(String, Platform); 2]>,
    },
    /// A builder was asked for by name and has no input for part of the build section.
    #[error("dagger cannot build `{service}`: it has no input for `build.{attribute}`")]
    BeyondDagger {
        /// The service.
        service: String,
        /// The attribute.
        attribute: String,
    },
}

impl Error {
    /// What a person can do about it.
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::BuildCircle(_) => "start one of them `FROM` another image".to_owned(),
            Self::Cycle(_) => {
                "take one of these out of `depends_on`, or out of what names its container \
                               (`network_mode`, `ipc`, `pid`, `volumes_from`, `external_links`)"
                    .to_owned()
            }
            Self::ExternalNetwork { name } => {
                format!("make it with `docker network create {name}`")
            }
            Self::ExternalVolume { name } => format!("make it with `docker volume create {name}`"),
            Self::NoContainer { share, .. } => format!(
                "start it first, or name a service of this project in `{}`",
                share.attribute()
            ),
            Self::NeverPulled { image, policy, .. } if policy == "build" => {
                format!("nothing builds `{image}`: add a `build`, or change `pull_policy`")
            }
            Self::NeverPulled { image, .. } => format!("bring it with `docker pull {image}`"),
            Self::TwoPlatforms { image, .. } => {
                let parsed = image.parse::<ImageRef>();
                let name = parsed.map_or_else(|_| image.clone(), |image| image.familiar_name());
                format!(
                    "name one by the digest of its platform, `{name}@sha256:…`, or give it a name of its own"
                )
            }
            Self::BeyondDagger { .. } => {
                "`--builder auto` lets the engine's BuildKit build it".to_owned()
            }
        };
        vec![hint]
    }
}

fn for_platform(platform: Option<&str>) -> String {
    platform
        .map(|platform| format!(" for {platform}"))
        .unwrap_or_default()
}
