//! Why clients ended before their time. Whatever a server says, this does not grow with it.

use std::collections::BTreeMap;

use downbeat_wire::Micros;

use crate::report::Reason;

/// Different reasons that are told apart. Texts come from servers, which may find a new one each time.
const REASONS_MAX: usize = 64;

/// What the rest is called.
const OTHERS: &str = "others";

/// Why clients ended before their time, and how many.
#[derive(Debug, Default)]
pub(crate) struct Reasons(BTreeMap<(bool, Option<u64>, String), Cases>);

/// How many, and when first and last.
#[derive(Clone, Copy, Debug)]
struct Cases {
    count: u64,
    first: Micros,
    last: Micros,
}

impl Reasons {
    pub(crate) fn add(&mut self, at: Micros, joined: bool, code: Option<u64>, why: String) {
        let mut key = (joined, code, why);
        if self.0.len() >= REASONS_MAX && !self.0.contains_key(&key) {
            key = (joined, None, OTHERS.to_owned());
        }
        let cases = self.0.entry(key).or_insert(Cases { count: 0, first: at, last: at });
        *cases = Cases { count: cases.count + 1, first: cases.first.min(at), last: cases.last.max(at) };
    }

    pub(crate) fn count(&self, joined: bool) -> u64 {
        self.0.iter().filter(|((was, ..), _)| *was == joined).map(|(_, cases)| cases.count).sum()
    }

    /// All of them, the most frequent first.
    pub(crate) fn list(&self) -> Vec<Reason> {
        let mut list: Vec<_> = self
            .0
            .iter()
            .map(|((joined, code, why), cases)| Reason {
                joined: *joined,
                code: *code,
                why: why.clone(),
                clients: cases.count,
                first_s: Some(seconds(cases.first)),
                last_s: Some(seconds(cases.last)),
            })
            .collect();
        list.sort_by_key(|reason| std::cmp::Reverse(reason.clients));
        list
    }
}

/// In seconds, to the millisecond.
fn seconds(at: Micros) -> f64 {
    (at.as_secs_f64() * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_finds_a_new_reason_each_time_fills_no_memory() {
        let mut reasons = Reasons::default();
        reasons.add(Micros(1), true, None, "frequent".to_owned());
        for n in 0..10_000 {
            reasons.add(Micros(1_000 * n), n % 2 == 0, Some(n), format!("reason {n}"));
            reasons.add(Micros(1_000 * n), true, None, "frequent".to_owned());
        }
        let list = reasons.list();
        assert!(list.len() <= REASONS_MAX + 2, "{}", list.len());
        assert_eq!(
            (list[0].why.as_str(), list[0].clients),
            ("frequent", 10_001),
            "what is known goes on being counted"
        );
        let others: Vec<_> = list.iter().filter(|reason| reason.why == OTHERS).collect();
        assert!(others.len() == 2 && others.iter().all(|reason| reason.code.is_none() && reason.clients > 4_900));
        assert_eq!(reasons.count(true) + reasons.count(false), 20_001, "nobody is forgotten");
    }
}
