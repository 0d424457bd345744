//! A text value of a TOML file, as far as manifests that people write go: `key = "value"` on a line of its own, under its section.

/// The value of `key` under `[section]`, or each one under `[[section]]`.
pub(super) fn values<'a>(text: &'a str, section: &str, key: &str) -> Vec<&'a str> {
    let mut inside = section.is_empty();
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            let name = line.split('#').next().unwrap_or_default().trim();
            inside = name.trim_matches(['[', ']']).trim() == section;
        } else if inside && let Some((name, value)) = line.split_once('=') {
            let value = value.trim();
            let quote = value.chars().next().filter(|own| matches!(own, '"' | '\''));
            if name.trim() == key
                && let Some(quote) = quote
                && let Some((value, _)) = value[1..].split_once(quote)
            {
                found.push(value);
            }
        }
    }
    found
}

/// Whether `[section]` says something of `key`.
pub(super) fn has_key(text: &str, section: &str, key: &str) -> bool {
    let mut inside = false;
    text.lines().map(str::trim).any(|line| {
        if line.starts_with('[') {
            inside = line.trim_matches(['[', ']']).trim() == section;
        }
        let name = line.split_once('=').map_or("", |(name, _)| name.trim());
        inside && name == key
    })
}

/// Whether there is such a section, or one below it.
pub(super) fn has_section(text: &str, section: &str) -> bool {
    text.lines().any(|line| {
        let name = line.trim().trim_matches(['[', ']']).trim();
        let below = name.strip_prefix(section);
        line.trim_start().starts_with('[')
            && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_under_their_section() {
        let text = "[package]\nname = \"a\" # own\n[[bin]]\nname='b'\n[[bin]]\nname = \"c\"\n[x.y]\nname = 3\n";
        assert_eq!(values(text, "package", "name"), ["a"]);
        assert_eq!(values(text, "bin", "name"), ["b", "c"]);
        assert_eq!(values(text, "x.y", "name"), Vec::<&str>::new());
        assert!(has_section(text, "x") && has_section(text, "bin"));
        assert!(has_key(text, "x.y", "name") && !has_key(text, "x", "name"));
        assert!(!has_section(text, "name") && !has_section(text, "pack"));
    }
}
