//! A client of the scale game in a frame loop: walks in a circle for five seconds and prints what it sees.
//!
//! ```text
//! cargo run --release -- serve --game field
//! cargo run --release -p downbeat-connect --example walk -- FINGERPRINT [ADDRESS]
//! ```

use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use downbeat_connect::{Fingerprint, Options, Polled, Status, Trust};
use downbeat_field::{Entity, Field, Input};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let fingerprint: Fingerprint = match arguments.next().as_deref().map(str::parse) {
        Some(Ok(fingerprint)) => fingerprint,
        Some(Err(error)) => return fail(&error.to_string()),
        None => return fail("usage: walk FINGERPRINT [ADDRESS]; `downbeat serve` prints both"),
    };
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:4433".to_owned());

    let mut net = Polled::<Field>::connect(&address, Options::new(Trust::Pinned(fingerprint), "walker"));
    let started = Instant::now();
    for frame in 0.. {
        let time = started.elapsed();
        if time > Duration::from_secs(5) {
            break;
        }
        // A game asks its controls here. Input is sampled for ticks, not for frames.
        let yaw = time.as_secs_f32();
        match net.update(|_tick| Input { forward: 1.0, yaw, ..Input::default() }) {
            Status::Connecting => {}
            // A game draws here.
            Status::Playing(view) if frame % 30 == 0 => {
                let Some(Entity::Avatar(own)) = view.avatar else { continue };
                let at = own.position + view.avatar_offset;
                println!("I am at ({:6.2}, {:6.2}) and see {} others", at.x, at.z, view.others.len());
            }
            Status::Playing(_) => {}
            Status::Reconnecting(_) => println!("connecting again…"),
            Status::Ended(why) => return fail(&why.to_string()),
        }
        sleep(Duration::from_millis(16));
    }
    let Some(session) = net.session() else { return fail("still connecting after five seconds") };
    println!("round trip {:.1} ms, {:?}", session.stats().rtt.as_secs_f64() * 1e3, session.client().counters());
    ExitCode::SUCCESS
}

fn fail(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::FAILURE
}
