//! One build's session with BuildKit: what it asks of us while it builds, files, secrets, SSH agents and credentials, served on a
//! connection of their own (moby/buildkit `session/grpc.go`). Must not know what is built.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard_buildkit_proto::health::health_check_response::ServingStatus;
use bollard_buildkit_proto::health::health_server::{Health, HealthServer};
use bollard_buildkit_proto::health::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
};
use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server::{Secrets, SecretsServer};
use bollard_buildkit_proto::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use bollard_buildkit_proto::moby::filesync::v1::auth_server::{Auth, AuthServer};
use bollard_buildkit_proto::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse,
    GetTokenAuthorityRequest, GetTokenAuthorityResponse, VerifyTokenAuthorityRequest,
    VerifyTokenAuthorityResponse,
};
use bollard_buildkit_proto::moby::sshforward::v1::ssh_server::SshServer;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tonic::codegen::async_trait;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use super::agents::Agents;
use super::files::Files;
use super::shared_key::SharedKey;
use crate::runtime::{EngineAccess, EngineError};

/// The method by which BuildKit takes files.
pub(super) const DIFF_COPY: &str = "/moby.filesync.v1.FileSync/DiffCopy";

/// How long a connection of a build may be silent before the engine is asked whether it is still there.
pub(super) const ALIVE_EVERY: Duration = Duration::from_secs(20);
/// How long the engine may take to say so; a build that loads a machine to the full slows it down.
pub(super) const ALIVE_WITHIN: Duration = Duration::from_secs(40);

/// What the engine is told can be asked for; anything else it does not ask.
const METHODS: [&str; 5] = [
    DIFF_COPY,
    "/moby.sshforward.v1.SSH/CheckAgent",
    "/moby.sshforward.v1.SSH/ForwardAgent",
    "/moby.buildkit.secrets.v1.Secrets/GetSecret",
    "/moby.filesync.v1.Auth/Credentials",
];

/// An open session; dropping it ends it.
pub(super) struct Session {
    /// The name by which a build refers to it.
    pub(super) id: String,
    serving: tokio::task::JoinHandle<()>,
}

/// The secrets of a build: id → content.
pub(super) type Contents = BTreeMap<String, Vec<u8>>;

impl Session {
    /// Opens a session that serves these files under their shared key, these secrets and SSH agents, and the user's
    /// credentials for registries.
    pub(super) async fn open(
        access: &Arc<dyn EngineAccess>,
        key: &SharedKey,
        files: Files,
        secrets: Contents,
        agents: Agents,
    ) -> Result<Self, EngineError> {
        let id = unique("larder");
        let headers = [
            ("x-docker-expose-session-uuid", id.clone()),
            ("x-docker-expose-session-name", "larder".to_owned()),
            ("x-docker-expose-session-sharedkey", key.name().to_owned()),
        ];
        let method = |name: &&str| ("x-docker-expose-session-grpc-method", (*name).to_owned());
        let headers = headers.into_iter().chain(METHODS.iter().map(method));
        let stream = access.upgrade("/session", headers.collect()).await?;
        let routes = Routes::new(HealthServer::new(Alive))
            .add_service(files)
            .add_service(SecretsServer::new(Kept(secrets)))
            .add_service(SshServer::new(agents))
            .add_service(AuthServer::new(Credentials(Arc::clone(access))));
        let serving = tokio::spawn(async move {
            let service = TowerToHyperService::new(routes.prepare());
            let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            server
                .timer(TokioTimer::new())
                .keep_alive_interval(ALIVE_EVERY)
                .keep_alive_timeout(ALIVE_WITHIN);
            let ended = server.serve_connection(TokioIo::new(stream), service).await;
            if let Err(error) = ended {
                tracing::debug!(%error, "a BuildKit session ended early");
            }
        });
        Ok(Self { id, serving })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A name that nothing else has.
pub(super) fn unique(kind: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_nanos());
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{kind}-{}-{now:x}-{count}", std::process::id())
}

/// The session's own health: BuildKit gives a build up whose session does not answer.
struct Alive;

fn serving() -> HealthCheckResponse {
    HealthCheckResponse {
        status: ServingStatus::Serving.into(),
    }
}

#[async_trait]
impl Health for Alive {
    type WatchStream = tokio_stream::Once<Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(serving()))
    }

    async fn list(
        &self,
        _: Request<HealthListRequest>,
    ) -> Result<Response<HealthListResponse>, Status> {
        Ok(Response::new(HealthListResponse::default()))
    }

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(tokio_stream::once(Ok(serving()))))
    }
}

struct Kept(Contents);

#[async_trait]
impl Secrets for Kept {
    async fn get_secret(
        &self,
        request: Request<GetSecretRequest>,
    ) -> Result<Response<GetSecretResponse>, Status> {
        let id = &request.get_ref().id;
        let data = self.0.get(id).cloned();
        // BuildKit goes on without a secret that is not found, unless the mount says `required`.
        let data = data.ok_or_else(|| Status::not_found(format!("secret {id} not found")))?;
        Ok(Response::new(GetSecretResponse { data }))
    }
}

struct Credentials(Arc<dyn EngineAccess>);

/// The methods by which tokens are fetched on this side are newer than the oldest engines; BuildKit fetches them itself
/// where they are not there.
#[async_trait]
impl Auth for Credentials {
    async fn credentials(
        &self,
        request: Request<CredentialsRequest>,
    ) -> Result<Response<CredentialsResponse>, Status> {
        let login = self.0.login(&request.get_ref().host).await;
        let (username, secret) =
            login.map_or_else(Default::default, |own| (own.username, own.secret));
        Ok(Response::new(CredentialsResponse { username, secret }))
    }

    async fn fetch_token(
        &self,
        _: Request<FetchTokenRequest>,
    ) -> Result<Response<FetchTokenResponse>, Status> {
        Err(Status::unimplemented("credentials are handed over"))
    }

    async fn get_token_authority(
        &self,
        _: Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("credentials are handed over"))
    }

    async fn verify_token_authority(
        &self,
        _: Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("credentials are handed over"))
    }
}
