//! A run of minutes must not end in "permission denied": where its files go is tried before the run. A report appears
//! there complete or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`: {error}", path.display())]
pub struct OutputError {
    path: PathBuf,
    error: io::Error,
}

impl OutputError {
    pub(crate) fn new(path: &Path, error: io::Error) -> Self {
        Self { path: path.to_owned(), error }
    }
}

/// Tries whether a file can be written to `path`, without touching what is there.
///
/// # Errors
/// Says what stands against it.
pub fn check_output(path: &Path) -> Result<(), OutputError> {
    let check = || {
        if path.file_name().is_some_and(|name| name == "-") {
            return Err(io::Error::other(
                "the standard output has the table; name a file, or a pipe such as /dev/fd/3",
            ));
        }
        if is_special(path) {
            return fs::OpenOptions::new().append(true).open(path).map(drop);
        }
        let part = part(path)?;
        fs::File::create(&part)?;
        fs::remove_file(&part)
    };
    check().map_err(|error| OutputError::new(path, error))
}

/// Whether both name the same file.
pub(crate) fn is_same_file(a: &Path, b: &Path) -> bool {
    // Of a file that is not there yet, its folder is.
    let place = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        path.canonicalize().ok().or_else(|| Some(folder.canonicalize().ok()?.join(path.file_name()?)))
    };
    // Into a pipe or a terminal both can go.
    !is_special(a) && (a == b || place(a).is_some_and(|a| Some(a) == place(b)))
}

/// Writes `bytes` to `path` as a whole.
///
/// # Errors
/// When it cannot be written; what was there before is then still there.
pub fn write_output(path: &Path, bytes: &[u8]) -> Result<(), OutputError> {
    let write = || {
        if is_special(path) {
            return fs::OpenOptions::new().append(true).open(path)?.write_all(bytes);
        }
        let part = part(path)?;
        fs::write(&part, bytes)?;
        fs::rename(&part, path)
    };
    write().map_err(|error| OutputError::new(path, error))
}

/// Whether something is there that must not be replaced, such as a pipe or a terminal.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir())
}

/// Where the bytes are written before they are complete.
fn part(path: &Path) -> io::Result<PathBuf> {
    let is_folder = path.is_dir();
    let Some(name) = path.file_name().filter(|_| !is_folder) else {
        return Err(io::Error::other("that is a folder; name a file in it"));
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        return Err(io::Error::other(format!("there is no folder `{}`", folder.display())));
    }
    let mut part = name.to_owned();
    part.push(format!(".{}.part", std::process::id()));
    Ok(path.with_file_name(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_judged_before_the_run_and_left_as_it_was() {
        let folder = std::env::temp_dir().join(format!("downbeat-output-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder can be made");
        let file = folder.join("report.json");
        check_output(&file).expect("the folder can be written to");
        assert_eq!(fs::read_dir(&folder).expect("the folder is there").count(), 0, "trying leaves nothing behind");
        write_output(&file, b"1").expect("as tried");
        check_output(&file).expect("a file that is there can be replaced");
        assert_eq!(fs::read_to_string(&file).expect("written"), "1", "and trying did not");
        write_output(&file, b"2").expect("as tried");
        assert_eq!(fs::read_to_string(&file).expect("written"), "2");

        let refused = |path: &Path| check_output(path).expect_err("impossible").to_string();
        assert!(refused(&folder).contains("folder"));
        assert!(refused(&folder.join("no/report.json")).contains("there is no folder"));
        check_output(Path::new("/dev/null")).expect("devices are written to, not replaced");
        fs::remove_dir_all(&folder).expect("it is ours");
    }
}
