//! systemd wants to know when the server is there, that it lives, and when it ends: lines of text in datagrams to a socket that it
//! names (`sd_notify(3)`). Under anything else nobody asks, and nothing is said.
//!
//! The watchdog is fed while all shards beat: if one hangs, systemd restarts the process. A drain takes as long as it takes, so
//! more time is asked for while it goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use downbeat_server::control::Control;
use downbeat_server::{Pulse, Stop};

/// How often it is looked whether there is something to say, at least.
const LOOKED_EVERY: Duration = Duration::from_millis(250);

const READY: &str = "READY=1\nSTATUS=serving\n";
const STOPPING: &str = "STOPPING=1\nSTATUS=draining\n";
const WATCHDOG: &str = "WATCHDOG=1\n";

/// While the server drains, systemd is asked for 15 s more with each look.
const MORE_TIME: &str = "EXTEND_TIMEOUT_USEC=15000000\n";

/// Tells systemd how the server is until it is dropped, and then that it ends.
pub(crate) struct Service {
    is_over: Arc<AtomicBool>,
}

impl Service {
    /// Begins to tell, if systemd asks.
    pub(crate) fn start(control: Arc<Control>, stop: Stop) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        if std::env::var_os(SOCKET).is_some() {
            let over = Arc::clone(&is_over);
            std::thread::spawn(move || tell(&control, &stop, &over));
        }
        Self { is_over }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        say(STOPPING);
    }
}

/// Reads the configuration again, with systemd knowing of it.
pub(crate) fn reloading(reload: impl FnOnce()) {
    say(&format!("RELOADING=1\nMONOTONIC_USEC={}\n", monotonic_us()));
    reload();
    say(READY);
}

fn tell(control: &Control, stop: &Stop, is_over: &AtomicBool) {
    // Three times within what systemd waits for.
    let look = watchdog().map_or(LOOKED_EVERY, |limit| LOOKED_EVERY.min(limit / 3));
    let (mut pulse, mut is_ready, mut is_stopping) = (Pulse::default(), false, false);
    while !is_over.load(Ordering::Relaxed) {
        let beats = control.beats();
        let is_alive = pulse.hung(&beats).is_none();
        if is_alive {
            say(WATCHDOG);
        }
        if !is_ready && beats.iter().all(|&beats| beats > 0) {
            is_ready = true;
            say(READY);
        }
        if stop.is_requested() {
            if !std::mem::replace(&mut is_stopping, true) {
                say(STOPPING);
            }
            // A shard that hangs while it drains gets no more time than the unit says.
            if is_alive {
                say(MORE_TIME);
            }
        }
        std::thread::sleep(look);
    }
}

/// What systemd waits for a sign of life, if it does.
fn watchdog() -> Option<Duration> {
    let us = std::env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
    let is_ours = std::env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
    is_ours.then_some(Duration::from_micros(us))
}

/// Names the socket: a path, or a name without a file behind an `@`.
const SOCKET: &str = "NOTIFY_SOCKET";

#[cfg(target_os = "linux")]
fn say(text: &str) {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    let Some(name) = std::env::var_os(SOCKET) else { return };
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name),
        None => SocketAddr::from_pathname(&name),
    };
    let sent = address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(text.as_bytes(), &address));
    // A service manager that does not listen does what it does without: it waits, and then restarts.
    drop(sent);
}

#[cfg(not(target_os = "linux"))]
fn say(_text: &str) {}

/// The time by which systemd tells which reload is meant.
#[cfg(target_os = "linux")]
fn monotonic_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}

#[cfg(not(target_os = "linux"))]
fn monotonic_us() -> u64 {
    0
}
