//! All that is wrong with a log, without changing it. Opening one stops at the first damage; this
//! goes on behind it, at the next frame that is intact.

use std::collections::BTreeMap;
use std::sync::Arc;

use vectorizer_model::{SequenceNumber, ShardId};
use vectorizer_vfs::{Access, Directory, EntryKind, File};

use crate::files::{file_name, file_number};
use crate::frame::{FrameHeader, FrameKind, Seed};
use crate::header::FileHeader;
use crate::reader::{FrameReader, Step, find_header, find_proof};
use crate::replay::{first_page, unborn};
use crate::{Fault, Location, LogError, Replayed, Torn};

/// What a log holds, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Inspection {
    /// Files whose creation was not cut short.
    pub files: u64,
    /// The number of the oldest of them; 0 if there is none.
    pub oldest: u64,
    /// Intact entries, those that a truncation record voids included.
    pub entries: u64,
    /// Every damage, by place.
    pub damages: Vec<LogError>,
    /// The tail that the next opening drops.
    pub torn: Option<Torn>,
    /// Every shard that has entries, with its highest seq, in ascending order.
    pub shards: Vec<(ShardId, SequenceNumber)>,
}

/// Reads every byte of the log in `dir` and hands each intact entry to `visit`, with its place.
///
/// Holds one frame in memory, and about 1 MiB. Damage is no error: it is in the answer.
///
/// # Errors
/// [`LogError::Disk`]: the disk refused.
pub fn inspect(
    dir: &dyn Directory,
    node: u128,
    visit: &mut dyn FnMut(Location, Replayed<'_>),
) -> Result<Inspection, LogError> {
    let members = dir.list()?.into_iter().filter(|member| member.kind == EntryKind::File);
    let mut numbers: Vec<u64> = members.filter_map(|member| file_number(&member.name)).collect();
    numbers.sort_unstable();
    let unborn = unborn(dir, &numbers)?;
    numbers.retain(|number| Some(*number) != unborn);
    let mut inspector = Inspector {
        report: Inspection {
            files: numbers.len() as u64,
            oldest: numbers.first().copied().unwrap_or(0),
            ..Inspection::default()
        },
        highest: BTreeMap::new(),
        visit,
    };
    let mut previous: Option<(u64, u64)> = None;
    for (at, &number) in numbers.iter().enumerate() {
        let file = dir.open(&file_name(number), Access::Read)?;
        let bytes = file.len()?;
        inspector.check_gap(previous, number);
        inspector.check_header(&*file, (number, node), previous)?;
        let closed = at + 1 < numbers.len() || unborn.is_some();
        inspector.check_frames(&file, (number, node), bytes, closed)?;
        file.drop_cache(0, bytes);
        previous = Some((number, bytes));
    }
    let Inspector { mut report, highest, .. } = inspector;
    report.shards = highest.into_iter().collect();
    Ok(report)
}

struct Inspector<'v> {
    report: Inspection,
    highest: BTreeMap<ShardId, SequenceNumber>,
    visit: &'v mut dyn FnMut(Location, Replayed<'_>),
}

impl Inspector<'_> {
    fn check_gap(&mut self, previous: Option<(u64, u64)>, number: u64) {
        if let Some((before, _)) = previous
            && before + 1 != number
        {
            self.report.damages.push(LogError::Missing { number: before + 1 });
        }
    }

    /// Checks a file's header, and the length of the file before it, which the header tells.
    fn check_header(
        &mut self,
        file: &dyn File,
        (number, node): (u64, u128),
        previous: Option<(u64, u64)>,
    ) -> Result<(), LogError> {
        let header = match FileHeader::decode(&first_page(file)?, number, node) {
            Ok(header) => header,
            Err(error @ LogError::Disk(_)) => return Err(error),
            Err(error) => {
                self.report.damages.push(error);
                return Ok(());
            }
        };
        let expected = header.previous_bytes;
        if let Some((before, found)) = previous
            && (before + 1, expected) != (number, found)
        {
            let at = Location { file: before, offset: expected.min(found) };
            let fault = Fault::Length { expected, found };
            self.report.damages.push(LogError::Damaged { at, fault });
        }
        Ok(())
    }

    fn check_frames(
        &mut self,
        file: &Arc<dyn File>,
        (number, node): (u64, u128),
        bytes: u64,
        closed: bool,
    ) -> Result<(), LogError> {
        let seed = Seed::new(node, number);
        let mut reader = FrameReader::new(&**file, seed, bytes);
        loop {
            let (at, fault) = match reader.step()? {
                Step::End => return Ok(()),
                Step::Frame { at, header, payload } => {
                    self.take(Location { file: number, offset: at }, &header, payload);
                    continue;
                }
                Step::Broken { at, fault } => (at, fault),
            };
            let place = Location { file: number, offset: at };
            let was_durable = closed
                || matches!(fault, Fault::Field { .. })
                || find_proof(&**file, bytes, at, seed)?.is_some();
            if !was_durable {
                self.report.torn = Some(Torn { at: place, bytes: bytes - at });
                return Ok(());
            }
            self.report.damages.push(LogError::Damaged { at: place, fault });
            match find_header(&**file, bytes, at, seed, |_| true)? {
                Some(next) => reader.resume(next),
                None => return Ok(()),
            }
        }
    }

    fn take(&mut self, at: Location, header: &FrameHeader, payload: &[u8]) {
        if header.kind != FrameKind::Entry {
            return;
        }
        self.report.entries += 1;
        let highest = self.highest.entry(header.shard).or_insert(header.seq);
        *highest = header.seq.max(*highest);
        let entry = Replayed {
            shard: header.shard,
            epoch: header.epoch,
            seq: header.seq,
            request: header.request,
            payload,
        };
        (self.visit)(at, entry);
    }
}
