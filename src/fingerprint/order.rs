//! Items found folder by folder, large folders part by part, brought into the order of their paths. Pure.

use std::cmp::Ordering;

use super::walk::{Item, Kind};

/// What was looked at of one folder, or a part of it, in the order of names.
pub(super) struct Part {
    folder: Vec<u8>,
    items: Vec<Item>,
    /// Where in `items` something stands that what is in a folder comes before; the end. None are known yet of joined parts.
    cuts: Vec<usize>,
}

impl Part {
    pub(super) fn new(folder: Vec<u8>, items: Vec<Item>) -> Self {
        let mut cuts = Vec::new();
        for (at, item) in items.iter().enumerate() {
            if matches!(item.kind, Kind::Directory) {
                // `d-e` comes before `d/f`.
                let before = |other: &Item| match other.path.strip_prefix(&item.path[..]) {
                    Some([next, ..]) => *next < b'/',
                    _ => false,
                };
                cuts.push(at + 1 + items[at + 1..].partition_point(before));
            }
        }
        cuts.push(items.len());
        cuts.sort_unstable();
        cuts.dedup();
        Self {
            folder,
            items,
            cuts,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.items.len()
    }
}

/// All items, each path once: a system may list a name twice that moves meanwhile.
pub(super) fn in_order(parts: Vec<Part>) -> Vec<Item> {
    let folders = whole(parts);
    // Between two cuts of a folder nothing from elsewhere has its place.
    let mut runs = Vec::new();
    for (number, folder) in folders.iter().enumerate() {
        let mut start = 0;
        for &end in &folder.cuts {
            if start < end {
                runs.push((folder.items[start].path.clone(), number, end - start));
            }
            start = end;
        }
    }
    runs.sort_unstable();
    let mut ordered = Vec::with_capacity(runs.iter().map(|(_, _, length)| length).sum());
    let items = folders.into_iter().map(|folder| folder.items.into_iter());
    let mut items: Vec<_> = items.collect();
    for (_, number, length) in runs {
        ordered.extend(items[number].by_ref().take(length));
    }
    ordered
}

/// Parts of folders as whole ones.
fn whole(mut parts: Vec<Part>) -> Vec<Part> {
    parts.sort_by(|a, b| a.folder.cmp(&b.folder));
    let mut folders: Vec<Part> = Vec::with_capacity(parts.len());
    for mut part in parts {
        match folders.last_mut() {
            Some(last) if last.folder == part.folder => {
                last.items.append(&mut part.items);
                last.cuts.clear();
            }
            _ => folders.push(part),
        }
    }
    let joined = folders.iter_mut().filter(|folder| folder.cuts.is_empty());
    for folder in joined {
        let mut items = std::mem::take(&mut folder.items);
        // A stable sort merges what is in order already.
        items.sort_by(by_path);
        items.dedup_by(|a, b| a.path == b.path);
        *folder = Part::new(std::mem::take(&mut folder.folder), items);
    }
    folders
}

pub(super) fn by_path(one: &Item, other: &Item) -> Ordering {
    one.path.cmp(&other.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(folder: &str, name: &str) -> Item {
        let path = if folder.is_empty() {
            name.to_owned()
        } else {
            format!("{folder}/{name}")
        };
        Item {
            path: path.into(),
            mode: 0o755,
            kind: Kind::Directory,
            provisional: false,
        }
    }

    #[test]
    fn what_is_in_a_folder_stands_behind_it_and_behind_names_that_go_on_with_less_than_a_slash() {
        let names = [
            "!", "d", "d!", "d!e", "d-", "d-e", "d-e.f", "d.", "d0", "de", "e",
        ];
        let folders = ["", "d", "d!", "d-e", "d/d", "d/d-", "d0", "e"];
        let mut expected: Vec<Vec<u8>> = Vec::new();
        let mut parts = Vec::new();
        for (number, folder) in folders.iter().enumerate() {
            let own = names.iter().skip(number % 3).step_by(1 + number % 2);
            let items: Vec<Item> = own.map(|name| item(folder, name)).collect();
            expected.extend(items.iter().map(|item| item.path.clone()));
            // One in two parts, one seen twice.
            let part = |items: &[Item]| Part::new((*folder).into(), items.to_vec());
            match number {
                1 => parts.extend([part(&items[3..]), part(&items[..3])]),
                2 => parts.extend([part(&items), part(&items[1..])]),
                _ => parts.push(part(&items)),
            }
        }
        expected.sort();
        for turn in 0..parts.len() {
            let mut parts: Vec<Part> = parts
                .iter()
                .map(|part| Part::new(part.folder.clone(), part.items.clone()))
                .collect();
            parts.rotate_left(turn);
            let paths: Vec<Vec<u8>> = in_order(parts).into_iter().map(|item| item.path).collect();
            assert_eq!(paths, expected);
        }
    }
}
