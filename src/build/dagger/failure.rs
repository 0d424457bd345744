//! What Dagger says went wrong, as a build's error: an instruction with its line and last words, an image that it cannot have, or
//! a session that is gone. Pure.

use std::error::Error as StdError;

use dagger_sdk::core::gql_client::GraphQlExtension;
use dagger_sdk::core::graphql_client::GraphQLError;
use dagger_sdk::errors::DaggerError;

use crate::build::resume::Rewritten;
use crate::build::trace::LAST_LINES;
use crate::plan::BuilderKind;
use crate::runtime::BuildError;

/// What went wrong, with the instruction and its last words where Dagger tells them.
pub(super) fn failure(
    service: &str,
    dockerfile: &Rewritten,
    file: &str,
    error: &DaggerError,
) -> BuildError {
    let DaggerError::Query(GraphQLError::DomainError { message, fields }) = error else {
        // Its source says the same once more.
        return unreachable(error.to_string());
    };
    // Asked for by digest, at the registry that its name stands for.
    if let Some(image) = missing_image(message) {
        return BuildError::Unsupported {
            service: service.to_owned(),
            builder: BuilderKind::Dagger,
            attribute: format!("{image} (in no registry that it reaches)"),
        };
    }
    let exec = fields.iter().find_map(|field| match &field.extensions {
        Some(GraphQlExtension::ExecError {
            cmd,
            exit_code,
            stdout,
            stderr,
        }) => Some((cmd, exit_code, stdout, stderr)),
        _ => None,
    });
    if exec.is_none() && has_ended(message) {
        return unreachable(telling(message).to_owned());
    }
    let spot = exec.and_then(|(command, ..)| dockerfile.run(command.last()?));
    let output: Vec<String> = exec
        .map(|(_, _, stdout, stderr)| stdout.lines().chain(stderr.lines()))
        .into_iter()
        .flatten()
        .map(ToOwned::to_owned)
        .collect();
    let last = output.len().saturating_sub(LAST_LINES);
    let (line, message) = dockerfile.retold(message, file);
    BuildError::Instruction {
        service: service.to_owned(),
        file: dockerfile.file.clone(),
        line: spot.map(|spot| spot.line).or(line),
        instruction: spot.map(|spot| spot.instruction.clone()),
        output: output[last..].to_vec(),
        source: match exec {
            Some((_, code, ..)) => format!("the command ended with code {code}").into(),
            None => telling(&message).into(),
        },
    }
}

/// Dagger does not answer, and why.
pub(super) fn unreachable(why: impl Into<Box<dyn StdError + Send + Sync>>) -> BuildError {
    BuildError::Unreachable {
        builder: BuilderKind::Dagger,
        source: why.into(),
    }
}

/// Whether a session lives on that ended a query with this error.
pub(super) fn outlives(error: &DaggerError) -> bool {
    match error {
        DaggerError::Query(GraphQLError::DomainError { message, .. }) => !has_ended(message),
        DaggerError::Query(GraphQLError::HttpError(_)) => false,
        _ => true,
    }
}

/// Whether it is the engine that ends, or the session, and not the build (dagger `engine/server`).
fn has_ended(message: &str) -> bool {
    let gone = |what: &str| {
        let named = message
            .split_once(&format!("{what} \""))
            .map(|(_, rest)| rest);
        let behind = named.and_then(|rest| rest.split_once('"'));
        behind.is_some_and(|(_, rest)| rest.starts_with(" not found"))
    };
    message.contains("engine is shutting down") || gone("session") || gone("client")
}

/// The image in `…: docker.io/library/x@sha256:…: not found`.
fn missing_image(message: &str) -> Option<&str> {
    let (before, _) = message.split_once(": not found")?;
    let image = before.rsplit(' ').next()?;
    image.contains("@sha256:").then_some(image)
}

/// What a person can use of a message: without the trace's number, and without the recipe of the container that
/// Dagger puts in front of the cause of a long one.
fn telling(message: &str) -> &str {
    const LONG: usize = 500;
    let message = message.split(" [traceparent:").next().unwrap_or(message);
    match message.rfind("failed to ") {
        Some(cause) if message.len() > LONG => &message[cause..],
        _ => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_dagger_does_not_find_is_named() {
        let message =
            "failed to convert Dockerfile to LLB: x:1: docker.io/library/x@sha256:1: not found";
        assert_eq!(missing_image(message), Some("docker.io/library/x@sha256:1"));
        assert_eq!(missing_image("lstat /nothere.txt: not found"), None);
    }

    #[test]
    fn an_engine_that_ends_is_no_failed_build() {
        assert!(has_ended("engine is shutting down"));
        assert!(has_ended("session \"x1\" not found"));
        assert!(!has_ended("lstat /nothere.txt: not found"));
        assert!(!has_ended("client \"a\" wants \"x\" not found"));
        assert!(!has_ended("exit code: 7"));
    }

    #[test]
    fn a_message_is_cut_to_what_a_person_can_use() {
        let message = format!(
            "failed to load {}: failed to copy x: no such file [traceparent:1]",
            "q".repeat(500)
        );
        assert_eq!(telling(&message), "failed to copy x: no such file");
        assert_eq!(telling("exit code: 7 [traceparent:1]"), "exit code: 7");
    }
}
