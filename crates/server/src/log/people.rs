//! Lines for people: the sentence first, then what goes with it. What programs know an event by is left out.

use std::fmt::{self, Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

/// Leaves out what would end a line, or tell a terminal to do something: texts of others are in some messages.
struct Clean<'a, 'b>(&'a mut Writer<'b>);

impl fmt::Write for Clean<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.split(char::is_control).try_for_each(|part| self.0.write_str(part))
    }
}

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
            "message" => (write!(Clean(out), "{value:?}"), "  "),
            name => (write!(out, "{before}{name}={value:?}"), " "),
        };
        (*result, *before) = (result.and(written), after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_whatever_is_in_it() {
        let mut text = String::new();
        let mut out = Writer::new(&mut text);
        write!(Clean(&mut out), "kicked \u{1b}[31mada\n2026-01-01 ERROR forged").expect("memory");
        assert_eq!(text, "kicked [31mada2026-01-01 ERROR forged");
    }
}
