//! Every number that bounds what a peer can make us do, with what happens at the bound.

/// Largest control message in bytes, its length prefix apart. A larger one closes the connection with
/// [`ControlTooLarge`](crate::CloseCode::ControlTooLarge).
pub const CONTROL_BYTES_MAX: usize = 4_096;
