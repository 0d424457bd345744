//! Creating a container: the call itself, then what the engine takes only afterwards. A container that is not
//! finished is removed again.

use std::collections::BTreeSet;
use std::path::Path;

use bollard::body_full;
use bollard::models::{ContainerCreateBody, ContainerCreateResponse, NetworkConnectRequest};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, UploadToContainerOptionsBuilder,
};

use super::Docker;
use super::connect::CHANGE;
use super::definition::{
    Definition, Sharing, Surroundings, asks_for_api_socket, definition, sharing,
};
use super::error::status;
use crate::fingerprint::seccomp_profile;
use crate::model::{CredentialSpec, Service, labels, security_option};
use crate::runtime::{ContainerSpec, EngineError};

/// What a create call says beside its body.
struct CreateCall<'a> {
    service: &'a str,
    name: &'a str,
    /// The name that it is to have.
    known_as: &'a str,
    platform: Option<&'a str>,
    /// The container's hardware address, which bollard's body has no room for.
    mac_address: Option<&'a str>,
}

impl CreateCall<'_> {
    /// Names and platforms are of letters, digits and marks that a query may hold as they are.
    fn path(&self) -> String {
        let platform = self
            .platform
            .map(|platform| format!("&platform={platform}"));
        let platform = platform.unwrap_or_default();
        format!("/containers/create?name={}{platform}", self.name)
    }

    /// The new container's ID; what the engine left out of it is told, as docker compose tells it.
    fn told(&self, made: ContainerCreateResponse) -> String {
        for warning in &made.warnings {
            tracing::warn!("the engine says of service `{}`: {warning}", self.service);
        }
        made.id
    }
}

impl Docker {
    pub(super) async fn create(&self, spec: &ContainerSpec<'_>) -> Result<String, EngineError> {
        let surroundings = self.surroundings(spec).await?;
        let Definition {
            body,
            platform,
            mac_address,
            networks,
            files,
        } = definition(spec, &surroundings)?;
        // It has its name once it is whole, so that one which was cut off on the way is known for what it is.
        let in_parts = !networks.is_empty() || files.is_some();
        let unfinished = in_parts.then(|| labels::unfinished_name(spec.name));
        let call = CreateCall {
            service: spec.service,
            name: unfinished.as_deref().unwrap_or(spec.name),
            known_as: spec.name,
            platform: platform.as_deref(),
            mac_address: mac_address.as_deref(),
        };
        if in_parts {
            self.is_free(spec.name).await?;
        }
        let id = self.create_from(spec, body, &call).await?;
        let finished = async {
            for (network, endpoint) in networks {
                let action = format!("attaching container `{}` to network `{network}`", spec.name);
                let request = NetworkConnectRequest {
                    container: id.clone(),
                    endpoint_config: Some(endpoint),
                };
                let call = self.client.connect_network(&network, request);
                self.call(CHANGE, &action, call).await?;
            }
            if let Some(archive) = files {
                self.unpack(&id, spec.name, archive).await?;
            }
            match unfinished {
                Some(_) => self.give_name(&id, spec.name).await,
                None => Ok(()),
            }
        };
        if let Err(error) = finished.await {
            // The first error is the one to tell.
            let _ = self.remove_container(&id, true).await;
            return Err(error);
        }
        Ok(id)
    }

    /// That nobody has a name which a container is to have once it is whole, in the words of an engine that is asked for it.
    async fn is_free(&self, name: &str) -> Result<(), EngineError> {
        // What the engine finds by the beginning of an ID has another name.
        let found = match self.look(name).await {
            Err(error) if status(&error) == Some(404) => None,
            found => Some(found?),
        };
        let found = found
            .filter(|own| own.name.as_deref().and_then(|own| own.strip_prefix('/')) == Some(name));
        let Some(id) = found.and_then(|own| own.id) else {
            return Ok(());
        };
        Err(EngineError::Refused {
            action: creating(name),
            status: Some(409),
            source: format!(
                "Conflict. The container name \"/{name}\" is already in use by container \"{id}\"."
            )
            .into(),
        })
    }

    /// Gives a container that is whole its name. A person knows it by no other one.
    async fn give_name(&self, id: &str, name: &str) -> Result<(), EngineError> {
        let renamed = self.rename_container(id, name).await;
        renamed.map_err(|error| match error {
            EngineError::Refused { status, source, .. } => EngineError::Refused {
                action: creating(name),
                status,
                source,
            },
            error => error,
        })
    }

    /// Creates a container under the image's name, so that people see the name in `docker ps`, and under its
    /// ID where the name means another image by now.
    async fn create_from(
        &self,
        spec: &ContainerSpec<'_>,
        body: ContainerCreateBody,
        call: &CreateCall<'_>,
    ) -> Result<String, EngineError> {
        match self.create_call(call, body.clone()).await {
            Ok(id) if self.is_from(&id, spec).await? => return Ok(id),
            Ok(id) => self.remove_container(&id, true).await?,
            Err(error) if status(&error) == Some(404) => {}
            Err(error) => return Err(error),
        }
        let by_id = ContainerCreateBody {
            image: Some(spec.image.to_string()),
            ..body
        };
        self.create_call(call, by_id).await
    }

    async fn create_call(
        &self,
        call: &CreateCall<'_>,
        body: ContainerCreateBody,
    ) -> Result<String, EngineError> {
        let action = creating(call.known_as);
        if let Some(mac_address) = call.mac_address {
            // A body is plain data; it has no keys that are not strings.
            let mut body = serde_json::to_value(body).unwrap_or_default();
            body["MacAddress"] = mac_address.into();
            let path = call.path();
            let made = self.address.post::<ContainerCreateResponse>(&path, &body);
            return Ok(call.told(self.call(CHANGE, &action, made).await?));
        }
        let mut options = CreateContainerOptionsBuilder::new().name(call.name);
        if let Some(platform) = call.platform {
            options = options.platform(platform);
        }
        let made = self.client.create_container(Some(options.build()), body);
        Ok(call.told(self.call(CHANGE, &action, made).await?))
    }

    async fn is_from(&self, id: &str, spec: &ContainerSpec<'_>) -> Result<bool, EngineError> {
        let action = format!("looking at container `{}`", spec.name);
        let look = || {
            self.client
                .inspect_container(id, None::<InspectContainerOptions>)
        };
        let found = self.ask(&action, look).await?;
        Ok(found.image.as_deref() == Some(spec.image.0.as_str()))
    }

    async fn unpack(&self, id: &str, name: &str, archive: Vec<u8>) -> Result<(), EngineError> {
        let action = format!("putting configs and secrets into container `{name}`");
        let options = UploadToContainerOptionsBuilder::new().path("/").build();
        let archive = body_full(archive.into());
        let call = self.client.upload_to_container(id, Some(options), archive);
        self.call(CHANGE, &action, call).await
    }

    async fn surroundings(&self, spec: &ContainerSpec<'_>) -> Result<Surroundings, EngineError> {
        let service = spec.definition()?;
        let read = security(&spec.project.working_dir, &service.security_opt);
        let (mut security_opt, unconfined_paths) = read.map_err(|error| EngineError::Refused {
            action: format!("reading `security_opt` of service `{}`", spec.service),
            status: None,
            source: error.into(),
        })?;
        security_opt.extend(self.credential_spec(spec.service, service).await?);
        let sharing = sharing(spec, service)?;
        let declares = |target: &String| {
            let mut volumes = service.volumes.iter();
            volumes.any(|mount| mount.target == *target)
        };
        let all_declared = spec.inherits.keys().all(declares);
        let mut image_volumes = BTreeSet::new();
        let mut mounted_by_others = BTreeSet::new();
        if !all_declared {
            image_volumes = self.image_volumes(spec.image).await?;
            mounted_by_others = self.mounted_by(&sharing).await?;
        }
        let mut api_credentials = None;
        if asks_for_api_socket(service) {
            api_credentials = Some(self.config.all_credentials().await);
        }
        Ok(Surroundings {
            api: self.api,
            proxies: self.config.proxy_variables(&self.address.text),
            sharing,
            mounted_by_others,
            api_credentials,
            security_opt,
            unconfined_paths,
            image_volumes,
        })
    }

    /// Where the containers whose volumes a service has too have something mounted.
    async fn mounted_by(&self, sharing: &Sharing) -> Result<BTreeSet<String>, EngineError> {
        let mut targets = BTreeSet::new();
        for entry in &sharing.volumes_from {
            let id = entry.split(':').next().unwrap_or_default();
            let mounts = self.look(id).await?.mounts.unwrap_or_default();
            targets.extend(mounts.into_iter().filter_map(|mount| mount.destination));
        }
        Ok(targets)
    }

    /// A service's `credential_spec` for an engine of Windows containers. One of Linux refuses what it does not know, so it
    /// is left out there, as docker compose does everywhere.
    async fn credential_spec(
        &self,
        name: &str,
        service: &Service,
    ) -> Result<Option<String>, EngineError> {
        let spec = service.credential_spec.as_ref();
        let Some(source) = spec.and_then(CredentialSpec::source) else {
            return Ok(None);
        };
        if self.facts().await?.platform.starts_with("windows/") {
            return Ok(Some(format!("credentialspec={source}")));
        }
        tracing::warn!(
            "`credential_spec` of service `{name}` is left out: it is for Windows containers"
        );
        Ok(None)
    }
}

/// What is done, as it is told.
fn creating(name: &str) -> String {
    format!("creating container `{name}`")
}

/// `security_opt` as the engine takes it: a seccomp profile is sent as its text, and `systempaths` is no
/// option of the engine's (docker/compose `parseSecurityOpts`).
fn security(folder: &Path, options: &[String]) -> std::io::Result<(Vec<String>, bool)> {
    let mut all = Vec::new();
    let mut unconfined = false;
    for option in options {
        match security_option(option) {
            ("systempaths", "unconfined") => unconfined = true,
            ("seccomp", path) if !matches!(path, "" | "unconfined" | "builtin") => {
                let profile = seccomp_profile(&folder.join(path))?;
                all.push(format!("seccomp={profile}"));
            }
            _ => all.push(option.clone()),
        }
    }
    Ok((all, unconfined))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seccomp_profile_is_sent_as_its_text() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("p.json"), "{\n \"a\": 1 }").unwrap();
        let options = [
            "seccomp=p.json",
            "label:disable",
            "no-new-privileges",
            "systempaths=unconfined",
        ];
        let options = options.map(ToOwned::to_owned);
        let (all, unconfined) = security(folder.path(), &options).unwrap();
        assert_eq!(
            all,
            ["seccomp={\"a\":1}", "label:disable", "no-new-privileges"]
        );
        assert!(unconfined);
        assert!(security(folder.path(), &["seccomp=none.json".to_owned()]).is_err());
    }
}
