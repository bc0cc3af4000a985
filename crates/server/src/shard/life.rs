//! A shard's life: it waits for ticks, runs them, and ends when it is told to, with a word to its clients.

use std::io;
use std::time::Duration;

use downbeat_host::Schedule;
use downbeat_replica::Game;
use downbeat_transport::Socket;
use downbeat_wire::Micros;

use super::Shard;
use crate::limits::FAREWELL;
use crate::stop::{Stop, Urgency};

impl<G: Game, S: Socket> Shard<G, S> {
    /// Serves on this thread until `stop` is requested; then drains, and says farewell.
    pub(crate) fn run(&mut self, stop: &Stop) -> io::Result<()> {
        self.pin();
        let mut schedule = Schedule::new(self.clock.now(), self.config.tick_rate_hz);
        while stop.urgency() == Urgency::None {
            self.keep_time(&mut schedule)?;
        }
        self.drain(&mut schedule, stop)?;
        self.say_farewell(stop)
    }

    fn keep_time(&mut self, schedule: &mut Schedule) -> io::Result<()> {
        let due = schedule.due();
        self.wait(due, schedule.length())?;
        let began = self.clock.now();
        self.tick(due, began)?;
        self.measure(due, began, schedule.following());
        let now = self.clock.now();
        let left_out = schedule.advance(now);
        if left_out > 0 {
            self.leave_out(now, left_out);
        }
        Ok(())
    }

    /// Sleeps until a tick is due. The sockets are looked into four times a tick, or every millisecond while handshakes
    /// are under way: looking on every arrival costs a fifth more, and inputs carry the kernel's stamp of their arrival.
    fn wait(&mut self, due: Micros, length: Micros) -> io::Result<()> {
        let clock = self.clock;
        let pause = Micros(length.0 / LOOKS_PER_TICK);
        let mut looked_at = clock.now();
        loop {
            let now = clock.now();
            if now >= due {
                return Ok(());
            }
            // Counted back from the tick, so that a look never makes it late.
            let looks_left = due.since(looked_at).0.saturating_sub(1) / pause.0;
            let regular = due - Micros(looks_left * pause.0);
            let look_at = self.next_look(looked_at).map_or(regular, |at| at.min(regular));
            if look_at + LOOK_BEFORE_TICK > due {
                sleep_until(now, due);
            } else if now < look_at {
                std::thread::sleep(Duration::from_micros(look_at.since(now).0));
            } else {
                self.drain_sockets(now)?;
                looked_at = now;
            }
        }
    }

    fn drain(&mut self, schedule: &mut Schedule, stop: &Stop) -> io::Result<()> {
        let begin = self.clock.now();
        self.begin_drain(begin);
        let deadline = begin + Micros(self.config.drain_deadline.as_micros() as u64);
        while self.clients() > 0 && self.clock.now() < deadline && stop.urgency() < Urgency::Now {
            self.keep_time(schedule)?;
        }
        Ok(())
    }

    /// Closes all connections, and answers those who did not hear it for a moment.
    fn say_farewell(&mut self, stop: &Stop) -> io::Result<()> {
        let begin = self.clock.now();
        self.shut_down(begin);
        self.flush()?;
        while !self.is_idle() && stop.urgency() < Urgency::Now {
            let now = self.clock.now();
            if now.since(begin) > FAREWELL {
                break;
            }
            self.drain_sockets(now)?;
            self.flush()?;
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

/// Sleeps most of the way to `due`, and spins the rest of it.
fn sleep_until(now: Micros, due: Micros) {
    match due.since(now).0.checked_sub(SPIN.0) {
        Some(us) if us > 0 => std::thread::sleep(Duration::from_micros(us)),
        _ => std::hint::spin_loop(),
    }
}

/// Looks into the sockets per tick, the one at its beginning included.
const LOOKS_PER_TICK: u64 = 4;

/// A look later than this before a tick is left to the tick.
const LOOK_BEFORE_TICK: Micros = Micros(500);

/// How long before a tick sleeping ends, since nobody wakes in time to the microsecond.
const SPIN: Micros = Micros(60);
