//! Files that are there whole or not at all, whatever ends the process.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes a file beside its place, makes it durable and puts it there, with the permissions of
/// another file, if one is named.
pub(crate) fn write_whole(path: &Path, bytes: &[u8], like: Option<&Path>) -> io::Result<()> {
    let partial = beside(path);
    let mut file = File::create(&partial)?;
    // Before there is anything to read.
    if let Some(like) = like {
        file.set_permissions(fs::metadata(like)?.permissions())?;
    }
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    sync_folder_of(path)
}

/// Removes a file durably, with what an interrupted writing left beside it; one that is not there is
/// removed already.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    for path in [path, &beside(path)] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    sync_folder_of(path)
}

fn beside(path: &Path) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
