//! What is there, what is wanted, and the steps between: a snapshot of the engine as data, a pure decision,
//! and a plan that can be printed.

mod containers;
mod decide;
mod images;
mod moved_ports;
mod named;
mod names;
mod observed;
mod one_shots;
mod platforms;
mod render;
mod resources;
mod stale;
mod stand_in;
mod step;

pub use decide::{Builders, Error, Wanted, decide, stranger_warning};
pub use images::beyond_dagger;
pub use named::{check, familiar, first};
pub use observed::{
    Container, EngineFacts, Health, Image, Observed, PublishedPort, Resource, State,
};
pub use one_shots::asked_starts;
pub use platforms::asked_platforms;
pub use render::{json, sentence, text};
pub use step::{
    Action, BuilderKind, ContainerSource, ImageSource, Outcome, Plan, Readiness, ServicePlan, Step,
    StepId,
};
