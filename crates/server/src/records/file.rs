//! Lines at the end of a file. Whoever moves the file away finds the next lines in a new one under the old name: no signal is
//! needed to rotate it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::RecordsError;
use super::sink::Deliver;

pub(super) struct File {
    path: PathBuf,
    file: fs::File,
}

impl File {
    pub(super) fn open(path: &Path) -> Result<Self, RecordsError> {
        let file = append(path).map_err(|error| RecordsError::File { path: path.to_owned(), error })?;
        Ok(Self { path: path.to_owned(), file })
    }

    fn write(&mut self, lines: &[Arc<str>]) -> std::io::Result<()> {
        if !is_same(&self.file, &self.path) {
            self.file = append(&self.path)?;
        }
        let before = self.file.metadata()?.len();
        let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        // Half of them, as on a full disk, are taken back: all are written again.
        self.file.write_all(text.as_bytes()).inspect_err(|_| _ = self.file.set_len(before))
    }
}

impl Deliver for File {
    fn deliver(&mut self, lines: &[Arc<str>]) -> Result<(), String> {
        self.write(lines).map_err(|error| format!("{}: {error}", self.path.display()))
    }
}

fn append(path: &Path) -> std::io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    // Names and accounts are in it.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Whether `file` is what stands under `path`.
#[cfg(unix)]
fn is_same(file: &fs::File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    file.metadata().ok().map(id) == fs::metadata(path).ok().map(id)
}

#[cfg(not(unix))]
fn is_same(_file: &fs::File, _path: &Path) -> bool {
    true
}
