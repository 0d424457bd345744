//! Files between here and containers, held against docker compose. Needs `busybox:stable` on the engine.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;

use crate::stack::Stack;

const COMPOSE: &str = "\
services:
  app: {image: 'busybox:stable', command: [sleep, '1000'], stop_grace_period: 0s, scale: 2}
";

fn stack(test: &str) -> Stack {
    let stack = Stack::new(test, COMPOSE);
    stack.larder("up --no-wait");
    stack
}

/// With one container: docker compose reads from any.
fn one(test: &str) -> Stack {
    let stack = Stack::new(test, &COMPOSE.replace("scale: 2", "scale: 1"));
    stack.larder("up --no-wait");
    stack
}

fn in_first(stack: &Stack, script: &str) -> String {
    let mut command = stack.sandbox.command(env!("CARGO_BIN_EXE_larder"));
    let command = command.args(["exec", "-T", "app", "sh", "-c", script]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stack.sandbox.shown(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A folder of files, links, odd names and modes.
fn fill(root: &Path) {
    fs::create_dir_all(root.join("sub/empty")).unwrap();
    fs::write(root.join("one"), "one").unwrap();
    fs::hard_link(root.join("one"), root.join("two")).unwrap();
    fs::write(root.join("sub/odd name\t#%?'\"\u{e4}"), "odd").unwrap();
    fs::write(root.join("n".repeat(180)), "long").unwrap();
    symlink("/etc/passwd", root.join("out")).unwrap();
    symlink("one", root.join("in")).unwrap();
    let mode = |path: &str, mode| {
        fs::set_permissions(root.join(path), PermissionsExt::from_mode(mode)).unwrap();
    };
    mode("one", 0o640);
    mode("sub", 0o700);
}

/// Each thing below a folder of the first container: name, mode, owner, links, where it leads.
const LISTED: &str = "find . | sort | while IFS= read -r f; do stat -c '%N %a %u:%g' \"$f\"; done; \
    cat one sub/odd* src/one 2>/dev/null; true";

#[test]
fn what_is_copied_in_is_as_docker_compose_copies_it() {
    let stack = one("cp-in");
    fill(&stack.sandbox.path().join("src"));
    for (number, (line, succeeds)) in [
        ("cp src app:/t/folder", true),
        ("cp src/. app:/t/folder", true),
        ("cp src app:/t/new", true),
        ("cp src/. app:/t/new", true),
        ("cp src/one app:/t/new", true),
        ("cp src/one app:/t/new/", false),
        ("cp src/one app:/t/file", true),
        ("cp src app:/t/file", false),
        ("cp src/out app:/t/folder", true),
        ("cp -L src/in app:/t/folder", true),
        ("cp src/in/ app:/t/folder", false),
        ("cp src app:/t/link", true),
        ("cp src app:/t/a/b", false),
        ("cp src/none app:/t", false),
        ("cp -a src t:/t", false),
        ("cp -a src app:t/folder", true),
    ]
    .into_iter()
    .enumerate()
    {
        let mut seen = Vec::new();
        for by_larder in [true, false] {
            in_first(
                &stack,
                "rm -rf /t; mkdir -p /t/folder; echo f > /t/file; ln -s folder /t/link",
            );
            if by_larder {
                let output = stack.sandbox.run(line);
                let shown = stack.sandbox.shown(&output);
                assert_eq!(output.status.success(), succeeds, "{line}: {shown}");
            } else if succeeds {
                stack.compose(line);
            }
            seen.push(in_first(&stack, &format!("cd /t; {LISTED}")));
        }
        if succeeds {
            assert_eq!(seen[0], seen[1], "{number}: {line}");
        } else {
            assert_eq!(seen[0].lines().count(), 4, "{line}: {}", seen[0]);
        }
    }
}

#[test]
fn what_is_copied_out_is_as_docker_compose_copies_it() {
    let stack = one("cp-out");
    in_first(
        &stack,
        "mkdir -p /t/src/sub/empty; cd /t/src; echo one > one; ln one two; ln -s /etc/passwd out; ln -s one in; \
         echo odd > 'sub/odd #%?'; touch \"$(printf 'b\\377d')\"; chmod 640 one; chmod 555 sub; ln -s src /t/link; \
         touch -d '2020-01-02 03:04:05' one",
    );
    for (line, succeeds) in [
        ("cp app:/t/src folder", true),
        ("cp app:/t/src/. folder", true),
        ("cp app:t/src new", true),
        ("cp app:/t/src/. new", true),
        ("cp app:/t/src/one new", true),
        ("cp app:/t/src/one new/", false),
        ("cp app:/t/src/one file", true),
        ("cp app:/t/src file", false),
        ("cp app:/t/src/out folder", true),
        ("cp -L app:/t/src/in folder", true),
        ("cp app:/t/link folder", true),
        ("cp -L app:/t/link folder", true),
        ("cp app:/t/link/ folder", true),
        ("cp app:/t/src link", true),
        ("cp app:/t/src/one linked-file", true),
        ("cp app:/t/src a/b", false),
        ("cp app:/t/none folder", false),
        ("cp app:/t/src/one/ folder", false),
    ] {
        let mut seen = Vec::new();
        for by_larder in [true, false] {
            let here = stack.sandbox.path().join("t");
            let script = "chmod -R u+rwx t 2>/dev/null; rm -rf t; mkdir -p t/folder; echo f > t/file; \
                ln -s folder t/link; ln -s file t/linked-file";
            let listing = "cd t; find . -printf '%p %y %m %n %l\\n' | sort; find . -type f -printf '%p %Ts\\n' | \
                grep -v file | sort; cat file";
            let sh = |script: &str| {
                let mut command = stack.sandbox.command("sh");
                let output = command.args(["-c", script]).output().unwrap();
                String::from_utf8_lossy(&output.stdout).into_owned()
            };
            sh(script);
            let mut command = if by_larder {
                stack.sandbox.command(env!("CARGO_BIN_EXE_larder"))
            } else {
                let mut docker = stack.sandbox.command("docker");
                docker.env("HOME", std::env::var("HOME").unwrap_or_default());
                docker.arg("compose");
                docker
            };
            let file = stack.sandbox.path().join("compose.yaml");
            let command = command.arg("-f").arg(file).args(line.split(' '));
            let output = command.current_dir(here).output().unwrap();
            let shown = stack.sandbox.shown(&output);
            assert_eq!(output.status.success(), succeeds, "{line}: {shown}");
            seen.push(sh(listing));
        }
        assert_eq!(seen[0], seen[1], "{line}");
    }
}

#[test]
fn all_replicas_are_written_to_or_the_one_of_a_number() {
    let stack = stack("cp-index");
    stack.sandbox.write("a", "a");
    let has = |number: u32, path: &str| {
        let name = format!("{}-app-{number}", stack.name);
        let mut command = stack.sandbox.command("docker");
        let command = command.args(["exec", &name, "test", "-e", path]);
        command.status().unwrap().success()
    };
    stack.larder("cp a app:/all");
    assert!(has(1, "/all") && has(2, "/all"));
    stack.larder("cp --index 2 a app:/second");
    assert!(!has(1, "/second") && has(2, "/second"));
    stack.larder("cp --index 2 app:/second b");
    let shown = stack.sandbox.show("cp app:/second c");
    assert!(
        shown.starts_with("exit 1\n") && shown.contains("`/second` is not there"),
        "{shown}"
    );
    // What is stopped has files, too.
    stack.larder("stop");
    stack.larder("cp app:/all c");
    assert!(stack.sandbox.path().join("c").exists());
}

#[test]
fn an_archive_goes_through_standard_streams() {
    let stack = stack("cp-tar");
    fill(&stack.sandbox.path().join("src"));
    let mut archive = tar::Builder::new(Vec::new());
    archive
        .append_dir_all("new", stack.sandbox.path().join("src/sub"))
        .unwrap();
    let archive = archive.into_inner().unwrap();
    let mut command = stack.sandbox.command(env!("CARGO_BIN_EXE_larder"));
    let command = command.args(["cp", "--index", "1", "-", "app:/tmp"]);
    let command = command.stdin(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(&archive).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(in_first(&stack, "cat /tmp/new/odd*"), "odd");
    let output = stack.sandbox.run("cp app:/tmp/new -");
    let mut back = tar::Archive::new(output.stdout.as_slice());
    let entries = back.entries().unwrap();
    let names: Vec<String> = entries
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    assert!(names.contains(&"new/empty/".to_owned()), "{names:?}");
    let shown = stack.sandbox.show("cp - app:/tmp");
    assert!(shown.contains("`--index N` says which"), "{shown}");
}

#[test]
fn what_is_neither_file_folder_nor_link_stays_where_it_is() {
    let stack = stack("cp-special");
    in_first(
        &stack,
        "mkdir /t; mkfifo /t/pipe; mknod /t/dev c 1 3; echo x > /t/run; chmod 4755 /t/run",
    );
    let shown = stack.sandbox.show("cp app:/t here");
    for left in ["here/pipe", "here/dev"] {
        let warning =
            format!("warning: `{left}` is neither file, folder nor link, and is left out");
        assert!(
            shown.starts_with("exit 0\n") && shown.contains(&warning),
            "{shown}"
        );
    }
    let here = stack.sandbox.path().join("here");
    assert_eq!(fs::read_dir(&here).unwrap().count(), 1);
    let mode = fs::metadata(here.join("run")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
    let shown = stack.sandbox.show("cp app:/t/run /dev/null");
    assert!(shown.starts_with("exit 2\n"), "{shown}");
}

#[test]
fn what_cannot_be_copied_is_told_before_anything_is() {
    let stack = Stack::new("cp-refused", COMPOSE);
    for (line, error) in [
        ("cp a b", "neither side of the copy names a service"),
        ("cp app:/a app:/b", "both sides of the copy name a service"),
        ("cp app: b", "`app:` names no path in the container"),
        ("cp other:/a b", "no service is named `other`"),
    ] {
        let shown = stack.sandbox.show(line);
        assert!(
            shown.starts_with("exit 2\n") && shown.contains(error),
            "{line}: {shown}"
        );
        assert!(shown.contains("hint: "), "{shown}");
    }
    let shown = stack.sandbox.show("cp compose.yaml app:/a");
    assert!(shown.contains("service `app` has no container"), "{shown}");
}
