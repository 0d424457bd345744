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
        return unreachable(lost(error));
    };
    if let Some(attribute) = beyond(message) {
        return BuildError::Unsupported {
            service: service.to_owned(),
            builder: BuilderKind::Dagger,
            attribute,
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

/// What went wrong with the session itself, without the SDK's words around it; its source says the same once more.
pub(super) fn lost(error: &DaggerError) -> String {
    let DaggerError::Query(GraphQLError::HttpError(words)) = error else {
        return error.to_string();
    };
    // What a command answers that has lost its engine is no JSON.
    let words = words.rsplit("The response body is: ").next();
    words.unwrap_or_default().trim().to_owned()
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

/// What of a build Dagger cannot do, where its words are no fault of an instruction: an image that it does not get, which it
/// asks for by digest at the registry that its name stands for, or a flag that it does not know (dagger `util/llbtodagger`).
fn beyond(message: &str) -> Option<String> {
    let message = message.split(" [traceparent:").next().unwrap_or(message);
    if let Some((_, op)) = message.split_once("llbtodagger: unsupported op ") {
        let (_, reason) = op.split_once("): ")?;
        return Some(reason.to_owned());
    }
    let words = message
        .split_once("failed to convert Dockerfile to LLB: ")?
        .1;
    let mut words = words.split(": ");
    let image = words.find(|word| word.contains("@sha256:") && !word.contains(' '))?;
    let why: Vec<&str> = words.filter(|word| !word.contains("@sha256:")).collect();
    Some(match why[..] {
        [.., "not found"] => format!("{image} (in no registry that it reaches)"),
        _ => format!("{image} (which it does not get: {})", why.join(": ")),
    })
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
    fn what_dagger_cannot_do_is_no_fault_of_an_instruction() {
        let image = "docker.io/library/x@sha256:1";
        let not_found = format!("failed to convert Dockerfile to LLB: x:1: {image}: not found");
        let told = format!("{image} (in no registry that it reaches)");
        assert_eq!(beyond(&not_found), Some(told));
        let away = "failed to convert Dockerfile to LLB: r/x@sha256:1: failed to do request: Head \
            \"https://r/v2/x/manifests/sha256:1\": dial tcp: lookup r on 10.0.0.1:53: no such host [traceparent:1]";
        let told = beyond(away).unwrap();
        assert!(
            told.starts_with("r/x@sha256:1 (which it does not get: failed"),
            "{told}"
        );
        assert!(told.ends_with("no such host)"), "{told}");
        let flag = "failed to convert Dockerfile LLB to Dagger ID: llbtodagger: unsupported op \"file.mkdir\" \
            (sha256:03): mkdir without makeParents is unsupported";
        assert_eq!(
            beyond(flag).unwrap(),
            "mkdir without makeParents is unsupported"
        );
        let parse = "failed to convert Dockerfile to LLB: dockerfile parse error on line 2: unknown flag: x";
        assert_eq!(beyond(parse), None);
        assert_eq!(beyond("lstat /nothere.txt: not found"), None);
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
    fn a_session_that_is_lost_is_told_in_its_own_words() {
        let words = "Failed to parse response: Error(\"expected value\", line: 1, column: 1). The response body is: \
            http do: Post \"http://dagger/query\": unexpected EOF\n";
        let error = DaggerError::Query(GraphQLError::HttpError(words.to_owned()));
        let told = lost(&error);
        assert_eq!(
            told,
            "http do: Post \"http://dagger/query\": unexpected EOF"
        );
        assert!(!outlives(&error));
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
