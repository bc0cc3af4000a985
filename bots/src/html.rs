//! The report as a page: one file that loads nothing, and shows what the JSON holds.
//!
//! Its scripts and styles are files beside this one, put together here. The report goes in as data: what comes from outside
//! (names, reasons) is never part of the page's own text, and its scripts set it as text alone.

use std::path::Path;

use serde::Serialize;

use crate::output::{OutputError, write_output};
use crate::report::{Report, Verdict};

const PAGE: &str = include_str!("html/page.html");
const STYLE: &str = include_str!("html/style.css");
const SCRIPTS: [&str; 9] = [
    include_str!("html/dom.js"),
    include_str!("html/chart.js"),
    include_str!("html/budget.js"),
    include_str!("html/series.js"),
    include_str!("html/bytes.js"),
    include_str!("html/sections.js"),
    include_str!("html/scenario.js"),
    include_str!("html/hostile.js"),
    include_str!("html/page.js"),
];

/// What the page is given.
#[derive(Serialize)]
struct Data<'a> {
    verdict: Judged,
    report: &'a Report,
}

#[derive(Serialize)]
struct Judged {
    state: &'static str,
    why: Vec<String>,
}

impl Report {
    /// The report as one self-contained page.
    #[must_use]
    pub fn to_html(&self) -> String {
        let (state, why) = match self.verdict() {
            Verdict::Served => ("served", Vec::new()),
            Verdict::NotServed(why) => ("not_served", why),
            Verdict::GatesFailed(why) => ("gates_failed", why),
            Verdict::Invalid(why) => ("invalid", why),
        };
        // Whatever it is worth, it is not what was asked for.
        let (state, why) = match self.stopped() {
            Some(when) => ("stopped", [vec![when], why].concat()),
            None => (state, why),
        };
        let data = Data { verdict: Judged { state, why }, report: self };
        let data = serde_json::to_string(&data).expect("a report is plain data, which always encodes");
        // A script element ends at the first `</script`, whatever surrounds it.
        let data = data.replace('<', "\\u003c");
        let script = SCRIPTS.concat();
        let mut page = String::with_capacity(PAGE.len() + STYLE.len() + script.len() + data.len());
        let mut rest = PAGE;
        for (place, text) in [("{{style}}", STYLE), ("{{data}}", &data), ("{{script}}", &script)] {
            let (before, after) = rest.split_once(place).expect("the page has a place for each");
            page.push_str(before);
            page.push_str(text);
            rest = after;
        }
        page.push_str(rest);
        page
    }

    /// Writes [`Self::to_html`] to a file, as a whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_html(&self, path: &Path) -> Result<(), OutputError> {
        write_output(path, self.to_html().as_bytes())
    }
}
