//! The calls to the engine, as `-v -v` shows them: their paths, and nothing of what is sent or answered, which has the
//! environment, the build arguments and the secrets of services in it.

use std::sync::Arc;

use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::Screen;
use super::warnings::Text;

/// Tells the calls whose addresses are traced.
pub(super) struct Calls(pub(super) Arc<Screen>);

impl<S: Subscriber> Layer<S> for Calls {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        if let Some(path) = path(&text.0) {
            self.0.err(&format!("engine: {path}\n"));
        }
    }
}

/// The path of a call's address, `unix://2f766172/containers/json?all=true`; `None` for any other message, as a body.
fn path(message: &str) -> Option<&str> {
    let (scheme, rest) = message.split_once("://")?;
    let is_scheme = ["unix", "http", "https", "npipe"].contains(&scheme);
    let path = &rest[rest.find('/').filter(|_| is_scheme)?..];
    let path = path.split('?').next()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-.:%".contains(&byte);
    path.bytes().all(plain).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_path_of_an_address_is_told() {
        let address = "unix://2f766172/containers/json?all=true&buildargs=secret";
        assert_eq!(path(address), Some("/containers/json"));
        for body in [
            r#"{"Env":["URL=http://a/b"]}"#,
            "Decoded into string: http://a/b",
            "",
            "http://a/b c",
        ] {
            assert_eq!(path(body), None, "{body}");
        }
    }
}
