//! `larder init`: writes what a project lacks, and never over what is there. `target` finds the folders without a Dockerfile, `write`
//! writes, `ci` is `larder init ci`.

mod ci;
mod target;
mod write;

use std::path::Path;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use self::target::Target;
use self::write::{Written, write};
use super::invocation::Invocation;
use crate::failure::Failure;
use crate::model::Place;
use crate::template::{self, Choice, NAMES, Rendered};
use crate::term::near;

/// `larder init`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub struct Init {
    /// Services that are built from a folder without a Dockerfile, or such folders; all such services when none is named
    #[arg(value_name = "SERVICE|FOLDER")]
    pub targets: Vec<String>,
    /// The template, in place of the one that fits what lies in the folder
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(NAMES))]
    pub template: Option<String>,
    /// What else is written.
    #[command(subcommand)]
    pub ci: Option<Also>,
}

/// What `larder init` writes besides Dockerfiles.
#[derive(Debug, Subcommand)]
pub enum Also {
    /// Write a job that builds the project's images ahead of those who need them
    Ci(ci::Ci),
}

pub(super) fn init(invocation: &Invocation, args: &Init) -> Result<(), Failure> {
    if let Some(Also::Ci(args)) = &args.ci {
        return ci::ci(invocation, args);
    }
    let targets = target::targets(invocation, &args.targets)?;
    if targets.is_empty() {
        return tell(
            invocation,
            "every service that is built here has a Dockerfile or a template",
        );
    }
    // All that can be wrong is found before the first file is written.
    let mut planned = Vec::new();
    for target in targets {
        let asked = args.template.as_deref().or(target.template.as_deref());
        let choice = template::choose(&target.context, asked)?;
        let rendered = template::render(choice.template, &target.context, target.port)?;
        target.check()?;
        planned.push((target, choice, rendered));
    }
    for (target, choice, rendered) in planned {
        // Somebody else may have written it meanwhile.
        if write(&target.dockerfile, &rendered.dockerfile)? == Written::Kept {
            return Err(target.is_there());
        }
        let ignored = write(&target.ignore_file(), &rendered.ignore)?;
        report(invocation, &target, choice, &rendered, ignored)?;
    }
    Ok(())
}

fn report(
    invocation: &Invocation,
    target: &Target,
    choice: Choice,
    rendered: &Rendered,
    ignored: Written,
) -> Result<(), Failure> {
    let name = &target.name;
    let path = |path: &Path| shown(invocation, path);
    let dockerfile = path(&target.dockerfile);
    let template = choice.template.name();
    tell(
        invocation,
        &format!(
            "{name}: {dockerfile} written from template {template}, as {} is there",
            choice.file
        ),
    )?;
    let state = match ignored {
        Written::New => "written",
        Written::Kept => "is there, and stays as it is",
    };
    tell(
        invocation,
        &format!("{name}: {} {state}", path(&target.ignore_file())),
    )?;
    if let Some(starts) = &rendered.starts {
        let command = &starts.command;
        let text = match &starts.because {
            Some(because) => format!("{name}: starts `{command}`, as {because}"),
            None => format!("{name}: nothing says what is to be started: edit CMD in {dockerfile}"),
        };
        tell(invocation, &text)?;
    }
    if let Some(place) = &target.takes_the_place_of {
        let place = near(place, &invocation.folder);
        let text =
            format!("{name}: the file takes the place of `template:` at {place}: take that out");
        tell(invocation, &text)?;
    }
    Ok(())
}

/// A path for a person: from where they are.
fn shown(invocation: &Invocation, path: &Path) -> String {
    let place = Place {
        file: path.to_owned(),
        at: None,
    };
    near(&place, &invocation.folder)
}

/// Says it, unless a program reads.
fn tell(invocation: &Invocation, text: &str) -> Result<(), Failure> {
    if !invocation.settings(None, None)?.progress.is_silent() {
        invocation.screen.out(&format!("{text}\n"));
    }
    Ok(())
}
