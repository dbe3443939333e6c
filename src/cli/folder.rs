//! The folder a run writes: found writable before anything is simulated, and its files whole or
//! not there.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::Failure;

/// A folder that files can be written to.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder where it is missing, and finds out whether it can be written to.
    pub(super) fn open(path: PathBuf) -> Result<Folder, Failure> {
        let made = fs::create_dir_all(&path).and_then(|()| NamedTempFile::new_in(&path));
        match made {
            Ok(_probe) => Ok(Folder { path }),
            Err(error) => Err(refused("write to", &path, error)),
        }
    }

    /// Writes the file `name`: under another name first, so that it appears whole or not at all.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.path.join(name);
        self.replace(&path, bytes).map_err(|error| refused("write", &path, error))
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = NamedTempFile::new_in(&self.path)?;
        file.write_all(bytes)?;
        open_to_all(file.as_file())?;
        file.as_file().sync_data()?;
        file.persist(path)?;
        Ok(())
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        &self.path
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

fn refused(attempt: &str, path: &Path, error: io::Error) -> Failure {
    Failure::Io(format!("cannot {attempt} {}", path.display()), error)
}
