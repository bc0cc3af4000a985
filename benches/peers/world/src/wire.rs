//! Bytes at the sockets. Most libraries own their sockets, so they are counted where all of them end: at the C library's
//! functions, which this program has its own of. Each makes the same system call and adds up what went through.
//!
//! On the wire a datagram has 28 bytes more: IPv4 and UDP headers.

use std::sync::atomic::{AtomicU64, Ordering};

use libc::{c_int, c_long, c_uint, c_void, mmsghdr, msghdr, size_t, sockaddr, socklen_t, ssize_t, timespec};

/// Bytes of IPv4 and UDP headers.
const HEADERS: u64 = 28;

/// What went through sockets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wire {
    pub(crate) sent: Way,
    pub(crate) received: Way,
}

/// One direction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Way {
    pub(crate) datagrams: u64,
    /// Of the datagrams' payload.
    pub(crate) bytes: u64,
}

impl Way {
    /// Bytes with headers.
    pub(crate) const fn wire_bytes(self) -> u64 {
        self.bytes + HEADERS * self.datagrams
    }

    const fn since(self, then: Self) -> Self {
        Self { datagrams: self.datagrams - then.datagrams, bytes: self.bytes - then.bytes }
    }
}

impl Wire {
    pub(crate) fn now() -> Self {
        Self { sent: SENT.read(), received: RECEIVED.read() }
    }

    pub(crate) const fn since(self, then: Self) -> Self {
        Self { sent: self.sent.since(then.sent), received: self.received.since(then.received) }
    }
}

struct Counter {
    datagrams: AtomicU64,
    bytes: AtomicU64,
}

static SENT: Counter = Counter { datagrams: AtomicU64::new(0), bytes: AtomicU64::new(0) };
static RECEIVED: Counter = Counter { datagrams: AtomicU64::new(0), bytes: AtomicU64::new(0) };

impl Counter {
    fn add(&self, bytes: u64) {
        self.datagrams.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn read(&self) -> Way {
        Way { datagrams: self.datagrams.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }

    /// Counts what a call returned, if it is no error.
    fn one(&self, returned: c_long) -> ssize_t {
        if let Ok(bytes) = u64::try_from(returned) {
            self.add(bytes);
        }
        returned as ssize_t
    }

    /// Counts the messages that a call returned, if it is no error.
    ///
    /// # Safety
    /// As many messages as it returned are at `messages`, and the kernel has written their lengths.
    unsafe fn many(&self, messages: *const mmsghdr, returned: c_long) -> c_int {
        for i in 0..usize::try_from(returned).unwrap_or(0) {
            // SAFETY: as the caller promises.
            self.add(u64::from(unsafe { (*messages.add(i)).msg_len }));
        }
        returned as c_int
    }
}

// SAFETY of all below: they are called as the C library's functions of the same names, with arguments that are legal for
// those, and make the system calls that those make with the same arguments. `syscall` sets errno as they do.

#[unsafe(no_mangle)]
unsafe extern "C" fn sendto(
    socket: c_int,
    bytes: *const c_void,
    length: size_t,
    flags: c_int,
    to: *const sockaddr,
    to_length: socklen_t,
) -> ssize_t {
    SENT.one(unsafe { libc::syscall(libc::SYS_sendto, socket, bytes, length, flags, to, to_length) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn send(socket: c_int, bytes: *const c_void, length: size_t, flags: c_int) -> ssize_t {
    unsafe { sendto(socket, bytes, length, flags, std::ptr::null(), 0) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sendmsg(socket: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
    SENT.one(unsafe { libc::syscall(libc::SYS_sendmsg, socket, message, flags) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sendmmsg(socket: c_int, messages: *mut mmsghdr, count: c_uint, flags: c_int) -> c_int {
    let returned = unsafe { libc::syscall(libc::SYS_sendmmsg, socket, messages, count, flags) };
    unsafe { SENT.many(messages, returned) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn recvfrom(
    socket: c_int,
    bytes: *mut c_void,
    length: size_t,
    flags: c_int,
    from: *mut sockaddr,
    from_length: *mut socklen_t,
) -> ssize_t {
    RECEIVED.one(unsafe { libc::syscall(libc::SYS_recvfrom, socket, bytes, length, flags, from, from_length) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn recv(socket: c_int, bytes: *mut c_void, length: size_t, flags: c_int) -> ssize_t {
    unsafe { recvfrom(socket, bytes, length, flags, std::ptr::null_mut(), std::ptr::null_mut()) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn recvmsg(socket: c_int, message: *mut msghdr, flags: c_int) -> ssize_t {
    RECEIVED.one(unsafe { libc::syscall(libc::SYS_recvmsg, socket, message, flags) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn recvmmsg(
    socket: c_int,
    messages: *mut mmsghdr,
    count: c_uint,
    flags: c_int,
    timeout: *mut timespec,
) -> c_int {
    let returned = unsafe { libc::syscall(libc::SYS_recvmmsg, socket, messages, count, flags, timeout) };
    unsafe { RECEIVED.many(messages, returned) }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn what_the_standard_library_sends_and_receives_is_counted() {
        let (a, b) = (UdpSocket::bind("127.0.0.1:0"), UdpSocket::bind("127.0.0.1:0"));
        let (a, b) = (a.expect("a free port"), b.expect("a free port"));
        let before = Wire::now();
        a.send_to(&[1; 100], b.local_addr().expect("it is bound")).expect("loopback takes it");
        a.connect(b.local_addr().expect("it is bound")).expect("loopback takes it");
        a.send(&[2; 50]).expect("loopback takes it");
        let mut bytes = [0; 200];
        assert_eq!(b.recv_from(&mut bytes).expect("it is there").0, 100);
        assert_eq!(b.recv(&mut bytes).expect("it is there"), 50);
        let now = Wire::now().since(before);
        // Other tests send, too.
        assert!(now.sent.datagrams >= 2 && now.sent.bytes >= 150, "{now:?}");
        assert_eq!((now.received.datagrams, now.received.bytes, now.received.wire_bytes()), (2, 150, 206));
    }
}
