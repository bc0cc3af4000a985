//! A server's cost is only its own when nothing else is in its process. So workloads over real sockets start this program
//! again, as a server on the first processor, and load it from the second.
//!
//! | module | holds |
//! |---|---|
//! | [`host()`], `Host` | the server's process, from inside and from outside |
//! | `load` | bots that play on it |
//! | `exact` | whether they were told what is so |

mod exact;
mod host;
mod load;

pub use host::{HostSpec, World, host};

pub(crate) use exact::FieldJudge;
pub(crate) use host::{Host, Served, Work};
pub(crate) use load::{Load, faults, kernel_drops, lost, play};
