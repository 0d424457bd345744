//! What `develop.watch` must say for `docker compose watch`, which larder leaves to docker compose.

use serde_json::Value;

use super::error::{Error, ErrorKind};
use super::path::TreePath;
use crate::model::Service;

/// Checks the watches of a service at `path`.
///
/// # Errors
/// An action that copies files, and no place to copy them to.
pub(super) fn check(service: &Service, path: &TreePath) -> Result<(), Error> {
    let develop = service.other.get("develop");
    let list = develop.and_then(|develop| develop.get("watch")?.as_array());
    for (index, watch) in list.into_iter().flatten().enumerate() {
        let text = |key: &str| watch.get(key).and_then(Value::as_str).unwrap_or_default();
        if text("target").is_empty() && !matches!(text("action"), "rebuild" | "restart") {
            let path = path.clone().and("develop").and("watch");
            let path = path.and_item(index, text("path")).and("target");
            return Err(ErrorKind::Required { path }.into());
        }
    }
    Ok(())
}
