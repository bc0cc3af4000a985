//! The thread that writes: who tells something hands a line over, and goes on. Whoever reads the standard error may be slow, or
//! have stopped.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

use super::limit::Limit;
use crate::limits::LOG_LINES_WAITING_MAX;

/// Where events of this file come from: they are told whatever was told before.
pub(super) const TARGET: &str = module_path!();

/// A log that is being written. When it is dropped, what waits is written, unless nobody reads it for a second.
#[derive(Debug)]
pub struct Log {
    sender: SyncSender<Message>,
    ended: Receiver<()>,
}

enum Message {
    Line(Vec<u8>),
    End,
}

/// The way to the thread.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    sender: SyncSender<Message>,
    /// Lines that found no place since that was told last.
    lost: Arc<AtomicU64>,
    limit: Arc<Limit>,
}

impl Log {
    /// Begins to write to the standard error.
    pub(super) fn start(limit: &Arc<Limit>) -> io::Result<(Lines, Self)> {
        Self::to(io::stderr(), limit)
    }

    fn to(mut out: impl Write + Send + 'static, limit: &Arc<Limit>) -> io::Result<(Lines, Self)> {
        let (sender, receiver) = sync_channel(LOG_LINES_WAITING_MAX);
        let lines = Lines { sender: sender.clone(), lost: Arc::default(), limit: Arc::clone(limit) };
        let (end, ended) = sync_channel(1);
        let own = lines.clone();
        let write = move || {
            own.write(&receiver, &mut out);
            let _ = end.send(());
        };
        thread::Builder::new().name("log".to_owned()).spawn(write)?;
        Ok((lines, Self { sender, ended }))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // A full queue that nobody empties is not waited for either.
        let is_asked = (0..100).any(|_| {
            let is_asked = self.sender.try_send(Message::End).is_ok();
            if !is_asked {
                thread::sleep(Duration::from_millis(10));
            }
            is_asked
        });
        if is_asked {
            let _ = self.ended.recv_timeout(Duration::from_secs(1));
        }
    }
}

impl Lines {
    fn write(&self, receiver: &Receiver<Message>, out: &mut impl Write) {
        let mut told_at = Instant::now();
        loop {
            let message = receiver.recv_timeout(TOLD_EVERY.saturating_sub(told_at.elapsed()));
            // A log that cannot be written is nowhere to be told of.
            if let Ok(Message::Line(line)) = &message {
                let _ = out.write_all(line);
            }
            let is_over = matches!(message, Ok(Message::End) | Err(RecvTimeoutError::Disconnected));
            if is_over || told_at.elapsed() >= TOLD_EVERY {
                told_at = Instant::now();
                self.tell_left_out();
            }
            if is_over {
                while let Ok(Message::Line(line)) = receiver.try_recv() {
                    let _ = out.write_all(&line);
                }
                return;
            }
        }
    }

    fn tell_left_out(&self) {
        for (of, lines) in self.limit.poll_kinds() {
            tracing::warn!(event = "left_out", of, lines, "lines were left out, there were too many");
        }
        let lines = self.lost.swap(0, Relaxed);
        if lines > 0 {
            tracing::warn!(event = "left_out", lines, "lines were left out, the log was not read");
        }
    }
}

/// How often is told what was left out.
const TOLD_EVERY: Duration = Duration::from_secs(1);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

/// Hands over one line.
pub(super) struct Line<'a>(&'a Lines);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.0.sender.try_send(Message::Line(line.to_vec())).is_err() {
            self.0.lost.fetch_add(1, Relaxed);
            self.0.limit.note_left_out();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Takes nothing while somebody holds it.
    #[derive(Clone, Default)]
    struct Reader(Arc<Mutex<Vec<u8>>>);

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no test panics").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_tells_something_does_not_wait_for_who_reads_it() {
        let (reader, limit) = (Reader::default(), Arc::new(Limit::default()));
        let (lines, log) = Log::to(reader.clone(), &limit).expect("a thread");
        let held = reader.0.lock().expect("no test panics");
        for _ in 0..LOG_LINES_WAITING_MAX + 100 {
            lines.make_writer().write_all(b"line\n").expect("it never fails");
        }
        // The thread may hold one in its hands.
        let lost = limit.left_out();
        assert!((99..=100).contains(&lost), "{lost}");
        drop(held);
        drop(log);
        let read = reader.0.lock().expect("no test panics");
        assert_eq!(read.len() as u64, 5 * ((LOG_LINES_WAITING_MAX + 100) as u64 - lost));
    }

    #[test]
    fn a_reader_that_has_stopped_does_not_keep_the_process() {
        let (reader, limit) = (Reader::default(), Arc::new(Limit::default()));
        let (lines, log) = Log::to(reader.clone(), &limit).expect("a thread");
        let held = reader.0.lock().expect("no test panics");
        lines.make_writer().write_all(b"line\n").expect("it never fails");
        drop(log);
        assert!(held.is_empty());
    }
}
