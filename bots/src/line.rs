//! What bots play over: the kernel's socket as it is, or behind a conditioner that imitates a network.

use downbeat_transport::{Conditioner, ConnId, Driver, KernelSocket, Socket};

/// A socket that bots play over.
pub(crate) trait Line: Socket + Sized {
    /// Datagrams to `conn` that the conditioner dropped on purpose.
    fn dropped(driver: &Driver<Self>, conn: ConnId) -> u64;
    /// Datagrams that the conditioner had to drop because too many were under way.
    fn overflowed(&self) -> u64;
}

impl Line for KernelSocket {
    fn dropped(_: &Driver<Self>, _: ConnId) -> u64 {
        0
    }

    fn overflowed(&self) -> u64 {
        0
    }
}

impl Line for Conditioner<KernelSocket> {
    fn dropped(driver: &Driver<Self>, conn: ConnId) -> u64 {
        driver.conditioned(conn).map_or(0, |both| both.inward.dropped())
    }

    fn overflowed(&self) -> u64 {
        Self::overflowed(self)
    }
}
