//! Somebody wants to look into a running server, or to change it; a shard must not wait for him.
//!
//! So what is asked for waits in a queue of its shard, of bounded length, and the shard takes a few of them between two
//! beats. Each command carries the way back for its answer. What is to be seen, a shard leaves once a second as a whole: who
//! reads it holds up nobody, however long that takes.

mod command;
mod hooks;
mod keys;
mod view;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

pub use self::command::{Answer, Command, Refused, Who};
pub use self::hooks::{Act, Ban, Banned, Bans, Done, Hook, HookError, Hooks};
pub use self::keys::PlayerKey;
pub use self::view::{InputsView, LineView, PlayerView, RoomView, ShardView, TotalsView};
use crate::limits::COMMANDS_WAITING_MAX;

/// The way into the shards of a running server, from any thread.
#[derive(Debug)]
pub struct Control {
    shards: Vec<Desk>,
    /// Whether anybody reads views.
    is_watched: AtomicBool,
}

/// What waits for one shard, and what it left.
#[derive(Debug)]
struct Desk {
    commands: SyncSender<Command>,
    /// The other end, until the shard takes it.
    inbox: Mutex<Option<Receiver<Command>>>,
    view: ArcSwap<ShardView>,
    beats: AtomicU64,
}

impl Control {
    pub(crate) fn new(shards: u8) -> Self {
        let desk = |_| {
            let (commands, inbox) = sync_channel(COMMANDS_WAITING_MAX);
            let view = ArcSwap::from_pointee(ShardView::default());
            Desk { commands, inbox: Mutex::new(Some(inbox)), view, beats: AtomicU64::new(0) }
        };
        Self { shards: (0..shards).map(desk).collect(), is_watched: AtomicBool::new(false) }
    }

    /// The shard's end of its queue. Each shard takes its own, once.
    pub(crate) fn take_inbox(&self, shard: u8) -> Receiver<Command> {
        let mut inbox = self.shards[usize::from(shard)].inbox.lock().unwrap_or_else(PoisonError::into_inner);
        inbox.take().expect("a shard is made once")
    }

    /// How many shards there are.
    #[must_use]
    pub fn shards(&self) -> u8 {
        self.shards.len() as u8
    }

    /// Leaves a command for a shard, which takes it within a few beats.
    ///
    /// # Errors
    /// Gives the reason when it does not take it: too many wait, or it has ended. The command is dropped, and its answer with
    /// it.
    pub fn send(&self, shard: u8, command: Command) -> Result<(), Refused> {
        let desk = self.shards.get(usize::from(shard)).ok_or(Refused::Gone)?;
        desk.commands.try_send(command).map_err(|error| match error {
            TrySendError::Full(_) => Refused::Busy,
            TrySendError::Disconnected(_) => Refused::Gone,
        })
    }

    /// The shard of a room, as its id tells.
    #[must_use]
    pub fn shard_of(&self, room: u64) -> u8 {
        (room.saturating_sub(1) % self.shards.len() as u64) as u8
    }

    /// From here on the shards leave views: without this they do not make any.
    pub fn watch(&self) {
        self.is_watched.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.is_watched.load(Ordering::Relaxed)
    }

    /// What each shard left last, the first shard's first.
    #[must_use]
    pub fn views(&self) -> Vec<Arc<ShardView>> {
        self.shards.iter().map(|desk| desk.view.load_full()).collect()
    }

    pub(crate) fn leave(&self, shard: u8, view: ShardView) {
        self.shards[usize::from(shard)].view.store(Arc::new(view));
    }

    pub(crate) fn note_beat(&self, shard: u8) {
        self.shards[usize::from(shard)].beats.fetch_add(1, Ordering::Relaxed);
    }

    /// Beats of each shard so far. One that does not go on has hung.
    #[must_use]
    pub fn beats(&self) -> Vec<u64> {
        self.shards.iter().map(|desk| desk.beats.load(Ordering::Relaxed)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_is_full_takes_nothing_and_says_so() {
        let control = Control::new(2);
        let send =
            |shard| control.send(shard, Command::CloseRoom { room: 1, reason: String::new(), answer: Answer::none() });
        assert!((0..COMMANDS_WAITING_MAX).all(|_| send(1).is_ok()));
        assert_eq!(send(1), Err(Refused::Busy));
        assert_eq!((send(0), send(2)), (Ok(()), Err(Refused::Gone)), "each shard has its own, and there are two");
        let inbox = control.take_inbox(1);
        assert_eq!(inbox.try_iter().count(), COMMANDS_WAITING_MAX);
        drop(inbox);
        assert_eq!(send(1), Err(Refused::Gone));
    }

    #[test]
    fn rooms_tell_their_shard() {
        let control = Control::new(3);
        assert_eq!([1, 2, 3, 4, 0].map(|room| control.shard_of(room)), [0, 1, 2, 0, 0]);
    }

    #[test]
    fn what_is_read_is_what_was_left_last() {
        let control = Control::new(1);
        let old = control.views();
        control.leave(0, ShardView { clients: 3, ..ShardView::default() });
        assert_eq!((old[0].clients, control.views()[0].clients), (0, 3));
    }
}
