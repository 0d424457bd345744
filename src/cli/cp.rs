//! `larder cp`: files between here and the containers of a service, by the rules of `docker cp`. `side` reads what was typed,
//! `place` says where a copy goes, `here` what lies on this side, `pack` makes an archive of what lies here, `unpack` takes
//! one apart, `stream` moves the bytes between.

mod here;
mod pack;
mod place;
mod side;
mod stream;
mod unpack;

use clap::Args;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Instant;

use self::here::{Local, split, target_here};
use self::pack::Pack;
use self::place::{Misplaced, Place, Source, Target, is_folders, place};
use self::side::{Side, side};
use self::unpack::Unpack;
use super::invocation::Invocation;
use super::number::at_least;
use super::stack;
use crate::build::pieces;
use crate::docker::{Docker, FoundKind, FoundPath};
use crate::failure::Failure;
use crate::plan::Container;
use crate::runtime::Engine;
use crate::term::{duration, visible};

/// `larder cp`.
#[derive(Args, Debug)]
pub struct Cp {
    /// What is copied: SERVICE:PATH, or a path here; `-` is an archive on standard input
    #[arg(value_name = "SOURCE")]
    pub source: OsString,
    /// Where to: a path here, or SERVICE:PATH; `-` is an archive on standard output
    #[arg(value_name = "TARGET")]
    pub target: OsString,
    /// What comes into a container belongs to its user, and not to whom it belongs here
    #[arg(short, long)]
    pub archive: bool,
    /// Where the source is a link, copy what it leads to
    #[arg(short = 'L', long)]
    pub follow_link: bool,
    /// The number of the container; otherwise the first is read from, and all are written to
    #[arg(long, value_name = "N", value_parser = at_least::<1, u32>)]
    pub index: Option<u32>,
    /// Containers that `run` made, too
    #[arg(long)]
    pub all: bool,
}

fn uncopied(text: String, hint: &str) -> Failure {
    Failure::Uncopied {
        text,
        hint: hint.to_owned(),
    }
}

pub(super) async fn cp(invocation: &Invocation, args: &Cp) -> Result<(), Failure> {
    match (side(&args.source)?, side(&args.target)?) {
        (Side::In { service, path }, Side::Here(to)) => {
            let from = Inside {
                invocation,
                args,
                service,
                path,
            };
            from.out(&to).await
        }
        (Side::Here(from), Side::In { service, path }) => {
            let to = Inside {
                invocation,
                args,
                service,
                path,
            };
            to.fill(&from).await
        }
        (Side::Here(_), Side::Here(_)) => Err(uncopied(
            "neither side of the copy names a service".to_owned(),
            "`SERVICE:PATH` is a path in its container",
        )),
        (Side::In { .. }, Side::In { .. }) => Err(uncopied(
            "both sides of the copy name a service".to_owned(),
            "copy to a file or folder here first; `./` in front means a path of here",
        )),
    }
}

/// The side that lies in containers.
struct Inside<'a> {
    invocation: &'a Invocation,
    args: &'a Cp,
    service: String,
    path: String,
}

impl Inside<'_> {
    /// Copies out of the first container.
    async fn out(&self, to: &Path) -> Result<(), Failure> {
        let begun = Instant::now();
        if to == "-" && self.invocation.screen.columns().is_some() {
            return Err(uncopied(
                "an archive is nothing for a terminal".to_owned(),
                "redirect it: `> FILE`",
            ));
        }
        let engine = self.invocation.engine().await?;
        let container = self.containers(&engine).await?.remove(0);
        let gone = || Failure::NotInContainer {
            path: self.path.clone(),
            container: container.name.clone(),
        };
        let found = engine.path_in(&container.name, &self.path).await?;
        let (mut path, mut found) = (self.path.clone(), found.ok_or_else(gone)?);
        // Under this one it comes, wherever a link leads.
        let name = found.name.clone();
        if self.args.follow_link {
            let led = followed(&engine, &container.name, &path).await?;
            (path, found) = (led.0, led.1.ok_or_else(gone)?);
        }
        let pieces = engine.download(&container.name, &path);
        if self.args.target == "-" {
            return stream::print(pieces, &self.invocation.screen).await;
        }
        let contents = [".", "/"].contains(&found.name.as_str());
        let source = Source {
            folder: found.kind == FoundKind::Folder,
            contents,
        };
        let (to, target) = target_here(&self.invocation.folder, to)?;
        let placed = place(source, target);
        let (folder, name) = match placed.map_err(|why| misplaced(why, &self.args.target))? {
            Place::Into => (to, Some(name.into())),
            Place::Spread => (to, None),
            Place::As => split(&to)?,
        };
        let unpack = Unpack {
            folder,
            wrapped: !contents,
            name,
        };
        let left_out = stream::unpack(pieces, unpack).await?;
        let left_out = left_out.map_err(|source| Self::failed(&container.name, source))?;
        self.tell(&container.name, left_out.as_slice(), begun)
    }

    /// Copies into all containers.
    async fn fill(&self, from: &Path) -> Result<(), Failure> {
        let begun = Instant::now();
        let engine = self.invocation.engine().await?;
        let containers = self.containers(&engine).await?;
        if from == "-" {
            let [container] = &containers[..] else {
                return Err(uncopied(
                    format!(
                        "standard input is for one container, and `{}` has more",
                        self.service
                    ),
                    "`--index N` says which",
                ));
            };
            let (path, target) = self.target_in(&engine, container).await?;
            if target != Target::Folder {
                let text = format!("an archive goes into a folder, and `{path}` is none");
                return Err(uncopied(text, "name a folder of the container"));
            }
            let sent = engine.upload(&container.name, &path, self.args.archive, stream::input());
            sent.await?;
            return self.tell(&container.name, &[], begun);
        }
        let from = Local::of(&self.invocation.folder, from, self.args.follow_link)?;
        let mut sendings = Vec::new();
        for container in &containers {
            let (path, target) = self.target_in(&engine, container).await?;
            let placed = place(from.source, target);
            let placed = placed.map_err(|why| misplaced(why, &self.args.target))?;
            sendings.push(Sending::new(&from, placed, path));
        }
        for (container, sending) in containers.iter().zip(sendings) {
            let begun = Instant::now();
            let left_out = self.send(&engine, &container.name, sending).await?;
            self.tell(&container.name, &left_out, begun)?;
        }
        Ok(())
    }

    /// Sends an archive to a container while it is made; what was left out.
    async fn send(
        &self,
        engine: &Docker,
        container: &str,
        sending: Sending,
    ) -> Result<Vec<PathBuf>, Failure> {
        let Sending { pack, folder } = sending;
        let (tell, told) = mpsc::channel();
        let (pieces, packing) = pieces(move |out| {
            // Whoever asked may have given up.
            let _ = tell.send(pack.write(out)?);
            Ok::<(), io::Error>(())
        });
        let sent = engine.upload(container, &folder, self.args.archive, pieces);
        let sent = sent.await;
        match packing.await? {
            // The engine took no more, and says why.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                return Err(Self::failed(container, error));
            }
            _ => sent?,
        }
        Ok(told.try_recv().unwrap_or_default())
    }

    /// The containers that are meant.
    async fn containers(&self, engine: &Docker) -> Result<Vec<Container>, Failure> {
        let named = self.invocation.named()?;
        let observed = engine.observe(&named.name).await?;
        let service = std::slice::from_ref(&self.service);
        let mut chosen = stack::of_services(&observed.containers, service, &named.services())?;
        if self.args.all {
            let all = observed.containers.iter();
            chosen.extend(all.filter(|own| own.one_off && own.service == self.service));
        }
        chosen = stack::numbered(chosen, &self.service, self.args.index)?;
        if chosen.is_empty() {
            return Err(Failure::NoContainer(self.service.clone()));
        }
        Ok(chosen.into_iter().cloned().collect())
    }

    /// Where the path leads to in a container, and what lies there.
    async fn target_in(
        &self,
        engine: &Docker,
        container: &Container,
    ) -> Result<(String, Target), Failure> {
        let (path, found) = followed(engine, &container.name, &self.path).await?;
        let target = match found.map(|found| found.kind) {
            None => Target::Missing {
                as_folder: is_folders(path.as_bytes()),
            },
            Some(FoundKind::Folder) => Target::Folder,
            Some(FoundKind::File) => Target::File,
            Some(FoundKind::Special | FoundKind::Link(_)) => {
                let text = format!(
                    "`{path}` in container `{}` is no file or folder",
                    container.name
                );
                return Err(uncopied(text, "name a file or a folder"));
            }
        };
        Ok((path, target))
    }

    fn failed(container: &str, source: io::Error) -> Failure {
        Failure::Copy {
            container: container.to_owned(),
            source,
        }
    }

    /// Says what came about, and what did not come along.
    fn tell(&self, container: &str, left_out: &[PathBuf], begun: Instant) -> Result<(), Failure> {
        const TOLD: usize = 3;
        for path in left_out.iter().take(TOLD) {
            self.invocation.warning(&format!(
                "`{}` is neither file, folder nor link, and is left out",
                path.display()
            ));
        }
        if left_out.len() > TOLD {
            let more = left_out.len() - TOLD;
            self.invocation.warning(&format!("and {more} more"));
        }
        let source = if self.args.source == "-" {
            "standard input".into()
        } else {
            self.args.source.to_string_lossy()
        };
        let target = self.args.target.display();
        let took = duration(begun.elapsed());
        let text = format!("{container}: {source} copied to {target} in {took}");
        self.invocation.note(&visible(&text))
    }
}

/// So many links are followed, as by Linux itself.
const LINKS: usize = 40;

/// Where a path of a container leads to, and what lies there.
async fn followed(
    engine: &Docker,
    container: &str,
    path: &str,
) -> Result<(String, Option<FoundPath>), Failure> {
    let mut path = path.to_owned();
    let mut found = engine.path_in(container, &path).await?;
    for _ in 0..LINKS {
        let Some(FoundKind::Link(target)) = found.as_ref().map(|found| &found.kind) else {
            break;
        };
        // An engine tells where it leads to in the end, or the next step alone.
        path = if target.starts_with('/') {
            target.clone()
        } else {
            let parent = path.trim_end_matches('/').rsplit_once('/');
            format!("{}/{target}", parent.map_or("", |(parent, _)| parent))
        };
        found = engine.path_in(container, &path).await?;
    }
    Ok((path, found))
}

fn misplaced(why: Misplaced, target: &OsStr) -> Failure {
    let target = target.display();
    match why {
        Misplaced::FolderOnFile => uncopied(
            format!("a folder cannot take the place of file `{target}`"),
            "name a folder, or one that is not there yet",
        ),
        Misplaced::NoFolder => uncopied(
            format!("folder `{target}` is not there"),
            "make it first, or leave out the `/` at the end to name the file",
        ),
    }
}

/// What goes to a container.
struct Sending {
    pack: Pack,
    /// The folder of the container that it is unpacked in.
    folder: String,
}

impl Sending {
    fn new(from: &Local, placed: Place, path: String) -> Self {
        let (folder, name) = match placed {
            Place::Into => (path, Some(from.name.clone())),
            Place::Spread => (path, None),
            Place::As => {
                let path = path.trim_end_matches("/.").trim_end_matches('/');
                let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
                let folder = if folder.is_empty() { "/" } else { folder };
                (folder.to_owned(), Some(name.into()))
            }
        };
        let path = from.path.clone();
        Self {
            pack: Pack { path, name },
            folder,
        }
    }
}
