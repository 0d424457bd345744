//! `larder kill`: a signal to the processes of containers, all at once.

use clap::Args;
use std::time::Instant;

use super::invocation::Invocation;
use super::stack;
use super::turn::{at_once, tell_off};
use crate::failure::Failure;
use crate::plan::{Action, Container};
use crate::runtime::Engine;

/// `larder kill`.
#[derive(Args, Debug)]
pub struct Kill {
    /// The services; all of them when none is named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// The signal, by name or number
    #[arg(short, long, value_name = "SIGNAL", default_value = "SIGKILL", value_parser = signal)]
    pub signal: String,
    /// Containers of services that no Compose file defines get it, too; they stay
    #[arg(long)]
    pub remove_orphans: bool,
}

/// Signals of Linux that have a name; realtime ones go by number, or from `RTMIN` and `RTMAX`.
const SIGNALS: &[&str] = &[
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL",
    "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP",
    "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
];

/// A signal as the engine takes it: told here, so that it is not half of the containers that get one.
fn signal(text: &str) -> Result<String, String> {
    if let Ok(number) = text.parse::<u8>() {
        let known = (1..=64).contains(&number);
        return known
            .then(|| number.to_string())
            .ok_or_else(|| "signals have the numbers 1 to 64".to_owned());
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if SIGNALS.contains(&name) || name.starts_with("RTM") {
        return Ok(format!("SIG{name}"));
    }
    Err("no signal has that name".to_owned())
}

pub(super) async fn kill(invocation: &Invocation, args: &Kill) -> Result<(), Failure> {
    let begun = Instant::now();
    let named = invocation.named()?;
    let engine = invocation.engine().await?;
    let observed = engine.observe(&named.name).await?;
    // Those that `run` made are meant, too, as with docker compose.
    stack::of_services(&observed.containers, &args.services, &named.services())?;
    let meant = |container: &&Container| {
        let service = &container.service;
        container.state.is_running()
            && (args.services.is_empty() || args.services.contains(service))
            && (args.remove_orphans || !args.services.is_empty() || named.is_on(service))
    };
    let meant: Vec<&Container> = observed.containers.iter().filter(meant).collect();
    let running = |own: &Container| own.state.is_running();
    let all = (observed.containers.as_slice(), meant.as_slice());
    tell_off(invocation, &named, &args.services, all, "kill", running);
    if meant.is_empty() {
        return invocation.note("nothing to kill");
    }
    let act = |container| Action::Kill {
        container,
        signal: args.signal.clone(),
    };
    at_once(invocation, &engine, &named, &meant, act).await?;
    let how = if args.signal == "SIGKILL" || args.signal == "9" {
        "killed".to_owned()
    } else {
        format!("sent {}", args.signal)
    };
    invocation.total(meant.len(), "container", &how, begun)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_a_name_or_a_number() {
        for (typed, taken) in [
            ("SIGKILL", "SIGKILL"),
            ("hup", "SIGHUP"),
            ("9", "9"),
            ("SIGRTMIN+3", "SIGRTMIN+3"),
        ] {
            assert_eq!(signal(typed).as_deref(), Ok(taken));
        }
        for typed in ["", "0", "65", "FOO", "SIG", "-1"] {
            assert!(signal(typed).is_err(), "{typed}");
        }
    }
}
