//! An open file of the disk in memory.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use super::effect::{Effect, FileId};
use super::replay::Replay;
use super::world::World;
use crate::error::{Result, failed, refused};
use crate::traits::{Access, File};

/// What offsets, lengths and buffers of direct reads are multiples of.
const DIRECT_ALIGNMENT: usize = 4096;

/// A file with the path it was opened by.
pub(super) struct TraceFile {
    pub(super) world: Arc<Mutex<World>>,
    pub(super) file: FileId,
    pub(super) path: PathBuf,
    pub(super) access: Access,
}

impl fmt::Debug for TraceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TraceFile").field(&self.file).field(&self.path).finish_non_exhaustive()
    }
}

impl TraceFile {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses what a system's handle of this access refuses.
    fn need_write(&self, call: &'static str, errno: Errno) -> Result<()> {
        if self.access == Access::Write { Ok(()) } else { Err(refused(call, &self.path, errno)) }
    }
}

impl File for TraceFile {
    fn len(&self) -> Result<u64> {
        Ok(self.world().tree.files[self.file.0].len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let aligned = buffer.as_ptr().addr().is_multiple_of(DIRECT_ALIGNMENT)
            && buffer.len().is_multiple_of(DIRECT_ALIGNMENT)
            && offset.is_multiple_of(DIRECT_ALIGNMENT as u64);
        if self.access == Access::ReadDirect && !aligned {
            return Err(refused("read", &self.path, Errno::INVAL));
        }
        match self.world().read(self.file, buffer, offset) {
            Ok(true) => Ok(()),
            Ok(false) => Err(failed("read", &self.path)(io::ErrorKind::UnexpectedEof.into())),
            Err(errno) => Err(refused("read", &self.path, errno)),
        }
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.need_write("write", Errno::BADF)?;
        let answer = self.world().write(self.file, bytes, offset);
        answer.map_err(|errno| refused("write", &self.path, errno))
    }

    fn sync(&self) -> Result<()> {
        let answer = self.world().sync_file(self.file);
        answer.map_err(|errno| refused("fdatasync", &self.path, errno))
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.need_write("truncate", Errno::INVAL)?;
        let answer = self.world().set_len(self.file, len);
        answer.map_err(|errno| refused("truncate", &self.path, errno))
    }

    /// Of the whole file, and only after a failed sync: there is no other cache to drop.
    fn drop_cache(&self, _offset: u64, _len: u64) {
        let mut world = self.world();
        if world.doubtful.remove(&self.file) {
            world.trace.push(Effect::DropCache { file: self.file });
            let mut replay = Replay::new(&world.origin);
            world.trace.iter().for_each(|effect| replay.advance(effect));
            world.tree.files[self.file.0] = replay.content(self.file);
        }
    }

    fn os_file(&self) -> Option<&std::fs::File> {
        None
    }
}
