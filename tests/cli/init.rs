//! `larder init`: which template is taken, what is written, and that nothing is written over; services that are built from a
//! template that nobody wrote.

use std::fs;
use std::process::Stdio;

use insta::assert_snapshot;

use crate::sandbox::Sandbox;
use crate::stack::Stack;

fn read(sandbox: &Sandbox, path: &str) -> String {
    fs::read_to_string(sandbox.path().join(path)).unwrap()
}

#[test]
fn services_without_a_dockerfile_get_one() {
    let compose = "\
services:
  api: {build: ./api, ports: ['8000:5000']}
  web: {build: {context: web, dockerfile: Dockerfile.dev}}
  old: {build: old}
  db: {image: postgres}
";
    let sandbox = Sandbox::with(compose)
        .file("api/requirements.txt", "fastapi\n-r more/base.txt\n")
        .file("api/more/base.txt", "uvicorn\n")
        .file(
            "api/main.py",
            "from fastapi import FastAPI\n\napp = FastAPI()\n",
        )
        .file(
            "web/package.json",
            r#"{"scripts": {"start": "next start", "build": "next build"}}"#,
        )
        .file("web/yarn.lock", "")
        .file("old/Dockerfile", "FROM scratch\n");
    assert_snapshot!(sandbox.show("init"), @"
    exit 0
    --- stdout
    api: api/Dockerfile written from template python-pip, as requirements.txt is there
    api: api/.dockerignore written
    api: starts `uvicorn main:app --host 0.0.0.0 --port 5000`, as `main.py` has FastAPI()
    web: web/Dockerfile.dev written from template node-yarn, as yarn.lock is there
    web: web/.dockerignore written
    web: starts `yarn start`, as `package.json` has a script `start`
    ");
    assert_snapshot!(read(&sandbox, "api/Dockerfile"), @r#"
    # From larder's template `python-pip`, and yours from here on: it is built as any other Dockerfile.
    #
    # A package that has no wheel for this Python needs a compiler: `RUN apt-get update && apt-get install -y build-essential` in
    # front of `pip install`. Another Python: the build argument PYTHON_VERSION.

    ARG PYTHON_VERSION=3.13
    FROM python:${PYTHON_VERSION}-slim
    ENV PYTHONUNBUFFERED=1
    WORKDIR /app
    RUN useradd --create-home --uid 10001 app && chown app /app

    # Dependencies: built again only when the files named here change.
    COPY requirements.txt ./
    COPY more/base.txt ./more/
    RUN --mount=type=cache,target=/root/.cache/pip pip install -r requirements.txt

    # Source.
    COPY --chown=app . .
    USER app
    EXPOSE 5000
    CMD ["uvicorn", "main:app", "--host", "0.0.0.0", "--port", "5000"]
    "#);
    assert_snapshot!(read(&sandbox, "web/Dockerfile.dev"), @r#"
    # From larder's template `node-yarn`, and yours from here on: it is built as any other Dockerfile.
    #
    # Another Node.js: the build argument NODE_VERSION. A program that does not listen for SIGTERM ends at once with `init: true` in the
    # Compose file.

    ARG NODE_VERSION=24
    FROM node:${NODE_VERSION}-slim
    WORKDIR /app
    RUN chown node /app

    # Dependencies: built again only when the files named here change.
    COPY package.json yarn.lock ./
    RUN --mount=type=cache,target=/usr/local/share/.cache/yarn yarn install --frozen-lockfile

    # Source.
    COPY --chown=node . .
    RUN yarn run build
    ENV NODE_ENV=production PORT=3000
    USER node
    EXPOSE 3000
    CMD ["yarn", "start"]
    "#);
    assert_eq!(read(&sandbox, "old/Dockerfile"), "FROM scratch\n");
    assert_snapshot!(sandbox.show("init"), @"
    exit 0
    --- stdout
    every service that is built here has a Dockerfile or a template
    ");
}

#[test]
fn nothing_is_written_over() {
    let compose = "services: {a: {build: a}, b: {build: b}}\n";
    let sandbox = Sandbox::with(compose)
        .file("a/go.mod", "module a\n")
        .file("a/.dockerignore", "mine\n")
        .file("b/index.html", "")
        .file("b/dockerfile", "FROM mine\n");
    assert_snapshot!(sandbox.show("init a b"), @"
    exit 2
    --- stderr
    error: `[hub]/b/dockerfile` is there: larder writes over no file
    hint: remove it, or give it another name, to have one written
    ");
    assert!(
        !sandbox.path().join("a/Dockerfile").exists(),
        "nothing was changed"
    );
    assert_snapshot!(sandbox.show("init"), @"
    exit 0
    --- stdout
    a: a/Dockerfile written from template go, as go.mod is there
    a: a/.dockerignore is there, and stays as it is
    a: nothing says what is to be started: edit CMD in a/Dockerfile
    ");
    assert_eq!(read(&sandbox, "a/.dockerignore"), "mine\n");
    assert_eq!(read(&sandbox, "b/dockerfile"), "FROM mine\n");
    assert!(!sandbox.path().join("b/.dockerignore").exists());
    // A link that leads nowhere would be written through.
    fs::create_dir(sandbox.path().join("c")).unwrap();
    sandbox.write("c/index.html", "");
    std::os::unix::fs::symlink("../elsewhere", sandbox.path().join("c/Dockerfile")).unwrap();
    assert_eq!(sandbox.run("init ./c").status.code(), Some(2));
    assert!(!sandbox.path().join("elsewhere").exists());
}

#[test]
fn of_several_at_once_one_writes() {
    let sandbox = Sandbox::new().file("index.html", "");
    let each = (0..8).map(|_| {
        let mut command = sandbox.command(env!("CARGO_BIN_EXE_larder"));
        command
            .arg("init")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    });
    let each: Vec<_> = each.collect();
    let ended = each.into_iter().map(|own| own.wait_with_output().unwrap());
    let mut codes: Vec<_> = ended.map(|output| output.status.code().unwrap()).collect();
    codes.sort_unstable();
    assert_eq!(codes, [0, 2, 2, 2, 2, 2, 2, 2]);
    let names = fs::read_dir(sandbox.path()).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".dockerignore", "Dockerfile", "index.html"]);
    assert!(read(&sandbox, "Dockerfile").ends_with("EXPOSE 8080\n"));
}

#[test]
fn a_folder_needs_no_compose_file() {
    let sandbox = Sandbox::new()
        .file("api/pyproject.toml", "[project]\nname = \"api\"\n")
        .file("api/package.json", "{}");
    assert_snapshot!(sandbox.show("init ./api"), @"
    exit 2
    --- stderr
    error: more than one template fits `[hub]/api`: `python` for `pyproject.toml`, `node` for `package.json`
    hint: `--template python` or `--template node` says which is meant
    ");
    assert_snapshot!(sandbox.show("init --template python api"), @"
    exit 0
    --- stdout
    api: api/Dockerfile written from template python-pip, as pyproject.toml is there
    api: api/.dockerignore written
    api: nothing says what is to be started: edit CMD in api/Dockerfile
    ");
    let text = read(&sandbox, "api/Dockerfile");
    let end = "# EDIT: nothing in this folder says what is to be started.\nCMD [\"python\", \"main.py\"]\n";
    assert!(text.ends_with(end), "{text}");
    let compose = sandbox.file("compose.yaml", "services: {db: {image: postgres}}\n");
    assert_snapshot!(compose.show("init other"), @"
    exit 2
    --- stderr
    error: `other` is neither a service nor a folder
    hint: services here: `db`
    ");
}

#[test]
fn what_has_no_template_is_told() {
    let compose = "\
services:
  c: {build: c}
  db: {image: postgres}
  inline: {build: {dockerfile_inline: FROM scratch}}
  far: {build: https://example.com/x.git}
  many: {build: many}
  odd: {build: odd}
";
    let sandbox = Sandbox::with(compose)
        .file("c/main.c", "")
        .file("many/Cargo.toml", "[workspace]\nmembers = [\"a\"]\n")
        .file("odd/package.json", "{\"scripts\": ");
    assert_snapshot!(sandbox.show("init c"), @"
    exit 2
    --- stderr
    error: no template fits `[hub]/c`
    hint: looked for `uv.lock`, `poetry.lock`, `requirements.txt`, `pyproject.toml`, `pnpm-lock.yaml`, `yarn.lock`, `package-lock.json`, `npm-shrinkwrap.json`, `package.json`, `go.mod`, `Cargo.toml`, `pom.xml`, `build.gradle`, `build.gradle.kts`, `Gemfile`, `composer.json`, `index.html`, `public/index.html`, `dist/index.html`, `site/index.html`
    hint: `--template NAME` says which template is meant: python, python-pip, python-uv, python-poetry, node, node-npm, node-pnpm, node-yarn, go, rust, java, java-maven, java-gradle, ruby, php, static
    ");
    assert_snapshot!(sandbox.show("init --template go c"), @"
    exit 2
    --- stderr
    error: template `go` needs `go.mod`, which `[hub]/c` does not have
    ");
    assert_snapshot!(sandbox.show("init db"), @"
    exit 2
    --- stderr
    error: service `db` is not built: it names an image
      at compose.yaml:3:8
    hint: `build: ./db` says which folder it is built from
    ");
    assert_snapshot!(sandbox.show("init inline"), @"
    exit 2
    --- stderr
    error: service `inline` has its Dockerfile in the Compose file
      at compose.yaml:4:12
    hint: take `dockerfile_inline` out to have a file
    ");
    assert_snapshot!(sandbox.show("init far"), @"
    exit 2
    --- stderr
    error: service `far` is built from what is not on this machine
      at compose.yaml:5:9
    hint: clone it, and name the folder as `context`
    ");
    assert_snapshot!(sandbox.show("init many"), @"
    exit 2
    --- stderr
    error: template `rust` is for a single package, and `[hub]/many/Cargo.toml` is that of a workspace
    hint: write the Dockerfile by hand: larder reads any
    ");
    assert_snapshot!(sandbox.show("init odd"), @"
    exit 2
    --- stderr
    error: `[hub]/odd/package.json` cannot be understood
    caused by: EOF while parsing a value at line 1 column 12
    ");
    assert_eq!(
        sandbox.run("init --template cobol c").status.code(),
        Some(2)
    );
}

#[test]
fn jobs_are_written_at_the_root_of_the_repository() {
    let sandbox = Sandbox::new()
        .file(".git/HEAD", "")
        .file("deploy/compose.yaml", "services: {}\n");
    let show = |line: &str| {
        let mut command = sandbox.command(env!("CARGO_BIN_EXE_larder"));
        command.current_dir(sandbox.path().join("deploy"));
        sandbox.shown(&command.args(line.split(' ')).output().unwrap())
    };
    assert_snapshot!(show("init ci github"), @"
    exit 0
    --- stdout
    [hub]/.github/workflows/larder.yml written: what is to be set stands at its beginning
    ");
    assert_snapshot!(show("init ci gitlab"), @"
    exit 0
    --- stdout
    [hub]/.gitlab/larder.yml written: what is to be set stands at its beginning
    `.gitlab-ci.yml` has to include it: `include: [{local: .gitlab/larder.yml}]`
    ");
    assert_snapshot!(show("init ci gitlab"), @"
    exit 2
    --- stderr
    error: `[hub]/.gitlab/larder.yml` is there: larder writes over no file
    hint: remove it, or give it another name, to have one written
    ");
    let odd = Sandbox::new().file(".git/HEAD", "").file("a$b/x", "");
    let mut command = odd.command(env!("CARGO_BIN_EXE_larder"));
    command
        .current_dir(odd.path().join("a$b"))
        .args(["init", "ci", "github"]);
    assert_snapshot!(odd.shown(&command.output().unwrap()), @"
    exit 2
    --- stderr
    error: no job is written for the folder `a$b`
    hint: quotation marks, `\\`, `$` and backticks mean something else in it
    ");
    for path in [".github/workflows/larder.yml", ".gitlab/larder.yml"] {
        let text = read(&sandbox, path);
        let _: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        assert!(
            text.contains("deploy") && text.contains("larder prewarm")
                || text.contains("/larder\" prewarm"),
            "{text}"
        );
        assert!(
            !text.contains("@FOLDER@") && !text.contains("@VERSION@"),
            "{text}"
        );
    }
}

#[test]
fn a_template_in_the_compose_file_is_checked_with_its_line() {
    let of = |service: &str| {
        let sandbox = Sandbox::with(&format!("services:\n  a: {{{service}}}\n"));
        sandbox.show("config -q")
    };
    assert_snapshot!(of("build: ., x-larder: {template: cobol}"), @"
    exit 2
    --- stderr
    error: `services.a.x-larder.template`: `cobol` is not one of `python`, `python-pip`, `python-uv`, `python-poetry`, `node`, `node-npm`, `node-pnpm`, `node-yarn`, `go`, `rust`, `java`, `java-maven`, `java-gradle`, `ruby`, `php`, `static`
      at compose.yaml:2:28
    ");
    let refused = [
        of("image: redis, x-larder: {template: go}"),
        of("build: {dockerfile_inline: FROM a}, x-larder: {template: go}"),
        of("build: {context: ., dockerfile: x}, x-larder: {template: go}"),
        of("build: https://example.com/x.git, x-larder: {template: go}"),
    ];
    assert_snapshot!(refused.join(""), @"
    exit 2
    --- stderr
    error: service `a` cannot be built from template `go`: it has no `build`
      at compose.yaml:2:32
    exit 2
    --- stderr
    error: service `a` cannot be built from template `go`: it has a `dockerfile_inline`
      at compose.yaml:2:54
    exit 2
    --- stderr
    error: service `a` cannot be built from template `go`: it has a `dockerfile`
      at compose.yaml:2:54
    exit 2
    --- stderr
    error: service `a` cannot be built from template `go`: its context is not on this machine
      at compose.yaml:2:52
    ");
}

const TEMPLATED: &str = "\
services:
  api:
    build: {context: api, args: {PYTHON_VERSION: '3.11'}, labels: {dev.larder.test: NAME}}
    x-larder: {template: python}
";

/// A stack whose service is built from a template.
fn templated(test: &str) -> Stack {
    let stack = Stack::new(test, "services: {}\n");
    let sandbox = &stack.sandbox;
    sandbox.write("compose.yaml", &TEMPLATED.replace("NAME", &stack.name));
    sandbox.write("api/requirements.txt", "# none\n");
    sandbox.write(
        "api/main.py",
        "import time\nprint(\"up\", flush=True)\ntime.sleep(99)\n",
    );
    sandbox.write("api/venv/large", "not sent");
    stack
}

#[test]
fn a_service_is_built_from_a_template_that_nobody_wrote() {
    let stack = templated("template");
    let plan = stack.sandbox.show("plan -v api");
    let (_, chain) = plan.split_once("api  fingerprint").unwrap();
    let lines = chain.lines().skip(1).take(10);
    // Without keys.
    let lines = lines.map(|line| {
        line.split("  ")
            .filter(|part| !part.trim().is_empty())
            .skip(2)
            .collect::<Vec<_>>()
            .join("  ")
    });
    assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @r#"
    FROM python:${PYTHON_VERSION}-slim
    ENV PYTHONUNBUFFERED=1
    WORKDIR /app
    RUN useradd --create-home --uid 10001 app && chown app /app
    COPY requirements.txt ./  [requirements.txt]
    RUN --mount=type=cache,target=/root/.cache/pip pip install -r requirements.txt
    ── the dependencies end here ──
    COPY --chown=app . .  [main.py, requirements.txt]
    USER app
    STOPSIGNAL SIGINT
    "#);
    stack.larder("--builder docker up");
    assert!(stack.larder("logs api").contains("up"));
    let unchanged = stack.larder("why api");
    assert!(unchanged.starts_with("nothing changed"), "{unchanged}");
    stack.sandbox.write(
        "api/main.py",
        "import time\nprint(\"edited\", flush=True)\ntime.sleep(99)\n",
    );
    let why = stack.sandbox.show("why api");
    assert!(why.contains("COPY --chown=app . ."), "{why}");
    let plan = stack.larder("plan");
    assert!(plan.starts_with("api  resume"), "{plan}");
    stack.larder("--builder docker up");
    assert!(stack.larder("logs api").contains("edited"));
    let config = stack.larder("config");
    assert!(
        config.contains("x-larder:\n      template: python\n"),
        "{config}"
    );
    // The same image when the file is written.
    let before = stack.larder("fingerprint");
    let told = stack.larder("init api");
    assert!(
        told.contains("takes the place of `template:` at compose.yaml:4:16: take that out"),
        "{told}"
    );
    assert_snapshot!(stack.sandbox.show("plan"), @"
    exit 2
    --- stderr
    error: service `api` is built from template `python`, and `[hub]/api/Dockerfile` is there, too
      at compose.yaml:4:16
    hint: one of the two has to go: without `template` the file is built
    ");
    let compose =
        read(&stack.sandbox, "compose.yaml").replace("    x-larder: {template: python}\n", "");
    stack.sandbox.write("compose.yaml", &compose);
    assert_eq!(stack.larder("fingerprint"), before);
}

#[test]
fn the_folders_own_ignore_file_goes_before_that_of_a_template() {
    let stack = templated("templateignore");
    stack.sandbox.write("api/.dockerignore", "*.txt\n");
    assert_snapshot!(stack.sandbox.show("plan"), @"
    exit 2
    --- stderr
    error: the build context of service `api` has no `requirements.txt` for COPY in line 13 of `template python-pip`
      at compose.yaml:4:16
    hint: `.dockerignore` leaves it out: line 1, `*.txt`; a line `!requirements.txt` behind that one takes it in again
    ");
    fs::remove_file(stack.sandbox.path().join("api/requirements.txt")).unwrap();
    assert_snapshot!(stack.sandbox.show("plan"), @"
    exit 2
    --- stderr
    error: service `api` cannot be built from its template
      at compose.yaml:4:16
    caused by: template `python` needs `requirements.txt` or `pyproject.toml`, which `[hub]/api` does not have
    ");
}
