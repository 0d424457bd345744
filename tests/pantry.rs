//! Images in a registry: pushed by one, pulled by another, believed as far as the project says, and never waited for where the
//! registry stumbles. With a real engine and a real registry, which `scripts/setup registry` starts.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot set itself up fails, and says aloud what it did not do"
)]

#[path = "pantry/bundle.rs"]
mod bundle;
#[path = "pantry/credentials.rs"]
mod credentials;
#[path = "pantry/engine.rs"]
mod engine;
#[path = "pantry/front.rs"]
mod front;
#[path = "pantry/http.rs"]
mod http;
#[path = "pantry/prewarm.rs"]
mod prewarm;
#[path = "pantry/pushes.rs"]
mod pushes;
#[allow(dead_code, reason = "shared with the tests of the command line")]
#[path = "cli/sandbox.rs"]
mod sandbox;
#[path = "pantry/second.rs"]
mod second;
#[path = "pantry/shop.rs"]
mod shop;
#[allow(dead_code, reason = "shared with the tests of the command line")]
#[path = "cli/stack.rs"]
mod stack;
#[path = "pantry/stumbles.rs"]
mod stumbles;
#[path = "pantry/trust.rs"]
mod trust;
#[path = "pantry/why.rs"]
mod why;
