//! A socket in front of the engine's own, whose connections can be cut.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use larder::docker::Docker;
use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;

pub(crate) struct Proxy {
    folder: tempfile::TempDir,
    cut: Arc<Notify>,
    open: Arc<AtomicUsize>,
}

impl Proxy {
    /// Stands in front of the engine at a `unix://` address.
    pub(crate) fn start(address: &str) -> Self {
        let socket = address
            .strip_prefix("unix://")
            .expect("a socket")
            .to_owned();
        let folder = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(folder.path().join("sock")).expect("a socket");
        let (cut, open) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
        let proxy = Self {
            folder,
            cut: Arc::clone(&cut),
            open: Arc::clone(&open),
        };
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (cut, open) = (Arc::clone(&cut), Arc::clone(&open));
                let far = UnixStream::connect(socket.clone());
                tokio::spawn(async move {
                    let mut far = far.await.expect("the engine's socket");
                    open.fetch_add(1, Ordering::SeqCst);
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        () = cut.notified() => {}
                    }
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        proxy
    }

    /// The engine as seen through it.
    pub(crate) async fn engine(&self) -> Docker {
        let socket = self.folder.path().join("sock");
        let host = format!("unix://{}", socket.display());
        let environment = BTreeMap::from([("DOCKER_HOST".to_owned(), host)]);
        Docker::connect(&environment).await.expect("an engine")
    }

    /// Waits until so many connections are open.
    pub(crate) async fn streams(&self, wanted: usize) {
        while self.open.load(Ordering::SeqCst) != wanted {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // The engine subscribes a moment behind the connection.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    /// Cuts every connection.
    pub(crate) fn cut(&self) {
        self.cut.notify_waiters();
    }
}
