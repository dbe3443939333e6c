//! The folder a run writes: found writable before anything is simulated, and its files whole or
//! not there.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::NamedTempFile;

use super::Failure;

/// The files in the making, by their temporary names: a second Ctrl-C ends the program from another
/// thread, and has to remove them.
static IN_THE_MAKING: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn in_the_making() -> MutexGuard<'static, Vec<PathBuf>> {
    IN_THE_MAKING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes every file in the making, and keeps others from being begun: the program is about to
/// end.
pub(super) fn clear_away() {
    let files = in_the_making();
    for path in files.iter() {
        // It may be whole by now, and have its own name.
        let _ = fs::remove_file(path);
    }
    std::mem::forget(files);
}

/// Lists a file as one in the making, until this is dropped.
#[derive(Debug)]
struct Listed(PathBuf);

impl Drop for Listed {
    fn drop(&mut self) {
        in_the_making().retain(|path| *path != self.0);
    }
}

/// Begins a file in `folder`, and lists it as one in the making.
fn begin(folder: &Path) -> io::Result<(NamedTempFile, Listed)> {
    let mut files = in_the_making();
    let file = NamedTempFile::new_in(folder)?;
    files.push(file.path().to_owned());
    let listed = Listed(file.path().to_owned());
    Ok((file, listed))
}

/// The folder that a command writes by default: `parent`, and in it one named after what is read,
/// with every difference from that (a `--set`, a seed) behind it, so that a what-if has a folder of
/// its own.
pub(super) fn default_folder(
    parent: &Path,
    stem: String,
    differences: impl Iterator<Item = String>,
) -> PathBuf {
    let parts = std::iter::once(stem).chain(differences.map(|what| tame(&what)));
    parent.join(parts.collect::<Vec<_>>().join("--"))
}

/// A what-if as part of a folder's name: nothing in it that a file system or a shell minds, and
/// not too long. A checksum keeps names apart that were changed or cut.
fn tame(what: &str) -> String {
    const LONGEST: usize = 60;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._=-".contains(c);
    let tamed: String =
        what.chars().map(|c| if plain(c) { c } else { '_' }).take(LONGEST).collect();
    if tamed == what { tamed } else { format!("{tamed}-{:08x}", crc32fast::hash(what.as_bytes())) }
}

/// A folder that files can be written to.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder where it is missing, and finds out whether it can be written to.
    pub(super) fn open(path: PathBuf) -> Result<Folder, Failure> {
        let made = fs::create_dir_all(&path).and_then(|()| begin(&path));
        match made {
            Ok(_probe) => Ok(Folder { path }),
            Err(error) => {
                Err(in_the_way(&path).unwrap_or_else(|| refused("write to", &path, error)))
            }
        }
    }

    /// Writes the file `name`: under another name first, so that it appears whole or not at all.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        self.finished(name, bytes)?.publish()
    }

    /// Writes the file `name`, which appears when it is published: nothing that a disk may have no
    /// room for is left to do then.
    pub(super) fn finished(&self, name: &str, bytes: &[u8]) -> Result<Finished, Failure> {
        let mut draft = self.draft(name)?;
        let written = draft.write_all(bytes);
        written.map_err(|error| refused("write", &draft.path, error))?;
        draft.finish()
    }

    /// Whether there is a file `name` in it.
    pub(super) fn has(&self, name: &str) -> bool {
        self.path.join(name).exists()
    }

    /// Removes the file `name`, where there is one.
    pub(super) fn remove(&self, name: &str) -> Result<(), Failure> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(refused("remove", &path, error))
            }
            _ => Ok(()),
        }
    }

    /// Begins the file `name`, which appears when it is published, or not at all.
    pub(super) fn draft(&self, name: &str) -> Result<Draft, Failure> {
        let path = self.path.join(name);
        match begin(&self.path) {
            Ok((file, listed)) => Ok(Draft { file: BufWriter::new(file), path, listed }),
            Err(error) => Err(refused("write", &path, error)),
        }
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// A file in the making.
#[derive(Debug)]
pub(super) struct Draft {
    file: BufWriter<NamedTempFile>,
    path: PathBuf,
    listed: Listed,
}

impl Draft {
    /// Lets the file appear, whole.
    pub(super) fn publish(self) -> Result<(), Failure> {
        self.finish()?.publish()
    }

    /// Puts all of it on the disk.
    fn finish(self) -> Result<Finished, Failure> {
        let Draft { file, path, listed } = self;
        let whole = file.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| {
            open_to_all(file.as_file())?;
            file.as_file().sync_data()?;
            Ok(file)
        });
        match whole {
            Ok(file) => Ok(Finished { file, path, listed }),
            Err(error) => Err(refused("write", &path, error)),
        }
    }
}

/// A file that is on the disk, all of it, and has yet to get its name.
#[derive(Debug)]
pub(super) struct Finished {
    file: NamedTempFile,
    path: PathBuf,
    listed: Listed,
}

impl Finished {
    /// Lets the file appear.
    pub(super) fn publish(self) -> Result<(), Failure> {
        let Finished { file, path, listed: _listed } = self;
        match file.persist(&path) {
            Ok(_) => Ok(()),
            Err(error) => Err(refused("write", &path, error.error)),
        }
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A temporary file is its owner's alone; what is published is for everyone to read.
#[cfg(unix)]
fn open_to_all(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn open_to_all(_file: &fs::File) -> io::Result<()> {
    Ok(())
}

/// The failure that a file is in the place of the folder at `path` or of one above it. (The
/// system's own error does not say which.)
fn in_the_way(path: &Path) -> Option<Failure> {
    let file = path.ancestors().find(|it| it.exists()).filter(|it| !it.is_dir())?;
    Some(Failure::Usage(format!(
        "cannot write to {}: {} is a file, not a folder; name another folder with --out, or move \
         the file away",
        path.display(),
        if file == path { "that".to_owned() } else { file.display().to_string() },
    )))
}

fn refused(attempt: &str, path: &Path, error: io::Error) -> Failure {
    Failure::Io(format!("cannot {attempt} {}", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_what_if_names_a_folder_without_anything_a_shell_minds() {
        assert_eq!(tame("server.gunicorn.workers=5"), "server.gunicorn.workers=5");
        assert_eq!(tame("plan.\"a/b\".cores=2"), "plan._a_b_.cores=2-aed33318");
        assert!(tame(&"x".repeat(500)).len() < 80);
    }
}
