//! `bots`: a load test against a server that runs elsewhere.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use downbeat_bots::report::Ended;
use downbeat_bots::{
    AdminOptions, Bots, BotsError, Options, Report, Scenario, check, compare, describe, hostile, run, without_secrets,
};
use downbeat_replica::{Game, Schema};
use downbeat_transport::Trust;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::PROFILE;
use crate::cli::{BotsArgs, CompareArgs, PlayArgs, SchemaArgs, TrustArgs, net};
use crate::error::CliError;
use crate::output::say;
use crate::scenario::ScenarioFile;
use crate::settings::Checked;
use crate::telling::Telling;

pub(crate) fn bots<G: Bots>(args: &BotsArgs, settings: &Checked) -> Result<u8, CliError> {
    if asks_for_kinds(&args.play) {
        return tell_kinds();
    }
    let file = settings.scenario.as_ref();
    let mut options = options(&args.play, Options::new(address(args, file)?, trust(&args.trust)?))?;
    options.seed = args.seed.or(file.and_then(|file| file.seed)).unwrap_or(1);
    options.server_name.clone_from(&args.trust.server_name);
    options.room = args.room;
    options.tokens = tokens(args.token.as_deref())?;
    options.tick_rate_hz = args.tick_rate.or(file.and_then(|file| file.tick_rate_hz));
    options.send_rate_hz = args.send_rate.or(file.and_then(|file| file.send_rate_hz));
    options.cpu = args.cpu;
    options.share = args.share;
    if let Some(file) = file {
        play_scenario(&mut options, file, &args.play)?;
        options.scenario_file.clone_from(&args.scenario);
        check::<G>(&options).map_err(|error| explain(file, &options, error))?;
        file.check_reach(args.admin.is_some()).map_err(CliError::Scenario)?;
    }
    options.admin = args.admin.as_deref().map(|url| admin(url, args.admin_token.as_deref())).transpose()?;
    let interrupted = interrupted()?;
    let scenario = options.scenario.as_ref();
    let (what, seconds) = scenario.map_or_else(
        || (format!("network {}", args.play.net), options.seconds),
        |scenario| (scenario.name.clone(), scenario.phases_s().unwrap_or(options.seconds)),
    );
    let title = format!("{} on {}, {what}", G::NAME, options.connect);
    let telling = Telling::begin(args.play.progress, &title, seconds, &interrupted)?;
    let played = run::<G>(&options, &mut |progress| telling.tell(progress), &interrupted);
    // A terminal is given back before anything else is said.
    drop(telling);
    conclude(&played?, &options, args.play.explain)
}

/// Where the server is, by the flag, the scenario, or as usual.
fn address(args: &BotsArgs, file: Option<&ScenarioFile>) -> Result<SocketAddr, CliError> {
    if let Some((file, address)) =
        file.and_then(|file| Some((file, file.connect.as_ref()?))).filter(|_| args.connect.is_none())
    {
        return resolve("`connect`", address)
            .map_err(|error| CliError::Scenario(file.error("connect", error.to_string())));
    }
    resolve("--connect", args.connect.as_deref().unwrap_or(CONNECT))
}

/// Where a server is that nobody moved.
const CONNECT: &str = "127.0.0.1:4433";

/// What a scenario says, and what flags leave to it.
fn play_scenario(options: &mut Options, file: &ScenarioFile, args: &PlayArgs) -> Result<(), CliError> {
    if args.seconds.is_some() && file.scenario.phases_s().is_some() {
        let why = "--seconds says nothing beside a scenario with phases, which say how long they last";
        return Err(CliError::Usage(why.to_owned()));
    }
    options.seconds = args.seconds.or(file.seconds).unwrap_or_else(|| args.seconds());
    // Processes that share a run must not write over each other's reports.
    options.report = args.report.clone().or_else(|| Some(options.share.file(file.report.as_ref()?)));
    options.scenario = Some(file.scenario.clone());
    Ok(())
}

/// What is wrong with a scenario, with its line.
fn explain(file: &ScenarioFile, options: &Options, error: BotsError) -> CliError {
    let own = file.report.as_ref().map(|path| options.share.file(path));
    let says_report = own.is_some() && own == options.report;
    file.explain(error, says_report).map_or_else(CliError::Bots, CliError::Scenario)
}

/// Says that a scenario is fine; what is wrong but for its brains was said before.
pub(crate) fn check_scenario<G: Bots>(settings: &Checked) -> Result<u8, CliError> {
    let file = settings.scenario.as_ref().expect("the command line has a file");
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut options = Options::new(anywhere, Trust::danger_anybody());
    options.seconds = file.seconds.unwrap_or(options.seconds);
    options.report.clone_from(&file.report);
    options.scenario = Some(file.scenario.clone());
    (options.tick_rate_hz, options.send_rate_hz) = (file.tick_rate_hz, file.send_rate_hz);
    // Who has tickets says so when it comes to playing.
    options.tokens.push(String::new());
    check::<G>(&options).map_err(|error| explain(file, &options, error))?;
    file.check_reach(true).map_err(CliError::Scenario)?;
    if let Some(address) = &file.connect {
        resolve("`connect`", address).map_err(|error| CliError::Scenario(file.error("connect", error.to_string())))?;
    }
    let Scenario { name, groups, phases, gates, .. } = &file.scenario;
    let clients = file.scenario.clients();
    let seconds = file.scenario.phases_s().unwrap_or(options.seconds);
    let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let hostile = groups.iter().find_map(|group| Some((group.hostile_bots(), group.hostile?.kind.name())));
    let hostile = hostile.map_or_else(String::new, |(bots, kind)| format!(", {bots} hostile ({kind})"));
    let admin = if file.needs_admin() { "; its gates need --admin" } else { "" };
    say(&format!(
        "{name}: fine: {}{hostile}, {}, {}, {}, {seconds} s of {}{admin}",
        count(clients, "client"),
        count(groups.len(), "group"),
        count(phases.len(), "phase"),
        count(gates.len(), "gate"),
        G::NAME
    ))?;
    Ok(0)
}

/// Prints what two runs differ in.
pub(crate) fn compare_runs(args: &CompareArgs) -> Result<u8, CliError> {
    let comparison = compare(&Report::read(&args.old)?, &Report::read(&args.new)?).of_files(&args.old, &args.new);
    say(&comparison.to_string())?;
    Ok(comparison.exit_code(args.fail_on_worse))
}

/// Whether somebody wants to know how bots can be hostile.
pub(crate) fn asks_for_kinds(args: &PlayArgs) -> bool {
    args.brain.as_deref() == Some("hostile:list")
}

pub(crate) fn tell_kinds() -> Result<u8, CliError> {
    say(&format!("--brain hostile:KIND[:SHARE][:BRAIN]; there are:\n{}", hostile::list().trim_end()))?;
    Ok(0)
}

/// The tickets of `--token`: one, or those of a file, one a line.
fn tokens(text: Option<&str>) -> Result<Vec<String>, CliError> {
    let Some(path) = text.and_then(|text| text.strip_prefix('@')) else {
        return Ok(text.map(str::to_owned).into_iter().collect());
    };
    let lines = std::fs::read_to_string(path).map_err(|error| CliError::Read { path: path.to_owned(), error })?;
    Ok(lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// Where and how the server tells of itself.
fn admin(url: &str, token: Option<&str>) -> Result<AdminOptions, CliError> {
    if !url.starts_with("http://") {
        return Err(CliError::Usage(format!(
            "--admin {url}: expected http://ADDRESS:PORT, as `serve --admin` prints it"
        )));
    }
    let token = match token {
        Some(text) => tokens(Some(text))?.into_iter().next(),
        None => std::env::var("DOWNBEAT_ADMIN_TOKEN").ok(),
    };
    let why = "--admin: who asks needs a token: --admin-token TEXT|@FILE, or the variable DOWNBEAT_ADMIN_TOKEN";
    Ok(AdminOptions { url: url.to_owned(), token: token.ok_or_else(|| CliError::Usage(why.to_owned()))? })
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
    options.seconds = args.seconds();
    options.brain = args.brain.clone().unwrap_or_default();
    options.net = net(&args.net)?;
    options.net_name = Some(args.net.clone());
    options.profile = PROFILE.to_owned();
    let line = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    options.args = without_secrets(line);
    options.report.clone_from(&args.report);
    options.html.clone_from(&args.html);
    // The page shows it, too.
    options.explain = args.explain || args.html.is_some();
    options.record_lanes.clone_from(&args.record_lanes);
    Ok(options)
}

/// Prints and writes the report, and says how it ends.
pub(crate) fn conclude(report: &Report, options: &Options, explains: bool) -> Result<u8, CliError> {
    say(&report.table().to_string())?;
    if let Some(accounting) = report.accounting.as_ref().filter(|_| explains) {
        say(&accounting.explained().to_string())?;
    }
    if let Some(path) = &options.report {
        report.write(path)?;
        eprintln!("report: {}", path.display());
    }
    if let Some(path) = &options.html {
        report.write_html(path)?;
        eprintln!("page: {}", path.display());
    }
    if let Some(path) = &options.record_lanes {
        eprintln!("recording: {}", path.display());
    }
    match report.ended {
        Ended::Time => {}
        Ended::Stopped => eprintln!("the run was stopped before its time"),
        Ended::AllLost => eprintln!("the run ended before its time: nobody was in the game any more"),
        Ended::TooManyLost => eprintln!("the run ended before its time: more clients were lost than `stop` allows"),
    }
    Ok(report.verdict().exit_code())
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
