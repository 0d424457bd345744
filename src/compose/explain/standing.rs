//! Who of those that say something at a path has a say: what is merged, what takes the place of another, what is removed.

use super::source::{Role, Source};

/// One that says something.
pub(super) struct Event {
    pub(super) source: Source,
    pub(super) does: Does,
    /// Whether it is of the project's own files, and not of an included one.
    pub(super) is_own: bool,
}

/// What it does to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    /// Takes their place.
    Replaces,
    /// Is merged with them.
    Merges,
    /// Says nothing of its own.
    Nothing,
    /// Removes them.
    Removes,
    /// Had no effect already in its own file.
    Lost,
}

/// The sources, the last word first. `events` have it last.
pub(super) fn ranked(events: Vec<Event>) -> Vec<Source> {
    let says = |event: &Event| matches!(event.does, Does::Replaces | Does::Merges);
    let is_said = events.iter().any(says);
    // Whether weaker ones still count: those of the project's files, and those of included ones.
    let (mut own, mut included) = (true, true);
    let mut standing = 0;
    let mut sources = Vec::new();
    for event in events.into_iter().rev() {
        let open = if event.is_own { own } else { included };
        let role = match event.does {
            Does::Nothing if is_said => continue,
            Does::Removes if !open => continue,
            Does::Removes => {
                included = false;
                own &= !event.is_own;
                Role::Removes
            }
            Does::Lost => Role::Overridden,
            _ if !open => Role::Overridden,
            Does::Replaces | Does::Merges | Does::Nothing => {
                standing += 1;
                if event.does == Does::Replaces {
                    (own, included) = (false, false);
                }
                if standing == 1 {
                    Role::Says
                } else {
                    Role::Adds
                }
            }
        };
        sources.push(Source {
            role,
            ..event.source
        });
    }
    sources
}

/// What has a say.
pub(super) fn stands(source: &Source) -> bool {
    matches!(source.role, Role::Says | Role::Adds)
}

/// Adds those that are merged below all that stand, the last word first.
pub(super) fn add_below(sources: &mut Vec<Source>, weaker: Vec<Source>) {
    let end = sources.iter().rposition(stands).map_or(0, |last| last + 1);
    let weaker = weaker.into_iter().enumerate();
    let weaker = weaker.map(|(number, source)| Source {
        role: if end + number == 0 {
            Role::Says
        } else {
            Role::Adds
        },
        ..source
    });
    sources.splice(end..end, weaker);
}

/// Puts those that have the last word in front of the others, which so are overridden.
pub(super) fn put_above(sources: &mut Vec<Source>, stronger: Vec<Source>) {
    if stronger.is_empty() {
        return;
    }
    for source in sources.iter_mut().filter(|source| stands(source)) {
        source.role = Role::Overridden;
    }
    let stronger = stronger.into_iter().enumerate();
    let stronger = stronger.map(|(number, source)| Source {
        role: if number == 0 {
            Role::Says
        } else {
            Role::Overridden
        },
        ..source
    });
    sources.splice(0..0, stronger);
}
