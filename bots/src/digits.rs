//! A figure has no more digits than were measured: 474.9999999999999 is 475.

use serde_json::{Number, Value};

use crate::report::Report;

/// Digits that a figure keeps: more than any measurement here has.
const DIGITS: i32 = 7;

impl Report {
    /// Rounds all figures that are no counts.
    pub(crate) fn round(&mut self) {
        let mut value = serde_json::to_value(&*self).expect("a report is plain data, which always encodes");
        round(&mut value);
        *self = serde_json::from_value(value).expect("it is what it was, but for digits");
    }
}

fn round(value: &mut Value) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(round),
        Value::Object(fields) => fields.values_mut().for_each(round),
        Value::Number(number) if number.is_f64() => {
            let rounded = number.as_f64().and_then(|exact| Number::from_f64(rounded(exact)));
            rounded.into_iter().for_each(|rounded| *number = rounded);
        }
        _ => {}
    }
}

fn rounded(value: f64) -> f64 {
    let before_point = if value == 0.0 { 0 } else { libm::floor(libm::log10(value.abs())) as i32 + 1 };
    let scale = libm::pow(10.0, f64::from((DIGITS - before_point).clamp(-300, 300)));
    // Scaled up and down by the same, the nearest number of so many digits comes out.
    let rounded = (value * scale).round() / scale;
    if rounded.is_finite() { rounded } else { value }
}

/// A figure for people: counts are whole.
pub(crate) fn told(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_keep_seven_digits_and_counts_all() {
        for (exact, expected) in [
            (474.999_999_999_999_9, 475.0),
            (0.022_776_572_668_112_8, 0.022_776_57),
            (-7_651.769_535_498, -7_651.77),
            (123_456_789.5, 123_456_800.0),
            (0.0, 0.0),
        ] {
            assert_eq!(rounded(exact), expected, "{exact}");
        }
        let mut report = Report { seed: u64::MAX, seconds: 0.1 + 0.2, ..Report::default() };
        report.interpolation.starved_ratio = Some(1.0 / 3.0);
        report.round();
        assert_eq!((report.seed, report.seconds), (u64::MAX, 0.3));
        assert!(report.to_json().contains("\"starved_ratio\": 0.3333333\n"), "{}", report.to_json());
    }

    #[test]
    fn people_are_told_counts_as_such() {
        assert_eq!((told(171.0).as_str(), told(0.0).as_str(), told(12.345_67).as_str()), ("171", "0", "12.346"));
    }
}
