//! How much of the processor a thread asks for, and how soon.
#![expect(unsafe_code, reason = "the idle class and short turns are chosen through C functions")]
//!
//! Facts relied on: `sched_setscheduler` reads one `int`, the static priority, which is 0 for the
//! class `SCHED_IDLE`; `sched_getscheduler` answers with the class, 0 for the usual one; `sched_setattr` reads as many bytes as its first field says, and of a thread of the
//! usual class takes niceness and, since Linux 6.12, the length of a turn; thread 0 is the calling one
//! (`man sched_setscheduler`, `man sched_setattr`).

/// How far a thread lets others go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Niceness {
    /// A tenth of what another thread gets where both want the same core, so that whoever passes
    /// requests on and is done at once need not wait: searches, and work with an equal claim.
    Long,
    /// A seventh of that: background work with a claim.
    Low,
    /// What others leave. A thread that wakes up takes the core at once.
    Idle,
}

#[cfg(target_os = "linux")]
unsafe extern "C" {
    fn sched_setscheduler(thread: i32, class: i32, priority: *const i32) -> i32;
}

impl Niceness {
    /// Makes the calling thread at least as nice, for good. Advice; a refusal changes nothing.
    pub fn apply(self) {
        match self {
            Self::Long => lower_priority(10),
            Self::Low => lower_priority(19),
            Self::Idle => {
                if !become_idle() {
                    lower_priority(19);
                }
            }
        }
    }
}

fn lower_priority(nice: i32) {
    // On Linux, niceness belongs to the thread, and 0 names the calling one. Who started the process
    // may have made it nicer already.
    if rustix::process::getpriority_process(None).is_ok_and(|own| own < nice) {
        rustix::process::setpriority_process(None, nice).ok();
    }
}

#[cfg(target_os = "linux")]
fn become_idle() -> bool {
    const SCHED_IDLE: i32 = 5;
    let priority = 0;
    // SAFETY: the priority is read during the call, and nothing else.
    unsafe { sched_setscheduler(0, SCHED_IDLE, &raw const priority) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn become_idle() -> bool {
    false
}

/// Has the calling thread's turns be short from now on, so that it is let in at once when it wakes up,
/// though another's turn has not ended: for who passes requests on. It gets no more of the
/// processor. Advice; a refusal changes nothing.
pub fn take_short_turns() {
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    short::take_turns();
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod short {
    /// The least that there is.
    const TURN_NANOSECONDS: u64 = 100_000;
    #[cfg(target_arch = "x86_64")]
    const SCHED_SETATTR: i64 = 314;
    #[cfg(target_arch = "aarch64")]
    const SCHED_SETATTR: i64 = 274;
    // The C library may answer for the kernel that there is no such call.
    #[cfg(target_arch = "x86_64")]
    const SCHED_GETSCHEDULER: i64 = 145;
    #[cfg(target_arch = "aarch64")]
    const SCHED_GETSCHEDULER: i64 = 120;
    const SCHED_OTHER: i64 = 0;

    /// The kernel's `sched_attr` in its first version.
    #[repr(C)]
    #[derive(Default)]
    struct Attributes {
        size: u32,
        class: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        runtime: u64,
        deadline: u64,
        period: u64,
    }

    unsafe extern "C" {
        fn syscall(number: i64, ...) -> i64;
    }

    /// The calling thread's class and its flags, or -1.
    pub(super) fn class() -> i64 {
        // SAFETY: the call takes a thread and touches no memory.
        unsafe { syscall(SCHED_GETSCHEDULER, 0_i32) }
    }

    pub(super) fn take_turns() {
        // The attributes name the class, and another than the usual one was chosen by somebody.
        if class() != SCHED_OTHER {
            return;
        }
        let Ok(nice) = rustix::process::getpriority_process(None) else { return };
        let size = u32::try_from(size_of::<Attributes>()).unwrap_or(0);
        let asked = Attributes { size, nice, runtime: TURN_NANOSECONDS, ..Attributes::default() };
        // SAFETY: the call takes thread, attributes and flags; the attributes have the size that they say
        // and are read during the call, nothing else is.
        unsafe { syscall(SCHED_SETATTR, 0_i32, &raw const asked, 0_u32) };
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// A number from the files of a thread, run in one of its own.
    fn after<T: Send + 'static>(change: fn(), read: fn() -> Option<T>) -> Option<T> {
        let changed = std::thread::spawn(move || {
            change();
            read()
        });
        changed.join().expect("no panic")
    }

    fn turn() -> Option<u64> {
        let shown = std::fs::read_to_string("/proc/thread-self/sched").ok()?;
        let line = shown.lines().find(|line| line.starts_with("se.slice"))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    fn nice() -> Option<i32> {
        rustix::process::getpriority_process(None).ok()
    }

    fn kernel() -> Option<(u32, u32)> {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
        let mut numbers = release.split('.').map(|number| number.parse().ok());
        Some((numbers.next()??, numbers.next()??))
    }

    #[test]
    fn long_work_is_nicer_than_what_passes_it_on() {
        let usual = nice().expect("nothing is refused");
        for (level, wanted) in [(|| Niceness::Long.apply()) as fn(), || Niceness::Low.apply()]
            .into_iter()
            .zip([10, 19])
        {
            assert_eq!(after(level, nice), Some(wanted.max(usual)));
        }
    }

    #[test]
    fn nobody_becomes_less_nice() {
        let twice = || {
            Niceness::Low.apply();
            Niceness::Long.apply();
        };
        assert_eq!(after(twice, nice), after(|| Niceness::Low.apply(), nice));
    }

    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    #[test]
    fn a_chosen_class_is_kept() {
        const BATCH: i32 = 3;
        let batch = || {
            let priority = 0;
            // SAFETY: the priority is read during the call, and nothing else.
            unsafe { sched_setscheduler(0, BATCH, &raw const priority) };
            take_short_turns();
        };
        assert_eq!(after(batch, || Some(short::class())), Some(i64::from(BATCH)));
    }

    #[test]
    fn turns_are_short_where_the_kernel_can_say_so() {
        let Some(usual) = turn().filter(|_| kernel() >= Some((6, 12))) else { return };
        let short = after(take_short_turns, turn).expect("shown before");
        assert!(short < usual, "{short} of {usual} ns");
        let both = || {
            Niceness::Long.apply();
            take_short_turns();
        };
        assert_eq!(after(both, nice), after(|| Niceness::Long.apply(), nice), "as nice as before");
    }
}
