//! Watches a match of whatever game a server runs for five seconds, and prints what it is told.
//!
//! ```text
//! cargo run --release -- serve --game arena
//! cargo run --release -p downbeat-connect --example watch -- FINGERPRINT [ADDRESS]
//! ```

use std::process::ExitCode;
use std::time::Duration;

use downbeat_connect::{Fingerprint, Options, Trust, Watched, Watcher, watch};
use downbeat_replica::Tick;
use tokio::time::{Instant, timeout_at};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let fingerprint: Fingerprint = match arguments.next().as_deref().map(str::parse) {
        Some(Ok(fingerprint)) => fingerprint,
        Some(Err(error)) => return fail(&error.to_string()),
        None => return fail("usage: watch FINGERPRINT [ADDRESS]; `downbeat serve` prints both"),
    };
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:4433".to_owned());

    let mut watcher = match watch(&address, &Options::new(Trust::Pinned(fingerprint), "watcher")).await {
        Ok(watcher) => watcher,
        Err(why) => return fail(&why.to_string()),
    };
    print!("{}", watcher.mirror().coding().schema.words());
    let end = Instant::now() + Duration::from_secs(5);
    let mut printed = Tick::ZERO;
    while let Ok(watched) = timeout_at(end, watcher.next()).await {
        match watched {
            Ok(Watched::Snapshot(tick)) => {
                if tick.0 >= printed.0 + u32::from(watcher.welcome().tick_rate_hz) {
                    printed = tick;
                    print(&watcher);
                }
            }
            Ok(Watched::Reliable(events)) => {
                let kinds = &watcher.mirror().coding().schema.events;
                events.iter().for_each(|event| println!("tick {}: event {}", event.tick.0, kinds[event.kind].name));
            }
            Ok(Watched::Message(message)) => println!("{message:?}"),
            Err(why) => return fail(&why.to_string()),
        }
    }
    watcher.leave().await;
    ExitCode::SUCCESS
}

/// How many there are of each kind, and what is known of the first of them.
fn print(watcher: &Watcher) {
    let mirror = watcher.mirror();
    for (index, kind) in mirror.coding().schema.entities.iter().enumerate() {
        let mut known = mirror.known().filter(|entity| entity.kind == index).peekable();
        let Some(first) = known.peek() else { continue };
        let words = kind.words(first.avatar, &first.lanes);
        println!("tick {}: {} × {}, one of them: {words}", mirror.newest().0, known.count(), kind.name);
    }
}

fn fail(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::FAILURE
}
