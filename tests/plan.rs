//! What `decide` makes of a project and an engine: whole printed plans, as `larder plan` shows them.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

#[path = "plan/adoption.rs"]
mod adoption;
#[path = "plan/asked.rs"]
mod asked;
#[path = "plan/containers.rs"]
mod containers;
#[path = "plan/guests.rs"]
mod guests;
#[path = "plan/images.rs"]
mod images;
#[path = "plan/jobs.rs"]
mod jobs;
#[path = "plan/offers.rs"]
mod offers;
#[path = "plan/one_off.rs"]
mod one_off;
#[path = "plan/ports.rs"]
mod ports;
#[path = "plan/pulls.rs"]
mod pulls;
#[path = "plan/scene.rs"]
mod scene;
#[path = "plan/stand_in.rs"]
mod stand_in;
#[path = "plan/taken_ports.rs"]
mod taken_ports;
