//! `blkio_config`: a service's share of the disks.

use serde::{Deserialize, Serialize};

use super::Bytes;

/// How much a service may read and write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Blkio {
    /// Its weight against other containers, 10 to 1000.
    #[serde(skip_serializing_if = "is_none")]
    pub weight: u16,
    /// The same for one device.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weight_device: Vec<DeviceWeight>,
    /// Bytes a second that it may read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub device_read_bps: Vec<DeviceRate>,
    /// Reads a second.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub device_read_iops: Vec<DeviceRate>,
    /// Bytes a second that it may write.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub device_write_bps: Vec<DeviceRate>,
    /// Writes a second.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub device_write_iops: Vec<DeviceRate>,
}

/// A weight on one device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceWeight {
    /// The device: `/dev/sda`.
    pub path: String,
    /// The weight.
    pub weight: u16,
}

/// A rate on one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRate {
    /// The device: `/dev/sda`.
    pub path: String,
    /// So many a second; compose-go reads numbers of operations as sizes, too.
    pub rate: Bytes,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands over this
fn is_none(weight: &u16) -> bool {
    *weight == 0
}
