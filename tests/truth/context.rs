//! A build context in memory, and how it comes onto a disk.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// One thing in a context.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    File { content: Vec<u8>, mode: u32 },
    Link(String),
    Folder { mode: u32 },
}

/// Everything in a folder, by path.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Context {
    pub(crate) nodes: BTreeMap<String, Node>,
    /// How many seconds ago its files were written.
    pub(crate) age: u64,
}

impl Context {
    /// Puts something in, with the folders above it; what was in the way is gone.
    pub(crate) fn put(&mut self, path: &str, node: Node) {
        for (at, _) in path.match_indices('/') {
            let folder = self.nodes.get(&path[..at]);
            if !matches!(folder, Some(Node::Folder { .. })) {
                self.nodes
                    .insert(path[..at].to_owned(), Node::Folder { mode: 0o755 });
            }
        }
        if !matches!(node, Node::Folder { .. }) {
            self.remove(path);
        }
        self.nodes.insert(path.to_owned(), node);
    }

    pub(crate) fn file(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        let content = content.into();
        self.put(
            path,
            Node::File {
                content,
                mode: 0o644,
            },
        );
    }

    /// Takes something away, with all that is below it.
    pub(crate) fn remove(&mut self, path: &str) -> Vec<(String, Node)> {
        let below = format!("{path}/");
        let gone = self
            .nodes
            .extract_if(.., |own, _| own == path || own.starts_with(&below));
        gone.collect()
    }

    /// The paths of what is wanted.
    pub(crate) fn paths(&self, wanted: impl Fn(&Node) -> bool) -> Vec<String> {
        let all = self.nodes.iter().filter(|(_, node)| wanted(node));
        all.map(|(path, _)| path.clone()).collect()
    }

    pub(crate) fn files(&self) -> Vec<String> {
        self.paths(|node| matches!(node, Node::File { .. }))
    }

    pub(crate) fn folders(&self) -> Vec<String> {
        self.paths(|node| matches!(node, Node::Folder { .. }))
    }

    /// Writes it into a folder that is there.
    pub(crate) fn write(&self, root: &Path) -> std::io::Result<()> {
        let written = SystemTime::now() - Duration::from_secs(self.age);
        for (path, node) in &self.nodes {
            let path = root.join(path);
            match node {
                Node::Folder { .. } => fs::create_dir_all(&path)?,
                Node::Link(target) => symlink(target, &path)?,
                Node::File { content, mode } => {
                    fs::write(&path, content)?;
                    fs::set_permissions(&path, Permissions::from_mode(*mode))?;
                    fs::File::open(&path)?.set_modified(written)?;
                }
            }
        }
        // Last: whoever runs this may not be able to write below one of them.
        for (path, node) in self.nodes.iter().rev() {
            if let Node::Folder { mode } = node {
                fs::set_permissions(root.join(path), Permissions::from_mode(*mode))?;
            }
        }
        Ok(())
    }

    /// For a person.
    pub(crate) fn describe(&self) -> String {
        let mut text = String::new();
        for (path, node) in &self.nodes {
            let _ = match node {
                Node::Folder { mode } => writeln!(text, "  {path}/  {mode:o}"),
                Node::Link(target) => writeln!(text, "  {path} -> {target}"),
                Node::File { content, mode } => {
                    let content = String::from_utf8_lossy(content);
                    let content: String = content.chars().take(120).collect();
                    writeln!(text, "  {path}  {mode:o}  {content:?}")
                }
            };
        }
        text
    }
}
