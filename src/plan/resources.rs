//! Networks and volumes: made where they are missing.

use super::decide::Draft;
use super::error::Error;
use super::observed::Resource;
use super::renewed_networks::CHANGED;
use super::step::{Action, StepId};
use crate::model::{Digest, Network, Project, Volume, labels};

/// Whether a network or a volume was made for this project.
pub(super) fn is_made_for(project: &Project, found: &Resource) -> bool {
    found.labels.get(labels::PROJECT) == Some(&project.name)
}

/// Whether a network or a volume was made from another definition than that of these hashes, larder's and docker compose's.
/// What docker compose made has its own alone, and none before its 2.31.
pub(super) fn differs(found: &Resource, (ours, theirs): (Digest, Digest)) -> bool {
    let label = |key, hash: Digest| Some(*found.labels.get(key)? != hash.to_string());
    let by_ours = label(labels::CONFIG, ours);
    by_ours
        .or_else(|| label(labels::CONFIG_HASH, theirs))
        .unwrap_or(false)
}

impl Draft<'_> {
    /// The step that makes a network, when it is not there.
    pub(super) fn network(&mut self, key: &str) -> Result<Option<StepId>, Error> {
        let name = self.wanted.project.network_name(key);
        let slot = ("network", name.clone());
        if let Some(step) = self.resources.get(&slot) {
            return Ok(*step);
        }
        let definition = self.wanted.project.networks.get(key);
        let external = definition.is_some_and(|network| network.external);
        let found = self
            .observed
            .networks
            .iter()
            .find(|network| network.name == name);
        let step = match found {
            Some(found) => {
                let removed = self.renewed.get(&name).copied();
                let config = definition.map(Network::config);
                let hash = || self.wanted.project.network_hash(key);
                if !external && removed.is_none() {
                    self.compare("network", found, config.map(|config| (config, hash())));
                }
                let key = key.to_owned();
                let create = Action::CreateNetwork { key, name };
                removed.map(|removed| self.step(None, create, CHANGED, [removed]))
            }
            None if external => return Err(Error::ExternalNetwork { name }),
            None => {
                let action = Action::CreateNetwork {
                    key: key.to_owned(),
                    name,
                };
                Some(self.step(None, action, "it is not on the engine", []))
            }
        };
        self.resources.insert(slot, step);
        Ok(step)
    }

    /// The step that makes a volume, when it is not there.
    pub(super) fn volume(&mut self, key: &str) -> Result<Option<StepId>, Error> {
        let name = self.wanted.project.volume_name(key);
        let slot = ("volume", name.clone());
        if let Some(step) = self.resources.get(&slot) {
            return Ok(*step);
        }
        let definition = self.wanted.project.volumes.get(key);
        let external = definition.is_some_and(|volume| volume.external);
        let found = self
            .observed
            .volumes
            .iter()
            .find(|volume| volume.name == name);
        let step = match found {
            Some(found) => {
                let config = definition.map(Volume::config);
                let hash = || self.wanted.project.volume_hash(key);
                if !external {
                    self.compare("volume", found, config.map(|config| (config, hash())));
                }
                None
            }
            None if external => return Err(Error::ExternalVolume { name }),
            None => {
                let action = Action::CreateVolume {
                    key: key.to_owned(),
                    name,
                };
                Some(self.step(None, action, "it is not on the engine", []))
            }
        };
        self.resources.insert(slot, step);
        Ok(step)
    }

    /// A volume that is there stays as it is, since data hangs on it, and so does a network that others are on. That it is not
    /// what the file says is told: it was made for somebody else, or from another definition.
    fn compare(&mut self, kind: &str, found: &Resource, hashes: Option<(Digest, Digest)>) {
        let name = &found.name;
        if !is_made_for(self.wanted.project, found) {
            let made_for = match found.labels.get(labels::PROJECT) {
                Some(project) => format!("project `{project}`"),
                None => "no project".to_owned(),
            };
            self.plan.warnings.push(format!(
                "{kind} `{name}` was made for {made_for} and is used as it is; `external: true` says that it is meant"
            ));
        } else if hashes.is_some_and(|hashes| differs(found, hashes)) {
            let how = if kind == "volume" {
                "; `larder down -v` and `larder up` make it anew"
            } else {
                ", since not all that are on it are started here; `larder up` without names, or `larder down` before it, \
                 makes it anew"
            };
            self.plan.warnings.push(format!(
                "{kind} `{name}` was made from another definition and stays as it is{how}"
            ));
        }
    }
}
