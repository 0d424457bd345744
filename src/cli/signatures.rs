//! Signatures of images, looked at by cosign where it is installed.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::model::ImageRef;

/// How long cosign may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why an image's signature proves nothing; `None` where it is of the declared key.
///
/// The key is the proof, so no transparency log is asked: it would have to be told of private images.
pub(super) async fn doubt(key: &str, image: &ImageRef, folder: &Path) -> Option<String> {
    let mut command = Command::new("cosign");
    command
        .args(["verify", "--insecure-ignore-tlog=true", "--key", key])
        .arg(image.canonical())
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    match tokio::time::timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) if output.status.success() => None,
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let mut lines = said.lines().rev().map(str::trim);
            let last = lines.find(|line| !line.is_empty()).unwrap_or_default();
            Some(format!("cosign finds no signature of `{key}`: {last}"))
        }
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Some(format!(
            "a signature of `{key}` is asked for, and `cosign` is not installed"
        )),
        Ok(Err(error)) => Some(format!("cosign cannot be run: {error}")),
        Err(_) => Some("cosign did not answer in time".to_owned()),
    }
}
