//! How many requests were answered how: whoever guesses at tokens, or sends too much, shows here.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::StatusCode;

/// Counts by status.
#[derive(Debug, Default)]
pub(crate) struct Answered([AtomicU64; LABELS.len()]);

/// The classes of statuses, and those that are counted by themselves.
const LABELS: [&str; 9] = ["2xx", "3xx", "4xx", "5xx", "401", "403", "404", "408", "413"];

impl Answered {
    pub(super) fn note(&self, status: StatusCode) {
        let own = LABELS.iter().position(|label| *label == status.as_str());
        let place = own.unwrap_or_else(|| usize::from(status.as_u16() / 100).clamp(2, 5) - 2);
        self.0[place].fetch_add(1, Ordering::Relaxed);
    }

    /// The counts in Prometheus' text format.
    pub(super) fn render(&self) -> String {
        let name = "downbeat_admin_requests_total";
        let mut text = format!("# HELP {name} Requests to the admin interface, by status.\n# TYPE {name} counter\n");
        for (label, count) in LABELS.iter().zip(&self.0) {
            let count = count.load(Ordering::Relaxed);
            writeln!(text, "{name}{{status=\"{label}\"}} {count}").expect("a text takes all that is written to it");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_is_counted_once_by_its_status_or_by_its_class() {
        let answered = Answered::default();
        for status in [200, 201, 304, 400, 401, 401, 413, 503] {
            answered.note(StatusCode::from_u16(status).expect("a status"));
        }
        let text = answered.render();
        for line in ["\"2xx\"} 2", "\"3xx\"} 1", "\"4xx\"} 1", "\"401\"} 2", "\"413\"} 1", "\"5xx\"} 1", "\"403\"} 0"] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
