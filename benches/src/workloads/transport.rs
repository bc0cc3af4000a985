//! `transport`: what our driver takes of a server's core for each client and tick, beside the floor.

use std::net::SocketAddr;

use serde::Serialize;

use super::Effort;
use crate::duel::{self, Duel, Kind, Measured, footprint};
use crate::statistics::{median, rounded};
use crate::{BenchError, Report, allocations};

/// Ticks of one turn. Many short turns beat few long ones: floor and driver of a turn should find the machine alike, and its pace
/// changes within seconds.
const TICKS: u64 = 30;

/// Turns of either.
const TURNS: u32 = 41;
const TURNS_QUICK: u32 = 11;

/// Connections whose memory is measured.
const IDLERS: usize = 1_000;

#[derive(Serialize)]
struct Figures {
    clients: usize,
    /// Processor time of the server's thread per client and tick: medians.
    floor_us: f64,
    driver_us: f64,
    /// The median of the turns' ratios: floor and driver of one turn are neighbours in time.
    ratio_to_floor: f64,
    /// UDP payload of the driver's packets, and of the floor's.
    down_packet_bytes: f64,
    up_packet_bytes: f64,
    packets_out_per_client_tick: f64,
    packets_in_per_client_tick: f64,
    /// Of the server's thread, and those of them that are not quinn-proto's.
    allocations_per_client_tick: f64,
    allocations_of_ours: f64,
    /// Memory of an idle connection: the larger of what was asked for and of what became resident.
    bytes_per_connection: f64,
    bytes_per_connection_asked: f64,
    bytes_per_connection_resident: Option<f64>,
    load_late_us_p99: f64,
}

/// Lets floor and driver play in turn.
///
/// # Errors
/// When something did not get through, so that the figures say nothing.
pub fn transport(effort: Effort, clients: usize) -> Result<Report, BenchError> {
    if !allocations::is_counting() {
        return Err(BenchError::Invalid("no allocator counts".to_owned()));
    }
    let footprint = footprint(IDLERS)?;
    let mut duel = Duel::begin(clients)?;
    let first = duel.play(Kind::Driver, TICKS)?;
    duel.set_packets(&first.traffic)?;
    let mut turns = Vec::new();
    for _ in 0..effort.of(TURNS, TURNS_QUICK) {
        let turn = [duel.play(Kind::Floor, TICKS)?, duel.play(Kind::Driver, TICKS)?];
        turn.iter().try_for_each(|measured| judge(measured, clients as u64 * TICKS))?;
        turns.push(turn);
    }
    let owners = duel.owners(TICKS)?;
    let each = (clients as u64 * TICKS) as f64;
    let us = |measured: &Measured| measured.cpu.as_nanos() as f64 / 1e3 / each;
    let of = |figure: &dyn Fn(&Measured) -> f64| median(turns.iter().map(|[_, driver]| figure(driver)));
    let traffic = first.traffic;
    let figures = Figures {
        clients,
        floor_us: rounded(median(turns.iter().map(|[floor, _]| us(floor))), 3),
        driver_us: rounded(of(&us), 3),
        ratio_to_floor: rounded(median(turns.iter().map(|[floor, driver]| us(driver) / us(floor))), 3),
        down_packet_bytes: rounded(traffic.bytes_out as f64 / traffic.packets_out as f64, 1),
        up_packet_bytes: rounded(traffic.bytes_in as f64 / traffic.packets_in as f64, 1),
        packets_out_per_client_tick: rounded(of(&|driver| driver.traffic.packets_out as f64 / each), 3),
        packets_in_per_client_tick: rounded(of(&|driver| driver.traffic.packets_in as f64 / each), 3),
        allocations_per_client_tick: rounded(of(&|driver| driver.allocations as f64 / each), 4),
        allocations_of_ours: rounded(owners.others as f64 / each, 4),
        bytes_per_connection: rounded(footprint.bytes(), 0),
        bytes_per_connection_asked: rounded(footprint.asked, 0),
        bytes_per_connection_resident: footprint.resident.map(|bytes| rounded(bytes, 0)),
        load_late_us_p99: rounded(median(turns.iter().flatten().map(|measured| measured.load_late_us)), 0),
    };
    Ok(Report::new("transport", effort.seed, effort.quick, figures)?)
}

/// Clients of `server` that do nothing: what another process of `transport` runs.
///
/// # Errors
/// When they cannot join.
pub fn idlers(server: SocketAddr, count: usize) -> Result<(), BenchError> {
    duel::idlers(server, count)
}

/// Nothing may be missing of what was said: it would be work that was not done. At the edges of the time that is measured a
/// group of clients may count once more or less.
fn judge(measured: &Measured, owed: u64) -> Result<(), BenchError> {
    let Measured { traffic, .. } = measured;
    let is_whole = |packets: u64| packets * 100 >= owed * 98 && packets * 100 <= owed * 105;
    if traffic.drops == 0 && traffic.unsaid == 0 && is_whole(traffic.heard) && is_whole(traffic.packets_out) {
        return Ok(());
    }
    Err(BenchError::Invalid(format!("{owed} packets were owed each way: {traffic:?}")))
}
