//! What only the operating system knows: processor time, memory, cores. `None` where it does not tell.

use std::io;
#[cfg(target_os = "linux")]
use std::num::NonZeroU64;
use std::time::Duration;

/// Processor time of the calling thread so far.
#[cfg(target_os = "linux")]
pub(crate) fn thread_cpu_time() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

/// Memory of the process that is in RAM, in bytes.
#[cfg(target_os = "linux")]
pub(crate) fn rss_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Processor time of all threads of the process so far.
#[cfg(target_os = "linux")]
pub(crate) fn process_cpu_time() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

/// Files and sockets that the process has open.
#[cfg(target_os = "linux")]
pub(crate) fn open_files() -> Option<u64> {
    // The folder itself is open while it is read.
    Some((std::fs::read_dir("/proc/self/fd").ok()?.count() as u64).saturating_sub(1))
}

/// How many it may have open; `None` without a limit.
#[cfg(target_os = "linux")]
pub(crate) fn open_files_max() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// Lets the calling thread's sleeps end when they should, instead of up to 50 µs later.
#[cfg(target_os = "linux")]
pub(crate) fn sleep_precisely() {
    // Without the permission, ticks merely begin less precisely.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1_000));
}

/// Binds the calling thread to one processor.
///
/// # Errors
/// When there is no such processor.
#[cfg(target_os = "linux")]
pub fn pin_thread(cpu: usize) -> io::Result<()> {
    if cpu >= rustix::thread::CpuSet::MAX_CPU {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("there is no processor {cpu}")));
    }
    let mut set = rustix::thread::CpuSet::new();
    set.set(cpu);
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use super::{Duration, io};

    pub(crate) const fn thread_cpu_time() -> Option<Duration> {
        None
    }

    pub(crate) const fn rss_bytes() -> Option<u64> {
        None
    }

    pub(crate) const fn process_cpu_time() -> Option<Duration> {
        None
    }

    pub(crate) const fn open_files() -> Option<u64> {
        None
    }

    pub(crate) const fn open_files_max() -> Option<u64> {
        None
    }

    pub(crate) const fn sleep_precisely() {}

    /// Binds the calling thread to one processor.
    ///
    /// # Errors
    /// Always: this is only known for Linux.
    pub fn pin_thread(_cpu: usize) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "threads can be pinned on Linux alone"))
    }
}

#[cfg(not(target_os = "linux"))]
pub use elsewhere::pin_thread;
#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::{open_files, open_files_max, process_cpu_time, rss_bytes, sleep_precisely, thread_cpu_time};

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_plausible() {
        let before = thread_cpu_time().expect("Linux tells");
        let mut sum = 0u64;
        while thread_cpu_time().expect("Linux tells") - before < Duration::from_millis(1) {
            sum = sum.wrapping_add(std::hint::black_box(1));
        }
        assert!(sum > 0);
        assert!((100_000..1 << 40).contains(&rss_bytes().expect("Linux tells")));
        assert!(process_cpu_time() >= thread_cpu_time());
        let files = open_files().expect("Linux tells");
        let _file = std::fs::File::open("/proc/self/stat").expect("Linux has it");
        assert!(open_files() > Some(0) && files < 10_000);
        assert!(pin_thread(100_000).is_err());
    }
}
