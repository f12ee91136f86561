//! What recordings are called: as much of their paths as tells them apart.

/// What stands between folders.
const SEPARATORS: [char; 2] = ['/', '\\'];

/// What was told of each of several recordings, with the recording's name: its path without the folders
/// that all of them lie in.
pub(crate) fn named<T>(told: &[T], path: fn(&T) -> &str) -> impl Iterator<Item = (&T, &str)> {
    let shared = told.iter().map(path).reduce(shared_folders).map_or(0, folders);
    told.iter().map(move |it| (it, &path(it)[shared..]))
}

/// The folders that both paths lie in, which may be no more than a part of the first.
fn shared_folders<'a>(path: &'a str, other: &str) -> &'a str {
    let pairs = path.bytes().zip(other.bytes());
    let same = pairs.take_while(|(one, other)| one == other).count();
    let behind = path.as_bytes()[..same].iter().rposition(|&byte| is_separator(byte));
    &path[..behind.map_or(0, |at| at + 1)]
}

/// How much of a path are its folders.
pub(crate) fn folders(path: &str) -> usize {
    path.rfind(SEPARATORS).map_or(0, |at| at + 1)
}

fn is_separator(byte: u8) -> bool {
    SEPARATORS.contains(&char::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_are_told_apart_by_what_differs_in_their_paths() {
        let names = |paths: &[&str]| -> Vec<String> {
            let paths: Vec<String> = paths.iter().map(|&path| path.to_owned()).collect();
            named(&paths, |path| path).map(|(_, name)| name.to_owned()).collect()
        };
        let (one, other) = ("/runs/rank0/oom.pickle", "/runs/rank1/oom.pickle");
        assert_eq!(names(&[one]), ["oom.pickle"]);
        assert_eq!(names(&[one, one]), ["oom.pickle", "oom.pickle"]);
        assert_eq!(names(&[one, other]), ["rank0/oom.pickle", "rank1/oom.pickle"]);
        assert_eq!(names(&[one, other, "/runs/a.pickle"])[1..], ["rank1/oom.pickle", "a.pickle"]);
        assert_eq!(names(&["/runs/a.pickle", "/runs/b.pickle"]), ["a.pickle", "b.pickle"]);
        assert_eq!(names(&["a.pickle", "sub/a.pickle"]), ["a.pickle", "sub/a.pickle"]);
        assert_eq!(names(&["runs\\a.pickle"]), ["a.pickle"]);
        assert!(names(&[]).is_empty());
    }
}
