//! What a server runs, asked by a client that does not have its game.

use std::time::Duration;

use downbeat_replica::Schema;
use downbeat_replica::codec::Model;
use downbeat_transport::{ClientOptions, Clock, ConnId, Driver, Event, KernelSocket, SocketOptions};
use downbeat_wire::control::{ControlError, ControlReader, Hello};
use downbeat_wire::description::{Description, DescriptionReader};
use downbeat_wire::limits::REDIRECTS_MAX;
use downbeat_wire::{CloseCode, Micros};

use crate::join::{code_of, elsewhere, next_step, told};
use crate::options::{BotsError, Options};
use crate::run::own_address;

/// From the first packet to the last part.
const DESCRIBE_WITHIN: Micros = Micros::from_millis(20_000);

/// How long the server is given to hear of the end.
const LEAVE_WITHIN: Micros = Micros::from_millis(200);

/// Asks the server of `options`, whatever game it runs, for its schema and its model, and leaves. Comes as a spectator, over
/// the network as it is: [`Options::net`] is not looked at.
///
/// # Errors
/// When nobody answers, the server refuses, or what it tells is no schema or no model of it.
pub fn describe(options: &Options) -> Result<(Schema, Model), BotsError> {
    let clock = Clock::start();
    let socket = KernelSocket::bind(own_address(options.connect), SocketOptions::default())?;
    let mut driver = Driver::client(&ClientOptions::new(options.trust.clone()), socket)?;
    let mut conn = dial(&mut driver, clock, options, None)?;
    let told = ask(&mut driver, &mut conn, clock, options);
    driver.close(clock.now(), conn, CloseCode::Bye, "");
    let until = clock.now() + LEAVE_WITHIN;
    while !driver.is_idle() && clock.now() < until {
        turn(&mut driver, clock)?;
        while driver.poll_event().is_some() {}
    }
    told
}

fn dial(
    driver: &mut Driver<KernelSocket>,
    clock: Clock,
    options: &Options,
    first: Option<u8>,
) -> Result<ConnId, BotsError> {
    let server_name = options.server_name.clone().unwrap_or_else(|| options.connect.ip().to_string());
    Ok(driver.connect_to_shard(clock.now(), options.connect, &server_name, first)?)
}

/// Asks over `conn`, or over the one that takes its place where the server names another shard.
fn ask(
    driver: &mut Driver<KernelSocket>,
    conn: &mut ConnId,
    clock: Clock,
    options: &Options,
) -> Result<(Schema, Model), BotsError> {
    let undescribed = |why: String| BotsError::Undescribed { remote: options.connect, why, next_step: "" };
    let (mut reader, mut parts) = (ControlReader::default(), DescriptionReader::default());
    let mut redirects = 0;
    while clock.now() < DESCRIBE_WITHIN {
        turn(driver, clock)?;
        while let Some(event) = driver.poll_event() {
            match event {
                Event::Connected { .. } => {
                    // A connection that ended meanwhile says so by its own event.
                    let _ = driver.write_control(clock.now(), *conn, &hello(options).to_bytes());
                }
                Event::Control { bytes, .. } => {
                    reader.push(&bytes);
                    let whole = next(&mut reader, &mut parts).map_err(|error| undescribed(error.to_string()))?;
                    let Some(Description { schema, model }) = whole else { continue };
                    let schema = Schema::from_bytes(&schema).map_err(|error| undescribed(error.to_string()))?;
                    let model = Model::from_bytes(&schema, &model).map_err(|error| undescribed(error.to_string()))?;
                    return Ok((schema, model));
                }
                Event::Closed { reason, .. } => {
                    if let Some(first) = elsewhere(&reason).filter(|_| redirects < REDIRECTS_MAX) {
                        redirects += 1;
                        *conn = dial(driver, clock, options, Some(first))?;
                        continue;
                    }
                    let why = told(&reason);
                    let next_step = next_step(code_of(&reason), &why);
                    return Err(BotsError::Undescribed { remote: options.connect, why, next_step });
                }
                Event::Datagram { .. } | Event::Reliable { .. } => {}
            }
        }
    }
    Err(undescribed(format!("no description came within {} s", DESCRIBE_WITHIN.as_secs_f64())))
}

/// One turn of the client's loop.
fn turn(driver: &mut Driver<KernelSocket>, clock: Clock) -> std::io::Result<()> {
    driver.flush(clock.now())?;
    driver.wait(Duration::from_millis(5))?;
    driver.receive(clock.now())?;
    driver.handle_timeouts(clock.now())
}

fn next(reader: &mut ControlReader, parts: &mut DescriptionReader) -> Result<Option<Description>, ControlError> {
    while let Some(message) = reader.next_from_server()? {
        if let Some(whole) = parts.push(message)? {
            return Ok(Some(whole));
        }
    }
    Ok(None)
}

fn hello(options: &Options) -> Hello {
    Hello {
        game: String::new(),
        schema_hash: 0,
        model_hash: 0,
        name: options.name.clone(),
        room: options.room,
        spectator: true,
        ticket: options.tokens.first().cloned(),
        resume: None,
    }
}
