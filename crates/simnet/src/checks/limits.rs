//! Queues have limits, which must hold however long a line is dead.

use downbeat_client::Waiting;
use downbeat_client::limits::{EVENTS_WAITING_MAX, RELIABLE_WAITING_MAX};
use downbeat_host::SessionReport;
use downbeat_host::limits::INPUT_TICKS_AHEAD_MAX;
use downbeat_replica::limits::INPUT_FRAMES_MAX;

use super::Invariant;

/// Looks at what a room keeps for a client that is shown `shown` entities at most.
///
/// # Errors
/// What is too much.
pub(crate) fn check_session(session: &SessionReport, shown_max: usize) -> Result<(), (Invariant, String)> {
    let waiting = session.inputs_waiting;
    if waiting > INPUT_TICKS_AHEAD_MAX as usize {
        return Err((Invariant::Queues, format!("{waiting} inputs wait at the server; {INPUT_TICKS_AHEAD_MAX} may")));
    }
    // A slot rests until its leave was acknowledged: an outage lets them pile up, but not without end.
    let (slots, slots_max) = (session.slots, SLOTS_SPARE + SLOTS_PER_SHOWN * shown_max);
    if slots > slots_max {
        return Err((
            Invariant::Memory,
            format!("{slots} slots for {shown_max} entities at a time; {slots_max} may be"),
        ));
    }
    Ok(())
}

/// Looks at what waits inside a client.
///
/// # Errors
/// What is too much.
pub(crate) fn check_client(waiting: &Waiting) -> Result<(), (Invariant, String)> {
    let most = Waiting { events: EVENTS_WAITING_MAX, reliable: RELIABLE_WAITING_MAX, inputs: INPUT_FRAMES_MAX };
    if waiting.events > most.events || waiting.reliable > most.reliable || waiting.inputs > most.inputs {
        return Err((Invariant::Queues, format!("{waiting:?}; {most:?} may")));
    }
    Ok(())
}

/// Slots for entities that come and go while nothing is acknowledged.
const SLOTS_SPARE: usize = 1_024;
const SLOTS_PER_SHOWN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_a_limit_is_found() {
        let broken = |session: SessionReport| check_session(&session, 10).err().map(|(invariant, _)| invariant);
        assert_eq!(broken(SessionReport { inputs_waiting: 64, slots: 1_064, ..SessionReport::default() }), None);
        let long = SessionReport { inputs_waiting: 65, ..SessionReport::default() };
        assert_eq!(broken(long), Some(Invariant::Queues));
        let large = SessionReport { slots: 1_065, ..SessionReport::default() };
        assert_eq!(broken(large), Some(Invariant::Memory));
        assert!(check_client(&Waiting { events: 256, reliable: 0, inputs: 32 }).is_ok());
        assert!(check_client(&Waiting { events: 257, reliable: 0, inputs: 0 }).is_err());
        assert!(check_client(&Waiting { events: 0, reliable: 0, inputs: 33 }).is_err());
    }
}
