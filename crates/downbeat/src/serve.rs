//! `serve`: a dedicated server until a signal.

use std::io::Write;

use downbeat_bots::{check_output, write_output};
use downbeat_replica::{Game, Schema};
use downbeat_server::{Notice, Server, Stop};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cli::ServeArgs;
use crate::error::CliError;
use crate::settings::Checked;

pub(crate) fn serve<G: Game>(args: &ServeArgs, settings: &Checked) -> Result<u8, CliError> {
    if let Some(path) = &args.report {
        check_output(path)?;
    }
    let rules = settings.rules.rules::<G>()?;
    let stop = stop_on_signals()?;
    let server = Server::<G>::start(&settings.config, &rules, Box::new(notify))?;
    println!("{}", introduce::<G>(&server));
    // Whoever started this may be waiting for the line.
    let _ = std::io::stdout().flush();
    let report = server.run(&stop)?;
    if let Some(path) = &args.report {
        let json = serde_json::to_string_pretty(&report).expect("a report is plain data, which always encodes");
        write_output(path, &(json + "\n"))?;
    }
    Ok(0)
}

/// The one line: where it listens, how it is recognised, how to point bots at it.
fn introduce<G: Game>(server: &Server<G>) -> String {
    let addresses: Vec<_> = server.local_addrs().iter().map(ToString::to_string).collect();
    let schema = Schema::of::<G>().map_or(0, |schema| schema.hash());
    let (fingerprint, first) = (server.fingerprint(), addresses.first().map_or("", String::as_str));
    format!(
        "downbeat serves game={} schema={schema:016x} on {} certificate SHA-256 {fingerprint}; bots: \
         downbeat bots --connect {first} --game {} --cert-sha256 {fingerprint}",
        G::NAME,
        addresses.join(" "),
        G::NAME,
    )
}

pub(crate) fn notify(notice: &Notice) {
    // Which room opens or closes is nothing that an operator has to act on.
    if !matches!(notice, Notice::RoomOpened { .. } | Notice::RoomClosed { .. }) {
        eprintln!("downbeat: {notice}");
    }
}

/// A handle that the signals set: the first drains, the second ends at once.
pub(crate) fn stop_on_signals() -> Result<Stop, CliError> {
    let stop = Stop::new();
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(CliError::Signals)?;
    let handle = stop.clone();
    std::thread::spawn(move || signals.forever().for_each(|_| handle.request()));
    Ok(stop)
}
