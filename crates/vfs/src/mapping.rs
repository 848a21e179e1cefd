//! Memory from the kernel: immutable files mapped for reading, and reservations for page frames.
#![expect(unsafe_code, reason = "mapping memory and advising on it are unsafe calls")]
//!
//! Facts relied on:
//! - An address that `mmap` returned is page-aligned, is ours until `munmap`, and `munmap` is
//!   called once, in `drop`.
//! - A mapping is within its file's length, which was checked after the caller promised that the
//!   file does not change; so no access meets the end of the file.
//! - Advice on a read-only file mapping changes no byte of it.

use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::ptr::{self, NonNull};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous, munmap};

use crate::advice::{self, Pages};
use crate::error::{MappingsExhausted, Result, failed, refused};

/// The least read-ahead window that Linux is usually run with.
const WINDOW_BYTES: usize = 128 << 10;

/// What reservations are aligned to and measured in.
const PAGE_BYTES: usize = 4096;

/// Of the mappings that a process may have this part is used here: allocator, threads and libraries
/// need some too.
const MAPPINGS_PART: (usize, usize) = (7, 10);
/// `vm.max_map_count` where it cannot be read, as Linux has it.
const MAX_MAP_COUNT: usize = 65_530;

/// Mappings of this process that were made here.
static LIVE: AtomicUsize = AtomicUsize::new(0);

/// One mapping among those that there may be, until dropped.
#[derive(Debug)]
struct Counted(&'static AtomicUsize);

impl Counted {
    fn take(path: impl FnOnce() -> PathBuf) -> Result<Self> {
        static LIMIT: OnceLock<usize> = OnceLock::new();
        let read =
            || std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok();
        let most = || read().unwrap_or(MAX_MAP_COUNT) / MAPPINGS_PART.1 * MAPPINGS_PART.0;
        Self::among(&LIVE, *LIMIT.get_or_init(most), path)
    }

    fn among(
        live: &'static AtomicUsize,
        limit: usize,
        path: impl FnOnce() -> PathBuf,
    ) -> Result<Self> {
        let counted = Self(live);
        if live.fetch_add(1, Ordering::AcqRel) >= limit {
            let exhausted = io::Error::other(MappingsExhausted { limit });
            return Err(failed("mmap", &path())(exhausted));
        }
        Ok(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Addresses that are ours until dropped.
#[derive(Debug)]
struct Addresses {
    start: NonNull<u8>,
    len: usize,
    /// None if there are no addresses.
    _counted: Option<Counted>,
}

// SAFETY: addresses are valid on every thread; who reads and writes them is the owner's concern.
unsafe impl Send for Addresses {}
// SAFETY: nothing here reads or writes the memory behind the addresses.
unsafe impl Sync for Addresses {}

impl Drop for Addresses {
    fn drop(&mut self) {
        if self.len > 0 {
            // SAFETY: start and len are what mmap returned and was asked; borrowers are gone.
            let answer = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
            debug_assert!(answer.is_ok(), "munmap of own addresses");
        }
    }
}

impl Addresses {
    const EMPTY: Self = Self { start: NonNull::dangling(), len: 0, _counted: None };

    /// The pages that hold `range`, or, if `inner`, the pages that `range` covers wholly.
    fn pages(&self, range: &Range<usize>, inner: bool) -> Range<usize> {
        let page = rustix::param::page_size();
        let end = range.end.min(self.len);
        if inner {
            range.start.next_multiple_of(page)..end - end % page
        } else {
            range.start - range.start % page..end.next_multiple_of(page)
        }
    }
}

/// An immutable file in memory, read-only, filled and reclaimed by the kernel.
#[derive(Debug)]
pub struct Mapping {
    addresses: Addresses,
}

impl Mapping {
    /// Maps the file's first `len` bytes.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file is shorter; otherwise the system's refusal.
    ///
    /// # Safety
    /// While the mapping lives nobody, in this process or another, changes or shortens the file.
    /// Removing its name is fine.
    pub unsafe fn new(file: &File, len: u64) -> Result<Self> {
        let bytes = usize::try_from(len)
            .map_err(|_too_long| refused("mmap", &path_of(file), rustix::io::Errno::OVERFLOW))?;
        let actual = file.metadata().map_err(|error| failed("stat", &path_of(file))(error))?.len();
        if actual < len {
            let reason = format!("{actual} bytes where {len} were expected");
            let source = io::Error::new(io::ErrorKind::UnexpectedEof, reason);
            return Err(failed("mmap", &path_of(file))(source));
        }
        if bytes == 0 {
            return Ok(Self { addresses: Addresses::EMPTY });
        }
        let counted = Counted::take(|| path_of(file))?;
        // SAFETY: no address is asked for, so no other mapping is replaced.
        let start =
            unsafe { mmap(ptr::null_mut(), bytes, ProtFlags::READ, MapFlags::SHARED, file, 0) };
        let start = start.map_err(|errno| refused("mmap", &path_of(file), errno))?;
        let addresses = own(start.cast(), bytes, counted, &path_of(file))?;
        Ok(Self { addresses })
    }

    /// The mapped bytes. Touching them may read from the disk.
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: start and len are one mapping or empty, within the file, and no byte of it
        // changes while self lives, by the contract of `new`.
        unsafe { std::slice::from_raw_parts(self.addresses.start.as_ptr(), self.addresses.len) }
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.addresses.len
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.addresses.len == 0
    }

    /// Says that reads will be at random: no read-ahead.
    pub fn random(&self) {
        self.advise(0..self.addresses.len, Advice::Random);
    }

    /// Asks the kernel to bring the range in soon.
    pub fn will_need(&self, range: Range<usize>) {
        // Of one request Linux reads no more than its read-ahead window.
        for start in range.clone().step_by(WINDOW_BYTES) {
            self.advise(start..(start + WINDOW_BYTES).min(range.end), Advice::WillNeed);
        }
    }

    /// Asks the kernel to unmap the range and, through `file`, the mapped one, to drop it from the
    /// page cache. The bytes stay readable.
    pub fn dont_need(&self, range: Range<usize>, file: &File) {
        let pages = self.addresses.pages(&range, false);
        self.advise(range, Advice::LinuxDontNeed);
        if let Some(len) = NonZeroU64::new(pages.len() as u64) {
            let offset = pages.start as u64;
            rustix::fs::fadvise(file, offset, Some(len), rustix::fs::Advice::DontNeed).ok();
        }
    }

    fn advise(&self, range: Range<usize>, advice: Advice) {
        let pages = self.addresses.pages(&range, false);
        if pages.is_empty() {
            return;
        }
        let start = self.addresses.start.as_ptr().wrapping_add(pages.start);
        // SAFETY: the pages are of this mapping; advice does not change what they read as.
        let answer = unsafe { madvise(start.cast(), pages.len(), advice) };
        answer.ok();
    }
}

/// Private anonymous memory, reserved but not held until it is touched; zero at first.
///
/// A reservation counts neither against the machine's commit limit nor as resident. Who may read
/// and write which part of it is the owner's concern.
#[derive(Debug)]
pub struct AnonymousRegion {
    addresses: Addresses,
}

impl AnonymousRegion {
    /// Reserves `len` bytes, readable and writable, aligned to 4096.
    ///
    /// # Errors
    /// The system's refusal.
    ///
    /// # Panics
    /// If `len` is 0 or not a multiple of 4096.
    pub fn reserve(len: usize) -> Result<Self> {
        assert!(len > 0 && len.is_multiple_of(PAGE_BYTES), "a reservation is whole pages");
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        let counted = Counted::take(|| PathBuf::from("anonymous"))?;
        // SAFETY: no address is asked for, so no other mapping is replaced.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), len, access, flags) };
        let start = start.map_err(|errno| refused("mmap", Path::new("anonymous"), errno))?;
        Ok(Self { addresses: own(start.cast(), len, counted, Path::new("anonymous"))? })
    }

    /// The first byte; valid for reads and writes of [`Self::len`] bytes while `self` lives.
    pub fn as_ptr(&self) -> *mut u8 {
        self.addresses.start.as_ptr()
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.addresses.len
    }

    /// Never: a reservation has bytes.
    pub fn is_empty(&self) -> bool {
        self.addresses.len == 0
    }

    /// Gives the range's memory back to the system; it reads as zero and may be used again.
    ///
    /// `range` is of bytes, `[start, end)`, multiples of 4096 within the region. On a system with
    /// larger pages only those that the range covers wholly are given back.
    ///
    /// # Errors
    /// The system's refusal; the memory is still held.
    ///
    /// # Panics
    /// If the range is not of whole 4096-byte pages within the region.
    ///
    /// # Safety
    /// No reference into the range lives, and no other thread reads or writes it meanwhile.
    pub unsafe fn release(&self, range: Range<usize>) -> Result<()> {
        // SAFETY: by the caller's word.
        unsafe { self.release_all(&[range]) }.1
    }

    /// The same for many ranges, with as few calls as the system allows. Returns how many of the
    /// first of them were given back, and if not all, why not the next; the others are still held.
    ///
    /// # Panics
    /// Those of [`Self::release`].
    ///
    /// # Safety
    /// That of [`Self::release`], for every range.
    pub unsafe fn release_all(&self, ranges: &[Range<usize>]) -> (usize, Result<()>) {
        // SAFETY: the pages are of this region, and by contract nobody else uses them now.
        let (done, outcome) = unsafe { advice::dont_need(ranges.iter().map(|of| self.told(of))) };
        (done, outcome.map_err(|errno| refused("madvise", Path::new("anonymous"), errno)))
    }

    /// The pages of a range that can be given back.
    fn told(&self, range: &Range<usize>) -> Pages {
        let whole = range.start.is_multiple_of(PAGE_BYTES) && range.end.is_multiple_of(PAGE_BYTES);
        let within = range.start <= range.end && range.end <= self.addresses.len;
        assert!(whole && within, "released ranges are whole pages of the region");
        let pages = self.addresses.pages(range, true);
        Pages { start: self.as_ptr().wrapping_add(pages.start), len: pages.len() }
    }

    /// Keeps the kernel from backing it with huge pages, so that what is resident is what was
    /// touched. Advice: systems without huge pages refuse it harmlessly.
    pub fn advise_no_hugepage(&self) {
        let start = self.addresses.start.as_ptr();
        // SAFETY: the pages are of this region; the advice changes no byte.
        let answer = unsafe { madvise(start.cast(), self.addresses.len, Advice::LinuxNoHugepage) };
        answer.ok();
    }
}

/// Takes over what mmap returned.
fn own(start: *mut u8, len: usize, counted: Counted, path: &Path) -> Result<Addresses> {
    match NonNull::new(start) {
        Some(start) => Ok(Addresses { start, len, _counted: Some(counted) }),
        None => Err(refused("mmap", path, rustix::io::Errno::NOMEM)),
    }
}

/// The path of an open file, for error messages.
fn path_of(file: &File) -> PathBuf {
    let link = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    std::fs::read_link(&link).unwrap_or(link)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn map(bytes: &[u8], len: u64) -> Result<(Mapping, File)> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        // SAFETY: the file has no name and its only handle is not written again.
        let mapping = unsafe { Mapping::new(&file, len) }?;
        Ok((mapping, file))
    }

    #[test]
    fn a_mapping_reads_as_its_file() {
        let bytes: Vec<u8> = (0..10_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let (mapping, file) = map(&bytes, 9_999).unwrap();
        mapping.random();
        mapping.will_need(4_000..9_999);
        assert_eq!(mapping.as_slice(), &bytes[..9_999]);
        mapping.dont_need(5..20_000, &file);
        assert_eq!(mapping.as_slice(), &bytes[..9_999]);
    }

    #[test]
    fn an_empty_file_maps_to_no_bytes() {
        let (mapping, file) = map(b"", 0).unwrap();
        mapping.random();
        mapping.dont_need(0..0, &file);
        assert!(mapping.is_empty());
        assert!(mapping.as_slice().is_empty());
    }

    #[test]
    fn a_short_file_is_refused() {
        let refusal = map(b"abc", 4).unwrap_err();
        assert_eq!(refusal.source.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn released_pages_read_as_zero_and_others_stay() {
        let page = rustix::param::page_size();
        let region = AnonymousRegion::reserve(4 * page).unwrap();
        region.advise_no_hugepage();
        assert!(region.as_ptr().addr().is_multiple_of(PAGE_BYTES));
        let write = |at: usize| {
            // SAFETY: `at` is within the region, which only this test uses.
            unsafe { region.as_ptr().wrapping_add(at).write(7) };
        };
        let read = |at: usize| {
            // SAFETY: as above.
            unsafe { region.as_ptr().wrapping_add(at).read() }
        };
        write(0);
        write(page);
        write(3 * page);
        // SAFETY: no reference into the region exists.
        unsafe { region.release(page..3 * page) }.unwrap();
        assert_eq!([read(0), read(page), read(3 * page)], [7, 0, 7]);
    }

    #[test]
    fn mappings_are_counted_and_no_more_than_a_part_of_the_systems_are_made() {
        static LIVE: AtomicUsize = AtomicUsize::new(0);
        let take = || Counted::among(&LIVE, 2, || PathBuf::from("x"));
        let (first, _second) = (take().unwrap(), take().unwrap());
        let refusal = take().unwrap_err();
        assert!(refusal.is_exhausted() && refusal.to_string().contains("vm.max_map_count"));
        drop(first);
        let _third = take().unwrap();
    }

    #[test]
    fn a_large_reservation_costs_nothing() {
        let region = AnonymousRegion::reserve(1 << 40).unwrap();
        assert_eq!(region.len(), 1 << 40);
    }
}
