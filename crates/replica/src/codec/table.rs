//! Static tables: for each class of decisions and each level of its score, the share of each symbol.
//!
//! Adaptive models learn from what was sent; with datagrams that may be lost, and clients that know different things, ends
//! would have to agree on what was learnt. Tables that never change need no agreement, and a code for one client is good
//! for another.

use downbeat_wire::range::TOTAL_BITS;

/// Levels of a score.
pub(crate) const LEVELS: usize = 24;

/// All tables of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tables {
    /// Symbols of each class, and where its first table begins.
    classes: Vec<(usize, usize)>,
    /// Lower bounds of symbols and the total behind them, table by table.
    low: Vec<u16>,
}

impl Tables {
    /// Rounds shares (`[class][level][symbol]`, each positive) so that every symbol keeps at least one count.
    #[must_use]
    pub(crate) fn new(shares: &[Vec<Vec<f32>>]) -> Self {
        let mut tables = Self::default();
        for levels in shares {
            tables.classes.push((levels[0].len(), tables.low.len()));
            levels.iter().for_each(|shares| tables.push(&rounded(shares)));
        }
        tables
    }

    fn push(&mut self, counts: &[u32]) {
        let mut sum = 0;
        for &count in counts {
            self.low.push(sum as u16);
            sum += count;
        }
        self.low.push(1 << TOTAL_BITS);
    }

    /// The level of a score.
    #[inline]
    #[must_use]
    pub(crate) fn level(score: f32) -> usize {
        // The cast saturates.
        ((score + 0.5) as i32).clamp(0, LEVELS as i32 - 1) as usize
    }

    /// Lower bounds of the symbols of a class at a level.
    #[inline]
    #[must_use]
    pub(crate) fn bounds(&self, class: usize, level: usize) -> &[u16] {
        let (symbols, start) = self.classes[class];
        &self.low[start + level * (symbols + 1)..][..symbols]
    }

    /// Lower bound and count of one symbol.
    #[inline]
    #[must_use]
    pub(crate) fn find(&self, class: usize, level: usize, symbol: u8) -> (u16, u16) {
        let (symbols, start) = self.classes[class];
        let [low, high] = self.low[start + level * (symbols + 1) + usize::from(symbol)..][..2] else { unreachable!() };
        (low, high - low)
    }

    /// The counts, in the order of classes, levels and symbols: what a model file holds.
    pub(crate) fn counts(&self) -> impl Iterator<Item = u16> {
        let all = self.classes.iter().enumerate().flat_map(|(class, &(symbols, _))| {
            (0..LEVELS).flat_map(move |level| (0..symbols).map(move |symbol| (class, level, symbol as u8)))
        });
        all.map(|(class, level, symbol)| self.find(class, level, symbol).1)
    }

    /// Tables of such counts; `None` when those of a table do not add up or a symbol has none.
    pub(crate) fn from_counts(alphabet: &[usize], mut counts: impl FnMut() -> Option<u16>) -> Option<Self> {
        let mut tables = Self::default();
        for &symbols in alphabet {
            tables.classes.push((symbols, tables.low.len()));
            for _ in 0..LEVELS {
                let table =
                    (0..symbols).map(|_| counts().filter(|&c| c > 0).map(u32::from)).collect::<Option<Vec<_>>>()?;
                if table.iter().sum::<u32>() != 1 << TOTAL_BITS {
                    return None;
                }
                tables.push(&table);
            }
        }
        Some(tables)
    }
}

/// Counts in proportion to `shares` (at most half as many as there are counts), at least one each, that add up to the
/// total. Shares that are no positive number count as 0.
fn rounded(shares: &[f32]) -> Vec<u32> {
    let total = 1_u32 << TOTAL_BITS;
    let free = total - u32::try_from(shares.len()).ok().filter(|&n| n <= total / 2).expect("an alphabet is small");
    let share = |share: &f32| if *share > 0.0 { f64::from(share.min(f32::MAX)) } else { 0.0 };
    let sum: f64 = shares.iter().map(share).sum::<f64>().max(f64::MIN_POSITIVE);
    let mut counts: Vec<u32> = shares.iter().map(|s| 1 + (share(s) / sum * f64::from(free)) as u32).collect();
    // Rounding down leaves some over, or takes one too many when shares add up to a little more than their sum.
    let given = counts.iter().sum::<u32>();
    let largest = counts.iter_mut().max().expect("a table has symbols");
    *largest = *largest + total - given;
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counts_add_up_whatever_the_shares(shares in prop::collection::vec(prop::num::f32::ANY, 1..65)) {
            let counts = rounded(&shares);
            prop_assert_eq!(counts.iter().sum::<u32>(), 1 << TOTAL_BITS);
            prop_assert!(counts.iter().all(|&count| count > 0));
        }

        #[test]
        fn tables_come_back_from_their_counts(shares in prop::collection::vec(prop::collection::vec(0.001..1.0_f32, 5), LEVELS)) {
            let tables = Tables::new(&[shares.clone(), shares]);
            let mut counts = tables.counts();
            let back = Tables::from_counts(&[5, 5], || counts.next());
            prop_assert_eq!(back.as_ref(), Some(&tables));
        }
    }

    #[test]
    fn counts_that_do_not_add_up_are_refused() {
        assert!(Tables::from_counts(&[2], || Some(1)).is_none());
        assert!(Tables::from_counts(&[2], || None).is_none());
        let mut zero = [0, 32_768].into_iter().cycle();
        assert!(Tables::from_counts(&[2], || zero.next()).is_none());
    }
}
