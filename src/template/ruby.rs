//! Ruby: what bundler installs from, and how Rails and Rack applications start.

use super::error::Error;
use super::facts::{Facts, Start, copies, version};
use super::folder::Folder;

/// The Ruby of a project that says none.
const VERSION: &str = "3.4";
const PORT: u16 = 3000;

pub(super) fn facts(here: Folder<'_>, port: Option<u16>) -> Result<Facts, Error> {
    let port = port.unwrap_or(PORT);
    let locked = here.has("Gemfile.lock");
    let mut facts = Facts::new();
    facts
        .set(
            "copies",
            copies(&here.those(&["Gemfile", "Gemfile.lock", ".ruby-version"])),
        )
        .mark("unlocked", !locked)
        .set("frozen", if locked { "BUNDLE_FROZEN=true " } else { "" })
        .set("version", version(here, &[".ruby-version"], VERSION))
        .set("port", port.to_string())
        .start(start(here, &here.text("Gemfile")?, port));
    Ok(facts)
}

fn start(here: Folder<'_>, gems: &str, port: u16) -> Start {
    let digits = port.to_string();
    if here.has("config/application.rb") {
        return Start::of(
            &[
                "bundle", "exec", "rails", "server", "-b", "0.0.0.0", "-p", &digits,
            ],
            "`config/application.rb` is there",
        );
    }
    if here.has("config.ru") {
        let has_puma = gems.lines().any(|line| {
            let line = line.trim();
            line.starts_with("gem \"puma\"") || line.starts_with("gem 'puma'")
        });
        let bind = format!("tcp://0.0.0.0:{port}");
        let command: &[&str] = if has_puma {
            &["bundle", "exec", "puma", "--bind", &bind]
        } else {
            &[
                "bundle", "exec", "rackup", "--host", "0.0.0.0", "--port", &digits,
            ]
        };
        return Start::of(command, "`config.ru` is there");
    }
    match here.first(&["app.rb", "main.rb", "server.rb"]) {
        Some(file) => Start::of(
            &["bundle", "exec", "ruby", file],
            format!("`{file}` is there"),
        ),
        None => Start::guess(&["bundle", "exec", "ruby", "app.rb"]),
    }
}
