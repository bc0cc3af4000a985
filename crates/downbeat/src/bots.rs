//! `bots`: a load test against a server that runs elsewhere.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use downbeat_bots::{Bots, Options, Report, describe, run};
use downbeat_replica::{Game, Schema};
use downbeat_transport::Trust;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::PROFILE;
use crate::cli::{BotsArgs, PlayArgs, SchemaArgs, TrustArgs, net};
use crate::error::CliError;
use crate::output::say;

pub(crate) fn bots<G: Bots>(args: &BotsArgs) -> Result<u8, CliError> {
    let mut options = options(&args.play, Options::new(resolve("--connect", &args.connect)?, trust(&args.trust)?))?;
    options.seed = args.seed;
    options.server_name.clone_from(&args.trust.server_name);
    options.room = args.room;
    options.tokens = tokens(args.token.as_deref())?;
    options.tick_rate_hz = args.tick_rate;
    options.send_rate_hz = args.send_rate;
    options.cpu = args.cpu;
    options.share = args.share;
    let interrupted = interrupted()?;
    let report = run::<G>(&options, &mut |progress| eprintln!("{progress}"), &interrupted)?;
    conclude(&report, &args.play)
}

/// The tickets of `--token`: one, or those of a file, one a line.
fn tokens(text: Option<&str>) -> Result<Vec<String>, CliError> {
    let Some(path) = text.and_then(|text| text.strip_prefix('@')) else {
        return Ok(text.map(str::to_owned).into_iter().collect());
    };
    let lines = std::fs::read_to_string(path).map_err(|error| CliError::Read { path: path.to_owned(), error })?;
    Ok(lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// A flag that SIGINT and SIGTERM set: bots then leave, and report what they played.
pub(crate) fn interrupted() -> Result<Arc<AtomicBool>, CliError> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&flag)).map_err(CliError::Signals)?;
    }
    Ok(flag)
}

/// The address behind a name; `what` is the flag or the command that it was given to.
pub(crate) fn resolve(what: &str, address: &str) -> Result<SocketAddr, CliError> {
    let found = address.to_socket_addrs().map_err(|error| error.to_string());
    // Of several, IPv4 first: a server that listens on one family alone mostly listens on that.
    let first = found.map(|found| found.min_by_key(SocketAddr::is_ipv6));
    let error = match first {
        Ok(Some(address)) => return Ok(address),
        Ok(None) => "no such host".to_owned(),
        Err(error) => error,
    };
    Err(CliError::Usage(format!("{what} {address}: {error}; expected an address with a port: 127.0.0.1:4433")))
}

/// What the flags say of the bots, on top of `options`.
pub(crate) fn options(args: &PlayArgs, mut options: Options) -> Result<Options, CliError> {
    options.clients = args.clients;
    options.light = args.light;
    options.break_every = args.break_every;
    options.seconds = args.seconds;
    options.brain = args.brain.clone().unwrap_or_default();
    options.net = net(&args.net)?;
    options.net_name = Some(args.net.clone());
    options.profile = PROFILE.to_owned();
    options.report.clone_from(&args.report);
    options.record_lanes.clone_from(&args.record_lanes);
    Ok(options)
}

/// Prints and writes the report, and says how it ends.
pub(crate) fn conclude(report: &Report, args: &PlayArgs) -> Result<u8, CliError> {
    say(&report.table().to_string())?;
    if let Some(path) = &args.report {
        report.write(path)?;
    }
    if stopped_early(report, args) {
        eprintln!("the run was stopped before its time");
    }
    Ok(report.verdict().exit_code())
}

fn stopped_early(report: &Report, args: &PlayArgs) -> bool {
    report.seconds + 0.5 < args.seconds
}

pub(crate) fn trust(args: &TrustArgs) -> Result<Trust, CliError> {
    if let Some(fingerprint) = args.cert_sha256 {
        return Ok(Trust::pinned(fingerprint));
    }
    if let Some(path) = &args.ca {
        let text = std::fs::read(path).map_err(|error| CliError::Read { path: path.display().to_string(), error })?;
        return Ok(Trust::roots_pem(&text)?);
    }
    if args.danger_accept_any_cert {
        return Ok(Trust::danger_anybody());
    }
    let why = "which server is to be believed? Give --cert-sha256 HEX (`serve` prints it), --ca FILE, or, for a test, \
               --danger-accept-any-cert";
    Err(CliError::Usage(why.to_owned()))
}

pub(crate) fn schema<G: Game>(args: &SchemaArgs) -> Result<u8, CliError> {
    let schema = match &args.connect {
        Some(address) => {
            let mut options = Options::new(resolve("--connect", address)?, trust(&args.trust)?);
            options.server_name.clone_from(&args.trust.server_name);
            describe(&options)?.0
        }
        None => Schema::of::<G>()?,
    };
    if args.hash {
        say(&format!("{:016x}", schema.hash()))?;
    } else if args.text {
        say(schema.text().trim_end())?;
    } else {
        say(schema.words().trim_end())?;
    }
    Ok(0)
}
