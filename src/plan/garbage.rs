//! Which images that larder made nobody needs any more. What is not certain is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::observed::Image;
use crate::model::{Digest, ImageId, labels};

/// All images of an engine, and who uses them.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// The images.
    pub images: Vec<StoredImage>,
    /// Those that containers are made from, or mount, whatever state these are in.
    pub used: BTreeSet<ImageId>,
}

/// An image as an engine keeps it.
#[derive(Clone, Debug)]
pub struct StoredImage {
    /// The image.
    pub image: Image,
    /// Its size in bytes, with all that it shares with others.
    pub size: u64,
    /// When it was made, or got a name last: seconds and nanoseconds since 1970.
    pub since: (i64, u32),
    /// What tells each of its layers from others, from the lowest on.
    pub layers: Vec<Digest>,
}

impl StoredImage {
    /// The names by which larder knows it, here and on registries, and digests with them. All but these are somebody's.
    pub fn own_names(&self) -> impl Iterator<Item = &String> {
        let image = &self.image;
        let is_base = Kind::of(image) == Some(Kind::Base);
        // What larder built has a digest where it was pushed, or pulled: it can come again. A base has it from somebody.
        let digests = image.digests.iter();
        let digests = digests.filter(move |own| !is_base || labels::is_name(own));
        let names = image.names.iter();
        names
            .filter(|own| labels::is_name(own) || is_key(image, own))
            .chain(digests)
    }

    /// A name, or for a base a digest, that somebody else gave it.
    fn foreign_name(&self) -> Option<&String> {
        let own: BTreeSet<&String> = self.own_names().collect();
        let all = self.image.names.iter().chain(&self.image.digests);
        all.into_iter().find(|name| !own.contains(name))
    }
}

/// Whether a name's tag is the key that the image was made for, as it is on registries.
fn is_key(image: &Image, name: &str) -> bool {
    let tag = name.rsplit(':').next().unwrap_or_default();
    let keys = [("fp-", labels::FINGERPRINT), ("dep-", labels::DEPENDENCIES)];
    keys.iter().any(|(before, label)| {
        let key = tag.strip_prefix(before).filter(|key| key.len() == 64);
        key.is_some() && image.labels.get(*label).map(String::as_str) == key
    })
}

/// What an image of larder's is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// What a service runs.
    Image,
    /// What it is built on.
    Dependencies,
    /// An additional context of a build.
    Context,
    /// A base image under a name that cannot come to mean another.
    Base,
    /// What lost its name.
    Leftover,
}

impl Kind {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Dependencies => "dependencies",
            Self::Context => "context",
            Self::Base => "base",
            Self::Leftover => "leftover",
        }
    }

    fn of(image: &Image) -> Option<Self> {
        let has = |name: &str| image.names.iter().any(|own| own.starts_with(name));
        let kinds = [
            ("localhost/larder/image:", Self::Image),
            ("localhost/larder/dependencies:", Self::Dependencies),
            ("localhost/larder/context:", Self::Context),
            ("localhost/larder/base:", Self::Base),
        ];
        let named = kinds.into_iter().find(|(name, _)| has(name));
        let nameless = image.names.is_empty() && image.digests.is_empty();
        let made = || {
            let keys = [labels::FINGERPRINT, labels::DEPENDENCIES, labels::CONTEXT];
            let mut keys = keys.iter().filter_map(|key| image.labels.get(*key));
            keys.any(|key| !key.is_empty())
        };
        let left = || (nameless && made()).then_some(Self::Leftover);
        named.map(|(_, kind)| kind).or_else(left)
    }
}

/// What the files of a project need.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Names and identities (IDs, digests) of images that they would build, build on or start from now.
    pub wanted: BTreeSet<String>,
    /// The digests that `larder.lock` pins.
    pub locked: BTreeSet<String>,
    /// The services, as `project/service`, of which it cannot be told.
    pub unknown: BTreeSet<String>,
}

/// What is kept beside that.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The project whose images are looked at; all are, where it is `None`.
    pub project: Option<String>,
    /// How many of each service.
    pub keep: usize,
    /// All that is of a later time: seconds and nanoseconds since 1970.
    pub until: (i64, u32),
}

/// Why an image stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// A container is made from it, or mounts it.
    Used,
    /// Somebody gave it this name.
    Named(String),
    /// The project's files want it.
    Wanted,
    /// `larder.lock` pins it.
    Locked,
    /// What its service's files want is not known.
    Unknown,
    /// It is among the newest of its service.
    Newest,
    /// It is younger than what goes.
    Young,
    /// An image that stays is built on it: its service.
    BuiltOn(String),
    /// The engine does not give it up.
    Refused(String),
}

impl Kept {
    /// Its word for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Named(_) => "named",
            Self::Wanted => "wanted",
            Self::Locked => "locked",
            Self::Unknown => "unknown",
            Self::Newest => "newest",
            Self::Young => "young",
            Self::BuiltOn(_) => "built-on",
            Self::Refused(_) => "refused",
        }
    }
}

/// For a person.
impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Used => f.write_str("a container uses it"),
            Self::Named(name) => write!(f, "named {name}"),
            Self::Wanted => f.write_str("the project's files want it"),
            Self::Locked => f.write_str("larder.lock pins it"),
            Self::Unknown => f.write_str("what its service wants is not known"),
            Self::Newest => f.write_str("among the newest of its service"),
            Self::Young => f.write_str("too young"),
            Self::BuiltOn(service) => write!(f, "an image of {service} is built on it"),
            Self::Refused(why) => write!(f, "the engine keeps it: {why}"),
        }
    }
}

/// What is decided of an image.
#[derive(Clone, Debug)]
pub struct Verdict<'a> {
    /// The image.
    pub stored: &'a StoredImage,
    /// What it is.
    pub kind: Kind,
    /// For whom it was built, as `project/service`, where it says so.
    pub made_for: Option<&'a str>,
    /// Why it stays; `None` where it goes.
    pub kept: Option<Kept>,
}

/// Decides about the images of larder's that a run looks at: by service, the newest first.
pub fn garbage<'a>(inventory: &'a Inventory, needs: &Needs, rules: &Rules) -> Vec<Verdict<'a>> {
    let all = inventory.images.iter();
    let mut all: Vec<Verdict<'_>> = all.filter_map(of_larder).collect();
    all.sort_by(|a, b| {
        let key = |own: &Verdict<'_>| {
            (
                own.made_for.is_none(),
                own.made_for.map(ToOwned::to_owned),
                own.kind,
            )
        };
        let age = || b.stored.since.cmp(&a.stored.since);
        let id = || a.stored.image.id.0.cmp(&b.stored.image.id.0);
        key(a).cmp(&key(b)).then_with(age).then_with(id)
    });
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for own in &mut all {
        let mut rank = usize::MAX;
        if let (Kind::Image, Some(service)) = (own.kind, own.made_for) {
            let count = seen.entry(service).or_default();
            rank = *count;
            *count += 1;
        }
        own.kept = kept(own, rank, inventory, needs, rules);
    }
    // Of all images, also those of other projects.
    let cuts: BTreeMap<String, String> = all
        .iter()
        .filter(|own| own.kept.is_some())
        .flat_map(|own| {
            let cuts = own.stored.image.labels.get(labels::CUTS);
            let cuts = cuts.map_or("", String::as_str).split(',');
            let service = own.made_for.unwrap_or_default();
            cuts.map(|cut| (cut.to_owned(), service.to_owned()))
        })
        .collect();
    for own in all.iter_mut().filter(|own| own.kind == Kind::Dependencies) {
        let key = own.stored.image.labels.get(labels::DEPENDENCIES);
        if let (None, Some(service)) = (&own.kept, key.and_then(|key| cuts.get(key))) {
            own.kept = Some(Kept::BuiltOn(service.clone()));
        }
    }
    all.retain(|own| match (&rules.project, own.made_for) {
        (None, _) => true,
        (Some(project), Some(made_for)) => made_for
            .split_once('/')
            .is_some_and(|(of, _)| of == project),
        (Some(_), None) => false,
    });
    all
}

fn of_larder(stored: &StoredImage) -> Option<Verdict<'_>> {
    let kind = Kind::of(&stored.image)?;
    let made_for = stored
        .image
        .labels
        .get(labels::MADE_FOR)
        .map(String::as_str);
    Some(Verdict {
        stored,
        kind,
        // A base has the label of whoever built what it is made from.
        made_for: made_for.filter(|own| kind != Kind::Base && !own.is_empty()),
        kept: None,
    })
}

/// Why an image stays, the best reason first; `rank` is how many of its service are newer.
fn kept(
    own: &Verdict<'_>,
    rank: usize,
    inventory: &Inventory,
    needs: &Needs,
    rules: &Rules,
) -> Option<Kept> {
    let image = &own.stored.image;
    if inventory.used.contains(&image.id) {
        return Some(Kept::Used);
    }
    let digests = || {
        image
            .digests
            .iter()
            .filter_map(|own| own.rsplit('@').next())
    };
    let is_one_of = |names: &BTreeSet<String>| {
        let all = image.names.iter().map(String::as_str);
        let mut all = all.chain([image.id.0.as_str()]).chain(digests());
        all.any(|name| names.contains(name))
    };
    if is_one_of(&needs.wanted) {
        return Some(Kept::Wanted);
    }
    if is_one_of(&needs.locked) {
        return Some(Kept::Locked);
    }
    if let Some(name) = own.stored.foreign_name() {
        return Some(Kept::Named(name.clone()));
    }
    if own.made_for.is_some_and(|own| needs.unknown.contains(own)) {
        return Some(Kept::Unknown);
    }
    if rank < rules.keep {
        return Some(Kept::Newest);
    }
    (own.stored.since > rules.until).then_some(Kept::Young)
}

/// How many bytes come free with those that go: their layers that nothing else on the engine has. `sizes` are those of their
/// layers, by their IDs.
pub fn freed(
    inventory: &Inventory,
    going: &[&StoredImage],
    sizes: &BTreeMap<&ImageId, Vec<u64>>,
) -> u64 {
    let goes: BTreeSet<&ImageId> = going.iter().map(|own| &own.image.id).collect();
    let staying = inventory.images.iter();
    let staying = staying.filter(|own| !goes.contains(&own.image.id));
    let mut seen: BTreeSet<Digest> = staying.flat_map(|own| own.layers.clone()).collect();
    let mut bytes = 0;
    for own in going {
        let Some(sizes) = sizes.get(&own.image.id) else {
            continue;
        };
        for (layer, size) in own.layers.iter().zip(sizes) {
            if seen.insert(*layer) {
                bytes += size;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(id: &str, since: i64, names: &[&str], labels: &[(&str, &str)]) -> StoredImage {
        let labels = labels.iter();
        StoredImage {
            image: Image {
                id: ImageId(id.to_owned()),
                names: names.iter().map(ToString::to_string).collect(),
                digests: Vec::new(),
                labels: labels
                    .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                    .collect(),
                platforms: Vec::new(),
                age: None,
            },
            size: 10,
            since: (since, 0),
            layers: vec![Digest::of(b"base"), Digest::of(id.as_bytes())],
        }
    }

    fn rules(keep: usize, until: i64) -> Rules {
        Rules {
            project: None,
            keep,
            until: (until, 0),
        }
    }

    /// What is decided of each: `ID: why it stays`, or `ID` alone.
    fn told(inventory: &Inventory, needs: &Needs, rules: &Rules) -> Vec<String> {
        let all = garbage(inventory, needs, rules).into_iter();
        all.map(|own| match own.kept {
            Some(kept) => format!("{}: {kept}", own.stored.image.id.0),
            None => own.stored.image.id.0.clone(),
        })
        .collect()
    }

    const API: (&str, &str) = (labels::MADE_FOR, "hub/api");

    fn of_api(id: &str, since: i64) -> StoredImage {
        stored(
            id,
            since,
            &[&format!("localhost/larder/image:{id}")],
            &[API],
        )
    }

    #[test]
    fn each_reason_to_stay_is_one() {
        let named = ["hub-api:latest", "localhost/larder/image:named"];
        let dependencies = ["localhost/larder/dependencies:d1"];
        let key = [(labels::DEPENDENCIES, "d1"), API];
        let mut old = of_api("old", 1);
        old.image
            .labels
            .insert(labels::CUTS.to_owned(), "d1,d2".to_owned());
        let mut base = stored("sha256:b", 1, &["localhost/larder/base:b"], &[API]);
        base.image.digests = vec!["localhost/larder/base@sha256:b".to_owned()];
        let inventory = Inventory {
            images: vec![
                of_api("used", 1),
                of_api("wanted", 2),
                of_api("new", 9),
                of_api("gone", 0),
                old,
                stored("named", 1, &named, &[API]),
                stored("d", 1, &dependencies, &key),
                stored("e", 1, &["localhost/larder/dependencies:d3"], &[API]),
                stored("left", 1, &[], &[(labels::FINGERPRINT, "x")]),
                stored("inherited", 1, &[], &[(labels::FINGERPRINT, "")]),
                stored("mine", 1, &["me/app:1"], &[(labels::FINGERPRINT, "x")]),
                base,
            ],
            used: [ImageId("used".to_owned())].into(),
        };
        let needs = Needs {
            wanted: ["localhost/larder/image:wanted".to_owned()].into(),
            locked: ["sha256:b".to_owned()].into(),
            ..Needs::default()
        };
        assert_eq!(
            told(&inventory, &needs, &rules(4, 5)),
            [
                "new: among the newest of its service",
                "wanted: the project's files want it",
                "named: named hub-api:latest",
                "old: among the newest of its service",
                "used: a container uses it",
                "gone",
                "d: an image of hub/api is built on it",
                "e",
                "sha256:b: larder.lock pins it",
                "left",
            ]
        );
        assert_eq!(
            told(&inventory, &Needs::default(), &rules(0, 1)),
            [
                "new: too young",
                "wanted: too young",
                "named: named hub-api:latest",
                "old",
                "used: a container uses it",
                "gone",
                "d",
                "e",
                "sha256:b",
                "left",
            ]
        );
        let unknown = Needs {
            unknown: ["hub/api".to_owned()].into(),
            ..Needs::default()
        };
        let one = Inventory {
            images: vec![of_api("a", 1)],
            ..Inventory::default()
        };
        let kept = ["a: what its service wants is not known"];
        assert_eq!(told(&one, &unknown, &rules(0, 5)), kept);
    }

    #[test]
    fn a_project_loses_its_own_alone() {
        let other = (labels::MADE_FOR, "hub2/api");
        let inventory = Inventory {
            images: vec![
                of_api("a", 1),
                stored("b", 1, &["localhost/larder/image:b"], &[other]),
                stored("c", 1, &["localhost/larder/image:c"], &[]),
            ],
            ..Inventory::default()
        };
        let of_hub = Rules {
            project: Some("hub".to_owned()),
            ..rules(0, 5)
        };
        assert_eq!(told(&inventory, &Needs::default(), &of_hub), ["a"]);
        let all = ["a", "b", "c"];
        assert_eq!(told(&inventory, &Needs::default(), &rules(0, 5)), all);
    }

    #[test]
    fn a_name_on_a_registry_that_larder_gave_is_nobody_elses() {
        let key = "a".repeat(64);
        let pushed = |tag: &str| {
            let names = ["localhost/larder/image:x", tag];
            let mut own = stored("a", 1, &names, &[API, (labels::FINGERPRINT, &key)]);
            own.image.digests = vec!["r.example/cache@sha256:a".to_owned()];
            let inventory = Inventory {
                images: vec![own],
                ..Inventory::default()
            };
            told(&inventory, &Needs::default(), &rules(0, 5)).remove(0)
        };
        assert_eq!(pushed(&format!("r.example/cache:fp-{key}")), "a");
        let other = format!("r.example/cache:fp-{}", "b".repeat(64));
        assert_eq!(pushed(&other), format!("a: named {other}"));
    }

    #[test]
    fn what_others_share_does_not_come_free() {
        let inventory = Inventory {
            images: vec![of_api("a", 1), of_api("b", 1), of_api("c", 1)],
            ..Inventory::default()
        };
        let all = &inventory.images;
        let sizes: BTreeMap<&ImageId, Vec<u64>> = all
            .iter()
            .map(|own| (&own.image.id, vec![100, 3]))
            .collect();
        let freed = |going: &[&StoredImage]| super::freed(&inventory, going, &sizes);
        assert_eq!(freed(&[&all[0]]), 3);
        assert_eq!(freed(&[&all[0], &all[1]]), 6);
        assert_eq!(freed(&[&all[0], &all[1], &all[2]]), 109);
    }
}
