//! A folder with Compose files, and how the command is typed in it: `args` has the arguments, `env` the
//! variables (both optional); `error.txt` is there when the files are to be refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use larder::compose::{LoadOptions, load};
use larder::model::Project;

pub(crate) struct Fixture {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
}

impl Fixture {
    pub(crate) fn all(folder: &Path) -> Vec<Self> {
        let entries = std::fs::read_dir(folder).expect("the folder of fixtures is there");
        let mut folders: Vec<PathBuf> = entries
            .map(|entry| entry.expect("it can be listed").path())
            .collect();
        folders.sort();
        folders
            .into_iter()
            .map(|folder| Self::read(&folder))
            .collect()
    }

    fn read(folder: &Path) -> Self {
        let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        let mut env = BTreeMap::from([("HOME".to_owned(), "/home/someone".to_owned())]);
        env.extend(text("env").lines().filter_map(|line| {
            line.split_once('=')
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        }));
        Self {
            name: folder
                .file_name()
                .expect("it has a name")
                .to_string_lossy()
                .into_owned(),
            folder: folder.canonicalize().expect("it is there"),
            args: text("args").split_whitespace().map(str::to_owned).collect(),
            env,
        }
    }

    /// The folder the command is typed in: `at` when there is one, so that files are searched upwards.
    pub(crate) fn working_dir(&self) -> PathBuf {
        let below = self.folder.join("at");
        if below.is_dir() {
            below
        } else {
            self.folder.clone()
        }
    }

    pub(crate) fn expected_error(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.folder.join("error.txt")).ok()?;
        Some(text.trim_end().to_owned())
    }

    /// Loads it as `larder config` would; an error as a person sees it.
    pub(crate) fn load(&self, options: &LoadOptions) -> Result<Project, String> {
        load(options).map_err(|error| {
            let mut lines = vec![format!("error: {error}")];
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                lines.push(format!("caused by: {error}"));
                cause = error.source();
            }
            lines.extend(error.place().map(|place| format!("  at {place}")));
            lines.extend(
                error
                    .hints()
                    .into_iter()
                    .map(|hint| format!("hint: {hint}")),
            );
            lines
                .join("\n")
                .replace(&format!("{}/", self.folder.display()), "")
                .replace(&self.folder.display().to_string(), ".")
        })
    }

    /// The arguments and the environment as larder takes them.
    pub(crate) fn options(&self) -> LoadOptions {
        let mut options = LoadOptions {
            working_dir: self.working_dir(),
            environment: self.env.clone(),
            ..LoadOptions::default()
        };
        let mut args = self.args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().expect("the option has a value").clone();
            match arg.as_str() {
                "-f" => options.files.push(value().into()),
                "-p" => options.project_name = Some(value()),
                "--project-directory" => options.project_directory = Some(value().into()),
                "--env-file" => options.env_files.push(value().into()),
                "--profile" => options.profiles.push(value()),
                other => panic!("`{other}` in {}/args", self.name),
            }
        }
        options
    }
}
