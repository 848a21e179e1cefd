//! A folder whose files are read and never changed, for readers that would mend what they find.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use vectorizer_vfs::{Access, Directory, Entry, File, Result, Space, VfsError};

/// A folder that answers changes without making them.
#[derive(Debug)]
pub(super) struct ReadOnly(pub(super) Arc<dyn Directory>);

/// A file that answers changes without making them; none if it was to be created.
#[derive(Debug)]
struct ReadOnlyFile(Option<Arc<dyn File>>);

fn refused<T>(call: &'static str, name: &str) -> Result<T> {
    let source = io::Error::from(io::ErrorKind::ReadOnlyFilesystem);
    Err(VfsError { call, path: PathBuf::from(name), source })
}

impl Directory for ReadOnly {
    fn create(&self, _name: &str) -> Result<Arc<dyn File>> {
        Ok(Arc::new(ReadOnlyFile(None)))
    }

    fn open(&self, name: &str, _access: Access) -> Result<Arc<dyn File>> {
        let file = self.0.open(name, Access::Read)?;
        Ok(Arc::new(ReadOnlyFile(Some(file))))
    }

    fn list(&self) -> Result<Vec<Entry>> {
        self.0.list()
    }

    fn rename(&self, from: &str, _to: &str) -> Result<()> {
        refused("rename", from)
    }

    fn remove(&self, _name: &str) -> Result<()> {
        Ok(())
    }

    fn subdirectory(&self, name: &str) -> Result<Arc<dyn Directory>> {
        refused("mkdir", name)
    }

    fn remove_subdirectory(&self, name: &str) -> Result<()> {
        refused("rmdir", name)
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn space(&self) -> Result<Space> {
        self.0.space()
    }
}

impl File for ReadOnlyFile {
    fn len(&self) -> Result<u64> {
        self.0.as_ref().map_or(Ok(0), |file| file.len())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        match &self.0 {
            Some(file) => file.read_exact_at(buffer, offset),
            None => refused("read", "a file that was not created"),
        }
    }

    fn write_all_at(&self, _bytes: &[u8], _offset: u64) -> Result<()> {
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn set_len(&self, _len: u64) -> Result<()> {
        Ok(())
    }

    fn drop_cache(&self, offset: u64, len: u64) {
        if let Some(file) = &self.0 {
            file.drop_cache(offset, len);
        }
    }

    fn os_file(&self) -> Option<&std::fs::File> {
        self.0.as_ref().and_then(|file| file.os_file())
    }
}
