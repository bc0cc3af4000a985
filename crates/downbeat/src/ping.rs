//! `ping`: how far a server is, and whether it takes connections at all.

use downbeat_bots::{PINGS_MAX, Ping, ping as ping_server};
use downbeat_transport::Trust;
use downbeat_wire::Micros;
use serde_json::{Value, json};

use crate::bots::{resolve, trust};
use crate::cli::PingArgs;
use crate::error::CliError;
use crate::output::say;

pub(crate) fn ping(args: &PingArgs) -> Result<u8, CliError> {
    if !(1..=PINGS_MAX).contains(&args.count) {
        return Err(CliError::Usage(format!("--count {}: 1 to {PINGS_MAX} are allowed", args.count)));
    }
    let remote = resolve("ping", &args.address)?;
    // Nothing is confided to the server, so any is believed unless somebody says which.
    let is_said = args.trust.cert_sha256.is_some() || args.trust.ca.is_some();
    let believed = if is_said { trust(&args.trust)? } else { Trust::danger_anybody() };
    let (mut pings, mut errors) = (Vec::new(), Vec::new());
    let mut written = Ok(());
    ping_server(remote, &believed, args.trust.server_name.as_deref(), args.count, |found| match found {
        Ok(ping) => {
            if !args.json && written.is_ok() {
                written = say(&format!(
                    "{remote}: handshake {} ms, round trip {} ms (shortest {} ms)",
                    ms(ping.handshake),
                    ms(ping.rtt),
                    ms(ping.rtt_min)
                ));
            }
            pings.push(ping);
        }
        Err(error) => {
            eprintln!("{remote}: {error}");
            errors.push(error);
        }
    })?;
    written?;
    if args.json {
        say(&report(&remote.to_string(), &pings, &errors).to_string())?;
    } else if args.count > 1 {
        say(&format!("{} of {} answered", pings.len(), args.count))?;
    }
    Ok(u8::from(!errors.is_empty()))
}

fn report(address: &str, pings: &[Ping], errors: &[String]) -> Value {
    json!({
        "address": address,
        "count": pings.len() + errors.len(),
        "answered": pings.len(),
        "handshake_ms": spread(pings.iter().map(|ping| ping.handshake)),
        "rtt_ms": spread(pings.iter().map(|ping| ping.rtt)),
        "rtt_min_ms": pings.iter().map(|ping| ping.rtt_min).min().map(ms),
        "errors": errors,
    })
}

/// Least, median and most; null where there is nothing.
fn spread(times: impl Iterator<Item = Micros>) -> Value {
    let mut times: Vec<Micros> = times.collect();
    times.sort_unstable();
    let (Some(&min), Some(&max)) = (times.first(), times.last()) else { return Value::Null };
    json!({ "min": ms(min), "p50": ms(times[times.len() / 2]), "max": ms(max) })
}

/// Milliseconds, to the microsecond.
fn ms(time: Micros) -> f64 {
    time.0 as f64 / 1e3
}
