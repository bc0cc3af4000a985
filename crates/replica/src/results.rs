//! What outlives a match: scores, who won, who was hit by whom. A game says it in its own words, and the server keeps it where
//! its operator wants it. None of it is replicated.

use serde::Serialize;

use crate::PlayerId;
use crate::limits::{RESULT_BYTES_MAX, RESULTS_WAITING_MAX};

/// Takes in what a game tells ([`Game::results`](crate::Game::results)).
#[derive(Debug, Default)]
pub struct Results {
    told: Vec<GameResult>,
    refused: u64,
}

/// One thing that a game told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GameResult {
    /// What it is, such as `score`.
    pub name: &'static str,
    /// Whose it is; nobody's when it is about the match.
    pub player: Option<PlayerId>,
    /// What the game said of it, as JSON.
    pub data: String,
}

impl Results {
    /// Tells a result of a player, or of the match. `data` is anything that can be JSON of at most [`RESULT_BYTES_MAX`] bytes;
    /// what is longer, or is one too many at a time, is counted and not kept.
    ///
    /// ```
    /// # use downbeat_replica::{PlayerId, Results};
    /// #[derive(serde::Serialize)]
    /// struct Score {
    ///     goals: u32,
    ///     won: bool,
    /// }
    ///
    /// let mut out = Results::default();
    /// out.tell("score", Some(PlayerId(3)), &Score { goals: 2, won: true });
    /// assert_eq!(out.drain().next().expect("it was told").data, r#"{"goals":2,"won":true}"#);
    /// ```
    pub fn tell(&mut self, name: &'static str, player: Option<PlayerId>, data: &impl Serialize) {
        let json = serde_json::to_string(data).ok().filter(|json| json.len() <= RESULT_BYTES_MAX);
        match json.filter(|_| self.told.len() < RESULTS_WAITING_MAX) {
            Some(data) => self.told.push(GameResult { name, player, data }),
            None => self.refused += 1,
        }
    }

    /// Takes over what was told elsewhere.
    pub(crate) fn extend(&mut self, told: impl IntoIterator<Item = GameResult>) {
        self.told.extend(told);
    }

    /// Takes what was told, in order.
    pub fn drain(&mut self) -> impl Iterator<Item = GameResult> {
        self.told.drain(..)
    }

    /// Whether nothing was told since it was drained.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// How many were too long, or too many at a time, since this was last asked.
    pub const fn take_refused(&mut self) -> u64 {
        std::mem::replace(&mut self.refused, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_or_too_much_is_counted() {
        let mut results = Results::default();
        results.tell("note", None, &"x".repeat(RESULT_BYTES_MAX - 1));
        assert_eq!((results.is_empty(), results.take_refused()), (true, 1), "with its quotes it is one byte too long");
        (0..RESULTS_WAITING_MAX + 5).for_each(|n| results.tell("n", None, &n));
        assert_eq!((results.drain().count(), results.take_refused()), (RESULTS_WAITING_MAX, 5));
        results.tell("n", Some(PlayerId(1)), &7);
        assert_eq!(results.drain().next().expect("there is room again").data, "7");
    }
}
