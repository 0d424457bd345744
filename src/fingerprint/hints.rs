//! What a person can do about a build that cannot be read.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use super::error::Error;
use super::lock::LOCK_FILE;
use crate::compose::{nearby, nearest};

impl Error {
    /// What may help, one sentence each.
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Written { error, .. } => return error.hints(),
            Self::NoContext { path, .. } => no_context(path),
            Self::NotListed { listed, .. } => format!(
                "an engine builds one of several: `platform: {}` says which",
                listed.first().map_or("…", String::as_str)
            ),
            Self::NoDockerfile { service, path } => no_dockerfile(service, path),
            Self::TwoDockerfiles { .. } => {
                "one of the two has to go: without `template` the file is built".to_owned()
            }
            Self::Template { source, .. } => return source.hints("template: "),
            Self::NoStage { .. } => "it starts with `FROM IMAGE`".to_owned(),
            Self::NoTarget { stages, .. } if stages.is_empty() => {
                "a stage gets its name with `FROM … AS NAME`, and none has one".to_owned()
            }
            Self::NoTarget { target, stages, .. } => {
                let near = nearest(target, stages.iter().map(String::as_str));
                let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
                format!("{near}its stages: `{}`", stages.join("`, `"))
            }
            Self::NoSource { hint, .. } => hint.clone(),
            Self::Read { path, source } if source.kind() != io::ErrorKind::NotFound => {
                unreadable(path)
            }
            Self::Changed { .. } => WHEN_NOT_NEEDED.to_owned(),
            Self::IgnorePattern { .. } => {
                "`*`, `?`, `**` and `[a-z]` are patterns, and `\\` in front of one takes it as it stands".to_owned()
            }
            Self::Lock { .. } => {
                "keep one line for each image, `IMAGE sha256:…`; one that is taken out is written anew by `larder lock`".to_owned()
            }
            Self::NotLocked { .. } => {
                "`larder lock` looks them up and writes them down, where a registry has them; without `--frozen` larder takes what \
                  the engine has".to_owned()
            }
            Self::External { kind, .. } => {
                format!("without a Swarm a {kind} is from `file:` or `environment:`")
            }
            Self::Unset { variable, .. } => {
                format!("set it in the environment or in `.env`: `{variable}=…`")
            }
            Self::NoFile { kind, path, .. } => nearby(path, |_| true)
                .unwrap_or_else(|| format!("write the {kind} into it, or name another file")),
            Self::Seccomp { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "`security_opt` names it relative to the project's folder".to_owned()
            }
            Self::Seccomp { .. } => "a profile is a file of JSON".to_owned(),
            Self::ReadOnly { kind, .. } => {
                format!("write the {kind} to a file and name that with `file:`: a file is mounted")
            }
            Self::Owner { .. } => "larder does not know the users of the image: write the id".to_owned(),
            Self::TooLarge { .. } => "nobody writes that much: is it the right file?".to_owned(),
            Self::Dependencies { .. } | Self::Unknown { .. } | Self::Read { .. } => return Vec::new(),
        };
        vec![hint]
    }
}

const WHEN_NOT_NEEDED: &str = "when the image does not need it, name it in `.dockerignore`";

fn unreadable(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name == LOCK_FILE || name.ends_with(".dockerignore") || name.contains("Dockerfile") {
        return "larder reads it as the user who runs it: `chmod u+r` gives the right to"
            .to_owned();
    }
    WHEN_NOT_NEEDED.to_owned()
}

fn no_context(path: &Path) -> String {
    if path.exists() {
        return "`context:` names a folder, and `dockerfile:` the file in it".to_owned();
    }
    nearby(path, Path::is_dir).unwrap_or_else(|| {
        "create it, or correct `context:`: it is relative to the Compose file".to_owned()
    })
}

/// The files in the folder of a missing Dockerfile that may have been meant.
fn no_dockerfile(service: &str, path: &Path) -> String {
    let folder = path.parent().map(std::fs::read_dir);
    let entries = folder.and_then(Result::ok).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| {
            let is_one = name.to_ascii_lowercase().contains("dockerfile");
            is_one && !name.ends_with(".dockerignore") && path.file_name() != Some(OsStr::new(name))
        })
        .take(10)
        .collect();
    names.sort();
    if names.is_empty() {
        nearby(path, Path::is_file).unwrap_or_else(|| {
            format!(
                "`larder init {service}` writes one; `dockerfile:` says where another is, relative to the context"
            )
        })
    } else {
        format!(
            "there is `{}`; `dockerfile:` says which is meant",
            names.join("`, `")
        )
    }
}
