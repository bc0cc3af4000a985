//! The processor's time: what a busy machine does not add to.

use std::time::Duration;

/// Processor time that this thread has used; `None` where the system does not tell.
pub(crate) fn thread_cpu() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    {
        let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Some(Duration::new(u64::try_from(used.tv_sec).ok()?, u32::try_from(used.tv_nsec).ok()?))
    }
    #[cfg(not(target_os = "linux"))]
    None
}
