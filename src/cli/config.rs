//! `larder config`: the resolved Compose model.

use super::args::{Config, Document};
use super::invocation::Invocation;
use crate::failure::Failure;

pub(super) fn config(invocation: &Invocation, args: &Config) -> Result<(), Failure> {
    let project = invocation.load(&[])?;
    invocation.warn(&project);
    if args.quiet {
        return Ok(());
    }
    let text = match args.format {
        Document::Yaml => project.to_yaml().map_err(|error| Failure::Print {
            format: "YAML",
            source: error.into(),
        })?,
        Document::Json => project.to_json().map_err(|error| Failure::Print {
            format: "JSON",
            source: error.into(),
        })?,
    };
    // A document is written as it is: its bytes are the model's.
    invocation.screen.raw_out(text.as_bytes());
    Ok(())
}
