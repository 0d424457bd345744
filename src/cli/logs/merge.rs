//! Lines of several containers in the order in which they were printed.

use futures_util::future::join_all;
use futures_util::{Stream, StreamExt};

use crate::docker::{LogLine, Stamp};
use crate::runtime::EngineError;

/// What a stream of lines gives.
pub(super) type Read = Result<LogLine, EngineError>;

/// Hands on the lines of streams that come to an end, each with the number of its stream, as long as somebody takes
/// them; whether all were taken. The lines of a stream stay in its own order.
pub(super) async fn merge<S: Stream<Item = Read> + Unpin>(
    mut streams: Vec<S>,
    mut take: impl FnMut(usize, Read) -> bool,
) -> bool {
    let first = join_all(streams.iter_mut().map(StreamExt::next)).await;
    let mut heads: Vec<Option<Head>> = first
        .into_iter()
        .map(|read| Some(Head::of(read?, None)))
        .collect();
    loop {
        let next = heads
            .iter()
            .enumerate()
            .filter_map(|(number, head)| Some((&head.as_ref()?.at, number)))
            .min();
        let Some((_, number)) = next else { return true };
        let Some(Head { at, read }) = heads[number].take() else {
            return true;
        };
        let failed = read.is_err();
        if !take(number, read) {
            return false;
        }
        if !failed {
            let read = streams[number].next().await;
            heads[number] = read.map(|read| Head::of(read, at));
        }
    }
}

/// The next line of a stream.
struct Head {
    /// When it is due: what has no moment, or an earlier one, comes right behind the line before it.
    at: Option<Stamp>,
    read: Read,
}

impl Head {
    fn of(read: Read, before: Option<Stamp>) -> Self {
        let own = read.as_ref().ok().and_then(|line| line.at.clone());
        Self {
            at: own.max(before),
            read,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;
    use crate::docker::LogStream;

    #[allow(clippy::unnecessary_wraps, reason = "it stands beside `failure`")]
    fn line(second: Option<u32>, text: &str) -> Read {
        Ok(LogLine {
            stream: LogStream::Stdout,
            at: second.and_then(|second| Stamp::parse(&format!("2026-01-01T00:00:{second:02}Z"))),
            text: text.to_owned(),
        })
    }

    fn failure() -> Read {
        Err(EngineError::Refused {
            action: "reading".to_owned(),
            status: None,
            source: "no".into(),
        })
    }

    async fn merged(streams: Vec<Vec<Read>>, most: usize) -> (bool, Vec<String>) {
        let mut texts = Vec::new();
        let streams = streams.into_iter().map(stream::iter).collect();
        let all = merge(streams, |number, read| {
            texts.push(read.map_or_else(|_| format!("{number} failed"), |line| line.text));
            texts.len() < most
        });
        (all.await, texts)
    }

    #[tokio::test]
    async fn lines_come_in_the_order_of_their_moments() {
        let streams = vec![
            vec![
                line(Some(1), "a1"),
                line(Some(4), "a4"),
                line(Some(3), "a3"),
            ],
            vec![line(Some(2), "b2"), line(None, "b"), line(Some(5), "b5")],
            vec![],
        ];
        let (all, texts) = merged(streams, 10).await;
        assert!(all);
        assert_eq!(texts, ["a1", "b2", "b", "a4", "a3", "b5"]);
    }

    #[tokio::test]
    async fn one_that_fails_stops_nobody() {
        let streams = vec![
            vec![line(Some(1), "a1"), failure(), line(Some(9), "never")],
            vec![line(Some(2), "b2"), line(Some(3), "b3")],
        ];
        let (_, texts) = merged(streams, 10).await;
        assert_eq!(texts, ["a1", "0 failed", "b2", "b3"]);
    }

    #[tokio::test]
    async fn nobody_reads_on() {
        let streams = vec![vec![line(Some(1), "a1"), line(Some(2), "a2")]];
        let (all, texts) = merged(streams, 1).await;
        assert!(!all);
        assert_eq!(texts, ["a1"]);
    }
}
