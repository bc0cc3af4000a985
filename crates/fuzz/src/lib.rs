//! A decoder must refuse any bytes without a panic, and a match must survive any order of events: here is what is tried.
//!
//! Each target is a function of bytes that panics when something is wrong. `fuzz/` hands them to a fuzzer, which looks for
//! bytes that do (`scripts/fuzz.sh`); the corpus that it found, and whatever once was wrong, runs as a test of this crate.
#![forbid(unsafe_code)]

mod bytes;
mod config;
mod control;
mod down;
mod line;
mod packet;
mod puppets;
mod record;
mod room;
mod schema;
mod up;

/// A target: what is tried with the fuzzer's bytes.
pub type Target = fn(&[u8]);

/// The targets by name, which is that of their corpus, too.
pub const TARGETS: [(&str, Target); 8] = [
    ("config", config::run),
    ("control", control::run),
    ("down", down::run),
    ("packet", packet::run),
    ("record", record::run),
    ("room", room::run),
    ("schema", schema::run),
    ("up", up::run),
];

/// Runs the target `name`.
///
/// # Panics
/// When there is no such target, or the bytes show that something is wrong.
pub fn run(name: &str, bytes: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(other, _)| *other == name).expect("the target exists");
    target(bytes);
}
