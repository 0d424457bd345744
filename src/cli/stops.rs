//! Stops that the engine goes on with although whoever asked for them is gone: what is to be up is looked at behind them.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;

use super::invocation::Invocation;
use crate::docker::{Docker, Sent};
use crate::failure::Failure;
use crate::plan::Container;
use crate::term::Waiting;

/// Waits for those of containers that are being stopped, as they were sent signals.
///
/// # Errors
/// There were some: all is to be looked at anew.
pub(super) async fn wait_for_stops(
    invocation: &Invocation,
    engine: &Docker,
    containers: impl IntoIterator<Item = &Container>,
    sent: &[Sent],
) -> Result<(), Failure> {
    let stopping = engine.stopping(containers, sent).await?;
    if stopping.is_empty() {
        return Ok(());
    }
    let doing = doing(stopping.iter().map(|own| own.service.as_str()));
    let shown = Waiting::show(invocation.progress(), &invocation.screen, &doing);
    invocation.tell_program(&doing);
    try_join_all(stopping.iter().map(|own| engine.stopped(own, sent))).await?;
    drop(shown);
    Err(Failure::Waited)
}

fn doing<'a>(services: impl Iterator<Item = &'a str>) -> String {
    let services: BTreeSet<&str> = services.collect();
    let named: Vec<&str> = services.into_iter().collect();
    let are = if named.len() == 1 { "is" } else { "are" };
    format!("waiting: {} {are} being stopped", named.join(", "))
}
