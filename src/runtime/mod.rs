//! Carries out a plan: the traits through which steps reach an engine and its builders, the events they
//! report, the executor, and what it means for a container to be ready.

mod event;
mod ports;

pub use event::{Event, EventSink, Progress};
pub use ports::{
    BuildError, BuildPart, BuildRequest, Builder, Condition, ContainerSpec, Engine, EngineError,
    Happening, HappeningKind,
};
