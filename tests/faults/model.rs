//! Whatever is done to a project, in whatever order: after each `up` that ends well it is as its file says, with its data, and
//! nothing beside it was touched. Steps are drawn by chance from a seed: `CHAOS_SEED` and `CHAOS_STEPS`, as `make chaos` sets them.

use std::process::Command;

use crate::proxy::{Fault, Rule};
use crate::rig::{Rig, compose_of};
use crate::stack::docker;

/// Something that happens to the project.
#[derive(Clone, Copy, Debug)]
enum Happens {
    Edited,
    Scaled(u32),
    Up,
    /// `up`, killed behind so many calls that change something.
    KilledUp(usize),
    /// `up` with a reply that is not heard.
    DeafUp(usize),
    KilledDown(usize),
    Stopped,
    Started,
    Restarted,
    Down,
    /// By docker, behind larder's back.
    Removed(&'static str),
    StoppedByDocker(&'static str),
    ComposeUp,
}

/// A small generator (Marsaglia's xorshift): a seed says all.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn number(&mut self, limit: u64) -> usize {
        usize::try_from(self.below(limit)).unwrap()
    }

    fn happens(&mut self) -> Happens {
        let service = ["api", "db", "job"][self.number(3)];
        match self.below(16) {
            0 | 1 => Happens::Edited,
            2 => Happens::Scaled(1 + u32::try_from(self.below(3)).unwrap()),
            3..=5 => Happens::Up,
            6..=8 => Happens::KilledUp(self.number(14)),
            9 => Happens::DeafUp(self.number(14)),
            10 => Happens::KilledDown(self.number(8)),
            11 => [Happens::Stopped, Happens::Started, Happens::Restarted][self.number(3)],
            12 => Happens::Down,
            13 => Happens::Removed(service),
            14 => Happens::StoppedByDocker(service),
            _ => Happens::ComposeUp,
        }
    }
}

/// A project, what its file says, and somebody who has nothing to do with it.
struct World {
    rig: Rig,
    what: u32,
    apis: u32,
    /// What the database wrote at its first start.
    born: Option<String>,
    bystander: String,
    told: Vec<String>,
}

impl World {
    fn new(seed: u64) -> Self {
        let rig = Rig::new(&format!("model{seed}"));
        let bystander = format!("{}-bystander", rig.stack.name);
        docker(&["volume", "create", &bystander]);
        let mount = format!("{bystander}:/data");
        let run = [
            "run",
            "-d",
            "--name",
            &bystander,
            "-v",
            &mount,
            "busybox:stable",
        ];
        docker(&[&run[..], &["sleep", "1000"]].concat());
        Self {
            rig,
            what: 0,
            apis: 1,
            born: None,
            bystander,
            told: Vec::new(),
        }
    }

    fn write(&self) {
        let text = compose_of(&self.what.to_string(), self.apis);
        self.rig.stack.sandbox.write("compose.yaml", &text);
    }

    fn happen(&mut self, happens: Happens) {
        self.told.push(format!("{happens:?}"));
        let killed = |number, fault| {
            let path = String::new();
            Rule {
                method: "",
                path,
                number,
                fault,
            }
        };
        let mut up = false;
        match happens {
            Happens::Edited => self.what += 1,
            Happens::Scaled(apis) => self.apis = apis,
            Happens::Up => up = true,
            Happens::KilledUp(number) => {
                self.run("up", Some(&killed(number, Fault::KillAfter)));
            }
            Happens::DeafUp(number) => {
                let (code, shown) = self.run("up", Some(&killed(number, Fault::LostReply)));
                assert_eq!(code, Some(0), "{shown}: {:#?}", self.told);
                up = true;
            }
            Happens::KilledDown(number) => {
                self.run("down", Some(&killed(number, Fault::KillAfter)));
                self.rig.abandon_volumes();
            }
            Happens::Stopped => drop(self.run("stop", None)),
            Happens::Started => drop(self.run("start", None)),
            Happens::Restarted => drop(self.run("restart", None)),
            Happens::Down => {
                let (code, shown) = self.run("down", None);
                assert_eq!(code, Some(0), "{shown}: {:#?}", self.told);
                assert!(self.rig.inspected().is_empty(), "{shown}: {:#?}", self.told);
                self.rig.abandon_volumes();
            }
            Happens::Removed(service) => {
                let name = format!("{}-{service}-1", self.rig.stack.name);
                let _ = Command::new("docker").args(["rm", "-f", &name]).output();
                self.rig.abandon_volumes();
            }
            Happens::StoppedByDocker(service) => {
                let name = format!("{}-{service}-1", self.rig.stack.name);
                let _ = Command::new("docker")
                    .args(["stop", "-t", "0", &name])
                    .output();
            }
            Happens::ComposeUp => {
                let mut command = self.rig.stack.sandbox.command("docker");
                command.env("HOME", std::env::var("HOME").unwrap_or_default());
                let _ = command.args(["compose", "up", "-d"]).output();
                self.rig.abandon_volumes();
            }
        }
        self.write();
        if up {
            self.look();
        }
    }

    fn run(&self, line: &str, rule: Option<&Rule>) -> (Option<i32>, String) {
        let (output, _) = self.rig.through(line, rule);
        let shown = self.rig.shown(&output);
        assert!(!shown.contains("panicked"), "{shown}: {:#?}", self.told);
        (output.status.code(), shown)
    }

    /// An `up`, and all that must hold behind it.
    fn look(&mut self) {
        let (code, shown) = self.run("up", None);
        let after = format!("{shown}\n{:#?}", self.told);
        assert_eq!(code, Some(0), "{after}");
        self.rig.holds_of(&self.what.to_string(), self.apis, &after);
        let (_, again) = self.run("up", None);
        assert!(again.contains("up to date"), "{again}\n{after}");
        let born = self.rig.stack.larder("exec -T db cat /data/born");
        let before = self.born.get_or_insert_with(|| born.clone());
        assert_eq!(*before, born, "{after}");
        let format = "{{.State.Running}} {{.RestartCount}} {{.Name}}";
        let bystander = docker(&["inspect", "-f", format, &self.bystander]);
        assert_eq!(
            bystander,
            format!("true 0 /{}\n", self.bystander),
            "{after}"
        );
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for line in [
            ["rm", "-f", &self.bystander],
            ["volume", "rm", &self.bystander],
        ] {
            let _ = Command::new("docker").args(line).output();
        }
    }
}

fn setting(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.map_or(default, |value| value.parse().unwrap())
}

#[test]
fn whatever_happens_the_next_start_makes_it_whole() {
    let (seed, steps) = (setting("CHAOS_SEED", 1), setting("CHAOS_STEPS", 10));
    let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut world = World::new(seed);
    for _ in 0..steps {
        let happens = chance.happens();
        world.happen(happens);
    }
    world.look();
    // What it reached, for whoever tries a seed again.
    println!("seed {seed}: {:?}", world.told);
}
