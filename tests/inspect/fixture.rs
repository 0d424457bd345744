//! One folder of `tests/fixtures/inspect`: `compose.yaml`, what that reads, and where not every engine has what it asks for
//! a file `api` with the version that does.

use std::path::{Path, PathBuf};

use larder::docker::ApiVersion;

/// A fixture.
pub(crate) struct Fixture {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    api: Option<String>,
}

impl Fixture {
    pub(crate) fn all(folder: &Path) -> Vec<Self> {
        let entries = std::fs::read_dir(folder).expect("the fixtures are there");
        let folders = entries.map(|entry| entry.expect("an entry").path());
        let mut all: Vec<Self> = folders
            .map(|folder| Self {
                name: folder
                    .file_name()
                    .expect("a name")
                    .to_string_lossy()
                    .into_owned(),
                api: std::fs::read_to_string(folder.join("api")).ok(),
                folder,
            })
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Whether an engine has all that it asks for.
    pub(crate) fn runs_on(&self, api: ApiVersion) -> bool {
        let needs = self.api.as_deref().map(str::trim);
        needs.is_none_or(|needs| api.at_least(needs))
    }
}
