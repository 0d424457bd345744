//! A program of this machine that is told something on standard input, and what it answers.

use std::io;
use std::process::{Output, Stdio};

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Runs it to its end; it is killed where nobody waits any more. What it says on standard error is nobody's.
///
/// # Errors
/// It cannot be run, or does not take its input.
pub(super) async fn answer(command: &mut Command, input: &str) -> io::Result<Output> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(input.as_bytes()).await?;
    }
    child.wait_with_output().await
}
