//! What is there, what is wanted, and the steps between: a snapshot of the engine as data, a pure decision,
//! and a plan that can be printed.
//!
//! `observed` is the snapshot, `decide` the decision, `step` the plan and `render` how it reads.
//! Images: `images` decides about what is built and `named` about what is only named, by the `names` and `platforms` of the
//! whole project; `offers` is what registries have of what is missing, and lack of what is built; `mounted_images` are mounted as files; `stand_in` is about what bind mounts hide.
//! Containers: `containers` decides, by the `census` of all, by what is `stale` and by the `adoption` of those that docker
//! compose made, what they have of their `hosts`, what is made for a `one_off` run, what `one_shots` have done and which
//! `moved_ports` are free. Of the host's ports: `taken_ports` who has them, `port_conflicts` which cannot be had, `chosen_ports` which
//! are taken in their place.
//! Networks and volumes: `resources`, and `renewed_networks` that changed. What goes: `orphans`, `unneeded_images`, and
//! the `garbage` among the images that larder made.

mod adoption;
mod census;
mod chosen_ports;
mod containers;
mod decide;
mod error;
mod garbage;
mod hosts;
mod images;
mod mounted_images;
mod moved_ports;
mod named;
mod names;
mod observed;
mod offers;
mod one_off;
mod one_shots;
mod orphans;
mod platforms;
mod port_conflicts;
mod render;
mod renewed_networks;
mod resources;
mod stale;
mod stand_in;
mod step;

mod taken_ports;
mod unneeded_images;
pub use adoption::asked_hashes;
pub use chosen_ports::{ChosenPort, choose_ports, choosing, ports_are_open, ports_label};
pub use decide::{Asked, Builders, Wanted, decide, stranger_warning};
pub use error::Error;
pub use garbage::{
    Inventory, Kept, Kind as ImageKind, Needs, Rules, StoredImage, Verdict, freed, garbage,
};
pub use hosts::asked_containers;
pub use images::beyond_dagger;
pub use named::{asked_ages, check, first};
pub use observed::{
    Container, EngineFacts, Health, Image, Observed, PublishedPort, Resource, State,
};
pub use offers::{Offer, Push, Sought, asked_keys};
pub use one_shots::asked_starts;
pub use orphans::{OF_OTHERS, Orphans, foreign_warning, is_own, made_by_others, orphans};
pub use platforms::asked_platforms;
pub use port_conflicts::{Claim, Conflict, claims, conflicts};
pub use render::{json, outside_text, sentence, text};
pub use renewed_networks::asked_networks;
pub use step::{
    Action, BuilderKind, ContainerSource, Creation, Expected, ImageSource, Outcome, Plan,
    Readiness, ServicePlan, Step, StepId,
};
pub use taken_ports::{Holder, Taken};
pub use unneeded_images::{Unneeded, unneeded_images};
