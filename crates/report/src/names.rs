//! What recordings are called: as much of their paths as tells them apart.

/// What stands between folders.
const SEPARATORS: [char; 2] = ['/', '\\'];

/// A path without the folders that all of these lie in, of which it is one.
pub(crate) fn name_among<'a>(path: &str, all: impl IntoIterator<Item = &'a str>) -> String {
    let folders = path.rfind(SEPARATORS).map_or(0, |at| at + 1);
    let shared = all.into_iter().map(|other| shared_folders(path, other)).min();
    path[shared.unwrap_or(folders).min(folders)..].to_owned()
}

/// What was told of each of several recordings, with the recording's name.
pub(crate) fn named<T>(told: &[T], path: fn(&T) -> &str) -> impl Iterator<Item = (&T, String)> {
    told.iter().map(move |it| (it, name_among(path(it), told.iter().map(path))))
}

/// How many bytes of both paths are the same folders.
fn shared_folders(path: &str, other: &str) -> usize {
    let same = path.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    path.as_bytes()[..same]
        .iter()
        .rposition(|byte| matches!(byte, b'/' | b'\\'))
        .map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_are_told_apart_by_what_differs_in_their_paths() {
        let names = |paths: &[&str]| -> Vec<String> {
            let paths: Vec<String> = paths.iter().map(|&path| path.to_owned()).collect();
            named(&paths, |path| path).map(|(_, name)| name).collect()
        };
        let (one, other) = ("/runs/rank0/oom.pickle", "/runs/rank1/oom.pickle");
        assert_eq!(names(&[one]), ["oom.pickle"]);
        assert_eq!(names(&[one, one]), ["oom.pickle", "oom.pickle"]);
        assert_eq!(names(&[one, other]), ["rank0/oom.pickle", "rank1/oom.pickle"]);
        assert_eq!(names(&["/runs/a.pickle", "/runs/b.pickle"]), ["a.pickle", "b.pickle"]);
        assert_eq!(names(&["a.pickle", "sub/a.pickle"]), ["a.pickle", "sub/a.pickle"]);
        assert_eq!(names(&["runs\\a.pickle"]), ["a.pickle"]);
    }
}
