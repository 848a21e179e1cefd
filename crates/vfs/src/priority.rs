//! How much of the processor a thread asks for.

/// Lets every other thread go first: for background work. Advice; a refusal changes nothing.
pub fn lower_priority() {
    // On Linux, niceness belongs to the thread, and 0 names the calling one.
    let lowered = rustix::process::setpriority_process(None, 19);
    debug_assert!(lowered.is_ok(), "a thread may always lower its own priority");
}
