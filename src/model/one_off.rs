//! A container that is run once, beside those of its service: what `larder run` asks for and no Compose file can say.

/// What is different about such a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a wish of its own")]
pub struct OneOff {
    /// What tells it from all others: 64 hex digits.
    pub slug: String,
    /// Whether somebody's input goes to it; it ends with that of the first who is attached.
    pub interactive: bool,
    /// Whether the engine removes it when it ends.
    pub remove: bool,
    /// Whether it is found under the names that the service's own containers have in their networks.
    pub aliases: bool,
    /// Whether its ports were typed, and are in no file.
    pub typed_ports: bool,
}

impl OneOff {
    /// The name that such a container gets, where none is given (docker/compose `pkg/compose/run.go`).
    pub fn name(&self, project: &str, service: &str) -> String {
        let slug = self.slug.get(..12).unwrap_or(&self.slug);
        format!("{project}-{service}-run-{slug}")
    }
}
