//! SSH agents of this machine, which RUN steps may ask to sign (`build.ssh`): found before a build, and reached through
//! its session (moby/buildkit `session/sshforward`). No key leaves its agent. Must not know what is built.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use bollard_buildkit_proto::moby::sshforward::v1::ssh_server::Ssh;
use bollard_buildkit_proto::moby::sshforward::v1::{
    BytesMessage, CheckAgentRequest, CheckAgentResponse,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::async_trait;
use tonic::{Request, Response, Status, Streaming};

use crate::model::Build;

/// The header that says which agent is meant (`sshforward.KeySSHID`).
const ID: &str = "buildkit.ssh.id";
/// The agent that is meant when nobody says.
const DEFAULT: &str = "default";
/// How much of what an agent says is handed on at once, in bytes.
const PIECE: usize = 32 * 1024;

/// The sockets of agents: id → path.
#[derive(Clone, Debug, Default)]
pub(in crate::build) struct Agents(BTreeMap<String, PathBuf>);

/// An agent that is not there.
#[derive(Debug)]
pub(in crate::build) struct NoAgent {
    pub(in crate::build) id: String,
    pub(in crate::build) reason: String,
}

impl Agents {
    /// The agents that a build may use; `own` is the user's, `SSH_AUTH_SOCK`.
    ///
    /// # Errors
    /// One is not there.
    pub(in crate::build) fn of(build: &Build, own: Option<&Path>) -> Result<Self, NoAgent> {
        let agents = build.ssh.iter().map(|written| {
            let (id, path) = written.split_once('=').unwrap_or((written, ""));
            let path = match (path, own) {
                ("", Some(own)) => Ok(own),
                ("", None) => Err("`SSH_AUTH_SOCK` is not set".to_owned()),
                (path, _) => Ok(Path::new(path)),
            };
            let socket = path.and_then(|path| is_socket(path).map(|()| path.to_owned()));
            let no_agent = |reason| NoAgent {
                id: id.to_owned(),
                reason,
            };
            Ok((id.to_owned(), socket.map_err(no_agent)?))
        });
        agents.collect::<Result<_, _>>().map(Self)
    }

    /// Each with its id.
    pub(in crate::build) fn sockets(&self) -> impl Iterator<Item = (&str, &Path)> {
        let sockets = self.0.iter();
        sockets.map(|(id, path)| (id.as_str(), path.as_path()))
    }

    fn path(&self, id: &str) -> Result<&Path, Status> {
        let id = if id.is_empty() { DEFAULT } else { id };
        let path = self.0.get(id).map(PathBuf::as_path);
        path.ok_or_else(|| Status::not_found(format!("`build.ssh` has no id `{id}`")))
    }
}

fn is_socket(path: &Path) -> Result<(), String> {
    let shown = path.display();
    match std::fs::metadata(path) {
        Ok(found) if found.file_type().is_socket() => Ok(()),
        Ok(_) => Err(format!("`{shown}` is no socket of an agent")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(format!("`{shown}` is not there"))
        }
        Err(error) => Err(format!("`{shown}`: {error}")),
    }
}

type Words = Result<BytesMessage, Status>;

#[async_trait]
impl Ssh for Agents {
    async fn check_agent(
        &self,
        request: Request<CheckAgentRequest>,
    ) -> Result<Response<CheckAgentResponse>, Status> {
        self.path(&request.get_ref().id)?;
        Ok(Response::new(CheckAgentResponse {}))
    }

    type ForwardAgentStream = ReceiverStream<Words>;

    async fn forward_agent(
        &self,
        request: Request<Streaming<BytesMessage>>,
    ) -> Result<Response<Self::ForwardAgentStream>, Status> {
        let id = request.metadata().get(ID);
        let id = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
        let path = self.path(id)?;
        let agent = UnixStream::connect(path).await;
        let agent = agent.map_err(|error| {
            Status::unavailable(format!("the agent at `{}`: {error}", path.display()))
        })?;
        let (answers, questions) = agent.into_split();
        let (out, stream) = mpsc::channel(1);
        tokio::spawn(ask(request.into_inner(), questions));
        tokio::spawn(answer(answers, out));
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

/// Hands on what a RUN asks, until it asks no more.
async fn ask(mut asked: Streaming<BytesMessage>, mut agent: OwnedWriteHalf) {
    while let Ok(Some(words)) = asked.message().await {
        if agent.write_all(&words.data).await.is_err() {
            return;
        }
    }
}

/// Hands on what an agent answers, until either of them ends.
async fn answer(mut agent: OwnedReadHalf, out: mpsc::Sender<Words>) {
    let mut piece = vec![0; PIECE];
    loop {
        let words = match agent.read(&mut piece).await {
            Ok(0) => return,
            Ok(count) => Ok(BytesMessage {
                data: piece[..count].to_vec(),
            }),
            Err(error) => Err(Status::aborted(error.to_string())),
        };
        let ends = words.is_err();
        if out.send(words).await.is_err() || ends {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_a_socket_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let socket = path("agent");
        let _agent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        std::fs::write(path("key"), "").unwrap();
        let agents = |ssh: &str, own: Option<&Path>| {
            let build = Build {
                ssh: vec![ssh.replace('@', &format!("{}/", folder.path().display()))],
                ..Build::default()
            };
            Agents::of(&build, own).map_err(|none| {
                none.reason
                    .replace(&format!("{}/", folder.path().display()), "@")
            })
        };
        let found = agents("default", Some(&socket)).unwrap();
        assert_eq!(found.path("").unwrap(), socket);
        assert_eq!(
            found.path("other").unwrap_err().code(),
            tonic::Code::NotFound
        );
        assert_eq!(
            agents("id=@agent", None).unwrap().path("id").unwrap(),
            socket
        );
        let reason = |ssh: &str| agents(ssh, None).unwrap_err();
        assert_eq!(reason("default"), "`SSH_AUTH_SOCK` is not set");
        assert_eq!(reason("id=@none"), "`@none` is not there");
        assert_eq!(reason("id=@key"), "`@key` is no socket of an agent");
    }
}
