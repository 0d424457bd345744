//! `larder config`: the resolved Compose model, or what of it is asked for.

use clap::{Args, ValueEnum};
use std::collections::BTreeMap;
use std::path::PathBuf;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::Value;

use super::explain::explain;
use super::invocation::Invocation;
use crate::compose::{self, LoadOptions, Names, Variable};
use crate::failure::Failure;
use crate::model::{ImageRef, Project, print_tree};
use crate::term::table;

/// `larder config`.
#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Config {
    /// The services, with all that they depend on; all of them when none is named
    #[arg(value_name = "SERVICE")]
    pub only: Vec<String>,
    /// The format
    #[arg(long, value_enum)]
    pub format: Option<Document>,
    /// Only check the files, and print nothing but lists
    #[arg(short, long)]
    pub quiet: bool,
    /// Write to a file
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Say where a value, as in `services.web.image`, or a variable comes from, and what it overrode
    #[arg(long, value_name = "PATH|VAR", conflicts_with_all = [
        "only", "format", "output", "quiet", "services", "volumes", "networks", "profiles", "images", "hash", "variables",
        "environment", "no_interpolate", "resolve_image_digests", "lock_image_digests",
    ])]
    pub explain: Option<String>,
    /// List the services
    #[arg(long)]
    pub services: bool,
    /// List the volumes
    #[arg(long)]
    pub volumes: bool,
    /// List the networks
    #[arg(long)]
    pub networks: bool,
    /// List the profiles that services have, active or not
    #[arg(long)]
    pub profiles: bool,
    /// List the image of each service
    #[arg(long)]
    pub images: bool,
    /// List docker compose's hash of each service; `*` for all, or names with commas
    #[arg(long, value_name = "SERVICES")]
    pub hash: Option<String>,
    /// List the variables that the files ask for, with their defaults
    #[arg(long)]
    pub variables: bool,
    /// List the variables that there are
    #[arg(long)]
    pub environment: bool,
    /// Leave variables as they are written, and defaults unsaid
    #[arg(long, conflicts_with_all = ["only", "hash", "resolve_image_digests", "lock_image_digests"])]
    pub no_interpolate: bool,
    /// Leave env files of services unread
    #[arg(long)]
    pub no_env_resolution: bool,
    /// Pin images to the digests that their registries have now
    #[arg(long)]
    pub resolve_image_digests: bool,
    /// The same, and print nothing but images: a file to be merged over
    #[arg(long)]
    pub lock_image_digests: bool,
}

/// The language of a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Document {
    /// YAML.
    #[default]
    Yaml,
    /// JSON.
    Json,
}

/// How many registries are asked at a time.
const AT_ONCE: usize = 8;

pub(super) async fn config(invocation: &Invocation, args: &Config) -> Result<(), Failure> {
    if let Some(subject) = &args.explain {
        return explain(invocation, subject);
    }
    match List::of(args) {
        Some(List::Environment) => unless_quiet(invocation, args, &environment(invocation)?),
        Some(List::Variables) => variables(invocation, args),
        Some(list) if args.no_interpolate => {
            let (names, warnings) = compose::names_as_written(&invocation.options(&[]))?;
            invocation.warn_of(&warnings);
            write(invocation, args, &list.as_written(names))
        }
        Some(list) => {
            let project = load(invocation, args)?;
            write(invocation, args, &list.of_project(&project)?)
        }
        None if args.no_interpolate => as_written(invocation, args),
        None => document(invocation, args).await,
    }
}

/// What is printed in place of the project. As with docker compose the first of several counts, and it is printed although
/// nothing else is (`-q`).
enum List<'a> {
    Services,
    Volumes,
    Networks,
    Hashes(&'a str),
    Profiles,
    Images,
    Variables,
    Environment,
}

impl<'a> List<'a> {
    fn of(args: &'a Config) -> Option<Self> {
        let asked = [
            args.services.then_some(Self::Services),
            args.volumes.then_some(Self::Volumes),
            args.networks.then_some(Self::Networks),
            args.hash.as_deref().map(Self::Hashes),
            args.profiles.then_some(Self::Profiles),
            args.images.then_some(Self::Images),
            args.variables.then_some(Self::Variables),
            args.environment.then_some(Self::Environment),
        ];
        asked.into_iter().flatten().next()
    }

    fn of_project(&self, project: &Project) -> Result<String, Failure> {
        Ok(match self {
            Self::Services => lines_of(project.services.keys()),
            Self::Volumes => lines_of(project.volumes.keys()),
            Self::Networks => lines_of(project.networks.keys()),
            Self::Hashes(wanted) => hashes(project, wanted)?,
            Self::Profiles => lines_of(&project.profiles),
            Self::Images => {
                let services = project.services.keys();
                lines_of(services.map(|service| project.image_name(service)))
            }
            Self::Variables | Self::Environment => String::new(),
        })
    }

    fn as_written(&self, names: Names) -> String {
        match self {
            Self::Services => lines_of(names.services),
            Self::Volumes => lines_of(names.volumes),
            Self::Networks => lines_of(names.networks),
            Self::Profiles => lines_of(names.profiles),
            Self::Images => lines_of(names.images),
            // A hash is one of values.
            Self::Hashes(_) | Self::Variables | Self::Environment => String::new(),
        }
    }
}

fn environment(invocation: &Invocation) -> Result<String, Failure> {
    let variables = compose::environment(&invocation.options(&[]))?;
    let lines = variables.iter();
    Ok(lines_of(
        lines.map(|(name, value)| format!("{name}={value}")),
    ))
}

/// The project itself.
async fn document(invocation: &Invocation, args: &Config) -> Result<(), Failure> {
    let mut project = load(invocation, args)?;
    if args.resolve_image_digests || args.lock_image_digests {
        resolve_digests(invocation, &mut project).await?;
    }
    if args.lock_image_digests {
        project = images_only(project);
    }
    let text = match args.format {
        Some(Document::Json) => project.to_json().map_err(|error| Failure::Print {
            format: "JSON",
            source: error.into(),
        })?,
        _ => project.to_yaml().map_err(|error| Failure::Print {
            format: "YAML",
            source: error.into(),
        })?,
    };
    unless_quiet(invocation, args, &text)
}

/// The project, with only the services that were named and those they depend on.
fn load(invocation: &Invocation, args: &Config) -> Result<Project, Failure> {
    let options = LoadOptions {
        keep_env_files: args.no_env_resolution || args.hash.is_some(),
        ..invocation.options(&args.only)
    };
    let mut project = compose::load(&options)?;
    invocation.warn(&project);
    if !args.only.is_empty() {
        let wanted = project.with_dependencies(&args.only)?;
        project.keep(&wanted);
    }
    Ok(project)
}

fn lines_of<T: AsRef<str>>(lines: impl IntoIterator<Item = T>) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line.as_ref());
        text.push('\n');
    }
    text
}

/// docker compose's hashes of the services that are named: `*`, or a list with commas.
fn hashes(project: &Project, wanted: &str) -> Result<String, Failure> {
    let names: Vec<String> = match wanted {
        "*" => project.services.keys().cloned().collect(),
        list => {
            let mut names: Vec<_> = list.split(',').map(str::to_owned).collect();
            names.sort();
            names
        }
    };
    let known = project.with_dependencies(&names)?;
    let hashed = names.iter().filter(|name| known.contains(*name));
    let hashed = hashed.filter_map(|name| Some((name, project.services.get(name)?)));
    Ok(lines_of(hashed.map(|(name, service)| {
        format!("{name} {}", service.compose_hash())
    })))
}

fn variables(invocation: &Invocation, args: &Config) -> Result<(), Failure> {
    let variables = compose::variables(&invocation.options(&[]))?;
    let text = match args.format {
        None => {
            let rows: Vec<_> = variables
                .into_iter()
                .map(|variable| {
                    let required = variable.required.to_string();
                    [
                        variable.name,
                        required,
                        variable.default_value,
                        variable.presence_value,
                    ]
                })
                .collect();
            table(
                ["NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE"],
                &rows,
            )
        }
        Some(format) => {
            let named = variables.into_iter();
            let named: BTreeMap<_, _> = named
                .map(|own| (own.name.clone(), of_variable(&own, format)))
                .collect();
            print_tree(&named, format == Document::Json).map_err(|source| Failure::Print {
                format: "a document",
                source,
            })?
        }
    };
    match args.format {
        Some(Document::Yaml) => unless_quiet(invocation, args, &text),
        _ => write(invocation, args, &text),
    }
}

/// What there is to say of a variable. Go's YAML has the names of fields in small letters, and its JSON as they are.
fn of_variable(variable: &Variable, format: Document) -> Value {
    let names = ["Name", "DefaultValue", "PresenceValue", "Required"];
    let values: [Value; 4] = [
        variable.name.as_str().into(),
        variable.default_value.as_str().into(),
        variable.presence_value.as_str().into(),
        variable.required.into(),
    ];
    let names = names.map(|name| match format {
        Document::Json => name.to_owned(),
        Document::Yaml => name.to_lowercase(),
    });
    names.into_iter().zip(values).collect()
}

/// The merged files with their variables as they are written.
fn as_written(invocation: &Invocation, args: &Config) -> Result<(), Failure> {
    let (tree, warnings) = compose::load_as_written(&invocation.options(&[]))?;
    invocation.warn_of(&warnings);
    let text = Project::print_as_written(tree, args.format == Some(Document::Json));
    let text = text.map_err(|source| Failure::Print {
        format: "a document",
        source,
    })?;
    unless_quiet(invocation, args, &text)
}

/// Gives every image the digest that its registry has for it (compose-go `WithImagesResolved`).
async fn resolve_digests(invocation: &Invocation, project: &mut Project) -> Result<(), Failure> {
    let images = project.services.iter();
    let images =
        images.filter_map(|(name, own)| Some((name.clone(), own.image.as_ref()?.parse().ok()?)));
    let images: Vec<(String, ImageRef)> = images.collect();
    let engine = invocation.engine().await?;
    let asked = images.into_iter().map(async |(service, image)| {
        let place = compose::place(project, &["services", &service, "image"]).map(Box::new);
        if image.digest.is_some() {
            return Ok((service, image));
        }
        match engine.registry_digest(&image).await {
            Ok(Some(digest)) => {
                let digest = Some(digest);
                Ok((service, ImageRef { digest, ..image }))
            }
            Ok(None) => Err(Failure::NoDigest {
                image: image.familiar(),
                place,
            }),
            Err(source) => Err(Failure::Registry {
                image: image.familiar(),
                place,
                source,
            }),
        }
    });
    let asked = stream::iter(asked).buffered(AT_ONCE);
    let pinned: Vec<(String, ImageRef)> = asked.try_collect().await?;
    for (name, image) in pinned {
        if let Some(service) = project.services.get_mut(&name) {
            service.image = Some(image.canonical());
        }
    }
    Ok(())
}

/// An override file that says of each service its image and nothing else.
fn images_only(project: Project) -> Project {
    let services = project.services.into_iter();
    let services = services.map(|(name, own)| {
        let service = crate::model::Service {
            image: own.image,
            ..Default::default()
        };
        (name, service)
    });
    Project {
        services: services.collect(),
        ..Project::default()
    }
}

fn unless_quiet(invocation: &Invocation, args: &Config, text: &str) -> Result<(), Failure> {
    if args.quiet {
        return Ok(());
    }
    write(invocation, args, text)
}

/// Prints a text, or writes it to the file of `--output`.
fn write(invocation: &Invocation, args: &Config, text: &str) -> Result<(), Failure> {
    let Some(file) = &args.output else {
        // A document is written as it is: its bytes are the model's.
        invocation.screen.raw_out(text.as_bytes());
        return Ok(());
    };
    let path = invocation.folder.join(file);
    std::fs::write(&path, text).map_err(|source| Failure::Unwritten { path, source })
}
