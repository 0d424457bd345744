//! Carries out a plan: the traits through which steps reach an engine and its builders, the events they
//! report, the executor (`execute`, `ledger`, `queue`, `work`) and its `critical_path`, the `hooks` around a start and a stop, and what it means for a container to be ready.

mod build_error;
mod critical_path;
mod engine_error;
mod error;
mod event;
mod execute;
mod hooks;
mod ledger;
mod ports;
mod queue;
mod readiness;
mod remedy;
mod work;

pub use build_error::BuildError;
pub use critical_path::Leg;
pub use engine_error::EngineError;
pub use error::{CheckFailed, StepError};
pub use event::{Event, EventSink, Progress};
pub use execute::{Failure, Outcome, Run, execute};
pub use ports::{
    BuildPart, BuildRequest, Builder, ComposeHash, Condition, ContainerSpec, Duplex, Engine,
    EngineAccess, Happening, HappeningKind, HookEnd, Listening, Login,
};
pub use readiness::Proof;
pub use remedy::Silent;
