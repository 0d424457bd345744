//! What larder means by a project: services, builds, networks, volumes and their names, whatever file
//! they were written in. Types here are the canonical Compose model (the long form of every attribute),
//! so `larder config` prints them and the config hash is taken over them. This room reads nothing.

mod blkio;
mod build;
mod canonical;
mod compose_hash;
mod compose_shape;
mod cpu;
mod credential_spec;
mod devices;
mod digest;
mod graph;
mod health;
mod hook;
mod hosts;
mod image_ref;
mod key_order;
pub mod labels;
mod layout;
mod limits;
mod memory;
mod mount;
mod network;
mod omit;
mod one_off;
mod paths;
mod policy;
mod ports;
mod project;
mod rare;
mod repository;
mod service;
mod sharing;
mod units;

pub use blkio::{Blkio, DeviceRate, DeviceWeight};
pub use build::Build;
pub use canonical::print_tree;
pub use cpu::Cpu;
pub use credential_spec::CredentialSpec;
pub use devices::{Device, DeviceRequest};
pub use digest::{Digest, DigestWriter, ImageId};
pub use graph::{Cycle, start_order};
pub use health::Healthcheck;
pub use hook::{Hook, HookTime};
pub use image_ref::{ImageRef, InvalidImageRef, familiar, short_name};
pub use limits::{Deploy, DeployRestart, Limits, Resources, Ulimit};
pub use memory::Scarcity;
pub use mount::{
    BindOptions, FileReference, ImageOptions, Mount, MountKind, TmpfsOptions, VolumeOptions,
};
pub use network::{Attachment, FileObject, Ipam, IpamPool, Network, Volume};
pub use one_off::OneOff;
pub use paths::clean;
pub use policy::{InvalidPolicy, PullPolicy, RestartPolicy};
pub use ports::{InvalidPort, Port, PortRange, addresses_meet};
pub use project::{Included, Inherited, Named, Place, Project, UnknownService, Warning};
pub use repository::{InvalidRepository, Repository};
pub use service::{Condition, Dependency, Logging, Service, security_option};
pub use sharing::{Owner, Share, external_link, link, shares_in, shares_label};
pub use units::{Bytes, InvalidUnit, Span};
