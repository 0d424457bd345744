//! `larder why`: what changed since the image that is there was made. Changes nothing.

use clap::Args;
use serde_json::json;

use super::args::Report;
use super::invocation::Invocation;
use super::plan::unknown;
use super::prepare::{Goal, Prepared, load_and_prepare};
use super::records;
use crate::failure::Failure;
use crate::fingerprint::{Fingerprinted, Recipe, Record, compare};
use crate::model::{Digest, familiar, labels};
use crate::plan::{Container, Image};
use crate::term::{Difference, visible};

/// `larder why`.
#[derive(Args, Debug)]
pub struct Why {
    /// The service
    pub service: String,
    /// The image to compare with, by its ID, name or fingerprint; that of the service's container, or the one that has
    /// its name, when none is given
    #[arg(long, value_name = "IMAGE")]
    pub against: Option<String>,
    /// The format
    #[arg(long, value_enum, default_value_t)]
    pub format: Report,
    /// Name every file
    #[arg(short, long)]
    pub verbose: bool,
}

/// The exit code when something changed, as `diff` has it.
const CHANGED: u8 = 1;

/// What a service is compared with.
struct Earlier {
    /// What a person calls it.
    name: String,
    image: String,
    container: Option<String>,
    full: Digest,
    /// Its fingerprint without what mounts hide.
    shadowed: Option<String>,
}

/// The exit code: 0 when nothing changed, else [`CHANGED`].
pub(super) async fn why(invocation: &Invocation, args: &Why) -> Result<u8, Failure> {
    let names = [args.service.clone()];
    let mut prepared = load_and_prepare(invocation, &names, Goal::FINGERPRINTS).await?;
    let earlier = earlier(&prepared, args)?;
    let kept = kept(invocation, &mut prepared, &args.service, &earlier).await?;
    let recipe = recipe(&prepared, &args.service)?;
    let now = Record::of(recipe);
    let changes = kept.as_ref().map(|kept| compare(kept, &now));
    let (changes, before) = (changes.unwrap_or_default(), kept);
    let difference = Difference {
        service: &args.service,
        earlier: &earlier.name,
        before: before.as_ref(),
        now: &now,
        changes: &changes,
        is_there: image_for(&prepared, &recipe.full).is_some(),
        all: args.verbose || invocation.global.verbose > 0,
        shadowed: recipe
            .shadowed
            .as_ref()
            .filter(|own| earlier.shadowed == Some(own.key.to_string())),
    };
    match args.format {
        Report::Text => invocation.screen.out(&difference.text()),
        Report::Json => {
            let document = json!({
                "schema": 1,
                "service": args.service,
                "image": earlier.image,
                "container": earlier.container,
                "before": earlier.full,
                "now": recipe.full,
                "changes": changes,
                "follows": difference.follows(),
            });
            invocation.screen.out(&format!("{document:#}\n"));
        }
    }
    Ok(if before.is_some() { CHANGED } else { 0 })
}

fn earlier(prepared: &Prepared, args: &Why) -> Result<Earlier, Failure> {
    let recipe = recipe(prepared, &args.service)?;
    match &args.against {
        Some(text) => against(prepared, text),
        None => replaced(prepared, &args.service, recipe),
    }
}

/// What the earlier image was made of, from the cache folder or from beside it in a registry; `None` where it is the one of now.
async fn kept(
    invocation: &Invocation,
    prepared: &mut Prepared,
    service: &str,
    earlier: &Earlier,
) -> Result<Option<Record>, Failure> {
    if recipe(prepared, service)?.full == earlier.full {
        return Ok(None);
    }
    let unread = match records::read(prepared.settings.cache.as_deref(), &earlier.full) {
        Ok(kept) => return Ok(Some(kept)),
        Err(unread) => unread,
    };
    let fetched = prepared.fetch_record(invocation, service, &earlier.full);
    match fetched.await? {
        Some(record) => Ok(Some(record)),
        None => Err(untold(
            format!(
                "what {} was made of is not known: {unread}{}",
                earlier.name,
                if prepared.settings.caches.of(service).from.is_empty() {
                    ""
                } else {
                    ", nor beside it in the registry"
                }
            ),
            "`larder up` and `larder build` keep it for each image that they build or reuse, and `larder prewarm` puts it \
             beside the image in the registry",
        )),
    }
}

fn untold(text: String, hint: &str) -> Failure {
    Failure::Untold {
        text,
        hint: hint.to_owned(),
    }
}

/// What the service is made of now.
fn recipe<'a>(prepared: &'a Prepared, service: &str) -> Result<&'a Recipe, Failure> {
    match prepared.recipes.get(service) {
        None => Err(untold(
            format!("service `{service}` has no `build`, so its image is made of nothing here"),
            "`larder plan` says what becomes of an image that a service names",
        )),
        Some(Fingerprinted::Missing(bases)) => Err(untold(
            unknown(&prepared.project, service, bases),
            "only then can it be compared",
        )),
        Some(Fingerprinted::Known(recipe)) => match &recipe.unpinned {
            None => Ok(recipe),
            Some(unpinned) => Err(untold(
                format!("`{service}` is built each time, whatever changed: {unpinned}"),
                "docs/fingerprint.md, \"What is never reused\", says what ends that",
            )),
        },
    }
}

/// The image that `up` would replace: that of the service's container, else the one that has the service's name.
fn replaced(prepared: &Prepared, service: &str, recipe: &Recipe) -> Result<Earlier, Failure> {
    let containers = prepared.observed.containers.iter();
    let mut own: Vec<&Container> = containers
        .filter(|container| container.service == *service && !container.one_off)
        .collect();
    let wanted = recipe.full.to_string();
    // One that is not as wanted comes first: something is to be told of it.
    own.sort_by_key(|container| {
        let label = container.labels.get(labels::FINGERPRINT);
        (label == Some(&wanted), container.number)
    });
    if let Some(container) = own.first() {
        return of_container(prepared, container);
    }
    let name = familiar(&prepared.project.image_name(service));
    match prepared.observed.image_named(&name) {
        Some(image) => of_image(image, &format!("image `{}`", visible(&name))),
        None => Err(untold(
            format!(
                "`{service}` has no container and no image `{name}`, so there is nothing to compare it with"
            ),
            &format!("`larder up {service}` makes them; `--against` names another image"),
        )),
    }
}

fn of_container(prepared: &Prepared, container: &Container) -> Result<Earlier, Failure> {
    let name = format!(
        "image {} of container `{}`",
        container.image.short(),
        container.name
    );
    let mut images = prepared.observed.images.iter();
    let image = images.find(|image| image.id == container.image);
    // Without larder's own label a container has those of its image, which may be those of that one's base.
    let label = container.labels.get(labels::FINGERPRINT);
    let label = label.filter(|_| container.labels.contains_key(labels::CONFIG));
    let earlier = match (label.and_then(|label| label.parse().ok()), image) {
        (Some(full), _) => Earlier {
            name,
            image: container.image.0.clone(),
            container: None,
            full,
            shadowed: container.labels.get(labels::SHADOWED).cloned(),
        },
        (None, Some(image)) => of_image(image, &name)?,
        (None, None) => return Err(stranger(&name)),
    };
    Ok(Earlier {
        container: Some(container.name.clone()),
        ..earlier
    })
}

/// An image that larder built: it has the label, and the name that only larder gives.
fn of_image(image: &Image, name: &str) -> Result<Earlier, Failure> {
    let label = image.labels.get(labels::FINGERPRINT);
    let full = label.and_then(|label| label.parse().ok());
    let full =
        full.filter(|full| image.is_for(labels::FINGERPRINT, full, &labels::image_name(full)));
    match full {
        Some(full) => Ok(Earlier {
            name: name.to_owned(),
            image: image.id.0.clone(),
            container: None,
            full,
            shadowed: image.labels.get(labels::SHADOWED).cloned(),
        }),
        None => Err(stranger(name)),
    }
}

fn image_for<'a>(prepared: &'a Prepared, full: &Digest) -> Option<&'a Image> {
    let name = labels::image_name(full);
    prepared
        .observed
        .image_for(labels::FINGERPRINT, full, &name)
}

fn stranger(name: &str) -> Failure {
    untold(
        format!("larder did not build {name}, so what it was made of is not known"),
        "`larder up` makes one of which it is known",
    )
}

/// What `--against` names: a fingerprint, larder's name for it, another name, or an ID.
fn against(prepared: &Prepared, text: &str) -> Result<Earlier, Failure> {
    let in_registry = text.rsplit_once(":fp-").map(|(_, full)| full);
    let tag = labels::fingerprint_in(text).or(in_registry);
    if let Some(short) = in_registry.filter(|own| own.parse::<Digest>().is_err()) {
        return Err(untold(
            format!("`{}` is not a whole fingerprint", visible(short)),
            "all 64 digits are needed: `larder prewarm --format json` and `larder fingerprint --format json` have them",
        ));
    }
    let images = &prepared.observed.images;
    if let Ok(full) = tag.unwrap_or(text).parse::<Digest>() {
        let named = prepared.observed.image_named(&labels::image_name(&full));
        let id = |image: &&Image| image.id.0.ends_with(text);
        if let Some(image) = named.or_else(|| images.iter().find(id)) {
            return of_image(image, &format!("image {}", image.id.short()));
        }
        // Its image may be gone, while what it was made of is still known.
        return Ok(Earlier {
            name: format!("fingerprint {}", full.short()),
            image: String::new(),
            container: None,
            full,
            shadowed: None,
        });
    }
    if let Some(image) = prepared.observed.image_named(&familiar(text)) {
        return of_image(image, &format!("image `{}`", visible(text)));
    }
    // As `plan` and `why` show one.
    let shown = |image: &&Image| {
        let label = image.labels.get(labels::FINGERPRINT);
        text.len() >= 12 && label.is_some_and(|full| full.starts_with(text))
    };
    if let Some(image) = images
        .iter()
        .filter(shown)
        .find(|image| of_image(image, "").is_ok())
    {
        return of_image(image, &format!("image {}", image.id.short()));
    }
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    let is_id = hex.len() >= 4 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let begins = |image: &&Image| {
        let id = image.id.0.strip_prefix("sha256:").unwrap_or(&image.id.0);
        is_id && id.starts_with(hex)
    };
    let found: Vec<&Image> = images.iter().filter(begins).collect();
    match found.as_slice() {
        [image] => of_image(image, &format!("image {}", image.id.short())),
        [] => Err(untold(
            format!("no image on the engine is called `{}`", visible(text)),
            "`docker images` lists them; an ID, a name with its tag or a fingerprint will do",
        )),
        _ => Err(untold(
            format!("several images have an ID that begins with `{hex}`"),
            "give more of its digits",
        )),
    }
}
