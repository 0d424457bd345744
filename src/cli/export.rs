//! `larder export`: the project as a plain Compose file with every image pinned, alone or with its images beside it.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::pin;

use clap::Args;
use futures_util::StreamExt;
use serde_json::Value;

use super::hold::Way;
use super::invocation::Invocation;
use super::pins::Packed;
use super::prepare::{Goal, Prepared, prepare};
use super::replace::{beside, replace};
use crate::compose::{self, LoadOptions};
use crate::docker::Docker;
use crate::export::{self, ARCHIVE, COMPOSE_FILE, Checksum, Form, LOADER, Paths, Rewritten};
use crate::failure::Failure;
use crate::model::Project;
use crate::runtime::Engine;
use crate::term::{Waiting, size};

/// `larder export`.
#[derive(Args, Debug)]
pub struct Export {
    /// The services, with all that they depend on; all of them when none is named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Write to a file, in place of standard output (`-`)
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Leave variables as they are written
    #[arg(long)]
    pub no_interpolate: bool,
    /// Write a folder: the file, an archive of all images, and a script that loads it
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    pub with_images: Option<PathBuf>,
    /// Write over files that are no exports
    #[arg(long)]
    pub force: bool,
    /// Say whether an export is out of date, and change nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["output", "with_images", "force"])]
    pub check: Option<PathBuf>,
}

pub(super) async fn export(invocation: &Invocation, args: Export) -> Result<u8, Failure> {
    let (project, written) = load(invocation, &args)?;
    let output = args.output.as_ref().filter(|own| own.as_os_str() != "-");
    let target = args.check.as_ref().or(output);
    let target = target.map(|file| invocation.folder.join(file));
    let bundle = args
        .with_images
        .as_ref()
        .map(|folder| invocation.folder.join(folder));
    if !args.force && args.check.is_none() {
        let file = bundle.as_ref().map(|folder| folder.join(COMPOSE_FILE));
        let mut all: Vec<PathBuf> = target.iter().cloned().chain(file).collect();
        let beside = bundle
            .iter()
            .flat_map(|own| [own.join(ARCHIVE), own.join(LOADER)]);
        if all.iter().all(|file| !file.exists()) {
            all.extend(beside);
        }
        all.into_iter().try_for_each(check_ours)?;
    }
    let settings = invocation.settings(Some(&project), None)?;
    invocation.warn(&project);
    if bundle.is_some() {
        let engine = invocation.engine().await?;
        invocation.hold_images(&engine, Way::Shared).await?;
    }
    let tree = serde_json::to_value(&project).unwrap_or_default();
    let tree = if args.no_interpolate {
        written.clone()
    } else {
        tree
    };
    let paths = Paths {
        project: project.working_dir.clone(),
        export: folder_of(target.as_deref(), &project),
    };
    let goal = Goal::FINGERPRINTS;
    let prepared = prepare(invocation, project, &args.services, settings, goal);
    let mut prepared = Box::pin(prepared).await?;
    let form = Form {
        as_written: args.no_interpolate,
        profiles: invocation.global.profiles.clone(),
        services: args.services.clone(),
        bundled: bundle.is_some(),
    };
    let (pins, packed) = if bundle.is_some() {
        prepared.packed()?
    } else {
        (prepared.pinned(invocation).await?, Vec::new())
    };
    let done = export::rewrite(tree, &written, &pins, &paths);
    if args.check.is_none() {
        tell_needs(invocation, &done);
    }
    let text = export::text(&form, done.tree).map_err(|source| Failure::Print {
        format: "YAML",
        source,
    })?;
    match (bundle, target) {
        (Some(folder), _) => {
            write_bundle(invocation, &prepared, &folder, &text, packed).await?;
        }
        (None, Some(file)) if args.check.is_some() => {
            return check(invocation, &file, &text, &form);
        }
        (None, Some(file)) => write(&file, text.as_bytes(), 0o666)?,
        (None, None) => invocation.screen.raw_out(text.as_bytes()),
    }
    Ok(0)
}

/// The project, its env files unread, and its tree with variables as they are written.
fn load(invocation: &Invocation, args: &Export) -> Result<(Project, Value), Failure> {
    let options = LoadOptions {
        keep_env_files: true,
        ..invocation.options(&args.services)
    };
    let mut project = compose::load(&options)?;
    let (written, _) = compose::load_as_written(&options)?;
    let wanted = project.with_dependencies(&args.services)?;
    if wanted.is_empty() {
        let off = !project.disabled.is_empty();
        return Err(Failure::NoServices { off });
    }
    if !args.services.is_empty() {
        project.keep(&wanted);
    }
    Ok((project, written))
}

/// The folder that an export's paths are read against: the project's, where it goes to standard output, or is to be brought
/// elsewhere with its images.
fn folder_of(target: Option<&Path>, project: &Project) -> PathBuf {
    let folder = target.and_then(Path::parent);
    let Some(folder) = folder else {
        return project.working_dir.clone();
    };
    let there = std::fs::canonicalize(folder);
    // A project behind a link is called by the link's name.
    let own = std::fs::canonicalize(&project.working_dir);
    match (there, own) {
        (Ok(there), Ok(own)) => match there.strip_prefix(&own) {
            Ok(below) => project.working_dir.join(below),
            Err(_) => there,
        },
        _ => folder.to_owned(),
    }
}

/// That a file is larder's to write over.
fn check_ours(file: PathBuf) -> Result<(), Failure> {
    // A pipe would be waited for.
    if std::fs::metadata(&file).is_ok_and(|found| !found.is_file()) {
        return Err(Failure::Unexported {
            text: format!("`{}` is no file that can be written over", file.display()),
            hint: "without `-o` the export goes to standard output".to_owned(),
        });
    }
    match std::fs::read(&file) {
        Ok(text) if export::is_export(&text) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(Failure::Theirs(file)),
    }
}

/// Says what an export takes from where it is started.
fn tell_needs(invocation: &Invocation, done: &Rewritten) {
    let paths: BTreeSet<String> = done
        .needed
        .iter()
        .map(|own| format!("`{}` ({})", own.path, own.by))
        .collect();
    if !paths.is_empty() {
        invocation.warning(&format!(
            "the export needs these files of the project where it is started: {}",
            Vec::from_iter(paths).join(", ")
        ));
    }
    let variables: Vec<&str> = done.variables.iter().map(String::as_str).collect();
    if !variables.is_empty() {
        invocation.warning(&format!(
            "the export takes these variables from where it is started: {}",
            variables.join(", ")
        ));
    }
}

fn write(file: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    replace(file, bytes, mode).map_err(|source| Failure::Unwritten {
        path: file.to_owned(),
        source,
    })
}

/// Whether a file is what would be written: 0, or 1 with what is different.
fn check(invocation: &Invocation, file: &Path, now: &str, form: &Form) -> Result<u8, Failure> {
    let shown = file.strip_prefix(&invocation.folder).unwrap_or(file);
    let shown = shown.display();
    let before = match std::fs::read_to_string(file) {
        Ok(before) => before,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            invocation.screen.out(&format!("{shown} is not there\n"));
            return Ok(1);
        }
        Err(error) => {
            return Err(Failure::Unexported {
                text: format!("`{shown}` cannot be read: {error}"),
                hint: "`--check` takes a file that `larder export -o` wrote".to_owned(),
            });
        }
    };
    if before == now {
        invocation.note(&format!("{shown} is up to date"))?;
        return Ok(0);
    }
    // The values of variables would come to light where they were left out.
    let refused = |text: String, hint: String| Err(Failure::Untold { text, hint });
    match export::made_by(&before) {
        None => {
            let hint = "`--check` takes a file that `larder export -o` wrote".to_owned();
            return refused(format!("`{shown}` is no export of larder's"), hint);
        }
        Some((_, true)) => {
            let hint = "`larder export --with-images DIR` writes it anew".to_owned();
            return refused(
                format!("`{shown}` goes with the images beside it, which are not looked at"),
                hint,
            );
        }
        Some((made, false)) if made != form.command() => {
            let hint = format!("`{made} --check {shown}` compares it with the same");
            return refused(format!("`{shown}` was made by `{made}`"), hint);
        }
        Some(_) => {}
    }
    let changes = export::changes(&before, now).unwrap_or_default();
    for change in &changes {
        invocation.screen.out(&format!("{change}\n"));
    }
    if changes.is_empty() {
        invocation
            .screen
            .out("its text is not as larder writes it\n");
    }
    invocation.say(&format!(
        "{shown} is out of date: `{} -o {shown}` writes it anew",
        form.command()
    ));
    Ok(1)
}

/// Writes the file with all images beside it. The Compose file comes last: where it is, all is.
async fn write_bundle(
    invocation: &Invocation,
    prepared: &Prepared,
    folder: &Path,
    text: &str,
    packed: Vec<Packed>,
) -> Result<(), Failure> {
    let unwritten = |path: PathBuf| move |source| Failure::Unwritten { path, source };
    std::fs::create_dir_all(folder).map_err(unwritten(folder.to_owned()))?;
    let engine = &prepared.engine;
    let names: Vec<String> = packed.iter().map(|own| own.name.clone()).collect();
    for own in packed.iter().filter(|own| !own.is_named) {
        engine.tag(&own.id, &own.name).await?;
    }
    let doing = "saving images";
    let shown = Waiting::show(prepared.settings.progress, &invocation.screen, doing);
    let saved = archive(engine, &folder.join(ARCHIVE), &names).await;
    drop(shown);
    for own in packed.iter().filter(|own| !own.is_named) {
        engine.remove_image(&own.name).await?;
    }
    let (checksum, bytes) = saved?;
    let script = export::loader(&checksum, &names);
    write(&folder.join(LOADER), script.as_bytes(), 0o777)?;
    write(&folder.join(COMPOSE_FILE), text.as_bytes(), 0o666)?;
    let count = names.len();
    let images = if count == 1 { "image" } else { "images" };
    invocation.note(&format!("{count} {images} exported, {}", size(bytes)))
}

/// Writes the archive of images; its checksum, and how many bytes it has.
async fn archive(engine: &Docker, file: &Path, names: &[String]) -> Result<(String, u64), Failure> {
    let unwritten = |source| Failure::Unwritten {
        path: file.to_owned(),
        source,
    };
    let (mut target, path) = beside(file, 0o666).map_err(unwritten)?;
    let mut pieces = pin!(engine.save(names));
    let (mut checksum, mut bytes) = (Checksum::default(), 0);
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        target.write_all(&piece).map_err(unwritten)?;
        checksum.take(&piece);
        bytes += piece.len() as u64;
    }
    target
        .persist(path)
        .map_err(|error| unwritten(error.error))?;
    Ok((checksum.hex(), bytes))
}
