//! Exit codes: what a failure is about.

use super::Failure;
use crate::docker;
use crate::plan::Action;
use crate::runtime::{self, BuildError, EngineError, StepError};
use crate::template;

/// What a failure is about; its number is the exit code (docs/exit-codes.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A service or a build failed.
    Failed = 1,
    /// The command line or a Compose file is wrong.
    Input = 2,
    /// The engine, Dagger or a registry is out of reach.
    Unreachable = 3,
    /// larder's own fault (sysexits.h `EX_SOFTWARE`).
    Bug = 70,
    /// Interrupted: 128 and SIGINT.
    Interrupted = 130,
}

impl Kind {
    /// The exit code.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl Failure {
    /// What it is about.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Template(template::Error::Broken { .. })
            | Self::Broke(_)
            | Self::Print { .. } => Kind::Bug,
            Self::Template(_)
            | Self::Settings(_)
            | Self::Cache(_)
            | Self::Nowhere(_)
            | Self::Compose(_)
            | Self::Service(_)
            | Self::Fingerprint(_)
            | Self::Plan(_)
            | Self::NoServices { .. }
            | Self::NoJob(_)
            | Self::Untold { .. }
            | Self::Kept { .. }
            | Self::Frozen
            | Self::OtherCheckout { .. }
            | Self::NoBase { .. }
            | Self::NobodyToAsk
            | Self::Uncopied { .. }
            | Self::Theirs(_)
            | Self::Folder(_) => Kind::Input,
            Self::Engine(error) => engine(error),
            Self::Build(error) => build(error),
            Self::Unbuildable { error, .. } => build(error),
            Self::OfRegistry { .. } => Kind::Unreachable,
            Self::Registry { source, .. } => registry(source),
            Self::Steps(failures) | Self::Bases { failures, .. } => {
                failures.iter().map(step).max().unwrap_or(Kind::Bug)
            }
            Self::Fell { .. }
            | Self::Unbuilt(_)
            | Self::Undone { .. }
            | Self::Waited
            | Self::Ports(_)
            | Self::NotInRegistry { .. }
            | Self::NoDigest { .. }
            | Self::Unwritten { .. }
            | Self::Bundle { .. }
            | Self::Unexported { .. }
            | Self::NotRunning(_)
            | Self::Halted { .. }
            | Self::NoContainer(_)
            | Self::NoIndex { .. }
            | Self::NotPublished { .. }
            | Self::NotInContainer { .. }
            | Self::Copy { .. }
            | Self::NoContainers(_)
            | Self::Output(_) => Kind::Failed,
            Self::Interrupted => Kind::Interrupted,
        }
    }
}

pub(super) fn step(failure: &runtime::Failure) -> Kind {
    match &failure.error {
        // And 404 for an image that is not there.
        StepError::Engine(error) if matches!(failure.step.action, Action::Pull { .. }) => {
            registry(error)
        }
        // What the engine says of it is in the middle of an answer, without a status.
        StepError::Engine(_) if matches!(failure.step.action, Action::Push { .. }) => {
            Kind::Unreachable
        }
        StepError::Engine(error) => engine(error),
        StepError::Build(error) => build(error),
        StepError::Interrupted => Kind::Interrupted,
        StepError::Broken { .. } => Kind::Bug,
        _ => Kind::Failed,
    }
}

fn engine(error: &EngineError) -> Kind {
    match error {
        EngineError::Unreachable { .. } | EngineError::TooOld { .. } => Kind::Unreachable,
        EngineError::Refused { .. } => Kind::Failed,
    }
}

/// The engine answers 500 for a registry that it cannot reach, and one of 20.10 also where a registry only says that it does
/// not know an image, or gives nothing to this user or at this time; one of 28 hands on the registry's own 401, 403 and 429.
fn registry(error: &EngineError) -> Kind {
    match error {
        EngineError::Refused {
            status: Some(401 | 403 | 429 | 500..),
            ..
        } if !docker::is_not_known(error) => Kind::Unreachable,
        error => engine(error),
    }
}

fn build(error: &BuildError) -> Kind {
    match error {
        BuildError::Unsupported { .. }
        | BuildError::RemoteContext { .. }
        | BuildError::AdditionalContext { .. }
        | BuildError::NoAgent { .. } => Kind::Input,
        BuildError::Unreachable { .. } => Kind::Unreachable,
        BuildError::Engine(error) => engine(error),
        _ => Kind::Failed,
    }
}

/// The exit code of a process in a container as larder's own. Codes are one byte here; what does not fit must not turn into
/// success.
pub fn handed_on(code: i64) -> u8 {
    u8::try_from(code).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::UnknownService;
    use crate::plan::{BuilderKind, ContainerSource, Readiness, Step, StepId};

    fn failed(action: Action, error: StepError) -> runtime::Failure {
        let step = Step {
            id: StepId(0),
            service: Some("db".to_owned()),
            action,
            cause: String::new(),
            after: Vec::new(),
            settled: Vec::new(),
        };
        runtime::Failure { step, error }
    }

    fn refused(status: u16) -> EngineError {
        EngineError::Refused {
            action: "starting container `hub-db-1`".to_owned(),
            status: Some(status),
            source: "port is already allocated".into(),
        }
    }

    fn unreachable() -> EngineError {
        EngineError::Unreachable {
            address: "unix:///nowhere".to_owned(),
            source: "no such file".into(),
        }
    }

    fn start() -> Action {
        Action::Start {
            container: ContainerSource::Id("c".to_owned()),
            hooks: 0,
        }
    }

    fn pull() -> Action {
        Action::Pull {
            image: "redis".to_owned(),
            platform: None,
            expected: None,
        }
    }

    /// The codes are part of the interface: see docs/exit-codes.md.
    #[test]
    fn exit_codes_are_locked() {
        let kinds = [
            Kind::Failed,
            Kind::Input,
            Kind::Unreachable,
            Kind::Bug,
            Kind::Interrupted,
        ];
        assert_eq!(kinds.map(Kind::code), [1, 2, 3, 70, 130]);
        let timed_out = StepError::TimedOut {
            service: "db".to_owned(),
            until: Readiness::Healthy,
            after: Duration::from_secs(1),
            check: None,
            output: Vec::new(),
        };
        let dagger = BuildError::Unreachable {
            builder: BuilderKind::Dagger,
            source: "no session".into(),
        };
        let broken = StepError::Broken {
            what: "x".to_owned(),
        };
        let steps = |action, error| Failure::Steps(vec![failed(action, error)]);
        let cases = [
            (Failure::Interrupted, 130),
            (Failure::Engine(unreachable()), 3),
            (Failure::Engine(refused(409)), 1),
            (Failure::NotRunning("db".to_owned()), 1),
            (
                UnknownService {
                    name: "x".to_owned(),
                    known: Vec::new(),
                }
                .into(),
                2,
            ),
            (steps(start(), timed_out), 1),
            (steps(start(), StepError::Engine(refused(500))), 1),
            (steps(pull(), StepError::Engine(refused(500))), 3),
            (steps(pull(), StepError::Engine(refused(429))), 3),
            (steps(pull(), StepError::Engine(refused(404))), 1),
            (steps(start(), StepError::Build(dagger)), 3),
            (steps(start(), broken), 70),
        ];
        for (failure, code) in cases {
            assert_eq!(failure.kind().code(), code, "{failure:?}");
        }
    }

    #[test]
    fn of_several_failures_the_gravest_gives_the_code() {
        let failures = vec![
            failed(start(), StepError::Engine(refused(409))),
            failed(pull(), StepError::Engine(unreachable())),
        ];
        let failure = Failure::Steps(failures);
        assert_eq!(failure.kind(), Kind::Unreachable);
        assert_eq!(failure.messages().len(), 2);
    }
}
