//! The two ends of a stream: what is read waits for the owner, what is written waits for the peer, both up to a cap.

use std::collections::VecDeque;

use bytes::Bytes;
use quinn_proto::{Connection, ReadError, StreamId};

/// A stream that is read.
#[derive(Debug, Default)]
pub(crate) struct Inlet {
    stream: Option<StreamId>,
    queued_bytes: usize,
    is_paused: bool,
}

impl Inlet {
    pub(crate) const fn open(&mut self, stream: StreamId) {
        self.stream = Some(stream);
    }

    pub(crate) fn is(&self, stream: StreamId) -> bool {
        self.stream == Some(stream)
    }

    /// Gives the owner what the stream holds, as long as less than `bytes_max` wait for the owner.
    pub(crate) fn read(&mut self, conn: &mut Connection, bytes_max: usize, mut give: impl FnMut(Bytes)) {
        let Some(id) = self.stream else { return };
        let mut stream = conn.recv_stream(id);
        let Ok(mut chunks) = stream.read(true) else { return };
        loop {
            let room = bytes_max.saturating_sub(self.queued_bytes);
            self.is_paused = room == 0;
            if room == 0 {
                break;
            }
            match chunks.next(room) {
                Ok(Some(chunk)) => {
                    self.queued_bytes += chunk.bytes.len();
                    give(chunk.bytes);
                }
                // The peer ended its side: nothing more will come, and the connection goes on.
                Ok(None) | Err(ReadError::Reset(_)) | Err(ReadError::Blocked) => break,
            }
        }
        // New flow control credit goes out with the next packet: the connection is dirty whenever this is called.
        let _ = chunks.finalize();
    }

    /// The owner took `bytes`. Returns whether the stream is to be read on because of it.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        self.queued_bytes -= bytes;
        std::mem::take(&mut self.is_paused)
    }
}

/// A stream that is written.
#[derive(Debug, Default)]
pub(crate) struct Outlet {
    stream: Option<StreamId>,
    backlog: VecDeque<u8>,
}

/// More would wait for the peer than may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Outlet {
    pub(crate) const fn open(&mut self, stream: Option<StreamId>) {
        self.stream = stream;
    }

    pub(crate) const fn is_open(&self) -> bool {
        self.stream.is_some()
    }

    pub(crate) fn is(&self, stream: StreamId) -> bool {
        self.stream == Some(stream)
    }

    /// Takes bytes for the peer, if no more than `bytes_max` wait then.
    pub(crate) fn push(&mut self, bytes: &[u8], bytes_max: usize) -> Result<(), Full> {
        if self.backlog.len() + bytes.len() > bytes_max {
            return Err(Full);
        }
        self.backlog.extend(bytes);
        Ok(())
    }

    /// Hands to QUIC what it takes.
    pub(crate) fn write(&mut self, conn: &mut Connection) {
        let Some(id) = self.stream else { return };
        while !self.backlog.is_empty() {
            let (front, _) = self.backlog.as_slices();
            // Blocked: `Writable` comes. Stopped by the peer: the backlog fills and closes the connection.
            let Ok(written) = conn.send_stream(id).write(front) else { return };
            self.backlog.drain(..written);
        }
    }

    /// Bytes that wait because QUIC's own buffer is full.
    pub(crate) fn backlog(&self) -> usize {
        self.backlog.len()
    }

    /// Drops what waits: the connection is over.
    pub(crate) fn clear(&mut self) {
        self.backlog = VecDeque::new();
    }
}
