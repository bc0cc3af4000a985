//! Where a spectator looks changes in every frame; the server is told now and then.

use downbeat_wire::{Look, Micros};

use crate::limits::LOOK_PAUSE;

/// What the server knows of where one looks, and what it is to be told.
#[derive(Debug, Default)]
pub(crate) struct Looking {
    look: Option<Look>,
    is_told: bool,
    /// When it may be told something again.
    free_at: Micros,
}

impl Looking {
    pub(crate) fn set(&mut self, look: Look) {
        self.is_told &= self.look == Some(look);
        self.look = Some(look);
    }

    /// Nobody knows whether the last word arrived. Without the entities that it `knew`, an entity's slot means another one:
    /// the server goes on with the one that it was told of.
    pub(crate) fn repeat(&mut self, knew: bool) {
        self.is_told = false;
        self.look = self.look.filter(|look| knew || !matches!(look, Look::Entity(_)));
    }

    /// What the server is to be told at `now`.
    pub(crate) fn poll(&self, now: Micros) -> Option<Look> {
        self.look.filter(|_| !self.is_told && now >= self.free_at)
    }

    /// It was tried to tell that at `now`.
    pub(crate) fn told(&mut self, now: Micros, is_sent: bool) {
        (self.is_told, self.free_at) = (is_sent, now + Micros(LOOK_PAUSE.as_micros() as u64));
    }

    /// When to poll next; `None` when there is nothing to tell.
    pub(crate) fn next_at(&self) -> Option<Micros> {
        self.look.filter(|_| !self.is_told).map(|_| self.free_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_told_the_newest_ten_times_a_second_at_most() {
        let mut looking = Looking::default();
        let (mut told, mut last) = (0, None);
        for ms in 0..1_000 {
            let now = Micros::from_millis(ms);
            looking.set(Look::at([ms as f32, 0.0, 0.0]).expect("a place"));
            if let Some(look) = looking.poll(now) {
                looking.told(now, true);
                (told, last) = (told + 1, Some(look));
            }
        }
        assert_eq!(told, 10);
        let end = looking.next_at().expect("the last word was not told");
        assert_eq!(end, Micros::from_millis(1_000));
        assert_ne!(looking.poll(end), last);
        looking.told(end, true);
        looking.set(Look::at([999.0, 0.0, 0.0]).expect("a place"));
        assert_eq!((looking.poll(Micros(u64::MAX)), looking.next_at()), (None, None), "it knows");
        looking.repeat(false);
        assert!(looking.poll(Micros(u64::MAX)).is_some());
    }

    #[test]
    fn an_entity_is_named_again_only_to_a_server_that_calls_it_the_same() {
        let mut looking = Looking::default();
        looking.set(Look::Entity(7));
        looking.told(Micros(0), true);
        looking.repeat(true);
        assert_eq!(looking.poll(Micros(u64::MAX)), Some(Look::Entity(7)));
        looking.repeat(false);
        assert_eq!(looking.poll(Micros(u64::MAX)), None);
    }
}
