//! From a folder to a log that can be appended to.
//!
//! The last file is surveyed first: it alone may end in a torn write, and no file but those that
//! are known to hold truncation records needs a second reading. Then every frame is visited once.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use vectorizer_model::{SequenceNumber, ShardId};
use vectorizer_vfs::{Access, Directory, EntryKind, File};

use crate::error::Visit;
use crate::files::{LiveFiles, file_name, file_number};
use crate::frame::{FrameHeader, FrameKind, Seed};
use crate::header::{FILE_HEADER_BYTES, FileHeader};
use crate::reader::{FrameReader, Step, find_proof};
use crate::writer::{Failure, Writer};
use crate::{Fault, Location, LogConfig, LogError, Position, Recovery, Replayed, Torn};

/// Replays the log in `dir` and opens its last file for writing.
pub(crate) fn open(
    dir: &dyn Directory,
    config: &LogConfig,
    visit: &mut Visit<'_>,
) -> Result<(Writer, LiveFiles, Recovery), LogError> {
    let mut sources = open_sources(dir, config)?;
    let mut voids = Voids::default();
    let survey = match sources.files.last() {
        Some(last) => survey(last, sources.unborn.is_some(), &mut voids)?,
        None => Survey::of_nothing(),
    };
    // Not earlier: an unborn file is what tells damage to the file before it from a torn tail.
    if let Some(number) = sources.unborn {
        dir.remove(&file_name(number))?;
    }
    // The names found may have been created by a process that died before it synced them.
    dir.sync()?;
    let Some(last) = sources.files.last_mut() else {
        return found(dir, config);
    };
    let torn = cut(last, survey.end)?;
    for pair in sources.files.windows(2) {
        if let [file, next] = pair
            && next.header.previous_truncations > 0
        {
            file.each_frame(|at, header, _| {
                voids.note(file.location(at), header);
                ControlFlow::Continue(())
            })?;
        }
    }
    voids.seal();

    let mut files = LiveFiles::default();
    let mut recovery = Recovery {
        entries: 0,
        payload_bytes: 0,
        void_entries: 0,
        files: sources.files.len() as u64,
        torn,
        shards: Vec::new(),
        end: Location { file: 0, offset: 0 },
    };
    for file in &sources.files {
        files.push(file.header.number, file.bytes);
        file.replay(&voids, &mut files, &mut recovery, visit)?;
        recovery.end = file.location(file.bytes);
    }
    recovery.shards = files.shards();
    let writer = sources.files.pop().map(|last| last.into_writer(&survey));
    match writer {
        Some(writer) => Ok((writer, files, recovery)),
        None => found(dir, config),
    }
}

/// Creates the first file of a new log.
fn found(
    dir: &dyn Directory,
    config: &LogConfig,
) -> Result<(Writer, LiveFiles, Recovery), LogError> {
    let header =
        FileHeader { number: 1, node: config.node, previous_bytes: 0, previous_truncations: 0 };
    let writer = Writer::create(dir, header).map_err(|failure| match failure {
        Failure::Restored(error) | Failure::Lost(error) => LogError::Disk(error),
    })?;
    let mut files = LiveFiles::default();
    files.push(writer.number, writer.end);
    let recovery = Recovery {
        entries: 0,
        payload_bytes: 0,
        void_entries: 0,
        files: files.count(),
        torn: None,
        shards: Vec::new(),
        end: writer.location(),
    };
    Ok((writer, files, recovery))
}

/// A file with a valid header.
struct Source {
    header: FileHeader,
    file: Arc<dyn File>,
    bytes: u64,
    seed: Seed,
}

struct Sources {
    /// In ascending order, without gaps, each as long as the next one says.
    files: Vec<Source>,
    /// The file behind the last one, if its creation was cut short. It got no frames, because
    /// frames follow a synced header, and the last one is complete, because it was synced first.
    unborn: Option<u64>,
}

fn open_sources(dir: &dyn Directory, config: &LogConfig) -> Result<Sources, LogError> {
    let members = dir.list()?.into_iter();
    let mut numbers: Vec<u64> = members
        .filter(|member| member.kind == EntryKind::File)
        .filter_map(|member| file_number(&member.name))
        .collect();
    numbers.sort_unstable();
    for pair in numbers.windows(2) {
        if let &[number, next] = pair
            && number + 1 != next
        {
            return Err(LogError::Missing { number: number + 1 });
        }
    }
    let unborn = unborn(dir, &numbers)?;
    numbers.retain(|&number| Some(number) != unborn);
    let mut files: Vec<Source> = Vec::with_capacity(numbers.len());
    for (index, &number) in numbers.iter().enumerate() {
        let access = if index + 1 == numbers.len() { Access::Write } else { Access::Read };
        let source = Source::open(dir, number, access, config.node)?;
        if let Some(previous) = files.last() {
            previous.check_length(source.header.previous_bytes)?;
        }
        files.push(source);
    }
    Ok(Sources { files, unborn })
}

/// The last file, if its creation was cut short.
pub(crate) fn unborn(dir: &dyn Directory, numbers: &[u64]) -> Result<Option<u64>, LogError> {
    let Some(&number) = numbers.last() else {
        return Ok(None);
    };
    let file = dir.open(&file_name(number), Access::Read)?;
    let has_predecessor = number == 1 || numbers.len() > 1;
    let unborn = has_predecessor
        && file.len()? <= FILE_HEADER_BYTES as u64
        && FileHeader::check(&first_page(&*file)?).is_err();
    Ok(unborn.then_some(number))
}

pub(crate) fn first_page(file: &dyn File) -> Result<Vec<u8>, LogError> {
    let held = file.len()?.min(FILE_HEADER_BYTES as u64);
    let mut page = vec![0; usize::try_from(held).unwrap_or(FILE_HEADER_BYTES)];
    file.read_exact_at(&mut page, 0)?;
    Ok(page)
}

impl Source {
    fn open(
        dir: &dyn Directory,
        number: u64,
        access: Access,
        node: u128,
    ) -> Result<Self, LogError> {
        let file = dir.open(&file_name(number), access)?;
        let bytes = file.len()?;
        // After a failed sync the page cache may hold what the disk does not.
        file.drop_cache(0, bytes);
        let header = FileHeader::decode(&first_page(&*file)?, number, node)?;
        Ok(Self { header, file, bytes, seed: Seed::new(node, number) })
    }

    fn location(&self, offset: u64) -> Location {
        Location { file: self.header.number, offset }
    }

    fn damaged(&self, offset: u64, fault: Fault) -> LogError {
        LogError::Damaged { at: self.location(offset), fault }
    }

    fn check_length(&self, expected: u64) -> Result<(), LogError> {
        if self.bytes == expected {
            return Ok(());
        }
        let found = self.bytes;
        let fault = Fault::Length { expected, found };
        Err(self.damaged(expected.min(found), fault))
    }

    /// Reads a file that must be whole.
    fn each_frame(
        &self,
        mut each: impl FnMut(u64, &FrameHeader, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), LogError> {
        let mut reader = FrameReader::new(&*self.file, self.seed, self.bytes);
        loop {
            match reader.step()? {
                Step::End => return Ok(()),
                Step::Broken { at, fault } => return Err(self.damaged(at, fault)),
                Step::Frame { at, header, payload } => {
                    if each(at, &header, payload).is_break() {
                        let at = self.location(at);
                        return Err(LogError::Stopped { at });
                    }
                }
            }
        }
    }

    /// Visits the entries that are not void, and notes which shards pin the file.
    fn replay(
        &self,
        voids: &Voids,
        files: &mut LiveFiles,
        recovery: &mut Recovery,
        visit: &mut Visit<'_>,
    ) -> Result<(), LogError> {
        self.each_frame(|at, header, payload| {
            if header.kind != FrameKind::Entry {
                return ControlFlow::Continue(());
            }
            if voids.covers(self.location(at), header) {
                recovery.void_entries += 1;
                return ControlFlow::Continue(());
            }
            recovery.entries += 1;
            recovery.payload_bytes += payload.len() as u64;
            files.pin(header.shard, header.seq);
            visit(Replayed {
                shard: header.shard,
                epoch: header.epoch,
                seq: header.seq,
                request: header.request,
                payload,
            })
        })?;
        self.file.drop_cache(0, self.bytes);
        Ok(())
    }

    fn into_writer(self, survey: &Survey) -> Writer {
        Writer {
            number: self.header.number,
            node: self.header.node,
            end: self.bytes,
            synced: self.bytes,
            truncations: survey.truncations,
            marked: survey.marked,
            written: Position(0),
            dropped: 0,
            buffer: Vec::new(),
            file: self.file,
        }
    }
}

/// What the last file holds.
struct Survey {
    /// Behind the last frame of the intact beginning.
    end: u64,
    truncations: u64,
    /// Whether the last frame is a mark, or there is none.
    marked: bool,
}

impl Survey {
    /// What a file without frames holds.
    fn of_nothing() -> Self {
        Self { end: FILE_HEADER_BYTES as u64, truncations: 0, marked: true }
    }
}

/// Finds the end of the last file, and tells a torn tail from damage.
fn survey(last: &Source, closed: bool, voids: &mut Voids) -> Result<Survey, LogError> {
    let mut survey = Survey::of_nothing();
    let mut reader = FrameReader::new(&*last.file, last.seed, last.bytes);
    loop {
        match reader.step()? {
            Step::End => return Ok(survey),
            Step::Frame { at, header, .. } => {
                survey.end = at + header.frame_bytes();
                survey.marked = header.kind == FrameKind::Mark;
                survey.truncations += u64::from(header.kind == FrameKind::Truncation);
                voids.note(last.location(at), &header);
            }
            Step::Broken { at, fault } => {
                let was_durable = closed
                    || matches!(fault, Fault::Field { .. })
                    || find_proof(&*last.file, last.bytes, at, last.seed)?.is_some();
                if was_durable {
                    return Err(last.damaged(at, fault));
                }
                return Ok(survey);
            }
        }
    }
}

/// Cuts the file at `end` and makes durable what stands before.
fn cut(last: &mut Source, end: u64) -> Result<Option<Torn>, LogError> {
    let mut torn = None;
    if end < last.bytes {
        torn = Some(Torn { at: last.location(end), bytes: last.bytes - end });
        last.file.set_len(end)?;
        last.bytes = end;
    }
    last.file.sync()?;
    Ok(torn)
}

/// Which entries the truncation records void.
#[derive(Debug, Default)]
struct Voids {
    records: BTreeMap<ShardId, Vec<(Location, SequenceNumber)>>,
}

impl Voids {
    fn note(&mut self, at: Location, header: &FrameHeader) {
        if header.kind == FrameKind::Truncation {
            let records = self.records.entry(header.shard).or_default();
            records.push((at, header.seq));
        }
    }

    /// Sorts each shard's records by place and gives each the lowest seq from there on.
    fn seal(&mut self) {
        for records in self.records.values_mut() {
            records.sort_unstable();
            let mut lowest = SequenceNumber::MAX;
            for (_, seq) in records.iter_mut().rev() {
                lowest = lowest.min(*seq);
                *seq = lowest;
            }
        }
    }

    /// Whether a record behind `at` has a lower seq than the entry there.
    fn covers(&self, at: Location, header: &FrameHeader) -> bool {
        let Some(records) = self.records.get(&header.shard) else {
            return false;
        };
        let behind = records.partition_point(|&(place, _)| place <= at);
        records.get(behind).is_some_and(|&(_, lowest)| lowest < header.seq)
    }
}
