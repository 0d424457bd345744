//! What goes wrong while larder works: it is killed, the engine hangs, breaks off or ends, others are quicker. Afterwards a
//! plain `up` must leave what a run without faults leaves.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot set itself up fails, and says aloud what it did not do"
)]

#[path = "faults/builds.rs"]
mod builds;
#[path = "faults/concurrent.rs"]
mod concurrent;
#[path = "faults/crash.rs"]
mod crash;
#[path = "faults/endpoints.rs"]
mod endpoints;
#[path = "faults/engine.rs"]
mod engine;
#[path = "faults/model.rs"]
mod model;
#[path = "faults/proxy.rs"]
mod proxy;
#[path = "faults/registry.rs"]
mod registry;
#[path = "faults/rig.rs"]
mod rig;
#[allow(dead_code, reason = "shared with the tests of the command line")]
#[path = "cli/sandbox.rs"]
mod sandbox;
#[path = "faults/signals.rs"]
mod signals;
#[allow(dead_code, reason = "shared with the tests of the command line")]
#[path = "cli/stack.rs"]
mod stack;
