//! `door`: what two thousand strangers who all begin a handshake within a second do to those who play.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use downbeat_bots::Options as BotOptions;
use downbeat_field::{Config as Rules, Field};
use downbeat_server::{Config, Listen, Server, ServerReport, Stop};
use downbeat_transport::{
    ClientOptions, Clock, CloseReason, ConnectError, Driver, Event, IdentityError, KernelSocket, SocketOptions, Trust,
};
use downbeat_wire::{CloseCode, Micros};
use serde::Serialize;

use super::Effort;
use crate::statistics::{percentile, rounded};
use crate::{BenchError, Report};

/// Who plays meanwhile.
const PLAYERS: usize = 100;
const STRANGERS: usize = 2_000;
/// Over which time the strangers come.
const CROWD: Micros = Micros::from_millis(1_000);
/// Who has not been answered until then, will not be.
const PATIENCE: Micros = Micros::from_millis(10_000);
/// Figures begin two seconds after the last player joined; the strangers come after that.
const QUIET_S: f64 = 4.0;

#[derive(Serialize)]
struct Figures {
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    strangers: usize,
    /// What became of them.
    connected: usize,
    refused: usize,
    unanswered: usize,
    retried: u64,
    /// From the first packet to the end of the handshake.
    connect_ms_p50: Option<f64>,
    connect_ms_p99: Option<f64>,
    /// What those who play notice: late starts of ticks, their work, overruns, and what their bots say.
    tick_start_late_us_p99: Option<f64>,
    tick_start_late_us_max: Option<f64>,
    tick_work_us_p99: Option<f64>,
    overruns: Option<u64>,
    kernel_drops: Option<u64>,
    starved: u64,
    /// Of the loop that plays them: beyond 2,000 the run says nothing about the server.
    bots_late_us_p99: Option<f64>,
}

/// Plays without strangers, and with them.
///
/// # Errors
/// When there is no socket, or the players were not let in.
pub fn door(effort: Effort) -> Result<Report, BenchError> {
    let seconds = if effort.quick { 7.0 } else { 12.0 };
    let rows = [0, STRANGERS].into_iter().map(|strangers| row(effort.seed, strangers, seconds));
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    let text = table(&rows);
    Ok(Report::new("door", effort.seed, effort.quick, Figures { rows })?.with_text(text))
}

/// One run. The server has the first processor to itself; players and strangers share the second.
fn row(seed: u64, strangers: usize, seconds: f64) -> Result<Row, BenchError> {
    let failed = |error: &dyn std::fmt::Display| BenchError::Transport(error.to_string());
    let config = Config {
        listen: vec![Listen::Address(([127, 0, 0, 1], 0).into())],
        rooms_max: 1,
        players_max: PLAYERS as u16,
        seed: Some(seed),
        cpu: Some(0),
        ..Config::new("field")
    };
    let server = Server::<Field>::start(&config, &Rules::default(), Box::new(|_| {})).map_err(|e| failed(&e))?;
    let (remote, trust) = (server.local_addrs()[0], Trust::pinned(server.fingerprint()));
    let stop = Stop::new();
    let options =
        BotOptions { clients: PLAYERS, seconds, seed, cpu: Some(1), ..BotOptions::new(remote, trust.clone()) };
    let (server, played, crowd) = thread::scope(|scope| {
        let server = scope.spawn(|| server.run(&stop));
        let (joined, all_in) = std::sync::mpsc::channel();
        let players = scope.spawn(move || {
            let mut tell = |progress: &downbeat_bots::Progress| {
                if progress.stage != downbeat_bots::RunStage::Joining {
                    let _ = joined.send(());
                }
            };
            downbeat_bots::run::<Field>(&options, &mut tell, &AtomicBool::new(false))
        });
        let crowd = scope.spawn(move || {
            // Nobody joined when the players' thread has ended without a word.
            all_in.recv().is_ok().then(|| {
                thread::sleep(Duration::from_secs_f64(QUIET_S - 1.0));
                Crowd::come(strangers, remote, &trust)
            })
        });
        let (played, crowd) = (players.join(), crowd.join());
        stop.request();
        (server.join(), played, crowd)
    });
    let report = server.expect("it does not panic").map_err(|e| failed(&e))?;
    let played = played.expect("they do not panic").map_err(|e| failed(&e))?;
    let crowd = crowd.expect("it does not panic").transpose().map_err(|e| failed(&e))?;
    let crowd = crowd.ok_or_else(|| failed(&"nobody played"))?;
    Ok(fill(strangers, &crowd, &report, &played))
}

fn fill(strangers: usize, crowd: &Crowd, report: &ServerReport, played: &downbeat_bots::Report) -> Row {
    let ms = |percent| (!crowd.waits.is_empty()).then(|| rounded(percentile(&crowd.waits, percent), 1));
    Row {
        strangers,
        connected: crowd.waits.len(),
        refused: crowd.refused,
        unanswered: strangers - crowd.waits.len() - crowd.refused,
        retried: report.totals.handshakes_retried,
        connect_ms_p50: ms(50),
        connect_ms_p99: ms(99),
        tick_start_late_us_p99: report.tick_start_jitter_us.map(|late| late.p99),
        tick_start_late_us_max: report.tick_start_jitter_us.map(|late| late.max),
        tick_work_us_p99: report.tick_us.map(|work| work.p99),
        overruns: report.server.overruns,
        kernel_drops: report.server.kernel_drops,
        starved: report.inputs.map_or(0, |inputs| inputs.starved),
        bots_late_us_p99: played.bots.late_us.map(|late| late.p99),
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = String::new();
    let figure = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
    let mut line = |name: &str, of: &dyn Fn(&Row) -> String| {
        let cells: String = rows.iter().map(|row| format!("{:>12}", of(row))).collect();
        let _ = writeln!(text, "{name:38}{cells}");
    };
    line("strangers", &|row| row.strangers.to_string());
    line("connected", &|row| row.connected.to_string());
    line("refused", &|row| row.refused.to_string());
    line("unanswered", &|row| row.unanswered.to_string());
    line("told to prove their address first", &|row| row.retried.to_string());
    line("connect, p50 ms", &|row| figure(row.connect_ms_p50));
    line("connect, p99 ms", &|row| figure(row.connect_ms_p99));
    line("tick started late, p99 us", &|row| figure(row.tick_start_late_us_p99));
    line("tick started late, max us", &|row| figure(row.tick_start_late_us_max));
    line("tick work, p99 us", &|row| figure(row.tick_work_us_p99));
    line("overruns", &|row| row.overruns.map_or_else(|| "-".to_owned(), |n| n.to_string()));
    line("kernel drops", &|row| row.kernel_drops.map_or_else(|| "-".to_owned(), |n| n.to_string()));
    line("ticks without an input", &|row| row.starved.to_string());
    line("bots' loop late, p99 us", &|row| figure(row.bots_late_us_p99));
    text
}

/// Those who begin a handshake each, and leave when it is complete.
struct Crowd {
    driver: Driver<KernelSocket>,
    clock: Clock,
    /// By the index of the connection: when it was begun.
    begun: Vec<Micros>,
    /// Milliseconds from the first packet to the end of the handshake.
    waits: Vec<f64>,
    refused: usize,
}

impl Crowd {
    /// Everybody comes, and leaves again.
    fn come(strangers: usize, remote: SocketAddr, trust: &Trust) -> Result<Self, CrowdError> {
        let socket = KernelSocket::bind(([127, 0, 0, 1], 0).into(), SocketOptions::default())?;
        let driver = Driver::client(&ClientOptions::new(trust.clone()), socket)?;
        let mut crowd = Self { driver, clock: Clock::start(), begun: Vec::new(), waits: Vec::new(), refused: 0 };
        let mut begun = 0;
        while crowd.waits.len() + crowd.refused < strangers && crowd.clock.now() < CROWD + PATIENCE {
            let now = crowd.clock.now();
            while begun < strangers && begun as u64 * CROWD.0 <= strangers as u64 * now.0 {
                crowd.begin(now, remote)?;
                begun += 1;
            }
            crowd.driver.receive(now)?;
            crowd.driver.handle_timeouts(now)?;
            crowd.take_events(now);
            crowd.driver.flush(now)?;
            crowd.driver.wait(Duration::from_micros(500))?;
        }
        Ok(crowd)
    }

    fn begin(&mut self, now: Micros, remote: SocketAddr) -> Result<(), CrowdError> {
        let conn = self.driver.connect(now, remote, "localhost")?;
        if self.begun.len() <= conn.index() {
            self.begun.resize(conn.index() + 1, now);
        }
        self.begun[conn.index()] = now;
        Ok(())
    }

    fn take_events(&mut self, now: Micros) {
        while let Some(event) = self.driver.poll_event() {
            match event {
                Event::Connected { conn, .. } => {
                    self.waits.push(now.since(self.begun[conn.index()]).as_secs_f64() * 1e3);
                    self.driver.close(now, conn, CloseCode::Bye, "");
                }
                Event::Closed { reason: CloseReason::HandshakeFailed(_), .. } => self.refused += 1,
                _ => {}
            }
        }
    }
}

/// Why the crowd could not come.
#[derive(Debug, thiserror::Error)]
enum CrowdError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Trust(#[from] IdentityError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
}
