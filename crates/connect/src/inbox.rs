//! The network is heard on its own task, the game asks once a frame: what arrived meanwhile waits here.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;
use downbeat_wire::Micros;
use tokio::sync::Notify;

use crate::limits::{DATAGRAMS_WAITING_MAX, MESSAGES_WAITING_MAX, RELIABLE_WAITING_BYTES_MAX};
use crate::{Disconnected, Message};

/// What arrived, in order. One task fills it, one caller empties it.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
    arrived: Notify,
    taken: Notify,
    reliable_taken: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    datagrams: VecDeque<(Micros, Bytes)>,
    dropped: u64,
    messages: VecDeque<Message>,
    /// The stream of reliable events.
    reliable: VecDeque<(Micros, Bytes)>,
    reliable_bytes: usize,
    end: Option<Disconnected>,
}

impl Inbox {
    /// Takes in a datagram that arrived `at`.
    pub(crate) fn push_datagram(&self, at: Micros, datagram: Bytes) {
        let mut waiting = self.lock();
        if waiting.datagrams.len() == DATAGRAMS_WAITING_MAX {
            waiting.datagrams.pop_front();
            waiting.dropped += 1;
        }
        waiting.datagrams.push_back((at, datagram));
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Takes in a message as soon as there is room for it.
    pub(crate) async fn push_message(&self, message: Message) {
        while self.lock().messages.len() >= MESSAGES_WAITING_MAX {
            self.taken.notified().await;
        }
        self.lock().messages.push_back(message);
        self.arrived.notify_one();
    }

    /// Takes in bytes of the stream of reliable events, which arrived `at`, as soon as there is room for them.
    pub(crate) async fn push_reliable(&self, at: Micros, bytes: Bytes) {
        while self.lock().reliable_bytes >= RELIABLE_WAITING_BYTES_MAX {
            self.reliable_taken.notified().await;
        }
        let mut waiting = self.lock();
        waiting.reliable_bytes += bytes.len();
        waiting.reliable.push_back((at, bytes));
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Takes in that nothing more will arrive. The first reason counts.
    pub(crate) fn push_end(&self, end: Disconnected) {
        self.lock().end.get_or_insert(end);
        self.arrived.notify_one();
    }

    pub(crate) fn take_datagram(&self) -> Option<(Micros, Bytes)> {
        self.lock().datagrams.pop_front()
    }

    pub(crate) fn take_message(&self) -> Option<Message> {
        let message = self.lock().messages.pop_front();
        self.taken.notify_one();
        message
    }

    pub(crate) fn take_reliable(&self) -> Option<(Micros, Bytes)> {
        let mut waiting = self.lock();
        let (at, bytes) = waiting.reliable.pop_front()?;
        waiting.reliable_bytes -= bytes.len();
        drop(waiting);
        self.reliable_taken.notify_one();
        Some((at, bytes))
    }

    /// Takes over what was not taken of an earlier connection's messages, and what it counted.
    pub(crate) fn adopt(&self, earlier: &Self) {
        let (messages, dropped) = {
            let mut waiting = earlier.lock();
            (std::mem::take(&mut waiting.messages), waiting.dropped)
        };
        let mut waiting = self.lock();
        let later = std::mem::replace(&mut waiting.messages, messages);
        waiting.messages.extend(later);
        waiting.dropped += dropped;
    }

    /// Why nothing more will arrive.
    pub(crate) fn end(&self) -> Option<Disconnected> {
        self.lock().end.clone()
    }

    /// Datagrams that were dropped at the cap.
    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Waits until something arrived since the last call.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("nobody panics while holding it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_cap_the_oldest_datagram_is_dropped_and_counted() {
        let inbox = Inbox::default();
        for i in 0..DATAGRAMS_WAITING_MAX as u64 + 3 {
            inbox.push_datagram(Micros(i), Bytes::new());
        }
        assert_eq!(inbox.take_datagram(), Some((Micros(3), Bytes::new())));
        assert_eq!(inbox.dropped(), 3);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn at_the_cap_reliable_events_wait_until_some_are_taken() {
        let inbox = Inbox::default();
        inbox.push_reliable(Micros(1), Bytes::from(vec![0; RELIABLE_WAITING_BYTES_MAX])).await;
        let mut more = std::pin::pin!(inbox.push_reliable(Micros(2), Bytes::from_static(b"more")));
        tokio::select! {
            biased;
            () = &mut more => panic!("there is no room"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(inbox.take_reliable().map(|(at, _)| at), Some(Micros(1)));
        more.await;
        assert_eq!(inbox.take_reliable(), Some((Micros(2), Bytes::from_static(b"more"))));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn at_the_cap_messages_wait_until_one_is_taken() {
        let inbox = Inbox::default();
        let message = || Message::Draining { deadline_s: 1 };
        for _ in 0..MESSAGES_WAITING_MAX {
            inbox.push_message(message()).await;
        }
        let mut one_more = std::pin::pin!(inbox.push_message(message()));
        tokio::select! {
            biased;
            () = &mut one_more => panic!("there is no room"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(inbox.take_message(), Some(message()));
        one_more.await;
    }
}
