//! The `larder` command: parse, start tokio, run, return the exit code.

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use larder::cli;
use larder::failure::{self, Kind};
use tokio::runtime::Builder;

fn main() -> ExitCode {
    let cli = cli::parse();
    panic::set_hook(Box::new(|info| {
        failure::panicked(&info.to_string());
    }));
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let ended = panic::catch_unwind(AssertUnwindSafe(|| {
        // On one thread: an engine tells what it has to tell in many small pieces, and to hand each on to another thread takes
        // longer than to read it. What computes or reads files has threads of its own.
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return failure::panicked(&format!("no event loop: {error}")),
        };
        let code = runtime.block_on(cli::run(cli, environment));
        // A thread that reads a terminal can be waited for forever.
        runtime.shutdown_background();
        code
    }));
    ExitCode::from(ended.unwrap_or(Kind::Bug.code()))
}
