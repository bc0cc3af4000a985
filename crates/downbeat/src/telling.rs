//! How a run is told while it goes on: a screen in a terminal, a line a second elsewhere.

use std::io::{IsTerminal, stderr};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use clap::ValueEnum;
use downbeat_bots::{Live, Progress};

use crate::error::CliError;

/// What a user asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressArg {
    /// A screen where the standard error is a terminal, otherwise lines
    #[default]
    Auto,
    /// One screen with the last minutes
    Live,
    /// A line a second
    Lines,
    /// Nothing
    None,
}

/// Tells what happens, second by second, on the standard error.
pub(crate) enum Telling {
    /// And what was noted meanwhile, which is told once the terminal is given back.
    Screen(Option<Live>, Mutex<Vec<String>>),
    Lines,
    Nothing,
}

impl Telling {
    /// Begins. `title` says what is run, for `seconds`; keys of a screen set `stop`.
    pub(crate) fn begin(how: ProgressArg, title: &str, seconds: f64, stop: &Arc<AtomicBool>) -> Result<Self, CliError> {
        let is_wanted = match how {
            ProgressArg::Auto => stderr().is_terminal(),
            ProgressArg::Live => true,
            ProgressArg::Lines => return Ok(Self::Lines),
            ProgressArg::None => return Ok(Self::Nothing),
        };
        if !is_wanted {
            return Ok(Self::Lines);
        }
        match Live::start(title, seconds, Arc::clone(stop)) {
            Ok(live) => Ok(Self::Screen(Some(live), Mutex::default())),
            Err(_) if how == ProgressArg::Auto => Ok(Self::Lines),
            Err(error) => Err(CliError::Usage(format!(
                "--progress live: there is no terminal to draw on ({error}); `--progress lines` needs none"
            ))),
        }
    }

    /// A second is over.
    pub(crate) fn tell(&self, progress: &Progress) {
        match self {
            Self::Screen(live, _) => live.iter().for_each(|live| live.tell(progress)),
            Self::Lines => eprintln!("{progress}"),
            Self::Nothing => {}
        }
    }

    /// Something else happened.
    pub(crate) fn note(&self, text: String) {
        match self {
            Self::Screen(_, notes) => notes.lock().unwrap_or_else(PoisonError::into_inner).push(text),
            Self::Lines | Self::Nothing => eprintln!("{text}"),
        }
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        if let Self::Screen(live, notes) = self {
            drop(live.take());
            let notes = notes.get_mut().unwrap_or_else(PoisonError::into_inner);
            notes.iter().for_each(|note| eprintln!("{note}"));
        }
    }
}
