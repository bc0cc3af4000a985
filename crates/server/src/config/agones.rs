//! Who starts and ends the process: an operator or a service manager, or Agones, which has many of them.

use std::str::FromStr;
use std::time::Duration;

/// Who is told how the server is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Orchestrator {
    /// Nobody.
    #[default]
    None,
    /// Agones, through the sidecar beside the process.
    Agones,
}

/// What Agones is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agones {
    /// Where the sidecar is, as `http://host:port`; without it, at the port that Agones says in `AGONES_SDK_HTTP_PORT`.
    pub sidecar: Option<String>,
    /// What becomes of a server that is allocated and stays empty.
    pub when_empty: WhenEmpty,
    /// How long it stays empty until then.
    pub empty_after: Duration,
    /// For how long it is reserved, if that is what becomes of it.
    pub reserve_for: Duration,
}

/// What becomes of a server that is allocated and stays empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenEmpty {
    /// It can be allocated again, or taken down.
    Ready,
    /// It is kept from either for a while, then likewise.
    Reserve,
    /// It ends, and the fleet starts another.
    Shutdown,
    /// It stays allocated.
    Stay,
}

impl Default for Agones {
    fn default() -> Self {
        Self {
            sidecar: None,
            when_empty: WhenEmpty::Ready,
            empty_after: Duration::from_secs(30),
            reserve_for: Duration::from_secs(60),
        }
    }
}

impl FromStr for Orchestrator {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "none" => Ok(Self::None),
            "agones" => Ok(Self::Agones),
            _ => Err(()),
        }
    }
}

impl FromStr for WhenEmpty {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "ready" => Ok(Self::Ready),
            "reserve" => Ok(Self::Reserve),
            "shutdown" => Ok(Self::Shutdown),
            "stay" => Ok(Self::Stay),
            _ => Err(()),
        }
    }
}
