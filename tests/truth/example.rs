//! One build: a Dockerfile, its context and its build section.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::dockerfile::Dockerfile;
use crate::engine::BASES;

/// Where the Dockerfile lies.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    /// In the context, under this path.
    Inside(String),
    /// Beside the context.
    Outside,
}

/// A build, as a whole.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Example {
    pub(crate) seed: u64,
    pub(crate) dockerfile: Dockerfile,
    /// Which of the bases stands behind the name that may move.
    pub(crate) moved_to: usize,
    pub(crate) place: Place,
    pub(crate) context: Context,
    /// `<Dockerfile>.dockerignore`.
    pub(crate) own_ignore: Option<Vec<String>>,
    /// `.dockerignore`.
    pub(crate) ignore: Option<Vec<String>>,
    pub(crate) section: Section,
}

/// The build section, as far as it may change an image.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Section {
    pub(crate) args: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) target: Option<String>,
    pub(crate) platform: Option<String>,
    pub(crate) network: Option<String>,
    pub(crate) hosts: BTreeMap<String, String>,
    /// The ids of secrets, with what they say.
    pub(crate) secrets: BTreeMap<String, String>,
    pub(crate) shm_size: Option<i64>,
    pub(crate) open_files: Option<i64>,
    /// Folders under names of their own.
    pub(crate) contexts: BTreeMap<String, Context>,
    /// What says how to build, and nothing of what.
    pub(crate) asides: BTreeMap<String, serde_json::Value>,
}

/// An example on a disk.
pub(crate) struct Written {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) context: PathBuf,
    pub(crate) dockerfile: PathBuf,
}

impl Written {
    pub(crate) fn secret(&self, id: &str) -> PathBuf {
        self.folder.path().join(format!("secret-{id}"))
    }

    pub(crate) fn extra(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("extra-{name}"))
    }
}

impl Example {
    /// Writes it to a place that no builder has seen before: BuildKit takes files of the same size and time for those
    /// that it has.
    pub(crate) fn write(&self, above: &Path) -> std::io::Result<Written> {
        let folder = tempfile::tempdir_in(above)?;
        let root = folder.path().join("context");
        fs::create_dir(&root)?;
        let mut context = self.context.clone();
        let lines = |lines: &[String]| format!("{}\n", lines.join("\n"));
        if let Some(ignore) = &self.ignore {
            context.file(".dockerignore", lines(ignore));
        }
        let dockerfile = match &self.place {
            Place::Inside(path) => {
                context.file(path, self.dockerfile.text());
                if let Some(ignore) = &self.own_ignore {
                    context.file(&format!("{path}.dockerignore"), lines(ignore));
                }
                root.join(path)
            }
            Place::Outside => {
                let path = folder.path().join("Dockerfile");
                fs::write(&path, self.dockerfile.text())?;
                if let Some(ignore) = &self.own_ignore {
                    fs::write(path.with_extension("dockerignore"), lines(ignore))?;
                }
                path
            }
        };
        let written = Written {
            folder,
            context: root,
            dockerfile,
        };
        context.write(&written.context)?;
        for (id, secret) in &self.section.secrets {
            fs::write(written.secret(id), secret)?;
        }
        for (name, extra) in &self.section.contexts {
            fs::create_dir(written.extra(name))?;
            extra.write(&written.extra(name))?;
        }
        Ok(written)
    }

    /// The name of an image that may become another one, of this example alone.
    pub(crate) fn moving_base(seed: u64) -> String {
        format!("larder-truth/moving:{}-{seed:x}", std::process::id())
    }

    /// What stands behind that name, where the Dockerfile says it.
    pub(crate) fn moved(&self) -> Option<(String, &'static str)> {
        let name = Self::moving_base(self.seed);
        let is_named = self.dockerfile.text().contains(&name);
        is_named.then(|| (name, BASES[self.moved_to].as_str()))
    }

    /// For a person.
    pub(crate) fn describe(&self) -> String {
        let mut text = String::new();
        if let Some((name, base)) = self.moved() {
            let _ = writeln!(text, "{name} is {base}");
        }
        let _ = writeln!(text, "Dockerfile ({:?}):", self.place);
        for line in self.dockerfile.text().lines() {
            let _ = writeln!(text, "  {line}");
        }
        let _ = write!(text, "context:\n{}", self.context.describe());
        for (name, lines) in [
            (".dockerignore", &self.ignore),
            ("<Dockerfile>.dockerignore", &self.own_ignore),
        ] {
            if let Some(lines) = lines {
                let _ = writeln!(text, "{name}: {lines:?}");
            }
        }
        if self.section != Section::default() {
            let _ = writeln!(text, "build section: {:?}", self.section);
        }
        text
    }
}
