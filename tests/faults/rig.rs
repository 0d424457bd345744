//! A stack with something of everything, larder run on it through a proxy, and what must hold of it afterwards.

use std::collections::BTreeSet;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::proxy::{Proxy, Rule};
use crate::stack::{Stack, docker};

/// No run may take longer, whatever is done to it, unless a test says so.
pub(crate) const LONGEST: Duration = Duration::from_secs(100);

/// Whether all is tried, or what is quick.
pub(crate) fn thorough() -> bool {
    std::env::var("FAULTS").is_ok_and(|value| value == "all")
}

/// A network, a volume, an anonymous one, a config, a job, and services that wait for each other's health.
pub(crate) fn compose(what: &str) -> String {
    compose_of(what, 1)
}

/// The same with so many of `api`.
pub(crate) fn compose_of(what: &str, apis: u32) -> String {
    format!(
        "services:
  db:
    image: busybox:stable
    command: [sh, -c, 'for f in /data /scratch; do [ -e $$f/born ] || cat /proc/sys/kernel/random/uuid > $$f/born; done; touch /go; exec sleep 1000']
    stop_signal: SIGKILL
    environment: {{WHAT: '{what}'}}
    volumes: ['data:/data', /scratch]
    configs: [settings]
    healthcheck: {{test: [CMD, test, -e, /go], interval: 30s}}
  job:
    image: busybox:stable
    command: ['true']
    depends_on: {{db: {{condition: service_healthy}}}}
  api:
    image: busybox:stable
    command: [sleep, '1000']
    stop_signal: SIGKILL
    environment: {{WHAT: '{what}'}}
    scale: {apis}
    depends_on: {{db: {{condition: service_healthy}}, job: {{condition: service_completed_successfully}}}}
configs: {{settings: {{content: some}}}}
volumes: {{data: }}
"
    )
}

/// One project of that kind.
pub(crate) struct Rig {
    pub(crate) stack: Stack,
    runs: AtomicUsize,
    /// Anonymous volumes that containers of the project had.
    volumes: Mutex<BTreeSet<String>>,
    /// Those that may stay: `down` leaves them, as docker compose does.
    abandoned: Mutex<BTreeSet<String>>,
}

impl Rig {
    pub(crate) fn new(test: &str) -> Self {
        Self::with(test, &compose("0"))
    }

    pub(crate) fn with(test: &str, compose: &str) -> Self {
        Self {
            stack: Stack::new(&format!("f-{test}"), compose),
            runs: AtomicUsize::new(0),
            volumes: Mutex::default(),
            abandoned: Mutex::default(),
        }
    }

    pub(crate) fn edit(&self, what: &str) {
        self.stack.sandbox.write("compose.yaml", &compose(what));
    }

    /// Runs larder through a proxy with a rule; what it gave, and the proxy.
    pub(crate) fn through(&self, line: &str, rule: Option<&Rule>) -> (Output, Proxy) {
        let number = self.runs.fetch_add(1, Ordering::SeqCst);
        let socket = format!("proxy-{number}.sock");
        let socket = self.stack.sandbox.path().parent().unwrap().join(socket);
        let proxy = Proxy::start(socket, rule.cloned());
        let mut command = self.command(line);
        command.env("DOCKER_HOST", proxy.address());
        let child = command.spawn().unwrap();
        proxy.aim(child.id());
        let output = ended(child, LONGEST, &format!("{line} with {rule:?}"));
        self.note_volumes();
        (output, proxy)
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = self.stack.sandbox.command(env!("CARGO_BIN_EXE_larder"));
        command.args(line.split_whitespace());
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// What a run gave, for a message.
    pub(crate) fn shown(&self, output: &Output) -> String {
        self.stack.sandbox.shown(output)
    }

    /// A plain `up`, after which all must be as if nothing had happened, and another one has nothing to do.
    pub(crate) fn repair(&self, what: &str, after: &str) {
        let output = self.stack.sandbox.run("up");
        let shown = self.shown(&output);
        assert!(output.status.success(), "{after}\n{shown}");
        self.note_volumes();
        self.holds(what, &format!("{after}\n{shown}"));
        let again = self.stack.sandbox.run("up");
        let said = self.shown(&again);
        assert!(
            said.contains("services up to date"),
            "{after}: {shown}\n{said}"
        );
    }

    /// What must hold of the whole project when it is up.
    pub(crate) fn holds(&self, what: &str, after: &str) {
        self.holds_of(what, 1, after);
    }

    /// The same with so many of `api`.
    pub(crate) fn holds_of(&self, what: &str, apis: u32, after: &str) {
        let name = &self.stack.name;
        let found = self.inspected();
        let mut names: Vec<&str> = found.iter().map(|own| text(&own["Name"])).collect();
        names.sort_unstable();
        let wanted = (1..=apis).map(|number| format!("/{name}-api-{number}"));
        let others = ["db", "job"].map(|service| format!("/{name}-{service}-1"));
        let wanted: Vec<String> = wanted.chain(others).collect();
        assert_eq!(names, wanted, "{after}");
        for own in &found {
            let labels = &own["Config"]["Labels"];
            let service = text(&labels["com.docker.compose.service"]);
            let state = &own["State"];
            if service == "job" {
                assert_eq!(state["ExitCode"], 0, "{after}");
                assert_ne!(state["StartedAt"], "0001-01-01T00:00:00Z", "{after}");
                continue;
            }
            assert_eq!(state["Running"], true, "{service}: {after}");
            let variables = own["Config"]["Env"].to_string();
            assert!(
                variables.contains(&format!("\"WHAT={what}\"")),
                "{service} has {variables}: {after}"
            );
        }
        let listed = |kind| {
            let label = format!("label=com.docker.compose.project={name}");
            let format = "--format={{.Name}}";
            docker(&[kind, "ls", format, "--filter", &label])
        };
        assert_eq!(listed("network"), format!("{name}_default\n"), "{after}");
        assert_eq!(listed("volume"), format!("{name}_data\n"), "{after}");
        assert_eq!(
            self.stack.larder("exec -T db cat /settings"),
            "some",
            "{after}"
        );
        self.left_over(after);
    }

    /// The containers, as the engine inspects them.
    pub(crate) fn inspected(&self) -> Vec<Value> {
        let label = format!("label=com.docker.compose.project={}", self.stack.name);
        let ids = docker(&["ps", "-aq", "--filter", &label]);
        let ids: Vec<&str> = ids.lines().collect();
        if ids.is_empty() {
            return Vec::new();
        }
        // One may go while others are looked at.
        let output = Command::new("docker").arg("inspect").args(&ids).output();
        serde_json::from_slice(&output.unwrap().stdout).unwrap()
    }

    /// What the services wrote into their volumes at their first start.
    pub(crate) fn born(&self) -> String {
        self.stack.larder("exec -T db cat /data/born /scratch/born")
    }

    /// Remembers the volumes that containers have now.
    pub(crate) fn note_volumes(&self) {
        let mut volumes = self.volumes.lock().unwrap();
        volumes.extend(self.inspected().iter().flat_map(mounted));
    }

    /// Lets the anonymous volumes stay that there were so far.
    pub(crate) fn abandon_volumes(&self) {
        let volumes = std::mem::take(&mut *self.volumes.lock().unwrap());
        self.abandoned.lock().unwrap().extend(volumes);
    }

    /// No anonymous volume is left that nobody has.
    fn left_over(&self, after: &str) {
        let found = self.inspected();
        let used: BTreeSet<String> = found.iter().flat_map(mounted).collect();
        let all = docker(&["volume", "ls", "-q"]);
        let all: BTreeSet<&str> = all.lines().collect();
        let volumes = self.volumes.lock().unwrap();
        let left: Vec<&String> = volumes
            .iter()
            .filter(|own| !used.contains(*own) && all.contains(own.as_str()))
            .collect();
        assert!(left.is_empty(), "{left:?} is left: {after}");
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // The test may have failed while it had one of them.
        for volumes in [&self.volumes, &self.abandoned] {
            let volumes = volumes.lock().unwrap_or_else(PoisonError::into_inner);
            if !volumes.is_empty() {
                let mut command = Command::new("docker");
                let _ = command.args(["volume", "rm"]).args(&*volumes).output();
            }
        }
    }
}

fn mounted(container: &Value) -> Vec<String> {
    let mounts = container["Mounts"].as_array().unwrap().iter();
    let names = mounts.filter_map(|mount| mount["Name"].as_str());
    // A named one is looked at by its name.
    let names = names.filter(|name| name.len() == 64);
    names.map(ToOwned::to_owned).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Waits for the end of a process, which must come in time.
pub(crate) fn ended(mut child: Child, limit: Duration, what: &str) -> Output {
    let begun = Instant::now();
    // What it prints is little; a full pipe would hold it up.
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > limit {
            let _ = child.kill();
            let output = child.wait_with_output().unwrap();
            panic!("{what} does not end: {output:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

/// Does a number of things with a few rigs at a time, each rig for itself.
pub(crate) fn spread<T: Sync>(test: &str, things: &[T], work: impl Fn(&Rig, usize, &T) + Sync) {
    const AT_ONCE: usize = 3;
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for worker in 0..AT_ONCE.min(things.len()) {
            let (next, work) = (&next, &work);
            scope.spawn(move || {
                let rig = Rig::new(&format!("{test}{worker}"));
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    let Some(thing) = things.get(number) else {
                        return;
                    };
                    work(&rig, number, thing);
                }
            });
        }
    });
}
