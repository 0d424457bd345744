//! PHP: what composer installs from, and the folder that is served. And files that are served as they are.

use super::facts::{Facts, copies};
use super::folder::Folder;

/// The PHP of a project: what it asks for is a range.
const VERSION: &str = "8.4";
const PORT: u16 = 8080;

pub(super) fn facts(here: Folder<'_>, port: Option<u16>) -> Facts {
    let public = if here.has("public/index.php") {
        "/public"
    } else {
        ""
    };
    let mut facts = Facts::new();
    facts
        .set(
            "copies",
            copies(&here.those(&["composer.json", "composer.lock", "symfony.lock"])),
        )
        .set("public", public)
        .set("version", VERSION)
        .set("port", port.unwrap_or(PORT).to_string());
    facts
}

/// The folder with `index.html`.
pub(super) fn pages(here: Folder<'_>) -> Facts {
    let below = ["public", "dist", "site"];
    let folder = if here.has("index.html") {
        "."
    } else {
        let found = below
            .into_iter()
            .find(|folder| here.has(&format!("{folder}/index.html")));
        found.unwrap_or(".")
    };
    let mut facts = Facts::new();
    facts.set("folder", folder);
    facts
}
