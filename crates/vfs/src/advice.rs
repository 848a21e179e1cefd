//! Taking many ranges of pages away from the process in one call.
#![expect(unsafe_code, reason = "advising on memory is an unsafe call")]
//!
//! Whoever takes pages away has every processor that runs a thread of the process interrupted, which
//! costs many times what the pages do. `process_madvise` does it once for all its ranges.
//!
//! Facts relied on:
//! - `process_madvise` (`man 2 process_madvise`) does to one range after another what `madvise`
//!   does, and answers with the bytes that it got through, or -1 if there are none. From a process
//!   about itself Linux takes `MADV_DONTNEED` since 6.13, and refuses it before;
//! - its number is 440 on the processors named here, and `syscall` of the C library hands on what it
//!   is given.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use rustix::io::Errno;
use rustix::mm::{Advice, madvise};

/// Ranges that one call is to take; the kernel takes up to 1024.
const AT_ONCE: usize = 256;

/// Some pages, as the kernel wants to be told of them.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Pages {
    pub(crate) start: *mut u8,
    pub(crate) len: usize,
}

/// Gives pages back to the kernel, range after range; they read as zero. Returns how many of the
/// ranges it got through, and if not through all, why.
///
/// # Safety
/// All are pages of private anonymous memory, and nobody reads or writes them meanwhile.
pub(crate) unsafe fn dont_need(
    ranges: impl IntoIterator<Item = Pages>,
) -> (usize, rustix::io::Result<()>) {
    let mut ranges = ranges.into_iter();
    let mut some = [Pages { start: ptr::null_mut(), len: 0 }; AT_ONCE];
    let mut done = 0;
    loop {
        let told = some.iter_mut().zip(&mut ranges).map(|(at, range)| *at = range).count();
        let process = if told > 1 { process::this() } else { None };
        // SAFETY: by the caller's word.
        let Through { ranges, outcome, refused } = unsafe { dont_need_of(process, &some[..told]) };
        if let Some(errno) = refused {
            process::refused(errno);
        }
        done += ranges;
        if told < AT_ONCE || outcome.is_err() {
            return (done, outcome);
        }
    }
}

/// How far a few ranges were given back.
#[derive(Debug)]
struct Through {
    ranges: usize,
    /// Why not all were.
    outcome: rustix::io::Result<()>,
    /// Why the system did not take several at once.
    refused: Option<Errno>,
}

/// Whether the system will never take several ranges at once, if that is its answer now.
fn is_lasting(refused: Errno) -> bool {
    matches!(refused, Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::BADF)
}

/// The same for a few, with a handle of this process if the system takes several at once.
///
/// # Safety
/// That of [`dont_need`].
unsafe fn dont_need_of(process: Option<BorrowedFd<'_>>, ranges: &[Pages]) -> Through {
    let at_once = process.map_or(Ok(0), |process| {
        // SAFETY: by the caller's word.
        unsafe { process::dont_need(process, ranges) }
    });
    let refused = at_once.err();
    let mut done = whole(ranges, at_once.unwrap_or(0));
    for &Pages { start, len } in &ranges[done..] {
        // SAFETY: by the caller's word.
        if let Err(errno) = unsafe { madvise(start.cast(), len, Advice::LinuxDontNeed) } {
            return Through { ranges: done, outcome: Err(errno), refused };
        }
        done += 1;
    }
    Through { ranges: done, outcome: Ok(()), refused }
}

/// How many of the first ranges lie wholly within so many bytes.
fn whole(ranges: &[Pages], bytes: usize) -> usize {
    let mut left = bytes;
    let within = |of: &&Pages| {
        let fits = of.len <= left;
        left = left.saturating_sub(of.len);
        fits
    };
    ranges.iter().take_while(within).count()
}

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")
))]
mod process {
    use std::ffi::{c_int, c_long, c_uint};
    use std::os::fd::{AsFd, OwnedFd};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use rustix::process::{PidfdFlags, getpid, pidfd_open};

    use super::{AsRawFd, BorrowedFd, Errno, Pages};

    const PROCESS_MADVISE: c_long = 440;
    const DONT_NEED: c_int = 4;

    /// Whether the system refused for good to take several ranges at once; it is not asked again.
    static REFUSED: AtomicBool = AtomicBool::new(false);

    unsafe extern "C" {
        fn syscall(number: c_long, ...) -> c_long;
    }

    /// A handle of this process, unless that is of no use.
    pub(super) fn this() -> Option<BorrowedFd<'static>> {
        static THIS: OnceLock<OwnedFd> = OnceLock::new();
        if REFUSED.load(Relaxed) {
            return None;
        }
        if THIS.get().is_none() {
            match open() {
                // Another may have been as fast; its handle is as good.
                Ok(handle) => drop(THIS.set(handle)),
                Err(errno) => refused(errno),
            }
        }
        THIS.get().map(OwnedFd::as_fd)
    }

    /// A new handle of this process.
    pub(super) fn open() -> rustix::io::Result<OwnedFd> {
        pidfd_open(getpid(), PidfdFlags::empty())
    }

    /// Takes note of a refusal.
    pub(super) fn refused(errno: Errno) {
        if super::is_lasting(errno) {
            REFUSED.store(true, Relaxed);
        }
    }

    /// Gives back what it can; how many bytes.
    ///
    /// # Safety
    /// That of [`super::dont_need`].
    pub(super) unsafe fn dont_need(
        process: BorrowedFd<'_>,
        ranges: &[Pages],
    ) -> rustix::io::Result<usize> {
        let no_flags: c_uint = 0;
        // SAFETY: the arguments are of the kernel's types: a handle, a readable array and its length.
        // What it does to the ranges is by the caller's word.
        let bytes = unsafe {
            syscall(
                PROCESS_MADVISE,
                process.as_raw_fd(),
                ranges.as_ptr(),
                ranges.len(),
                DONT_NEED,
                no_flags,
            )
        };
        usize::try_from(bytes).map_err(|_negative| {
            let error = std::io::Error::last_os_error();
            Errno::from_io_error(&error).unwrap_or(Errno::INVAL)
        })
    }
}

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")
)))]
mod process {
    use super::{AsRawFd, BorrowedFd, Errno, Pages};

    /// There is no such call.
    pub(super) fn this() -> Option<BorrowedFd<'static>> {
        None
    }

    /// Nothing is ever refused.
    pub(super) fn refused(_errno: Errno) {}

    /// Nothing is done.
    ///
    /// # Safety
    /// Nothing is done.
    pub(super) unsafe fn dont_need(
        process: BorrowedFd<'_>,
        _ranges: &[Pages],
    ) -> rustix::io::Result<usize> {
        let _unused = process.as_raw_fd();
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    fn pages(lens: &[usize]) -> Vec<Pages> {
        lens.iter().map(|&len| Pages { start: ptr::null_mut(), len }).collect()
    }

    #[test]
    fn a_range_that_was_got_through_in_part_is_not_done() {
        let ranges = pages(&[4096, 8192, 4096]);
        let through = [0, 4095, 4096, 8192, 12_288, 16_383, 16_384];
        assert_eq!(through.map(|bytes| whole(&ranges, bytes)), [0, 0, 1, 1, 2, 2, 3]);
    }

    #[test]
    fn a_system_that_takes_one_range_at_a_time_is_given_one_at_a_time() {
        let page = rustix::param::page_size();
        let region = crate::AnonymousRegion::reserve(8 * page).unwrap();
        let at = |page_number: usize| region.as_ptr().wrapping_add(page_number * page);
        let no_process = tempfile::tempfile().unwrap();
        for number in 0..8 {
            // SAFETY: within the region, which only this test uses.
            unsafe { at(number).write(7) };
        }
        let ranges = [1, 3, 6].map(|number| Pages { start: at(number), len: page });
        // SAFETY: pages of the region, which only this test uses.
        let through = unsafe { dont_need_of(Some(no_process.as_fd()), &ranges) };
        assert_eq!((through.ranges, through.outcome), (3, Ok(())));
        // SAFETY: as above.
        let left = (0..8).map(|number| unsafe { at(number).read() });
        assert_eq!(left.collect::<Vec<_>>(), [7, 0, 7, 0, 7, 7, 0, 7]);
    }

    #[test]
    fn only_a_lasting_refusal_ends_the_asking() {
        let refusals = [Errno::NOSYS, Errno::PERM, Errno::INVAL, Errno::BADF];
        assert_eq!(refusals.map(is_lasting), [true; 4]);
        let passing = [Errno::NOMEM, Errno::INTR, Errno::AGAIN, Errno::MFILE];
        assert_eq!(passing.map(is_lasting), [false; 4]);
    }

    #[cfg(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")
    ))]
    #[test]
    fn a_system_that_takes_many_ranges_is_given_all_in_one_call() {
        let page = rustix::param::page_size();
        let region = crate::AnonymousRegion::reserve(AT_ONCE * page).unwrap();
        let ranges: Vec<_> = (0..AT_ONCE)
            .map(|at| Pages { start: region.as_ptr().wrapping_add(at * page), len: page })
            .collect();
        // SAFETY: each is within the region, which only this test uses.
        ranges.iter().for_each(|range| unsafe { range.start.write(7) });
        let Ok(this) = process::open() else { return };
        // SAFETY: pages of the region, which only this test uses.
        match unsafe { process::dont_need(this.as_fd(), &ranges) } {
            Ok(bytes) => {
                assert_eq!(bytes, AT_ONCE * page);
                // SAFETY: as above.
                assert!(ranges.iter().all(|range| unsafe { range.start.read() } == 0));
            }
            Err(errno) => assert!(is_lasting(errno), "{errno}"),
        }
    }

    #[test]
    fn many_ranges_are_released_and_what_lies_between_stays() {
        let page = rustix::param::page_size();
        let pages = 5 * AT_ONCE;
        let region = crate::AnonymousRegion::reserve(pages * page).unwrap();
        for at in 0..pages {
            // SAFETY: `at` is within the region, which only this test uses.
            unsafe { region.as_ptr().wrapping_add(at * page).write(7) };
        }
        let ranges: Vec<_> = (0..pages).step_by(2).map(|at| at * page..(at + 1) * page).collect();
        // SAFETY: no reference into the region exists.
        let (released, outcome) = unsafe { region.release_all(&ranges) };
        assert!(outcome.is_ok() && released == ranges.len(), "{released}: {outcome:?}");
        for at in 0..pages {
            // SAFETY: as above.
            let read = unsafe { region.as_ptr().wrapping_add(at * page).read() };
            assert_eq!(read, if at % 2 == 0 { 0 } else { 7 }, "page {at}");
        }
    }
}
