//! The real binary, its whole output: exit code, standard output, standard error.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

#[path = "cli/asked.rs"]
mod asked;
#[path = "cli/attributes.rs"]
mod attributes;
#[path = "cli/bad_input.rs"]
mod bad_input;
#[path = "cli/behaviour.rs"]
mod behaviour;
#[path = "cli/build_section.rs"]
mod build_section;
#[path = "cli/chained.rs"]
mod chained;
#[path = "cli/completion.rs"]
mod completion;
#[path = "cli/config.rs"]
mod config;
#[path = "cli/cp.rs"]
mod cp;
#[path = "cli/delivery.rs"]
mod delivery;
#[path = "cli/doctor.rs"]
mod doctor;
#[path = "cli/down.rs"]
mod down;
#[path = "cli/end_to_end.rs"]
mod end_to_end;
#[path = "cli/event_schema.rs"]
mod event_schema;
#[path = "cli/export.rs"]
mod export;
#[path = "cli/gc.rs"]
mod gc;
#[path = "cli/hostile.rs"]
mod hostile;
#[path = "cli/images.rs"]
mod images;
#[path = "cli/init.rs"]
mod init;
#[path = "cli/interop.rs"]
mod interop;
#[path = "cli/interrupts.rs"]
mod interrupts;
#[path = "cli/lists.rs"]
mod lists;
#[path = "cli/lock.rs"]
mod lock;
#[path = "cli/logs.rs"]
mod logs;
#[path = "cli/look.rs"]
mod look;
#[path = "cli/output.rs"]
mod output;
#[path = "cli/portable.rs"]
mod portable;
#[path = "cli/ports.rs"]
mod ports;
#[path = "cli/recovery.rs"]
mod recovery;
#[path = "cli/registry.rs"]
mod registry;
#[path = "cli/run.rs"]
mod run;
#[path = "cli/sandbox.rs"]
mod sandbox;
#[path = "cli/screen.rs"]
mod screen;
#[path = "cli/secrets.rs"]
mod secrets;
#[path = "cli/shadowed.rs"]
mod shadowed;
#[path = "cli/stack.rs"]
mod stack;
#[path = "cli/turns.rs"]
mod turns;
#[path = "cli/until_end.rs"]
mod until_end;
#[path = "cli/usage.rs"]
mod usage;
#[path = "cli/why.rs"]
mod why;
