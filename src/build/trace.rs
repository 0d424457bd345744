//! What BuildKit tells while it builds, as progress, and after a failure the instruction it belongs to. Must
//! not know how a build is started.

use std::collections::{BTreeMap, VecDeque};

use bollard_buildkit_proto::moby::buildkit::v1::{StatusResponse, Vertex};

use super::resume::{Rewritten, Spot};
use crate::runtime::{BuildError, Progress};

/// How many of an instruction's last lines an error shows.
pub(super) const LAST_LINES: usize = 20;

/// Follows one build.
pub(super) struct Trace<'a> {
    progress: &'a Progress,
    dockerfile: &'a Rewritten,
    vertices: BTreeMap<String, Seen>,
    failed: Option<String>,
}

#[derive(Default)]
struct Seen {
    name: String,
    told: bool,
    /// The begin of a line whose end was not printed yet.
    open: Vec<u8>,
    last: VecDeque<String>,
}

impl<'a> Trace<'a> {
    pub(super) fn new(dockerfile: &'a Rewritten, progress: &'a Progress) -> Self {
        Self {
            progress,
            dockerfile,
            vertices: BTreeMap::new(),
            failed: None,
        }
    }

    /// Takes what BuildKit tells next.
    pub(super) fn take(&mut self, status: StatusResponse) {
        for vertex in status.vertexes {
            self.vertex(vertex);
        }
        for log in status.logs {
            let seen = self.vertices.entry(log.vertex).or_default();
            seen.open.extend_from_slice(&log.msg);
            while let Some(end) = seen.open.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = seen.open.drain(..=end).collect();
                seen.line(&line, self.progress);
            }
        }
    }

    fn vertex(&mut self, vertex: Vertex) {
        let seen = self.vertices.entry(vertex.digest.clone()).or_default();
        if vertex.started.is_some() && !vertex.cached && !seen.told {
            seen.told = true;
            // A name of larder's own stands there for what the user wrote.
            let replaced = ["@sha256:", "localhost/larder/"];
            let replaced = replaced.iter().any(|name| vertex.name.contains(name));
            let spot = self.dockerfile.spot(&vertex.name).filter(|_| replaced);
            let spot = spot.map(|spot| spot.instruction.clone());
            if let Some(doing) = spot.or_else(|| doing(&vertex.name).map(str::to_owned)) {
                self.progress.doing(doing);
            }
        }
        // A build that was cancelled since another instruction failed says `context canceled`.
        let own = !vertex.error.is_empty() && !vertex.error.ends_with("context canceled");
        seen.name = vertex.name;
        if own && self.failed.is_none() {
            self.failed = Some(vertex.digest);
        }
    }

    /// The error of a build that ended with `message`.
    pub(super) fn failure(mut self, service: &str, file: &str, message: &str) -> BuildError {
        let seen = self
            .failed
            .and_then(|digest| self.vertices.remove(&digest))
            .map(|mut seen| {
                let open = std::mem::take(&mut seen.open);
                if !open.is_empty() {
                    seen.line(&open, self.progress);
                }
                seen
            })
            .unwrap_or_default();
        let spot = self.dockerfile.spot(&seen.name);
        let (line, message) = self.dockerfile.retold(message, file);
        BuildError::Instruction {
            service: service.to_owned(),
            file: self.dockerfile.file.clone(),
            line: spot.map(|spot| spot.line).or(line),
            instruction: spot.map(|spot: &Spot| spot.instruction.clone()),
            output: seen.last.into(),
            source: message.into(),
        }
    }
}

impl Seen {
    fn line(&mut self, bytes: &[u8], progress: &Progress) {
        let text = String::from_utf8_lossy(bytes);
        // What a carriage return overwrote was not meant to stay.
        let line = text.trim_end_matches(['\n', '\r']);
        let line = line.rsplit('\r').next().unwrap_or(line);
        progress.output(line);
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line.to_owned());
    }
}

/// What a vertex is for, for a person: `[web 2/5] RUN npm ci` without the part in brackets. `None` for what
/// BuildKit does for itself: reading the context and the Dockerfile that larder sends, looking names up.
fn doing(vertex: &str) -> Option<&str> {
    let doing = match vertex.split_once("] ") {
        Some((place, rest)) if place.starts_with('[') => rest,
        _ => vertex,
    };
    let own = [
        "load ",
        "copy /context",
        "FROM localhost/larder/",
        "transferring ",
    ];
    (!own.iter().any(|start| doing.starts_with(start))).then_some(doing)
}

#[cfg(test)]
mod tests {
    use super::doing;

    #[test]
    fn progress_names_the_instruction_alone() {
        assert_eq!(doing("[web 2/5] RUN npm ci"), Some("RUN npm ci"));
        assert_eq!(doing("exporting to image"), Some("exporting to image"));
        assert_eq!(doing("[internal] load build context"), None);
        assert_eq!(doing("[1/2] FROM localhost/larder/dependencies:12"), None);
    }
}
