//! `serve`: a dedicated server until a signal.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use downbeat_bots::{check_output, write_output};
use downbeat_replica::Game;
use downbeat_server::{Notice, Reload, Server, Stop, log};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cli::ServeArgs;
use crate::error::CliError;
use crate::output::say;
use crate::settings::Checked;
use crate::systemd::{self, Service};

pub(crate) fn serve<G: Game>(args: &ServeArgs, settings: &Checked) -> Result<u8, CliError> {
    if let Some(path) = &args.report {
        check_output(path)?;
    }
    let rules = settings.rules.rules::<G>()?;
    let stop = stop_on_signals()?;
    let own = std::any::type_name::<G>().split("::").next().unwrap_or_default();
    let _log = log::start(settings.config.log, own).map_err(CliError::Log)?;
    let mut server = Server::<G>::start(&settings.config, &rules, Box::new(Notice::log))?;
    let reload = server.reload_with(Box::new(settings.again::<G>(args)));
    // One that an operator set meanwhile stays unless the configuration names another.
    let mut level = settings.config.log.level;
    reload.also(Box::new(move |config| {
        if std::mem::replace(&mut level, config.log.level) != config.log.level {
            let _ = log::set_level(config.log.level);
        }
    }));
    reload_on_hangup(reload)?;
    say(&introduce::<G>(&server))?;
    if let Some((address, token)) = server.admin() {
        let token = token.map_or(String::new(), |path| format!("; this run's token: cat {}", path.display()));
        say(&format!("admin interface and dashboard: http://{}/{token}", reachable(address)))?;
    }
    let service = Service::start(server.control(), stop.clone());
    let began = Instant::now();
    let report = server.run(&stop)?;
    drop(service);
    tracing::info!(event = "stopped", "stopped after {:.0} s", began.elapsed().as_secs_f64());
    if let Some(path) = &args.report {
        let json = serde_json::to_string_pretty(&report).expect("a report is plain data, which always encodes");
        write_output(path, (json + "\n").as_bytes())?;
    }
    Ok(0)
}

/// The one line: where it listens, how it is recognised, how to point bots at it.
fn introduce<G: Game>(server: &Server<G>) -> String {
    let addresses: Vec<_> = server.local_addrs().iter().map(ToString::to_string).collect();
    let fingerprint = server.fingerprint();
    let first = server.local_addrs().first().map_or(String::new(), |address| reachable(*address).to_string());
    // The program as it was called, so that the command can be pasted.
    let program = std::env::args_os().next().unwrap_or_else(|| "downbeat".into());
    format!(
        "game={} schema={:016x} model={:016x} on {} certificate SHA-256 {fingerprint}; bots: \
         {} bots --connect {first} --game {} --cert-sha256 {fingerprint}",
        G::NAME,
        server.schema_hash(),
        server.model_hash(),
        addresses.join(" "),
        Path::new(&program).display(),
        G::NAME,
    )
}

/// An address of this machine under which `address` can be reached from it.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Reads the configuration again at each SIGHUP. What became of it, the server's notices say.
fn reload_on_hangup(reload: Arc<Reload>) -> Result<(), CliError> {
    let mut signals = Signals::new([SIGHUP]).map_err(CliError::Signals)?;
    std::thread::spawn(move || signals.forever().for_each(|_| systemd::reloading(|| _ = reload.reload())));
    Ok(())
}

/// A handle that the signals set: the first drains, the second ends at once.
pub(crate) fn stop_on_signals() -> Result<Stop, CliError> {
    let stop = Stop::new();
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(CliError::Signals)?;
    let handle = stop.clone();
    std::thread::spawn(move || signals.forever().for_each(|_| handle.request()));
    Ok(stop)
}
