//! Lines for people: the sentence first, then what goes with it. What programs know an event by is left out.

use std::fmt::{self, Debug};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

/// Writes the fields of an event or of a span.
#[derive(Debug)]
pub(super) struct ForPeople;

impl<'a> FormatFields<'a> for ForPeople {
    fn format_fields<R: RecordFields>(&self, out: Writer<'a>, fields: R) -> fmt::Result {
        let mut line = Line { out, before: "", result: Ok(()) };
        fields.record(&mut line);
        line.result
    }
}

struct Line<'a> {
    out: Writer<'a>,
    /// What stands between the last field and the next.
    before: &'static str,
    result: fmt::Result,
}

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let Self { out, before, result } = self;
        let (written, after) = match field.name() {
            "event" => return,
            "message" => (write!(out, "{value:?}"), "  "),
            name => (write!(out, "{before}{name}={value:?}"), " "),
        };
        (*result, *before) = (result.and(written), after);
    }
}
