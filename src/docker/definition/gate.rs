//! What came with a later version of the engine's API than 1.41, and what becomes of it on an engine that does not have
//! it. The one place that knows: whoever puts such a field into a call passes it through here.

use crate::docker::ApiVersion;
use crate::runtime::EngineError;

/// A field that not every engine has.
#[derive(Debug)]
pub(super) struct Gated {
    /// Its place in the Compose file, under its service or network.
    field: &'static str,
    /// The version that has it (moby `docs/api/version-history.md`).
    needs: &'static str,
    without: Without,
}

/// What becomes of it on an engine without it.
#[derive(Debug)]
enum Without {
    /// It is left out, with a warning.
    Goes,
    /// Nothing is made: the container would see other files than the Compose file says, or none.
    Refused,
}

const fn goes(field: &'static str, needs: &'static str) -> Gated {
    let without = Without::Goes;
    Gated {
        field,
        needs,
        without,
    }
}

const fn refused(field: &'static str, needs: &'static str) -> Gated {
    let without = Without::Refused;
    Gated {
        field,
        needs,
        without,
    }
}

pub(super) const CLUSTER_MOUNT: Gated = refused("volumes.type: cluster", "1.42");
pub(super) const ANNOTATIONS: Gated = goes("annotations", "1.43");
pub(super) const ENDPOINT_MAC: Gated = goes("networks.mac_address", "1.44");
pub(super) const RECURSIVE_READ: Gated = goes("volumes.bind.recursive", "1.44");
/// Nothing is lost by it: larder probes a starting container itself.
pub(super) const START_INTERVAL: Gated = goes("healthcheck.start_interval", "1.44");
pub(super) const VOLUME_SUBPATH: Gated = refused("volumes.volume.subpath", "1.45");
pub(super) const GATEWAY_PRIORITY: Gated = goes("networks.gw_priority", "1.48");
pub(super) const IMAGE_MOUNT: Gated = refused("volumes.type: image", "1.48");
pub(super) const NETWORK_IPV4: Gated = goes("enable_ipv4", "1.48");
/// As docker compose has it (`defaultNetworkSettings`).
pub(super) const INTERFACE_NAME: Gated = goes("networks.interface_name", "1.49");

/// Who asks, and of which engine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate<'a> {
    pub(super) api: ApiVersion,
    /// `service` or `network`.
    pub(super) kind: &'static str,
    pub(super) name: &'a str,
}

impl Gate<'_> {
    /// A value on its way into a field; nothing where the engine does not have the field, with a warning. A run tells
    /// the same warning once, however many containers it is about.
    ///
    /// # Errors
    /// The engine does not have the field, and it is one that cannot be left out.
    pub(super) fn pass<T>(self, gated: &Gated, value: Option<T>) -> Result<Option<T>, EngineError> {
        let Gated {
            field,
            needs,
            without,
        } = gated;
        if value.is_none() || self.api.at_least(needs) {
            return Ok(value);
        }
        let Self { api, kind, name } = self;
        let what = format!("`{field}` of {kind} `{name}`");
        match without {
            Without::Refused => Err(EngineError::TooOld {
                what,
                needs,
                has: api.to_string(),
            }),
            Without::Goes => {
                tracing::warn!(
                    "{what} is left out: it needs a Docker Engine with API {needs} or later, and this one has {api}"
                );
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(api: &str) -> Gate<'static> {
        Gate {
            api: api.parse().unwrap(),
            kind: "service",
            name: "app",
        }
    }

    #[test]
    fn a_field_is_left_out_below_its_version() {
        let passed = |api: &str| on(api).pass(&ANNOTATIONS, Some(1)).unwrap();
        assert_eq!(passed("1.42"), None);
        assert_eq!(passed("1.43"), Some(1));
        assert_eq!(on("1.41").pass(&ANNOTATIONS, None::<u8>).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_left_out_is_refused() {
        let error = on("1.47").pass(&IMAGE_MOUNT, Some(1)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`volumes.type: image` of service `app` needs a Docker Engine with API 1.48 or later; this one has 1.47"
        );
        assert_eq!(on("1.48").pass(&IMAGE_MOUNT, Some(1)).unwrap(), Some(1));
        assert_eq!(on("1.41").pass(&IMAGE_MOUNT, None::<u8>).unwrap(), None);
    }
}
