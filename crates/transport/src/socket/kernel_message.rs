//! Addresses and control messages as the Linux kernel lays them out: the only place that reads or writes them.
#![allow(unsafe_code, reason = "the C layouts of socket addresses and control messages")]

use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use super::{Received, Transmit};

/// Room for every control message that we ask for or send: stamp 32, drops 24, two ECN fields 48, address 40.
const CONTROL_BYTES: usize = 192;

/// A buffer for control messages, aligned as `cmsghdr` must be.
#[derive(Clone)]
#[repr(C, align(8))]
pub(super) struct Control([u8; CONTROL_BYTES]);

impl Control {
    pub(super) const fn new() -> Self {
        Self([0; CONTROL_BYTES])
    }
}

/// What a socket does without being told with each datagram.
pub(super) struct Usual {
    /// The ECN bits of what it sends.
    pub(super) ecn: u8,
    /// The address that it is bound to, if it is one: its datagrams come from there, and were sent to there.
    pub(super) local_ip: Option<IpAddr>,
}

/// What came beside a datagram.
#[derive(Default)]
pub(super) struct Ancillary {
    /// Wall-clock time of arrival since the Unix epoch.
    pub(super) stamp: Option<Duration>,
    /// The socket's drop counter when the datagram was queued.
    pub(super) drops: Option<u32>,
    pub(super) ecn: u8,
    pub(super) local_ip: Option<IpAddr>,
}

/// One message of a batch: everything that a `msghdr` points to.
pub(super) struct Envelope<'a> {
    pub(super) address: &'a mut libc::sockaddr_storage,
    pub(super) part: &'a mut libc::iovec,
    pub(super) control: &'a mut Control,
}

impl Envelope<'_> {
    /// A header that receives into the envelope.
    pub(super) fn receiving(self, header: &mut libc::msghdr) {
        header.msg_name = std::ptr::from_mut(self.address).cast();
        header.msg_namelen = mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        header.msg_iov = self.part;
        header.msg_iovlen = 1;
        header.msg_control = self.control.0.as_mut_ptr().cast();
        header.msg_controllen = CONTROL_BYTES as _;
        header.msg_flags = 0;
    }

    /// A header that sends `datagram`, whose payload the envelope's part points to already.
    pub(super) fn sending(self, header: &mut libc::msghdr, datagram: &Transmit, usual: &Usual) {
        header.msg_namelen = encode_address(datagram.remote, self.address);
        header.msg_name = std::ptr::from_mut(self.address).cast();
        header.msg_iov = self.part;
        header.msg_iovlen = 1;
        header.msg_control = self.control.0.as_mut_ptr().cast();
        header.msg_controllen = CONTROL_BYTES as _;
        header.msg_flags = 0;
        let used = encode_control(header, datagram, usual);
        header.msg_controllen = used as _;
        if used == 0 {
            header.msg_control = std::ptr::null_mut();
        }
    }
}

/// Writes `address` as the kernel reads it and returns its length.
pub(super) fn encode_address(address: SocketAddr, storage: &mut libc::sockaddr_storage) -> libc::socklen_t {
    match address {
        SocketAddr::V4(v4) => {
            let raw = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                sin_zero: [0; 8],
            };
            // SAFETY: `sockaddr_storage` is larger than and aligned for every socket address.
            unsafe { std::ptr::from_mut(storage).cast::<libc::sockaddr_in>().write(raw) };
            mem::size_of::<libc::sockaddr_in>() as libc::socklen_t
        }
        SocketAddr::V6(v6) => {
            let raw = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            };
            // SAFETY: `sockaddr_storage` is larger than and aligned for every socket address.
            unsafe { std::ptr::from_mut(storage).cast::<libc::sockaddr_in6>().write(raw) };
            mem::size_of::<libc::sockaddr_in6>() as libc::socklen_t
        }
    }
}

/// The address that the kernel wrote; `None` for a family that is not IP.
pub(super) fn decode_address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that this is a `sockaddr_in`, and the storage is large and aligned enough.
            let raw = unsafe { std::ptr::from_ref(storage).cast::<libc::sockaddr_in>().read() };
            let ip = Ipv4Addr::from(raw.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddr::from((ip, u16::from_be(raw.sin_port))))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that this is a `sockaddr_in6`, and the storage is large and aligned enough.
            let raw = unsafe { std::ptr::from_ref(storage).cast::<libc::sockaddr_in6>().read() };
            let ip = Ipv6Addr::from(raw.sin6_addr.s6_addr);
            let port = u16::from_be(raw.sin6_port);
            Some(SocketAddrV6::new(ip, port, raw.sin6_flowinfo, raw.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// Appends the control messages that `datagram` needs to `header`'s buffer and returns the bytes used.
fn encode_control(header: &mut libc::msghdr, datagram: &Transmit, usual: &Usual) -> usize {
    let is_v4 = match datagram.remote {
        SocketAddr::V4(_) => true,
        SocketAddr::V6(v6) => v6.ip().to_ipv4_mapped().is_some(),
    };
    let mut used = 0;
    if datagram.ecn != usual.ecn {
        let (level, kind) =
            if is_v4 { (libc::IPPROTO_IP, libc::IP_TOS) } else { (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) };
        append(header, &mut used, level, kind, libc::c_int::from(datagram.ecn));
    }
    match datagram.local_ip.filter(|_| usual.local_ip.is_none()) {
        Some(IpAddr::V4(ip)) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            append(header, &mut used, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
        }
        Some(IpAddr::V6(ip)) => {
            let info = libc::in6_pktinfo { ipi6_ifindex: 0, ipi6_addr: libc::in6_addr { s6_addr: ip.octets() } };
            append(header, &mut used, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
        }
        None => {}
    }
    used
}

/// Writes one control message behind the `used` bytes of `header`'s control buffer.
fn append<T>(header: &mut libc::msghdr, used: &mut usize, level: libc::c_int, kind: libc::c_int, value: T) {
    // SAFETY: these two compute sizes from a size; they touch no memory.
    let (length, space) = unsafe {
        let size = mem::size_of::<T>() as libc::c_uint;
        (libc::CMSG_LEN(size) as usize, libc::CMSG_SPACE(size) as usize)
    };
    assert!(*used + space <= CONTROL_BYTES, "the buffer holds all that we send");
    // SAFETY: `msg_control` is the start of a `Control`, the assertion keeps the message inside it, and `used` is a sum
    // of `CMSG_SPACE`s, so the header is aligned.
    unsafe {
        let message = header.msg_control.cast::<u8>().add(*used).cast::<libc::cmsghdr>();
        message.write(libc::cmsghdr { cmsg_len: length as _, cmsg_level: level, cmsg_type: kind });
        libc::CMSG_DATA(message).cast::<T>().write_unaligned(value);
    }
    *used += space;
}

/// Reads what the kernel put beside a datagram. `header` was filled by a receive into an [`Envelope`].
pub(super) fn decode_control(header: &libc::msghdr, usual: &Usual) -> Ancillary {
    let mut found = Ancillary { local_ip: usual.local_ip, ..Ancillary::default() };
    // SAFETY: the kernel wrote `msg_controllen` bytes of well-formed messages into the envelope's `Control`, which still
    // lives; CMSG_FIRSTHDR and CMSG_NXTHDR return null or a message inside of them.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(header) };
    // SAFETY: not null, so it points to a message inside the control buffer.
    while let Some(message) = unsafe { next.as_ref() } {
        match (message.cmsg_level, message.cmsg_type) {
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                let stamp: libc::timespec = data(message);
                found.stamp = Some(Duration::new(stamp.tv_sec.max(0) as u64, stamp.tv_nsec as u32));
            }
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => found.drops = Some(data(message)),
            (libc::IPPROTO_IP, libc::IP_TOS) => found.ecn = data::<u8>(message) & 0b11,
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => found.ecn = data::<libc::c_int>(message) as u8 & 0b11,
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                let info: libc::in_pktinfo = data(message);
                found.local_ip = Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into());
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                let info: libc::in6_pktinfo = data(message);
                found.local_ip = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
            }
            _ => {}
        }
        // SAFETY: as above; `message` lies inside the buffer that `header` describes.
        next = unsafe { libc::CMSG_NXTHDR(header, message) };
    }
    found
}

/// The value of a message whose level and type say that it is a `T`.
fn data<T: Copy>(message: &libc::cmsghdr) -> T {
    // SAFETY: the kernel sends a whole `T` for the level and type that the caller matched on.
    unsafe { libc::CMSG_DATA(message).cast::<T>().read_unaligned() }
}

/// Joins the pieces of a received datagram.
pub(super) fn received<'a>(
    at: downbeat_wire::Micros,
    remote: SocketAddr,
    beside: &Ancillary,
    payload: &'a [u8],
) -> Received<'a> {
    Received { at, remote, local_ip: beside.local_ip, ecn: beside.ecn, payload }
}
