//! `larder run`: one more container of a service for one command, attached to this process. What it needs is there before, as
//! with `up`. Its exit code is larder's. `service` says what the container is made from.

mod service;

use clap::Args;

use super::carry_out::{carry_out, carry_out_on};
use super::checkouts::check_removal;
use super::invocation::{Invocation, Named};
use super::prepare::{Goal, Prepared, prepare};
use super::records;
use super::turn::{Turn, plan_of};
use crate::compose;
use crate::docker::{AttachEnd, AttachOptions};
use crate::failure::{Failure, handed_on};
use crate::plan::orphans;
use crate::runtime::Engine;
use crate::settings::{Muted, Progress};

/// `larder run`.
#[derive(Args, Debug)]
#[command(override_usage = "larder run [OPTIONS] SERVICE [COMMAND] [ARGUMENT]...")]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Run {
    /// Accepted and changes nothing: larder always builds what changed
    #[arg(long)]
    pub build: bool,
    /// Give it a Linux capability
    #[arg(long, value_name = "NAME")]
    pub cap_add: Vec<String>,
    /// Take a Linux capability from it
    #[arg(long, value_name = "NAME")]
    pub cap_drop: Vec<String>,
    /// Leave it to itself, and print its ID
    #[arg(short, long)]
    pub detach: bool,
    /// Run this in place of the image's entrypoint
    #[arg(long, value_name = "COMMAND", value_parser = command)]
    pub entrypoint: Option<String>,
    /// A variable for it; with its name alone, the value that it has here
    #[arg(short, long, value_name = "KEY[=VALUE]", value_parser = super::exec::variable)]
    pub env: Vec<String>,
    /// A file of variables for it
    #[arg(long, value_name = "FILE")]
    pub env_from_file: Vec<std::path::PathBuf>,
    /// Whether it gets standard input
    #[arg(short, long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    #[arg(hide_possible_values = true)]
    pub interactive: bool,
    /// A label on it
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = label, alias = "labels")]
    pub label: Vec<String>,
    /// Its name, in place of PROJECT-SERVICE-run-ID
    #[arg(long, value_name = "NAME", value_parser = container_name)]
    pub name: Option<String>,
    /// No terminal for it; the default where standard input or output is none
    #[arg(short = 'T', long = "no-tty", aliases = ["no-TTY"])]
    pub no_tty: bool,
    /// Start nothing that it depends on
    #[arg(long)]
    pub no_deps: bool,
    /// Publish a port of it
    #[arg(short, long, value_name = "PORT", value_parser = port)]
    pub publish: Vec<String>,
    /// When images are pulled: always, missing, never, or as the file says (policy)
    #[arg(long, value_name = "POLICY", value_parser = ["always", "missing", "never", "policy"])]
    #[arg(
        default_value = "policy",
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub pull: String,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
    /// Show no progress of builds
    #[arg(long)]
    pub quiet_build: bool,
    /// Show no progress of pulls
    #[arg(long)]
    pub quiet_pull: bool,
    /// Remove containers of services that no Compose file defines, also those that other files made
    #[arg(long)]
    pub remove_orphans: bool,
    /// Remove it when it ends
    #[arg(long)]
    pub rm: bool,
    /// Publish the ports that the file says
    #[arg(short = 'P', long, conflicts_with = "publish")]
    pub service_ports: bool,
    /// Accepted and changes nothing: a terminal is lent where there is one
    #[arg(short, long, hide = true, conflicts_with = "no_tty")]
    pub tty: bool,
    /// Have it found under the names of the service
    #[arg(long)]
    pub use_aliases: bool,
    /// The user that it runs as
    #[arg(short, long, value_name = "USER")]
    pub user: Option<String>,
    /// Mount a folder or a volume
    #[arg(short, long, value_name = "MOUNT", value_parser = mount, alias = "volumes")]
    pub volume: Vec<String>,
    /// The folder that it starts in
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// The service, then a command with its arguments in place of the service's own
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    #[arg(value_name = "SERVICE")]
    pub words: Vec<String>,
}

impl Run {
    /// The service.
    fn service(&self) -> &str {
        self.words.first().map(String::as_str).unwrap_or_default()
    }

    /// The command and its arguments: whatever stands behind the service, options as well, as with docker compose.
    fn command(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }
}

fn command(text: &str) -> Result<String, String> {
    compose::typed_command(text).map(|_| text.to_owned())
}

fn port(text: &str) -> Result<String, String> {
    compose::typed_ports(text).map(|_| text.to_owned())
}

fn mount(text: &str) -> Result<String, String> {
    compose::typed_mount(text, "/".as_ref(), None).map(|_| text.to_owned())
}

fn label(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((name, _)) if !name.is_empty() => Ok(text.to_owned()),
        _ => Err("a label is KEY=VALUE".to_owned()),
    }
}

/// As the engine has it (moby `RestrictedNameChars`).
fn container_name(text: &str) -> Result<String, String> {
    let first = text.starts_with(|char: char| char.is_ascii_alphanumeric());
    let rest = |char: char| char.is_ascii_alphanumeric() || "_.-".contains(char);
    if text.len() > 1 && first && text.chars().all(rest) {
        return Ok(text.to_owned());
    }
    Err("a name has letters, digits, `_`, `.` and `-`, at least two".to_owned())
}

pub(super) async fn run_once(invocation: &Invocation, args: Run) -> Result<u8, Failure> {
    let service = args.service().to_owned();
    if service.starts_with('-') {
        return Err(Failure::Untold {
            text: format!("`{service}` is no option of `larder run`"),
            hint: "`larder run --help` shows them; those of the command stand behind the service"
                .to_owned(),
        });
    }
    let tty = !args.no_tty && invocation.screen.reads_terminal();
    let mut read = invocation.load(std::slice::from_ref(&service))?;
    let (name, prepared) = loop {
        let mut project = read.clone();
        let name = service::define(invocation, &mut project, &args, tty)?;
        match Box::pin(make(invocation, project, &args)).await {
            Err(Failure::Waited) => {
                if compose::can_be_read_again(&read) {
                    read = invocation.load(std::slice::from_ref(&service))?;
                }
            }
            made => break (name, made?),
        }
    };
    // It may go on for as long as it likes.
    invocation.release();
    let engine = &prepared.engine;
    let container = engine.container_named(&name).await?;
    let container = container.ok_or(Failure::NoContainer(service))?;
    if args.detach {
        engine.start(&container).await?;
        invocation.screen.out(&format!("{container}\n"));
        return Ok(0);
    }
    let options = AttachOptions {
        tty,
        interactive: args.interactive,
        starts: true,
        removed: args.rm,
        signals: true,
    };
    let lent = invocation.interrupt.lend();
    let slow = || invocation.warning("the container goes on; once more kills it");
    let ended = engine.run_attached(&container, options, slow).await;
    drop(lent);
    match ended? {
        AttachEnd::Exited(code) => Ok(handed_on(code)),
        AttachEnd::Left => {
            if tty {
                invocation.screen.err("\n");
            }
            invocation.note(&format!("`{name}` goes on: `docker stop {name}` ends it"))?;
            Ok(0)
        }
        AttachEnd::Interrupted => {
            // A terminal shows `^C` where the cursor is, and leaves it there.
            if invocation.screen.is_terminal() {
                invocation.screen.err("\n");
            }
            Err(Failure::Interrupted)
        }
    }
}

/// Makes the container, behind all that it needs.
async fn make(
    invocation: &Invocation,
    project: crate::model::Project,
    args: &Run,
) -> Result<Prepared, Failure> {
    let mut settings = invocation.settings(Some(&project), None)?;
    // Standard output is the container's.
    if args.quiet || settings.progress == Progress::Json {
        settings.progress = Progress::Quiet;
    }
    settings.muted = Muted {
        pulls: args.quiet_pull,
        builds: args.quiet_build,
    };
    invocation.warn(&project);
    let goal = Goal {
        containers: true,
        dependencies: true,
        wait: false,
        builds: true,
        acts: true,
        starts: true,
    };
    let names = [args.service().to_owned()];
    let mut prepared = prepare(invocation, project, &names, settings, goal).await?;
    if args.remove_orphans {
        prepared.check_first_ports().await?;
        remove_orphans(invocation, &mut prepared).await?;
    }
    prepared.freshen(invocation).await?;
    let (plan, dagger) = prepared.decide(invocation).await?;
    let of_checkouts = prepared.check_checkouts(invocation, &plan).await?;
    prepared.check_ports(&plan).await?;
    if !args.quiet {
        prepared.tell_ports(invocation);
    }
    let kept = records::keep(prepared.settings.cache.as_deref(), &prepared.recipes);
    for warning in plan.warnings.iter().chain(&of_checkouts) {
        invocation.warning(warning);
    }
    if plan.steps.len() == 1 {
        // Nothing but the container itself, which will speak for itself.
        prepared.settings.progress = Progress::Quiet;
    }
    carry_out(invocation, &prepared, &plan, dagger).await?;
    if let Some(kept) = kept {
        kept.await?;
    }
    Ok(prepared)
}

/// Removes the containers of services that no Compose file defines, also those that other files made.
async fn remove_orphans(invocation: &Invocation, prepared: &mut Prepared) -> Result<(), Failure> {
    let project = &prepared.project;
    let found = orphans(project, &prepared.observed.containers);
    let orphans = [found.own, found.foreign].concat();
    if orphans.is_empty() {
        return Ok(());
    }
    check_removal(invocation, Some(project), &orphans)?;
    let named = Named {
        name: project.name.clone(),
        project: Some(project.clone()),
    };
    let turn = Turn::Remove {
        grace: None,
        volumes: false,
    };
    let plan = plan_of(orphans, &named, turn);
    carry_out_on(invocation, &prepared.engine, &named, &[], &plan).await?;
    prepared.observe().await
}
