//! How much of the processor a thread asks for.
#![expect(unsafe_code, reason = "the idle class is chosen through a C function")]
//!
//! Facts relied on: `sched_setscheduler` reads one `int`, the static priority, which is 0 for the
//! class `SCHED_IDLE`; thread 0 is the calling one (`man sched_setscheduler`).

/// How far a thread lets others go first: for background work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Niceness {
    /// As any other thread.
    None,
    /// A tenth of what another thread gets where both want the same core.
    Low,
    /// What others leave. A thread that wakes up takes the core at once.
    Idle,
}

#[cfg(target_os = "linux")]
unsafe extern "C" {
    fn sched_setscheduler(thread: i32, class: i32, priority: *const i32) -> i32;
}

impl Niceness {
    /// Makes the calling thread as nice, for good. Advice; a refusal changes nothing.
    pub fn apply(self) {
        match self {
            Self::None => {}
            Self::Low => lower_priority(10),
            Self::Idle => {
                if !become_idle() {
                    lower_priority(19);
                }
            }
        }
    }
}

fn lower_priority(nice: i32) {
    // On Linux, niceness belongs to the thread, and 0 names the calling one.
    let lowered = rustix::process::setpriority_process(None, nice);
    debug_assert!(lowered.is_ok(), "a thread may always lower its own priority");
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
