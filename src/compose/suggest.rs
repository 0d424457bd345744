//! The known name nearest to a mistyped one, also among the files of a folder.

use std::cmp::Reverse;
use std::path::Path;

/// The name with the fewest edits between it and `typed`, when they are few for its length. Of several one that has the
/// same letters in another order, then one that begins as it does.
pub(crate) fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (typed.chars().count() / 3).max(1);
    let typed = typed.to_lowercase();
    let is_begun = |name: &str| !typed.is_empty() && name.starts_with(&typed);
    known
        .filter(|name| name.len().abs_diff(typed.len()) <= limit || is_begun(name))
        .map(|name| (edits(&typed, &name.to_lowercase()), name))
        .filter(|(edits, name)| *edits <= limit || is_begun(name))
        .min_by_key(|(edits, name)| {
            let lower = name.to_lowercase();
            let is_other = sorted(&lower) != sorted(&typed);
            (*edits, is_other, Reverse(in_common(&lower, &typed)), *name)
        })
        .map(|(_, name)| name)
}

fn sorted(text: &str) -> Vec<char> {
    let mut letters: Vec<_> = text.chars().collect();
    letters.sort_unstable();
    letters
}

/// How many letters two texts begin with alike.
fn in_common(a: &str, b: &str) -> usize {
    let pairs = a.chars().zip(b.chars());
    pairs.take_while(|(a, b)| a == b).count()
}

/// For a path at which nothing is: what is in its folder and may have been meant, as a hint. Of a path whose
/// folders are missing, too, the first missing one. `fits` says what may stand at the path itself.
pub(crate) fn nearby(path: &Path, fits: impl Fn(&Path) -> bool) -> Option<String> {
    let folder = path.ancestors().skip(1).find(|folder| folder.is_dir())?;
    let missing = path.strip_prefix(folder).ok()?.components().next()?;
    let missing = missing.as_os_str().to_str()?;
    let is_last = folder.join(missing) == path;
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let names: Vec<String> = entries
        .filter(|entry| {
            let path = entry.path();
            if is_last { fits(&path) } else { path.is_dir() }
        })
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    let near = nearest(missing, names.iter().map(String::as_str))?;
    Some(format!("did you mean `{near}`?"))
}

/// Levenshtein's distance with neighbours swapped as one edit.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = change.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_name_and_a_stranger_none() {
        let known = ["image", "build", "environment", "ports", "depends_on"];
        let near = |typed| nearest(typed, known.into_iter());
        assert_eq!(near("imgae"), Some("image"));
        assert_eq!(near("enviroment"), Some("environment"));
        assert_eq!(near("port"), Some("ports"));
        assert_eq!(near("depends-on"), Some("depends_on"));
        assert_eq!(near("env"), Some("environment"));
        assert_eq!(near("kubernetes"), None);
    }

    #[test]
    fn of_names_that_are_as_near_the_likelier_one_is_meant() {
        let near = |typed, known: [&'static str; 3]| nearest(typed, known.into_iter());
        assert_eq!(near("wbe", ["abe", "wbx", "web"]), Some("web"));
        assert_eq!(near("dv", ["db", "ab", "cv"]), Some("db"));
        assert_eq!(
            near("cache3", ["cache1", "cache2", "ache3"]),
            Some("cache1")
        );
        assert_eq!(near("API", ["spi", "api", "app"]), Some("api"));
        assert_eq!(near("", ["a", "b", "long"]), Some("a"));
    }
}
