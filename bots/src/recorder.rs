//! Keeps what a bot was told, for training models. It goes to the file as the run goes on: a run of hours must not
//! gather in memory.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use downbeat_client::{Client, KnownEntity};
use downbeat_replica::recording::{Told, Writer};
use downbeat_replica::{Game, Schema, Tick};

use crate::output::OutputError;

/// Writes one bot's recording.
pub(crate) struct Recorder {
    path: PathBuf,
    /// Index of the bot.
    pub(crate) bot: usize,
    newest: Tick,
    writer: Writer,
    bytes: Vec<u8>,
    /// The first failure ends the recording, not the run.
    out: Result<BufWriter<File>, std::io::Error>,
}

impl Recorder {
    /// Begins the recording of `bot`, who was let in at the tick `joined`.
    pub(crate) fn create(
        path: &Path,
        bot: usize,
        joined: Tick,
        (schema, seed, tick_rate_hz): (&Schema, u64, u32),
    ) -> Self {
        let mut bytes = Vec::new();
        let writer = Writer::new(schema, seed, tick_rate_hz, &mut bytes);
        let out = File::create(path).map(BufWriter::new);
        Self { path: path.to_owned(), bot, newest: joined, writer, bytes, out }
    }

    /// Notes what `client` knows since its newest snapshot, if that is news.
    pub(crate) fn note<G: Game>(&mut self, client: &Client<G>) {
        let (tick, Ok(out)) = (client.newest(), &mut self.out) else { return };
        if tick <= self.newest {
            return;
        }
        self.newest = tick;
        let told = |KnownEntity { slot, kind, avatar, entered, lanes }| Told { slot, entered, kind, avatar, lanes };
        self.writer.frame(tick, client.known().map(told), &mut self.bytes);
        let written = out.write_all(&self.bytes);
        self.bytes.clear();
        if let Err(error) = written {
            self.out = Err(error);
        }
    }

    /// Ends the recording; says if any of it could not be written.
    pub(crate) fn finish(self) -> Result<(), OutputError> {
        let Self { path, bytes, out, .. } = self;
        // What is left is the head, when no snapshot came.
        let ended = out.and_then(|mut out| out.write_all(&bytes).and_then(|()| out.flush()));
        ended.map_err(|error| OutputError::new(&path, error))
    }
}
