//! A system call per datagram would cost more than the datagram. On Linux, one call reads or writes 64 of them, and the
//! kernel says when each arrived, how many it had to drop, and whether a router marked it.
#![allow(unsafe_code, reason = "recvmmsg, sendmmsg, ppoll and socket options have no safe form in std")]

use std::io;
use std::mem;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use downbeat_wire::Micros;

use super::kernel_message::{Control, Envelope, Usual, decode_address, decode_control, encode_address, received};
use super::{Outgoing, Received, Socket, SocketCounters, SocketOptions};
use crate::limits::{BATCH_DATAGRAMS, DATAGRAM_BYTES_MAX, KERNEL_BUFFER_BYTES};

/// A UDP socket of the operating system.
pub struct KernelSocket {
    socket: UdpSocket,
    local: SocketAddr,
    receive_buffer_bytes: usize,
    /// What needs no control message.
    usual: Usual,
    buffers: Buffers,
    /// The caller's last `now`, and the wall clock then: kernel stamps are wall-clock times.
    stamp_base: (Micros, Duration),
    drops_seen: u32,
    counters: SocketCounters,
}

/// What system calls point into. Nothing in it is kept from one call to the next.
struct Buffers {
    payloads: Vec<u8>,
    parts: Vec<libc::iovec>,
    addresses: Vec<libc::sockaddr_storage>,
    controls: Vec<Control>,
    headers: Vec<libc::mmsghdr>,
}

// SAFETY: the pointers in parts and headers are written before each system call and never read after it, so moving the
// buffers to another thread moves nothing that points anywhere.
unsafe impl Send for Buffers {}

impl Buffers {
    fn new() -> Self {
        // SAFETY: all-zero bytes are a valid address storage, header and part (null pointers, zero lengths).
        let (address, header, part) = unsafe { (mem::zeroed(), mem::zeroed(), mem::zeroed()) };
        Self {
            payloads: vec![0; BATCH_DATAGRAMS * DATAGRAM_BYTES_MAX],
            parts: vec![part; BATCH_DATAGRAMS],
            addresses: vec![address; BATCH_DATAGRAMS],
            controls: vec![Control::new(); BATCH_DATAGRAMS],
            headers: vec![header; BATCH_DATAGRAMS],
        }
    }
}

/// For whoever waits for several sockets at once.
impl AsFd for KernelSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl KernelSocket {
    /// A socket at `address`, with large buffers, stamps, ECN and drop counts where the kernel grants them.
    ///
    /// # Errors
    /// When the address cannot be bound. Missing extras are no error.
    pub fn bind(address: SocketAddr, options: SocketOptions) -> io::Result<Self> {
        let fd = open(address)?;
        if address.is_ipv6() {
            set(&fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, &libc::c_int::from(!options.dual_stack))?;
        }
        if options.reuse_port {
            set(&fd, libc::SOL_SOCKET, libc::SO_REUSEPORT, &1)?;
        }
        bind(&fd, address)?;
        let receive_buffer_bytes = grow_buffers(&fd);
        ask_for_extras(&fd, address);
        let usual = Usual {
            ecn: usual_ecn(&fd, address.is_ipv6()),
            local_ip: Some(address.ip()).filter(|ip| !ip.is_unspecified()),
        };
        let socket = UdpSocket::from(fd);
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        Ok(Self {
            socket,
            local,
            receive_buffer_bytes,
            usual,
            buffers: Buffers::new(),
            stamp_base: (Micros(0), wall_clock()),
            drops_seen: 0,
            counters: SocketCounters::default(),
        })
    }

    /// Receive buffer that the kernel granted, in bytes of datagrams and their book-keeping. Below
    /// [`KERNEL_BUFFER_BYTES`] a burst may overflow it: warn, and name `net.core.rmem_max`.
    #[must_use]
    pub const fn receive_buffer_bytes(&self) -> usize {
        self.receive_buffer_bytes
    }

    /// Lets the sockets of a `reuse_port` group share datagrams by connection id: shard `i` of `shards` gets those whose
    /// id's first byte is `i` modulo `shards`, where `i` is the order of binding. One socket of the group attaches.
    ///
    /// # Errors
    /// When the kernel does not take the program.
    pub fn steer_by_connection_id(&self, shards: u8) -> io::Result<()> {
        let op = |code: u32, k: u32, jt: u8, jf: u8| libc::sock_filter { code: code as u16, jt, jf, k };
        let byte = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
        // A long header (top bit set) has its destination id's first byte at 6, a short header at 1.
        let mut program = [
            op(byte, 0, 0, 0),
            op(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, 0x80, 0, 2),
            op(byte, 6, 0, 0),
            op(libc::BPF_JMP | libc::BPF_JA, 1, 0, 0),
            op(byte, 1, 0, 0),
            op(libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, u32::from(shards.max(1)), 0, 0),
            op(libc::BPF_RET | BPF_A, 0, 0, 0),
        ];
        let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
        set(&self.socket, libc::SOL_SOCKET, libc::SO_ATTACH_REUSEPORT_CBPF, &program)
    }

    /// When a datagram with the wall-clock `stamp` arrived.
    fn arrival(&mut self, now: Micros, stamp: Option<Duration>) -> Micros {
        let Some(stamp) = stamp else { return now };
        let (base, wall) = self.stamp_base;
        let at = i128::from(base.0) + (stamp.as_micros() as i128 - wall.as_micros() as i128);
        // Within a second either way: anything else is a wall clock that was set meanwhile.
        let at = at.clamp(i128::from(now.0) - 1_000_000, i128::from(now.0) + 1_000_000);
        Micros(u64::try_from(at.max(0)).unwrap_or(now.0))
    }

    fn count_drops(&mut self, drops: Option<u32>) {
        let Some(drops) = drops else { return };
        self.counters.kernel_drops += u64::from(drops.wrapping_sub(self.drops_seen));
        self.drops_seen = drops;
    }

    /// Reads a batch into the buffers and returns how many datagrams there are.
    fn read(&mut self) -> io::Result<usize> {
        let Buffers { payloads, parts, addresses, controls, headers } = &mut self.buffers;
        let chunks = payloads.chunks_exact_mut(DATAGRAM_BYTES_MAX);
        for ((((chunk, part), address), control), header) in
            chunks.zip(&mut *parts).zip(addresses).zip(controls).zip(&mut *headers)
        {
            *part = libc::iovec { iov_base: chunk.as_mut_ptr().cast(), iov_len: chunk.len() };
            Envelope { address, part, control }.receiving(&mut header.msg_hdr);
        }
        loop {
            // SAFETY: every header points into `self.buffers`, which is borrowed until the call returns; the count is
            // the number of headers.
            let read = unsafe {
                libc::recvmmsg(
                    self.socket.as_raw_fd(),
                    headers.as_mut_ptr(),
                    headers.len() as libc::c_uint,
                    libc::MSG_DONTWAIT as _,
                    std::ptr::null_mut(),
                )
            };
            self.counters.reads += 1;
            if read >= 0 {
                return Ok(read as usize);
            }
            let error = io::Error::last_os_error();
            match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock
                | io::ErrorKind::ConnectionRefused
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::OutOfMemory => return Ok(0),
                _ => return Err(error),
            }
        }
    }
}

/// `BPF_A` of the kernel's headers, which libc does not carry: return the accumulator.
const BPF_A: u32 = 0x10;

impl Socket for KernelSocket {
    fn local_addr(&self) -> SocketAddr {
        self.local
    }

    fn recv_batch(&mut self, now: Micros, sink: &mut dyn FnMut(Received<'_>)) -> io::Result<usize> {
        if self.stamp_base.0 != now {
            self.stamp_base = (now, wall_clock());
        }
        let count = self.read()?;
        for i in 0..count {
            let header = &self.buffers.headers[i];
            let length = (header.msg_len as usize).min(DATAGRAM_BYTES_MAX);
            let beside = decode_control(&header.msg_hdr, &self.usual);
            let remote = decode_address(&self.buffers.addresses[i]);
            self.count_drops(beside.drops);
            let at = self.arrival(now, beside.stamp);
            let Some(remote) = remote else { continue };
            let start = i * DATAGRAM_BYTES_MAX;
            sink(received(at, remote, &beside, &self.buffers.payloads[start..start + length]));
        }
        Ok(count)
    }

    fn send_batch(&mut self, _now: Micros, batch: &mut Outgoing) -> io::Result<()> {
        let Self { buffers: Buffers { parts, addresses, controls, headers, .. }, usual, .. } = self;
        let datagrams = batch.datagrams();
        for ((((datagram, part), address), control), header) in
            datagrams.iter().zip(&mut *parts).zip(addresses).zip(controls).zip(&mut *headers)
        {
            let payload = &datagram.payload;
            // The kernel only reads through this pointer; `iovec` has no const form.
            *part = libc::iovec { iov_base: payload.as_ptr().cast_mut().cast(), iov_len: payload.len() };
            Envelope { address, part, control }.sending(&mut header.msg_hdr, datagram, usual);
        }
        let mut left = &mut headers[..datagrams.len()];
        while !left.is_empty() {
            // SAFETY: every header points into `self.buffers` or into the batch's payloads, both borrowed until the call
            // returns; the count is the number of headers.
            let sent =
                unsafe { libc::sendmmsg(self.socket.as_raw_fd(), left.as_mut_ptr(), left.len() as libc::c_uint, 0) };
            self.counters.writes += 1;
            let done = if sent >= 0 {
                sent as usize
            } else {
                match io::Error::last_os_error().kind() {
                    io::ErrorKind::Interrupted => 0,
                    io::ErrorKind::WouldBlock => {
                        self.counters.send_drops += left.len() as u64;
                        left.len()
                    }
                    // This one cannot go: its address is unreachable, or it is longer than the path takes.
                    _ => {
                        self.counters.send_drops += 1;
                        1
                    }
                }
            };
            left = &mut left[done..];
        }
        batch.clear();
        Ok(())
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        let mut poll = libc::pollfd { fd: self.socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let timeout = libc::timespec {
            tv_sec: timeout.as_secs().min(3_600) as libc::time_t,
            tv_nsec: libc::c_long::from(timeout.subsec_nanos() as i32),
        };
        // SAFETY: one pollfd and one timespec, both on this stack frame; no signal mask.
        let ready = unsafe { libc::ppoll(&raw mut poll, 1, &raw const timeout, std::ptr::null()) };
        if ready >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) }
    }

    fn counters(&self) -> SocketCounters {
        self.counters
    }
}

fn wall_clock() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

fn open(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv6() { libc::AF_INET6 } else { libc::AF_INET };
    // SAFETY: no pointers are involved.
    let fd = unsafe { libc::socket(family, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call above gave us this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn bind(fd: &OwnedFd, address: SocketAddr) -> io::Result<()> {
    // SAFETY: all-zero bytes are a valid address storage.
    let mut storage = unsafe { mem::zeroed() };
    let length = encode_address(address, &mut storage);
    // SAFETY: the storage holds an address of `length` bytes.
    let result = unsafe { libc::bind(fd.as_raw_fd(), (&raw const storage).cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn set<T>(fd: &impl AsRawFd, level: libc::c_int, name: libc::c_int, value: &T) -> io::Result<()> {
    let length = mem::size_of::<T>() as libc::socklen_t;
    // SAFETY: `value` is borrowed for the call and `length` is its size.
    let result = unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, std::ptr::from_ref(value).cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Asks for large buffers, by privilege first, and returns the receive buffer that was granted.
fn grow_buffers(fd: &OwnedFd) -> usize {
    let wanted = KERNEL_BUFFER_BYTES as libc::c_int;
    for (force, polite) in [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)] {
        if set(fd, libc::SOL_SOCKET, force, &wanted).is_err() {
            // Refused at worst: then the default stays, which the read-back below tells.
            let _ = set(fd, libc::SOL_SOCKET, polite, &wanted);
        }
    }
    let mut granted: libc::c_int = 0;
    let mut length = mem::size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: value and length live on this stack frame, and the length is the value's size.
    let result = unsafe {
        libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF, (&raw mut granted).cast(), &raw mut length)
    };
    // The kernel doubles what was asked for, to pay for its book-keeping.
    if result == 0 { usize::try_from(granted).unwrap_or(0) / 2 } else { 0 }
}

/// Extras that a kernel may lack: without them stamps, drops, ECN, source addresses or MTU discovery are missing.
fn ask_for_extras(fd: &OwnedFd, address: SocketAddr) {
    let mut wanted = vec![
        (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1),
        (libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1),
        // On a dual-stack socket these are for its IPv4 peers.
        (libc::IPPROTO_IP, libc::IP_RECVTOS, 1),
        (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE),
    ];
    if address.is_ipv6() {
        wanted.extend([
            (libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS, 1),
            (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_PROBE),
        ]);
    }
    // A socket of one address knows where its datagrams were sent to.
    match address.ip() {
        ip if !ip.is_unspecified() => {}
        IpAddr::V4(_) => wanted.push((libc::IPPROTO_IP, libc::IP_PKTINFO, 1)),
        IpAddr::V6(_) => wanted.push((libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)),
    }
    for (level, name, value) in wanted {
        let _ = set(fd, level, name, &value);
    }
}

/// Makes the mark of nearly all datagrams the socket's own, and returns it: with each of them, it would be a control message.
fn usual_ecn(fd: &OwnedFd, is_v6: bool) -> u8 {
    const ECT_0: libc::c_int = 0b10;
    // On a dual-stack socket the first is for its IPv4 peers.
    let mark = |value| match set(fd, libc::IPPROTO_IP, libc::IP_TOS, &value) {
        Ok(()) if is_v6 => set(fd, libc::IPPROTO_IPV6, libc::IPV6_TCLASS, &value),
        result => result,
    };
    if mark(ECT_0).is_ok() {
        return ECT_0 as u8;
    }
    // Not half of it: what has no mark says nothing.
    let _ = mark(0);
    0
}
