//! One process has one core for its bots. Several share a run: each bot belongs to one of them, and is the same there as
//! it were in a single process.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A part of the bots of a run: every `of`-th, beginning with number `index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub(crate) index: usize,
    pub(crate) of: usize,
}

/// Processes that share a run at most.
const SHARES_MAX: usize = 64;

impl Share {
    /// All bots.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// Whether these are all bots.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        *self == Self::WHOLE
    }

    /// Whether bot `number` of the run is one of these.
    #[must_use]
    pub const fn has(&self, number: usize) -> bool {
        number % self.of == self.index
    }

    /// Which of these bot `number` of the run is.
    pub(crate) fn place(&self, number: usize) -> Option<usize> {
        self.has(number).then_some(number / self.of)
    }

    /// The file of this share, where `path` is that of the whole: `report.json` becomes `report.1-of-4.json`.
    #[must_use]
    pub fn file(&self, path: &Path) -> PathBuf {
        let Some(stem) = path.file_stem().filter(|_| !self.is_whole()) else { return path.to_owned() };
        let mut name = stem.to_owned();
        name.push(format!(".{}-of-{}", self.index + 1, self.of));
        if let Some(extension) = path.extension() {
            name.push(".");
            name.push(extension);
        }
        path.with_file_name(name)
    }

    /// Tells what is drawn for this share from what is drawn for the others.
    pub(crate) const fn stream(&self) -> u64 {
        (self.index as u64) << 32
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.of)
    }
}

/// What is no share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a share such as 1/4: the first of four, 1/1 to {SHARES_MAX}/{SHARES_MAX}")]
pub struct NoShare;

impl FromStr for Share {
    type Err = NoShare;

    fn from_str(text: &str) -> Result<Self, NoShare> {
        let (number, of) = text.split_once('/').ok_or(NoShare)?;
        let [number, of] = [number, of].map(str::parse::<usize>);
        let (number, of) = (number.map_err(|_| NoShare)?, of.map_err(|_| NoShare)?);
        let is_one = (1..=SHARES_MAX).contains(&of) && (1..=of).contains(&number);
        if is_one { Ok(Self { index: number - 1, of }) } else { Err(NoShare) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bot_belongs_to_exactly_one_share() {
        for of in [1, 2, 3, 7, 64] {
            let shares: Vec<Share> = (1..=of).map(|i| format!("{i}/{of}").parse().expect("a share")).collect();
            for bot in 0..500 {
                assert_eq!(shares.iter().filter(|share| share.has(bot)).count(), 1, "{bot} of {of}");
            }
            let sizes: Vec<_> = shares.iter().map(|share| (0..500).filter(|&bot| share.has(bot)).count()).collect();
            assert!(sizes.iter().max() <= sizes.iter().min().map(|least| least + 1).as_ref(), "{sizes:?}");
        }
    }

    #[test]
    fn each_share_has_a_file_of_its_own() {
        let file = |share: &str, path: &str| share.parse::<Share>().expect("a share").file(Path::new(path));
        assert_eq!(file("3/4", "a.b/evening.v2.json"), Path::new("a.b/evening.v2.3-of-4.json"));
        assert_eq!(file("1/2", "report"), Path::new("report.1-of-2"));
        assert_eq!(file("1/1", "report.json"), Path::new("report.json"));
    }

    #[test]
    fn what_is_no_share_is_refused_and_what_is_one_reads_back() {
        for text in ["", "1", "0/4", "5/4", "1/0", "1/65", "-1/4", "a/b", "1/4/2"] {
            assert_eq!(text.parse::<Share>(), Err(NoShare), "{text}");
        }
        assert_eq!("3/4".parse::<Share>().map(|share| share.to_string()), Ok("3/4".to_owned()));
        assert!("1/1".parse::<Share>().expect("one").is_whole() && !"1/2".parse::<Share>().expect("one").is_whole());
    }
}
