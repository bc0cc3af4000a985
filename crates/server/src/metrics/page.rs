//! The text format that Prometheus reads (version 0.0.4): two lines about each family, then a line for each number.

use std::fmt::{Display, Write};

use super::histogram::Counts;

/// A page of metrics, as it grows.
#[derive(Debug, Default)]
pub(crate) struct Page(String);

/// Names and values that tell a number from the others of its family.
pub(crate) type Labels<'a> = &'a [(&'static str, &'a str)];

impl Page {
    pub(crate) fn finish(self) -> String {
        self.0
    }

    pub(crate) fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.line(name, &[], value);
    }

    pub(crate) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.line(name, &[], value);
    }

    /// A counter for each value of a label.
    pub(crate) fn counters<L: AsRef<str>>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: impl IntoIterator<Item = (L, impl Display)>,
    ) {
        self.family(name, "counter", help);
        values.into_iter().for_each(|(of, value)| self.line(name, &[(label, of.as_ref())], value));
    }

    /// A gauge for each value of a label.
    pub(crate) fn gauges<L: AsRef<str>>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: impl IntoIterator<Item = (L, impl Display)>,
    ) {
        self.family(name, "gauge", help);
        values.into_iter().for_each(|(of, value)| self.line(name, &[(label, of.as_ref())], value));
    }

    /// The two lines before the numbers of a family.
    pub(crate) fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {}\n# TYPE {name} {kind}", escape(help, false));
    }

    /// One number.
    pub(crate) fn line(&mut self, name: &str, labels: Labels<'_>, value: impl Display) {
        self.0.push_str(name);
        for (i, (label, of)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"{}\"", if i == 0 { '{' } else { ',' }, escape(of, true));
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    /// The numbers of one histogram. Bounds and sum are divided by `per_unit`.
    pub(crate) fn histogram(
        &mut self,
        name: &str,
        labels: Labels<'_>,
        bounds: impl IntoIterator<Item = f64>,
        counts: &Counts,
        per_unit: f64,
    ) {
        let (bucket, mut sum) = (format!("{name}_bucket"), 0);
        let bounds = bounds.into_iter().map(|bound| (bound / per_unit).to_string()).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(&counts.counts) {
            sum += count;
            self.line(&bucket, &[labels, &[("le", &bound)]].concat(), sum);
        }
        self.line(&format!("{name}_sum"), labels, counts.sum / per_unit);
        self.line(&format!("{name}_count"), labels, sum);
    }
}

fn escape(text: &str, is_value: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if is_value { text.replace('"', "\\\"") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_written_as_prometheus_reads_them() {
        let mut page = Page::default();
        page.counter("a_total", "All.", 3);
        page.gauges("b", "Each \\ one.", "of", [("x", 1.5), ("quo\"ted\n", 0.0)]);
        page.family("c_seconds", "histogram", "Long.");
        let counts = Counts { counts: vec![2, 0, 1], sum: 5_500.0 };
        page.histogram("c_seconds", &[("k", "v")], [1_000.0, 2_500.0], &counts, 1_000.0);
        let lines = [
            "# HELP a_total All.",
            "# TYPE a_total counter",
            "a_total 3",
            "# HELP b Each \\\\ one.",
            "# TYPE b gauge",
            "b{of=\"x\"} 1.5",
            "b{of=\"quo\\\"ted\\n\"} 0",
            "# HELP c_seconds Long.",
            "# TYPE c_seconds histogram",
            "c_seconds_bucket{k=\"v\",le=\"1\"} 2",
            "c_seconds_bucket{k=\"v\",le=\"2.5\"} 2",
            "c_seconds_bucket{k=\"v\",le=\"+Inf\"} 3",
            "c_seconds_sum{k=\"v\"} 5.5",
            "c_seconds_count{k=\"v\"} 3",
        ];
        assert_eq!(page.finish().lines().collect::<Vec<_>>(), lines);
    }
}
