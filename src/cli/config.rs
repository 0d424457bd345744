//! `larder config`: the resolved Compose model, or what of it is asked for.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::args::{Config, Document};
use super::explain::explain;
use super::invocation::Invocation;
use crate::compose::{self, LoadOptions};
use crate::failure::Failure;
use crate::model::{ImageRef, Project, print_tree};
use crate::term::table;

/// How many registries are asked at a time.
const AT_ONCE: usize = 8;

pub(super) async fn config(invocation: &Invocation, args: &Config) -> Result<(), Failure> {
    if let Some(subject) = &args.explain {
        return explain(invocation, subject);
    }
    if args.environment {
        let variables = compose::environment(&invocation.options(&[]))?;
        let lines = variables
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        return write(invocation, args, &lines_of(lines));
    }
    if args.variables {
        return variables(invocation, args);
    }
    if args.no_interpolate {
        return as_written(invocation, args);
    }
    let mut project = load(invocation, args)?;
    if let Some(lines) = listed(&project, args)? {
        return write(invocation, args, &lines);
    }
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
    write(invocation, args, &text)
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

/// A list of names, where one is asked for.
fn listed(project: &Project, args: &Config) -> Result<Option<String>, Failure> {
    let lines = if args.services {
        lines_of(project.services.keys())
    } else if args.volumes {
        lines_of(project.volumes.keys())
    } else if args.networks {
        lines_of(project.networks.keys())
    } else if args.profiles {
        lines_of(&project.profiles)
    } else if args.images {
        let services = project.services.keys();
        lines_of(services.map(|service| project.image_name(service)))
    } else if let Some(wanted) = &args.hash {
        hashes(project, wanted)?
    } else {
        return Ok(None);
    };
    Ok(Some(lines))
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
            let named: BTreeMap<_, _> = named.map(|own| (own.name.clone(), own)).collect();
            print_tree(&named, format == Document::Json).map_err(|source| Failure::Print {
                format: "a document",
                source,
            })?
        }
    };
    write(invocation, args, &text)
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
    write(invocation, args, &text)
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

/// Prints a document, or writes it to the file of `--output`.
fn write(invocation: &Invocation, args: &Config, text: &str) -> Result<(), Failure> {
    if args.quiet {
        return Ok(());
    }
    let Some(file) = &args.output else {
        // A document is written as it is: its bytes are the model's.
        invocation.screen.raw_out(text.as_bytes());
        return Ok(());
    };
    let path = invocation.folder.join(file);
    std::fs::write(&path, text).map_err(|source| Failure::Unwritten { path, source })
}
