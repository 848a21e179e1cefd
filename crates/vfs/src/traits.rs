//! What the engine asks of a disk.

use std::fmt::Debug;
use std::sync::Arc;

use crate::Result;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reads through the kernel's page cache.
    Read,
    /// Reads past it: offsets, lengths and buffers are multiples of 4096. Falls back to `Read`
    /// where the file system refuses.
    ReadDirect,
    /// Reads and writes.
    Write,
}

/// A folder's member.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name within the folder.
    pub name: String,
    /// File or folder.
    pub kind: EntryKind,
}

/// What a folder's member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A file.
    File,
    /// A folder.
    Directory,
}

/// Room on the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes in all.
    pub total: u64,
    /// Bytes that this process may still write.
    pub available: u64,
}

/// A folder. Names are single path components.
pub trait Directory: Send + Sync + Debug {
    /// Creates an empty file for writing; fails if the name exists.
    ///
    /// # Errors
    /// The system's refusal; nothing changed.
    fn create(&self, name: &str) -> Result<Arc<dyn File>>;

    /// Opens an existing file.
    ///
    /// # Errors
    /// The system's refusal, `NotFound` among them.
    fn open(&self, name: &str, access: Access) -> Result<Arc<dyn File>>;

    /// The members, sorted by name.
    ///
    /// # Errors
    /// The system's refusal.
    fn list(&self) -> Result<Vec<Entry>>;

    /// Renames a file, replacing the target; atomic, durable after [`Directory::sync`].
    ///
    /// # Errors
    /// The system's refusal; nothing changed.
    fn rename(&self, from: &str, to: &str) -> Result<()>;

    /// Removes a file; open handles and mappings stay readable.
    ///
    /// # Errors
    /// The system's refusal; nothing changed.
    fn remove(&self, name: &str) -> Result<()>;

    /// A folder within this one, created if absent.
    ///
    /// # Errors
    /// The system's refusal.
    fn subdirectory(&self, name: &str) -> Result<Arc<dyn Directory>>;

    /// The same folder, for files whose readers rely on the page cache: what is opened or created
    /// through it ignores [`File::drop_cache`].
    fn keeping_cached(&self) -> Arc<dyn Directory>;

    /// Removes a folder with all that it holds.
    ///
    /// # Errors
    /// The system's refusal; some members may be gone.
    fn remove_subdirectory(&self, name: &str) -> Result<()>;

    /// Makes creations, renames and removals in this folder durable.
    ///
    /// # Errors
    /// After a failure nobody can say what is durable; the caller stops trusting the folder.
    fn sync(&self) -> Result<()>;

    /// Room on the file system that holds the folder.
    ///
    /// # Errors
    /// The system's refusal.
    fn space(&self) -> Result<Space>;
}

/// An open file.
pub trait File: Send + Sync + Debug {
    /// Its length in bytes.
    ///
    /// # Errors
    /// The system's refusal.
    fn len(&self) -> Result<u64>;

    /// Whether it has no bytes.
    ///
    /// # Errors
    /// The system's refusal.
    fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends earlier; otherwise the system's refusal.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<()>;

    /// Writes all bytes at `offset`, lengthening the file as needed.
    ///
    /// # Errors
    /// The system's refusal; some of the bytes may be written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<()>;

    /// Makes all bytes written and the length durable.
    ///
    /// # Errors
    /// After a failure nobody can say what is durable; the caller stops trusting the file.
    fn sync(&self) -> Result<()>;

    /// Cuts or lengthens the file; new bytes are zero.
    ///
    /// # Errors
    /// The system's refusal.
    fn set_len(&self, len: u64) -> Result<()>;

    /// Asks the kernel to keep none of these bytes in its page cache. Clean bytes only; advice.
    fn drop_cache(&self, offset: u64, len: u64);

    /// The operating system's file, if there is one, for mapping.
    fn os_file(&self) -> Option<&std::fs::File>;

    /// The operating system's file, if it is read past the page cache, for reads that are asked
    /// of the kernel in another way.
    fn direct_file(&self) -> Option<&std::fs::File> {
        None
    }

    /// Whether it is read past the page cache.
    fn is_direct(&self) -> bool {
        self.direct_file().is_some()
    }

    /// The file with its handle open until the answer is dropped, if handles of this file come and
    /// go; none if its handle stays.
    ///
    /// # Errors
    /// The system's refusal, or that of the pool that the handle is of.
    fn held(&self) -> Result<Option<Arc<dyn File>>> {
        Ok(None)
    }
}
