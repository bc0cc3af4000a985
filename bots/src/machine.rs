//! What the machine is asked: to stay on one core, how much of it was used, and how fast it is today.

use std::io;
use std::time::{Duration, Instant};

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// Keeps this thread on one CPU.
pub(crate) fn pin(cpu: usize) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let mut set = rustix::thread::CpuSet::new();
        if cpu >= rustix::thread::CpuSet::MAX_CPU {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        set.set(cpu);
        Ok(rustix::thread::sched_setaffinity(None, &set)?)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = cpu;
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Lets this thread's sleeps end when they should, instead of up to 50 µs later.
pub(crate) fn sleep_precisely() {
    // Without the permission, bots are merely a little later.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1_000));
}

/// CPU time that this thread has used; `None` where the system does not tell.
pub(crate) fn thread_cpu() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    {
        let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Some(Duration::new(u64::try_from(used.tv_sec).ok()?, u32::try_from(used.tv_nsec).ok()?))
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// Resident memory of this process, in bytes; `None` where the system does not tell.
pub(crate) fn rss_bytes() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
        let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
        Some(pages * rustix::param::page_size() as u64)
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// The median time of sealing 1,200 bytes with AES-128-GCM, in nanoseconds: machines vary up to 1.6x between runs, and
/// this tells by how much.
#[must_use]
pub fn reference_ns() -> f64 {
    let key = UnboundKey::new(&AES_128_GCM, &[7; 16]).expect("AES-128 has keys of 16 bytes");
    let key = LessSafeKey::new(key);
    let mut packet = vec![0_u8; 1_200];
    let mut seal = |n: u64| {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&n.to_be_bytes());
        let nonce = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut packet).expect("the packet is short")
    };
    // Several at a time, so that reading the clock does not count.
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|round| {
            let begun = Instant::now();
            for n in 0..SEALS {
                let _ = std::hint::black_box(seal(round * SEALS + n));
            }
            begun.elapsed().as_nanos() as f64 / SEALS as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

const ROUNDS: u64 = 301;
const SEALS: u64 = 16;
