//! What containers print.

use std::collections::VecDeque;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::query_parameters::{LogsOptions, LogsOptionsBuilder};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};

use super::Docker;
use super::connect::QUICK;
use super::container::short;
use super::error::failed;
use super::lines::{Lines, LogLine, plain};
use super::stamp::Stamp;
use crate::runtime::EngineError;

/// Which part of a container's output is wanted.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    /// Whether to go on with what is printed from now on.
    pub follow: bool,
    /// How many of the last lines; all when absent.
    pub tail: Option<usize>,
    /// Nothing from before, in seconds since 1970.
    pub since: Option<i64>,
    /// Nothing from behind, in seconds since 1970.
    pub until: Option<i64>,
}

impl Docker {
    /// A container's output, line by line, each with its moment. It ends when the container does, or at once without
    /// `follow`.
    pub fn logs(
        &self,
        container: &str,
        options: &LogOptions,
    ) -> impl Stream<Item = Result<LogLine, EngineError>> + Send + 'static {
        let action = format!("reading the output of container `{}`", short(container));
        let address = self.address.text.clone();
        let pieces = self.client.logs(container, Some(request(options))).boxed();
        lines(pieces).map_err(move |error| failed(&address, &action, error))
    }

    /// When a container printed its last line; `None` where it has printed nothing.
    ///
    /// # Errors
    /// The engine does not answer, or not in time, or has no output of it.
    pub async fn last_moment(&self, container: &str) -> Result<Option<Stamp>, EngineError> {
        let options = LogOptions {
            tail: Some(1),
            ..LogOptions::default()
        };
        let read = self.logs(container, &options).try_collect::<Vec<_>>();
        match tokio::time::timeout(QUICK, read).await {
            Ok(lines) => Ok(lines?.into_iter().next_back().and_then(|line| line.at)),
            Err(_) => Err(self.silent("reading a container's output", QUICK)),
        }
    }

    /// The last lines of what a container printed since it was started last.
    pub(super) async fn tail(
        &self,
        container: &str,
        lines: usize,
    ) -> Result<Vec<String>, EngineError> {
        let started = self.started(container).await?;
        let options = LogOptions {
            tail: Some(lines),
            // The engine takes that moment a little later than the first lines.
            since: started.map(|started| started.seconds - 1),
            ..LogOptions::default()
        };
        let read = self.logs(container, &options).try_collect::<Vec<_>>();
        match tokio::time::timeout(QUICK, read).await {
            Ok(read) => {
                let read = read?;
                // Standard output and standard error may each end with a part of a line.
                let surplus = read.len().saturating_sub(lines);
                Ok(read[surplus..]
                    .iter()
                    .map(|line| plain(&line.text))
                    .collect())
            }
            Err(_) => Err(self.silent("reading a container's output", QUICK)),
        }
    }
}

fn request(options: &LogOptions) -> LogsOptions {
    let mut request = LogsOptionsBuilder::new()
        .stdout(true)
        .stderr(true)
        .follow(options.follow)
        .timestamps(true);
    if let Some(tail) = options.tail {
        request = request.tail(&tail.to_string());
    }
    if let Some(since) = options.since {
        request = request.since(since.try_into().unwrap_or(i32::MAX));
    }
    if let Some(until) = options.until {
        request = request.until(until.try_into().unwrap_or(i32::MAX));
    }
    request.build()
}

/// Cuts a stream of pieces into lines.
fn lines(
    pieces: impl Stream<Item = Result<LogOutput, Error>> + Send + Unpin + 'static,
) -> impl Stream<Item = Result<LogLine, Error>> + Send + 'static {
    let state = (pieces, Lines::default(), VecDeque::new(), false);
    stream::try_unfold(
        state,
        |(mut pieces, mut cut, mut ready, mut ended)| async move {
            loop {
                if let Some(line) = ready.pop_front() {
                    return Ok(Some((line, (pieces, cut, ready, ended))));
                }
                if ended {
                    return Ok(None);
                }
                if let Some(piece) = pieces.try_next().await? {
                    ready.extend(cut.push(&piece));
                } else {
                    ended = true;
                    ready.extend(cut.finish());
                }
            }
        },
    )
}
