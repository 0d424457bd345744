//! What a person sees, and where alone a terminal is known: streams and colour, messages, the progress of a
//! run in four modes, the report at its end, tables and logs.

mod amount;
mod board;
mod calls;
mod canvas;
mod chain;
mod checkup;
mod critical_path;
mod difference;
mod frame;
mod history;
mod json;
mod live;
mod log_lines;
mod message;
mod muted;
mod phrase;
mod plain;
mod progress;
mod report;
mod screen;
mod table;
mod text;
mod ticker;
mod waiting;
mod warnings;

pub use amount::{roughly, size};
pub use chain::{chain, chain_json};
pub use checkup::{Check, Health, checkup, checkup_json};
pub use difference::Difference;
pub use history::History;
pub use json::note as note_json;
pub use log_lines::{LogForm, LogLines, LogSource, LogText};
pub use message::{Message, near};
pub use muted::WithoutMuted;
pub use progress::Display;
pub use report::{Readout, Ready, total};
pub use screen::Screen;
pub use table::{columns, table};
pub use text::{duration, visible};
pub use waiting::Waiting;
