//! The log: append from anywhere, commit from one place.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vectorizer_model::{SequenceNumber, ShardId, limits};
use vectorizer_vfs::{Directory, VfsError};

use crate::files::{LiveFiles, file_name};
use crate::queue::{Batch, Queue, Queued};
use crate::replay;
use crate::writer::{Failure, Writer};
use crate::{
    Committed, Durability, Entry, LogConfig, LogError, Position, Recovery, Refused, Replayed,
};

/// The node's log. `C` travels with every entry and comes back with it.
///
/// Call order: [`Log::open`]; then [`Log::append`] from any thread while one committer calls
/// [`Log::commit`] as long as entries are queued, and [`Log::sync`] when it runs idle and at the
/// end. [`Log::release`] and [`Log::collect`] free space at any time.
#[derive(Debug)]
pub struct Log<C> {
    dir: Arc<dyn Directory>,
    config: LogConfig,
    // Locked in this order: `collecting`, `writer`, then `queue` or `files`, never both.
    collecting: Mutex<()>,
    writer: Mutex<Writer>,
    queue: Mutex<Queue<C>>,
    files: Mutex<LiveFiles>,
}

impl<C: Send> Log<C> {
    /// Opens the log in its own folder `dir`, or founds it there, and hands every entry that is
    /// not void to `visit`, in the order of the appends.
    ///
    /// A torn tail is cut off before the first visit, and what is visited is durable. Holds one
    /// frame in memory, at most [`limits::OPERATION_BYTES_MAX`], otherwise about 1 MiB; the pages
    /// that were read are dropped from the page cache. Names in `dir` that are not the log's are
    /// left alone. The caller holds the folder's lock and has made the folder's own name durable.
    ///
    /// # Errors
    /// [`LogError::Damaged`], [`LogError::Missing`]: durable entries are lost; nothing was
    /// changed. [`LogError::ForeignNode`], [`LogError::UnknownVersion`]: not our log.
    /// [`LogError::Stopped`]: `visit` answered `Break`. [`LogError::Disk`]: the disk refused.
    pub fn open(
        dir: Arc<dyn Directory>,
        config: LogConfig,
        visit: &mut dyn FnMut(Replayed<'_>) -> ControlFlow<()>,
    ) -> Result<(Self, Recovery), LogError> {
        let (writer, files, recovery) = replay::open(&*dir, &config, visit)?;
        let log = Self {
            dir,
            config,
            collecting: Mutex::new(()),
            writer: Mutex::new(writer),
            queue: Mutex::new(Queue::new()),
            files: Mutex::new(files),
        };
        Ok((log, recovery))
    }

    /// Queues an entry for the next commit. Costs a checksum of the payload and no disk access.
    ///
    /// # Errors
    /// [`LogError::EntryTooLarge`], [`LogError::Poisoned`]; the entry comes back.
    pub fn append(&self, entry: Entry<C>) -> Result<Position, Refused<C>> {
        let bytes = entry.payload.len() as u64;
        let refused = |cause, entry| Refused { cause, entries: vec![entry] };
        if bytes > limits::OPERATION_BYTES_MAX {
            let limit = limits::OPERATION_BYTES_MAX;
            return Err(refused(LogError::EntryTooLarge { bytes, limit }, entry));
        }
        let payload_crc = crc32c::crc32c(&entry.payload);
        let mut queue = self.queue();
        if let Err(cause) = queue.check() {
            return Err(refused(cause, entry));
        }
        Ok(queue.push(Queued::Entry { entry, payload_crc }))
    }

    /// Queues a record that voids every entry of `shard` appended before it with a seq above
    /// `seq`; later appends are not touched, whatever their seq. It takes effect, on replay and
    /// for [`Log::oldest_pin`], once a commit has written it.
    ///
    /// # Errors
    /// [`LogError::Poisoned`]; nothing was queued.
    pub fn truncate_after(
        &self,
        shard: ShardId,
        seq: SequenceNumber,
    ) -> Result<Position, LogError> {
        let mut queue = self.queue();
        queue.check()?;
        Ok(queue.push(Queued::Truncation { shard, seq }))
    }

    /// Writes everything queued as one group, makes it as durable as the configuration says, and
    /// hands the entries back in the order of their appends. Nothing queued costs nothing.
    ///
    /// # Errors
    /// The entries come back with the cause. [`LogError::Disk`]: the disk is full; none of them
    /// will be replayed and the log stays usable. [`LogError::Poisoned`]: some may be replayed,
    /// and every later call fails until the log is opened again; entries queued meanwhile come
    /// back too.
    pub fn commit(&self) -> Result<Committed<C>, Refused<C>> {
        let mut writer = lock(&self.writer);
        let (state, batch) = {
            let mut queue = self.queue();
            (queue.check(), queue.take())
        };
        if let Err(cause) = state {
            let entries = batch.into_entries();
            return Err(Refused { cause, entries });
        }
        if !batch.items.is_empty() {
            match self.write(&mut writer, &batch) {
                Ok(()) => {}
                Err(Failure::Restored(error)) => {
                    self.settle(&writer);
                    let (cause, entries) = (LogError::Disk(error), batch.into_entries());
                    return Err(Refused { cause, entries });
                }
                Err(Failure::Lost(error)) => return Err(self.poison(error, batch.into_entries())),
            }
        }
        Ok(Committed {
            bytes: batch.bytes,
            position: writer.written,
            end: writer.location(),
            entries: batch.into_entries(),
        })
    }

    /// Makes every committed entry durable, whatever the configuration, and writes a mark that
    /// proves it, so that later damage to the last group is not mistaken for a torn write. The
    /// mark itself is not synced. Does nothing, cheaply, if nothing was committed since.
    ///
    /// # Errors
    /// [`LogError::Poisoned`], as for [`Log::commit`].
    pub fn sync(&self) -> Result<(), LogError> {
        let mut writer = lock(&self.writer);
        self.queue().check()?;
        if writer.marked {
            return Ok(());
        }
        let result = writer.sync().and_then(|()| writer.mark());
        self.settle(&writer);
        match result {
            // Without room for the mark the entries are still durable.
            Ok(()) | Err(Failure::Restored(_)) => Ok(()),
            Err(Failure::Lost(error)) => Err(self.poison(error, Vec::new()).cause),
        }
    }

    /// Bytes that the next commit will write.
    pub fn queued_bytes(&self) -> u64 {
        self.queue().bytes()
    }

    /// Everything appended up to here is decided: durable, or handed back as refused. With
    /// [`Durability::Os`] it moves only when a file is full and in [`Log::sync`].
    pub fn durable_position(&self) -> Position {
        self.queue().durable()
    }

    /// Says that a manifest covers every entry of `shard` up to `seq`, durably.
    pub fn release(&self, shard: ShardId, seq: SequenceNumber) {
        self.files().release(shard, seq);
    }

    /// Says that `shard` is dropped, durably. Call it after its last append was committed.
    pub fn forget(&self, shard: ShardId) {
        self.files().forget(shard);
    }

    /// Deletes the oldest files up to the first that is pinned or still grows, one directory sync
    /// each, and returns the bytes freed.
    ///
    /// # Errors
    /// [`LogError::Disk`]: a file could not be removed; it will be tried again.
    /// [`LogError::Poisoned`]: the folder could not be synced.
    pub fn collect(&self) -> Result<u64, LogError> {
        let _alone = lock(&self.collecting);
        let mut freed = 0;
        loop {
            self.queue().check()?;
            let Some((number, bytes)) = self.files().oldest_free() else {
                return Ok(freed);
            };
            self.dir.remove(&file_name(number))?;
            if let Err(error) = self.dir.sync() {
                // Entries still queued stay queued; the next commit hands them back.
                return Err(self.queue().stop(error));
            }
            self.files().remove_oldest();
            freed += bytes;
        }
    }

    /// Bytes of all files.
    pub fn bytes_on_disk(&self) -> u64 {
        self.files().bytes()
    }

    /// A shard to flush so that the oldest file that something pins can go, with the highest seq
    /// it has there. `None` if nothing pins a file but the one that grows.
    pub fn oldest_pin(&self) -> Option<(ShardId, SequenceNumber)> {
        self.files().oldest_pin()
    }

    /// Writes a batch and takes note of it.
    fn write(&self, writer: &mut Writer, batch: &Batch<C>) -> Result<(), Failure> {
        if writer.is_full_for(batch.bytes, self.config.file_bytes) {
            writer.rotate(&*self.dir)?;
            self.files().push(writer.number, writer.end);
            self.settle(writer);
        }
        writer.append(&batch.items)?;
        if self.config.durability == Durability::Fsync {
            writer.sync()?;
        }
        let mut files = self.files();
        for item in &batch.items {
            match item {
                Queued::Entry { entry, .. } => files.pin(entry.shard, entry.seq),
                Queued::Truncation { shard, seq } => files.truncate(*shard, *seq),
            }
        }
        drop(files);
        writer.written = batch.position;
        self.settle(writer);
        Ok(())
    }

    /// Publishes the writer's length and, if all is synced, its position.
    fn settle(&self, writer: &Writer) {
        self.files().set_last_bytes(writer.end);
        // A mark behind the last entry needs no sync.
        if writer.synced == writer.end || writer.marked {
            self.queue().set_durable(writer.written);
        }
    }

    /// Stops the log; returns these entries and those still queued.
    fn poison(&self, error: VfsError, mut entries: Vec<Entry<C>>) -> Refused<C> {
        let mut queue = self.queue();
        let cause = queue.stop(error);
        entries.append(&mut queue.take().into_entries());
        Refused { cause, entries }
    }

    fn queue(&self) -> MutexGuard<'_, Queue<C>> {
        lock(&self.queue)
    }

    fn files(&self) -> MutexGuard<'_, LiveFiles> {
        lock(&self.files)
    }
}

/// No lock is held across code of the caller, so a panic elsewhere leaves whole states behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
