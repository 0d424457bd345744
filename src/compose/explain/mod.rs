//! Where a value of the model, or a variable, comes from: `config --explain`. `subject` what is asked for · `reading` the
//! files once more, each for itself: what each of them says of it (`search` in one `document`, `spot` the place of it,
//! `item` of a list, `rule` how two files merge) · `standing` who of them has a say · `origin` variables and env files ·
//! `answer` all of it together, as `source` has it.

mod answer;
mod document;
mod item;
mod origin;
mod reading;
mod rule;
mod search;
mod source;
mod spot;
mod standing;
mod subject;
#[cfg(test)]
mod tests;

pub use answer::explain;
pub use source::{Explanation, Kind, Role, Source, Used};
