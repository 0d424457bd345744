//! `larder man`: manual pages, made from the same command line that is parsed.

use std::path::PathBuf;

use clap::Args;
use clap_mangen::Man;

use super::invocation::Invocation;
use super::parse;
use crate::failure::Failure;

/// `larder man`.
#[derive(Args, Debug)]
pub struct ManPages {
    /// Where to write a page for each command; without it larder's own is printed
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,
}

/// Writes the pages, or prints the one of larder itself.
pub(super) fn man(invocation: &Invocation, args: &ManPages) -> Result<(), Failure> {
    let Some(folder) = &args.folder else {
        let mut page = Vec::new();
        let written = Man::new(parse::command()).render(&mut page);
        written.map_err(Failure::Output)?;
        invocation.screen.out(&String::from_utf8_lossy(&page));
        return Ok(());
    };
    let path = invocation.folder.join(folder);
    let written = fs_err::create_dir_all(&path)
        .and_then(|()| clap_mangen::generate_to(parse::command(), &path));
    written.map_err(|source| Failure::Unwritten { path, source })
}
