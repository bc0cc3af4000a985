//! Why bytes from the network were refused.

/// What a decoder found wrong. The bytes are the peer's: none of this is ever our own fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end before the value does.
    #[error("the message is truncated")]
    Truncated,
    /// Bytes are left after the message.
    #[error("bytes follow the end of the message")]
    TrailingBytes,
    /// A value that no honest peer writes; names the item.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// A length or count over its limit; names the item.
    #[error("{0} exceeds its limit")]
    TooLarge(&'static str),
    /// A delta against a state that this end does not hold (any more).
    #[error("the baseline is not held here")]
    UnknownBaseline,
    /// Older than what this end still takes.
    #[error("out of date")]
    Stale,
}
