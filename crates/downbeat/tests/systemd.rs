//! The program as systemd runs it: told over a socket of datagrams what it wants to know.
#![cfg(target_os = "linux")]

mod common;

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Instant;

use common::{Folder, PATIENCE, Running, downbeat};

/// systemd's end.
struct Manager(UnixDatagram);

impl Manager {
    /// Waits for a message that has all these lines.
    #[track_caller]
    fn until(&self, lines: &[&str]) -> String {
        let (deadline, mut heard) = (Instant::now() + PATIENCE, Vec::new());
        let mut bytes = [0; 1_024];
        while Instant::now() < deadline {
            let Ok(length) = self.0.recv(&mut bytes) else { continue };
            let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
            if lines.iter().all(|line| text.lines().any(|heard| heard.starts_with(line))) {
                return text;
            }
            heard.push(text);
        }
        panic!("no {lines:?} in {heard:#?}");
    }
}

fn serve(socket: UnixDatagram, name: &str, config: &str) -> (Manager, Running) {
    socket.set_read_timeout(Some(std::time::Duration::from_millis(200))).expect("a good time");
    let mut command =
        downbeat(&["serve", "--game", "field", "--listen", "127.0.0.1:0", "--shards", "2", "--config", config]);
    command.env("NOTIFY_SOCKET", name).env("WATCHDOG_USEC", "900000");
    (Manager(socket), Running::start(&mut command))
}

#[test]
fn systemd_is_told_when_it_is_there_that_it_lives_what_it_reads_and_when_it_ends() {
    let folder = Folder::new("systemd");
    let config = folder.write("server.toml", "rooms_max = 3\n");
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a short path");
    let (manager, server) = serve(socket, path.to_str().expect("plain"), &config);
    manager.until(&["READY=1", "STATUS=serving"]);
    (0..3).for_each(|_| _ = manager.until(&["WATCHDOG=1"]));
    server.signal("HUP");
    manager.until(&["RELOADING=1", "MONOTONIC_USEC="]);
    manager.until(&["READY=1"]);
    server.signal("TERM");
    manager.until(&["STOPPING=1"]);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_socket_without_a_file_is_told_as_well() {
    let folder = Folder::new("systemd-abstract");
    let config = folder.write("server.toml", "");
    let name = format!("downbeat-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a short name");
    let socket = UnixDatagram::bind_addr(&address).expect("nobody else has it");
    let (manager, _server) = serve(socket, &format!("@{name}"), &config);
    manager.until(&["READY=1"]);
    manager.until(&["WATCHDOG=1"]);
}

#[test]
fn the_watchdog_of_a_server_that_hangs_is_not_fed() {
    let folder = Folder::new("systemd-hung");
    let config = folder.write("server.toml", "");
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a short path");
    let (manager, server) = serve(socket, path.to_str().expect("plain"), &config);
    manager.until(&["READY=1"]);
    // All of it stops, which is all that can be done to it from outside.
    server.signal("STOP");
    while manager.0.recv(&mut [0; 1_024]).is_ok() {}
    std::thread::sleep(std::time::Duration::from_millis(1_000));
    assert!(manager.0.recv(&mut [0; 1_024]).is_err(), "systemd would restart it");
    server.signal("CONT");
    manager.until(&["WATCHDOG=1"]);
}
