//! What the operating system knows of this process. Linux alone: figures that compare are of one machine.

use std::collections::HashSet;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

/// The receive buffer of a server's socket, in bytes: as Downbeat's.
const RECEIVE_BUFFER_BYTES: libc::c_int = 4 << 20;

/// A server's socket on any free port of loopback.
///
/// # Errors
/// When there is none.
pub fn server_socket() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let bytes = RECEIVE_BUFFER_BYTES;
    // SAFETY: the descriptor is open, and the option's value is an int that outlives the call.
    let set = unsafe {
        let length = size_of::<libc::c_int>() as libc::socklen_t;
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF, (&raw const bytes).cast(), length)
    };
    if set == 0 { Ok(socket) } else { Err(io::Error::last_os_error()) }
}

/// Binds this thread, and those that it starts, to one processor.
pub(crate) fn pin(cpu: usize) -> io::Result<()> {
    // SAFETY: a set of zeros is a legal, empty set; CPU_SET stays within it for processors below its size.
    let pinned = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if cpu >= libc::CPU_SETSIZE as usize {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    if pinned == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Processor time of this process so far, of all its threads, in user space and in the kernel.
pub(crate) fn cpu() -> Duration {
    // SAFETY: zeros are a legal rusage, and the call writes to nothing else.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let time = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1_000);
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// Datagrams that the kernel dropped because buffers of this process's UDP sockets were full, from their beginning.
pub(crate) fn kernel_drops() -> u64 {
    let descriptors = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let links = descriptors.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let sockets: HashSet<String> = links
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.trim_end_matches(']').to_owned()))
        .collect();
    let tables = ["/proc/net/udp", "/proc/net/udp6"].map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let drops = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [.., inode, _, _, drops] = words[..] else { return None };
        sockets.contains(inode).then(|| drops.parse::<u64>().ok())?
    };
    tables.iter().flat_map(|table| table.lines().skip(1)).filter_map(drops).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_nobody_reads_drops_and_tells() {
        let deaf = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let speaker = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let before = kernel_drops();
        for _ in 0..10_000 {
            speaker.send_to(&[0; 1_000], deaf.local_addr().expect("it is bound")).expect("loopback takes it");
        }
        assert!(kernel_drops() > before + 5_000);
    }

    #[test]
    fn processor_time_passes_when_used() {
        let before = cpu();
        let mut sum = 0_u64;
        while cpu() - before < Duration::from_millis(20) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(sum > 0 && pin(1 << 20).is_err());
    }
}
