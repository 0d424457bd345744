//! Lines of several containers, interleaved: a prefix as wide as the longest name, one colour per name.

use owo_colors::{AnsiColors, OwoColorize};

use super::Screen;
use super::text::visible;

/// The colours of prefixes; red stays with errors.
const COLOURS: [AnsiColors; 10] = [
    AnsiColors::Cyan,
    AnsiColors::Yellow,
    AnsiColors::Green,
    AnsiColors::Magenta,
    AnsiColors::Blue,
    AnsiColors::BrightCyan,
    AnsiColors::BrightYellow,
    AnsiColors::BrightGreen,
    AnsiColors::BrightMagenta,
    AnsiColors::BrightBlue,
];

/// Prints lines of containers.
pub struct LogLines<'a> {
    screen: &'a Screen,
    prefixes: Vec<String>,
}

impl<'a> LogLines<'a> {
    /// For containers of these names, in an order that stays the same from run to run.
    pub fn new(screen: &'a Screen, names: &[String]) -> Self {
        let width = names.iter().map(|name| name.chars().count()).max();
        let width = width.unwrap_or(0);
        let colours = COLOURS.iter().cycle();
        let prefixes = names
            .iter()
            .zip(colours)
            .map(|(name, colour)| format!("{name:width$} |").color(*colour).to_string())
            .collect();
        Self { screen, prefixes }
    }

    /// Prints one line of the container with this number in the list of names. Nobody reads any more when
    /// it answers false.
    pub fn print(&self, container: usize, line: &str) -> bool {
        let prefix = self.prefixes.get(container).map_or("", String::as_str);
        self.screen.out(&format!("{prefix} {}\n", visible(line)));
        !self.screen.is_deaf()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_of_one_width() {
        let screen = Screen::new(&crate::settings::Environment::new());
        let lines = LogLines::new(&screen, &["api-1".to_owned(), "database-1".to_owned()]);
        let plain: Vec<String> = lines
            .prefixes
            .iter()
            .map(|prefix| anstream::adapter::strip_str(prefix).to_string())
            .collect();
        assert_eq!(plain, ["api-1      |", "database-1 |"]);
        assert_ne!(lines.prefixes[0].get(..5), lines.prefixes[1].get(..5));
    }
}
