//! What of a project goes with a `down`, and what stays: its containers, networks, volumes and images. Says why.

use std::collections::BTreeSet;

use super::super::invocation::{Invocation, Named};
use super::super::stack;
use super::{Down, Images};
use crate::failure::Failure;
use crate::model::{Project, labels};
use crate::plan::{
    Container, OF_OTHERS, Observed, Resource, Unneeded, foreign_warning, is_own, made_by_others,
    orphans, stranger_warning, unneeded_images,
};

/// The project's containers: which go, and why others stay.
pub(super) struct Parting<'a> {
    pub(super) gone: Vec<&'a Container>,
    /// Those of them whose service no file defines any more.
    orphans: Vec<&'a Container>,
    /// Those of them that other files made under the project's name.
    others: Vec<&'a Container>,
    /// Made from other files, too; they stay.
    foreign: Vec<&'a Container>,
    /// Made by `run` for a service that no file defines; they stay.
    strange: Vec<&'a Container>,
    /// Of services that no active profile has; they stay.
    off: Vec<&'a Container>,
    /// All that stay.
    kept: Vec<&'a Container>,
}

impl<'a> Parting<'a> {
    pub(super) fn of(
        observed: &'a Observed,
        named: &Named,
        args: &Down,
        remove_orphans: bool,
    ) -> Result<Self, Failure> {
        let all = &observed.containers;
        let mut found = named
            .project
            .as_ref()
            .map(|own| orphans(own, all))
            .unwrap_or_default();
        if !args.services.is_empty() {
            // Without a file nobody can tell a service that is gone already from one that never was.
            if named.project.is_some() {
                stack::of_services(all, &args.services, &named.services())?;
            }
            found.own.retain(|own| args.services.contains(&own.service));
            found.foreign.clear();
        }
        let mut others = Vec::new();
        if remove_orphans {
            others = std::mem::take(&mut found.foreign);
        }
        let is = |those: &[&Container], one: &Container| those.iter().any(|own| own.id == one.id);
        let goes = |container: &&Container| {
            let service = &container.service;
            let defined = named.is_on(service);
            let strange = !defined && !named.is_off(service) && container.one_off;
            let whole = args.services.is_empty() && (defined || strange && remove_orphans);
            let orphan = is(&found.own, container) || is(&others, container);
            args.services.contains(service) || whole || orphan
        };
        let (gone, kept): (Vec<_>, Vec<_>) = all.iter().partition(goes);
        let stays = |which: &dyn Fn(&Container) -> bool| {
            let kept = kept
                .iter()
                .filter(|own| args.services.is_empty() && which(own));
            kept.copied().collect::<Vec<_>>()
        };
        let strange = stays(&|own| own.one_off && !named.is_off(&own.service));
        let of_these = |own: &&Container| {
            let project = named.project.as_ref();
            project.is_none_or(|project| is_own(project, own))
        };
        let (strange, foreign): (Vec<_>, Vec<_>) = strange.into_iter().partition(of_these);
        found.foreign.extend(foreign);
        Ok(Self {
            off: stays(&|own| named.is_off(&own.service)),
            strange,
            orphans: found.own,
            others,
            foreign: found.foreign,
            gone,
            kept,
        })
    }

    /// Why a container goes, where it is for another reason than all of them.
    pub(super) fn cause(&self, container: &str) -> Option<&'static str> {
        let is = |those: &[&Container]| those.iter().any(|own| own.id == container);
        if is(&self.orphans) {
            Some("no compose file defines its service any more")
        } else if is(&self.others) {
            Some(OF_OTHERS)
        } else {
            None
        }
    }

    /// Says what goes that no file names any more, and what stays.
    pub(super) fn tell(&self, invocation: &Invocation) -> Result<(), Failure> {
        if !self.orphans.is_empty() {
            let (names, it) = (names(&self.orphans), pronoun(&self.orphans));
            invocation.note(&format!(
                "no compose file defines the service of {names} any more: {it}, too"
            ))?;
        }
        if !self.others.is_empty() {
            let (told, it) = (made_by_others(&self.others), pronoun(&self.others));
            invocation.note(&format!("{told}: {it}, too"))?;
        }
        if !self.foreign.is_empty() {
            invocation.warning(&foreign_warning(&self.foreign));
        }
        if !self.strange.is_empty() {
            let strange: Vec<&str> = self.strange.iter().map(|own| own.name.as_str()).collect();
            invocation.warning(&stranger_warning(&strange));
        }
        if !self.off.is_empty() {
            invocation.warning(&format!(
                "no profile of {} is active, so it stays: `larder --profile '*' down` removes it",
                names(&self.off)
            ));
        }
        Ok(())
    }

    /// The networks that go: when only some services go, those that no other container has.
    pub(super) fn networks<'b>(
        &self,
        observed: &'b Observed,
        named: &Named,
        args: &Down,
    ) -> Vec<&'b Resource> {
        let has = |those: &[&Container], network: &Resource| {
            let mut those = those.iter();
            those.any(|own| own.networks.contains_key(&network.name))
        };
        let mut networks = own(&observed.networks, named);
        if !args.services.is_empty() {
            networks.retain(|one| has(&self.gone, one) && !has(&self.kept, one));
        }
        networks
    }

    /// The volumes that go: when only some services go, those that they alone have.
    pub(super) fn volumes<'b>(
        &self,
        invocation: &Invocation,
        observed: &'b Observed,
        named: &Named,
        args: &Down,
    ) -> Vec<&'b Resource> {
        let own = own(&observed.volumes, named);
        if args.services.is_empty() {
            return declared(invocation, own, &observed.volumes, named);
        }
        let mounted = |those: &[&'a Container]| -> BTreeSet<&'a str> {
            let all = those.iter().flat_map(|own| own.volumes.values());
            all.map(String::as_str).collect()
        };
        let (theirs, others) = (mounted(&self.gone), mounted(&self.kept));
        let only = own.into_iter().filter(|volume| {
            theirs.contains(volume.name.as_str()) && !others.contains(volume.name.as_str())
        });
        only.collect()
    }

    /// The names of the images that go.
    pub(super) fn images(
        &self,
        which: Images,
        observed: &Observed,
        named: &Named,
        args: &Down,
    ) -> Vec<String> {
        let defined = named.project.iter().flat_map(|project| {
            let services = project.services.keys();
            services.map(|service| (service.clone(), project.image_name(service)))
        });
        let meant = |(service, _): &(String, String)| {
            args.services.is_empty() || args.services.contains(service)
        };
        let made = self.gone.iter();
        let made = made.map(|own| (own.service.clone(), own.image_name.clone()));
        let used: Vec<(String, String)> = defined.filter(meant).chain(made).collect();
        let which = match which {
            Images::Local => Unneeded::Local,
            Images::All => Unneeded::All,
        };
        unneeded_images(&named.name, &used, which, observed)
    }
}

fn names(containers: &[&Container]) -> String {
    let names: Vec<String> = containers.iter().map(|c| format!("`{}`", c.name)).collect();
    names.join(", ")
}

fn pronoun(containers: &[&Container]) -> &'static str {
    if containers.len() == 1 {
        "it goes"
    } else {
        "they go"
    }
}

/// The networks or volumes that carry the project's label, without those that the file says are somebody else's.
fn own<'a>(resources: &'a [Resource], named: &Named) -> Vec<&'a Resource> {
    let label = |resource: &&Resource| {
        let label = resource.labels.get(labels::PROJECT);
        label.is_some_and(|label| *label == named.name)
    };
    let external: Vec<String> = named.project.iter().flat_map(external).collect();
    resources
        .iter()
        .filter(label)
        .filter(|resource| !external.contains(&resource.name))
        .collect()
}

/// The engine's names for what the project declares external.
fn external(project: &Project) -> Vec<String> {
    let networks = project
        .networks
        .iter()
        .filter(|(_, network)| network.external);
    let volumes = project.volumes.iter().filter(|(_, volume)| volume.external);
    networks
        .map(|(key, _)| project.network_name(key))
        .chain(volumes.map(|(key, _)| project.volume_name(key)))
        .collect()
}

/// Of the project's volumes, those that services use, as docker compose has it; all, where there is no file.
/// What holds data and stays is told: a volume that no service uses, and one under a declared name that is not the
/// project's (docker compose removes that one).
fn declared<'a>(
    invocation: &Invocation,
    own: Vec<&'a Resource>,
    all: &[Resource],
    named: &Named,
) -> Vec<&'a Resource> {
    let Some(project) = &named.project else {
        return own;
    };
    let inside = project
        .volumes
        .iter()
        .filter(|(_, volume)| !volume.external);
    let inside: BTreeSet<String> = inside.map(|(key, _)| project.volume_name(key)).collect();
    for foreign in all.iter().filter(|volume| inside.contains(&volume.name)) {
        if !own.iter().any(|volume| volume.name == foreign.name) {
            invocation.warning(&format!(
                "volume `{}` was not made for this project and stays",
                foreign.name
            ));
        }
    }
    let (gone, kept): (Vec<_>, Vec<_>) = own
        .into_iter()
        .partition(|volume| inside.contains(&volume.name));
    let active = if project.disabled.is_empty() {
        ""
    } else {
        " with an active profile"
    };
    for volume in kept {
        invocation.warning(&format!(
            "volume `{name}` stays, as no service{active} uses it: `docker volume rm {name}` removes it",
            name = volume.name
        ));
    }
    gone
}
