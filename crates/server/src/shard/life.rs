//! A shard's life: it waits for beats, does what is due in them, and ends when it is told to, with a word to its clients.

use std::io;
use std::time::Duration;

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
        while stop.urgency() == Urgency::None {
            self.keep_time()?;
        }
        self.drain(stop)?;
        let ended = self.say_farewell(stop);
        self.leave_counts();
        ended
    }

    fn keep_time(&mut self) -> io::Result<()> {
        self.wait(self.beats.next_at())?;
        self.beat(self.clock.now())
    }

    /// Sleeps until a beat is due. Where the sockets want it, they are looked into meanwhile: every millisecond while
    /// handshakes are under way.
    fn wait(&mut self, due: Micros) -> io::Result<()> {
        let clock = self.clock;
        let is_awaited = self.beats.is_awaited();
        let mut looked_at = clock.now();
        loop {
            let now = clock.now();
            if now >= due {
                return Ok(());
            }
            let look_at = self.next_look(looked_at).filter(|&at| at + LOOK_BEFORE_BEAT <= due);
            match look_at {
                Some(at) if at <= now => {
                    self.drain_sockets(now)?;
                    looked_at = now;
                }
                Some(at) => sleep(at.since(now)),
                None if is_awaited => sleep_until(now, due),
                None => sleep(due.since(now)),
            }
        }
    }

    fn drain(&mut self, stop: &Stop) -> io::Result<()> {
        let begin = self.clock.now();
        let time = stop.deadline().unwrap_or(self.config.drain_deadline);
        self.begin_drain(begin, time);
        let deadline = begin + Micros(time.as_micros() as u64);
        while self.clients() > 0 && self.clock.now() < deadline && stop.urgency() < Urgency::Now {
            self.keep_time()?;
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
        Some(us) if us > 0 => sleep(Micros(us)),
        _ => std::hint::spin_loop(),
    }
}

fn sleep(time: Micros) {
    std::thread::sleep(Duration::from_micros(time.0));
}

/// A look later than this before a beat is left to the beat.
const LOOK_BEFORE_BEAT: Micros = Micros(500);

/// How long before a beat that ticks sleeping ends, since nobody wakes in time to the microsecond.
const SPIN: Micros = Micros(60);
