//! `larder init ci`: a job that builds images ahead of those who need them.

use std::path::Path;

use clap::{Args, ValueEnum};

use super::write::{Written, write};
use super::{shown, tell};
use crate::cli::invocation::Invocation;
use crate::failure::Failure;
use crate::template;

/// `larder init ci`.
#[derive(Args, Debug)]
pub struct Ci {
    /// Who runs the job
    #[arg(value_enum, value_name = "PROVIDER")]
    pub provider: Provider,
}

/// Who runs jobs.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Provider {
    /// GitHub Actions
    Github,
    /// GitLab CI
    Gitlab,
}

pub(super) fn ci(invocation: &Invocation, args: &Ci) -> Result<(), Failure> {
    let provider = match args.provider {
        Provider::Github => template::Provider::Github,
        Provider::Gitlab => template::Provider::Gitlab,
    };
    // Where the provider looks for it: at the root of the repository.
    let mut above = invocation.folder.ancestors();
    let root = above.find(|folder| folder.join(".git").exists());
    let root = root.unwrap_or(&invocation.folder);
    let below = invocation
        .folder
        .strip_prefix(root)
        .unwrap_or(Path::new(""));
    let below = match below.to_str() {
        Some("") => ".",
        Some(below) if !below.contains(['"', '\\', '$', '`', '\n']) => below,
        _ => {
            return Err(Failure::Kept {
                text: format!("no job is written for the folder `{}`", below.display()),
                place: None,
                hint: "quotation marks, `\\`, `$` and backticks mean something else in it"
                    .to_owned(),
            });
        }
    };
    let path = root.join(provider.path());
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder).map_err(|source| Failure::Unwritten {
            path: folder.to_owned(),
            source,
        })?;
    }
    let text = provider.text(below, env!("CARGO_PKG_VERSION"));
    if write(&path, &text)? == Written::Kept {
        return Err(Failure::Kept {
            text: format!("`{}` is there: larder writes over no file", path.display()),
            place: None,
            hint: "remove it, or give it another name, to have one written".to_owned(),
        });
    }
    let path = shown(invocation, &path);
    tell(
        invocation,
        &format!("{path} written: what is to be set stands at its beginning"),
    )?;
    if let Some(include) = provider.include() {
        tell(invocation, include)?;
    }
    Ok(())
}
