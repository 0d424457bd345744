//! Devices of the host: those that a service is given by path or by name, and those that it asks a driver for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::omit;

/// An entry of `devices`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Device {
    /// The path on the host, or a name of the Container Device Interface: `vendor.com/class=name`.
    #[serde(skip_serializing_if = "omit::blank")]
    pub source: Option<String>,
    /// The path in the container.
    #[serde(skip_serializing_if = "omit::blank")]
    pub target: Option<String>,
    /// `r`, `w` and `m`.
    #[serde(skip_serializing_if = "omit::blank")]
    pub permissions: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl Device {
    /// The name under which a device is asked for, where it is no path: the short form gives source and target the
    /// same text.
    pub fn interface_name(&self) -> Option<&str> {
        let source = self.source.as_deref()?;
        (self.source == self.target && is_qualified(source)).then_some(source)
    }
}

/// An entry of `gpus`, or of `deploy.resources.reservations.devices`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceRequest {
    /// What they must be able to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Vec<String>>,
    /// The driver that knows them.
    #[serde(skip_serializing_if = "omit::blank")]
    pub driver: Option<String>,
    /// How many; -1 for all, which none at all means, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
    /// Which ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_ids: Option<Vec<String>>,
    /// Options for the driver.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// `vendor/class=name` as the Container Device Interface has it (its `parser.ParseQualifiedName`).
fn is_qualified(text: &str) -> bool {
    let Some((kind, name)) = text.split_once('=') else {
        return false;
    };
    let Some((vendor, class)) = kind.split_once('/') else {
        return false;
    };
    let letter_first = |text: &str| text.starts_with(|c: char| c.is_ascii_alphabetic());
    let made_of = |text: &str, marks: &str| {
        let mut chars = text.chars();
        letter_first(text)
            && text.ends_with(|c: char| c.is_ascii_alphanumeric())
            && chars.all(|c| c.is_ascii_alphanumeric() || marks.contains(c))
    };
    let named = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-.:".contains(c));
    made_of(vendor, "_-.") && made_of(class, "_-") && named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_a_path_or_a_qualified_name() {
        let name = |source: &str, target: &str| {
            let device = Device {
                source: Some(source.to_owned()),
                target: Some(target.to_owned()),
                ..Device::default()
            };
            device.interface_name().map(str::to_owned)
        };
        for text in ["nvidia.com/gpu=all", "vendor1/net-card=0:1", "a/b=c"] {
            assert_eq!(name(text, text).as_deref(), Some(text));
        }
        for text in [
            "/dev/fuse",
            "a/b",
            "a=b",
            "1a/b=c",
            "a/b=",
            "a/b=-c",
            "/dev/x=y",
        ] {
            assert_eq!(name(text, text), None, "{text}");
        }
        assert_eq!(name("nvidia.com/gpu=all", "/dev/gpu"), None);
    }
}
