//! A connection of its own to the engine, before anything is said on it. Knows nothing of HTTP.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::address::{Address, Transport};
use crate::runtime::Duplex;

impl Address {
    /// Connects.
    pub(super) async fn dial(&self) -> io::Result<Box<dyn Duplex>> {
        Ok(match &self.transport {
            Transport::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Transport::Tcp(host) => Box::new(tcp(host).await?),
            Transport::Tls(host, folder) => {
                let stream = tcp(host).await?;
                let name = host
                    .rsplit_once(':')
                    .map_or(host.as_str(), |(name, _)| name);
                let name = name.trim_matches(['[', ']']).to_owned();
                let name = ServerName::try_from(name).map_err(io::Error::other)?;
                let connector = TlsConnector::from(Arc::new(settings(folder)?));
                Box::new(connector.connect(name, stream).await?)
            }
        })
    }
}

/// Small messages go both ways: none waits for the next one.
async fn tcp(host: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(host).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Both sides show certificates (docker/cli `cli/context/docker`).
fn settings(folder: &Path) -> io::Result<ClientConfig> {
    let certificates = |name: &str| -> io::Result<Vec<CertificateDer<'static>>> {
        let path = folder.join(name);
        let of = |error| io::Error::other(format!("{}: {error}", path.display()));
        let all = CertificateDer::pem_file_iter(&path).map_err(of)?;
        all.map(|one| one.map_err(of)).collect()
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca.pem")? {
        roots.add(certificate).map_err(io::Error::other)?;
    }
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).map_err(io::Error::other)?;
    let settings = ClientConfig::builder().with_root_certificates(roots);
    let settings = settings.with_client_auth_cert(certificates("cert.pem")?, key);
    settings.map_err(io::Error::other)
}
