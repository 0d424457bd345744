//! One commit has one fingerprint, wherever, with whatever umask and by whomever it is cloned.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A commit in a bundle, and the larder that looks at clones of it. Everybody may read both.
struct Commit {
    folder: tempfile::TempDir,
}

/// Who clones and looks.
#[derive(Clone, Copy)]
enum User {
    Own,
    Other,
}

/// Runs a shell line, which must succeed; its standard output.
fn shell(user: User, line: &str) -> String {
    let mut command = match user {
        User::Own => Command::new("sh"),
        User::Other => other_user(),
    };
    let output = command.args(["-euc", line]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// A shell of another user, who may talk to the engine. Only root becomes one.
fn other_user() -> Command {
    let group = fs::metadata(socket()).map_or(0, |socket| socket.gid());
    let groups = format!("--groups={group}");
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", &groups, "sh"]);
    command
}

fn host() -> String {
    let host = std::env::var("DOCKER_HOST");
    host.unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned())
}

fn socket() -> PathBuf {
    let host = host();
    PathBuf::from(host.strip_prefix("unix://").unwrap_or(&host))
}

impl Commit {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_larder"), root.join("larder")).unwrap();
        let script = format!(
            "umask 022; cd '{}'; mkdir -p repository/src/deep; cd repository; git init -q -b main
            printf 'services: {{app: {{build: .}}}}\\n' > compose.yaml
            printf 'FROM scratch\\nCOPY src /src\\nCOPY run.sh /\\n' > Dockerfile
            printf '.git\\n' > .dockerignore
            echo a > src/a; echo b > src/deep/b; ln -s deep/b src/link; echo run > run.sh; chmod 755 run.sh
            git add -A; git -c user.name=x -c user.email=x@example.com commit -qm one
            git bundle create -q ../commit.bundle main; chmod 644 ../commit.bundle",
            root.display()
        );
        shell(User::Own, &script);
        Self { folder }
    }

    /// The fingerprint of a clone made at a path, with a umask, by a user.
    fn cloned(&self, path: &str, umask: &str, user: User) -> String {
        let root = self.folder.path();
        let parent = root.join(Path::new(path).parent().unwrap());
        fs::create_dir_all(&parent).unwrap();
        fs::set_permissions(&parent, fs::Permissions::from_mode(0o777)).unwrap();
        let script = format!(
            "umask {umask}; export HOME='{home}' DOCKER_HOST='{host}'; cd '{home}'
            git clone -q -b main '{root}/commit.bundle' '{name}'
            cd '{name}'; '{root}/larder' fingerprint --format json",
            home = parent.display(),
            name = Path::new(path).file_name().unwrap().display(),
            host = host(),
            root = root.display(),
        );
        let told: Value = serde_json::from_str(&shell(user, &script)).unwrap();
        let full = told["services"]["app"]["full"].as_str();
        full.unwrap().to_owned()
    }

    fn mode(&self, path: &str) -> u32 {
        let metadata = fs::metadata(self.folder.path().join(path));
        metadata.unwrap().mode() & 0o777
    }

    fn owner(&self, path: &str) -> u32 {
        fs::metadata(self.folder.path().join(path)).unwrap().uid()
    }
}

#[test]
fn clones_of_one_commit_have_one_fingerprint() {
    let commit = Commit::new();
    let first = commit.cloned("a/one", "022", User::Own);
    assert_eq!(commit.cloned("b/deeper/two", "002", User::Own), first);
    assert_eq!(commit.cloned("c/three", "000", User::Own), first);
    let modes = ["a/one", "b/deeper/two", "c/three"].map(|clone| {
        let file = commit.mode(&format!("{clone}/src/a"));
        (file, commit.mode(&format!("{clone}/run.sh")))
    });
    assert_eq!(modes, [(0o644, 0o755), (0o664, 0o775), (0o666, 0o777)]);

    if commit.owner("a/one/src/a") == 0 {
        assert_eq!(commit.cloned("d/four", "022", User::Other), first);
        assert_eq!(commit.owner("d/four/src/a"), 65534);
    }

    // Nobody but the owner may read these files, in the image either: another image, so another fingerprint.
    assert_ne!(commit.cloned("e/five", "077", User::Own), first);
    assert_eq!(commit.mode("e/five/src/a"), 0o600);
}
