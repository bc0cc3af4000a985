//! The `--net` syntax: presets, round trips and errors that help.

use downbeat_link::{Chance, LinkSpec, PRESETS, Queue};
use downbeat_wire::Micros;
use proptest::prelude::*;

#[test]
fn each_preset_parses_and_is_what_it_says() {
    for (name, pairs) in PRESETS {
        let spec: LinkSpec = name.parse().expect("a preset");
        if pairs.is_empty() {
            assert!(spec.is_perfect());
        } else {
            assert_eq!(spec.to_string(), *pairs, "{name} prints as it is defined");
        }
    }
    assert_eq!("lan".parse::<LinkSpec>().expect("a preset").latency, Micros(200));
}

#[test]
fn errors_name_what_is_wrong_and_what_is_allowed() {
    for (text, part) in [
        ("", "preset"),
        ("wlan", "neither a preset"),
        ("latency=20", "25ms"),
        ("latncy=20ms", "unknown key `latncy`"),
        ("loss=0.1", "2%"),
        ("loss=101%", "at most 100%"),
        ("latency=1ms,latency=2ms", "twice"),
        ("latency=1ms,jitter=2ms", "jitter"),
        ("loss=5%,burst=0.5", "at least 1"),
        ("loss=90%,burst=2", "loss / (1 - loss)"),
        ("rate=0bit", "larger than 0"),
        ("queue=10ms", "needs a `rate`"),
        ("rate=10", "10mbit"),
        ("rate=9mbit,queue=much", "64kb"),
    ] {
        let error = text.parse::<LinkSpec>().expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

fn any_spec() -> impl Strategy<Value = LinkSpec> {
    let queue =
        prop_oneof![(0u64..10_000_000).prop_map(|us| Queue::Time(Micros(us))), (0u64..1 << 40).prop_map(Queue::Bytes),];
    (
        (0u64..3_600_000_000, 0u64..=100),
        (0u32..=1_000_000, proptest::option::of(1_000u32..u32::MAX)),
        (0u32..=1_000_000, 0u32..=1_000_000),
        proptest::option::of((1u64..=100_000_000_000_000, proptest::option::of(queue))),
    )
        .prop_map(|((latency, share), (loss, burst), (reorder, dup), rate)| LinkSpec {
            latency: Micros(latency),
            jitter: Micros(latency * share / 100),
            loss: Chance::from_millionths(loss),
            burst_thousandths: burst,
            reorder: Chance::from_millionths(reorder),
            dup: Chance::from_millionths(dup),
            rate_bits: rate.map(|(bits, _)| bits),
            queue: rate.and_then(|(_, queue)| queue),
        })
        .prop_filter("numbers that agree", |spec| spec.checked().is_ok())
}

proptest! {
    #[test]
    fn what_is_printed_parses_back(spec in any_spec()) {
        prop_assert_eq!(spec.to_string().parse::<LinkSpec>(), Ok(spec));
    }

    #[test]
    fn no_text_panics(text in "[a-z0-9=%,. ]{0,60}") {
        let _ = text.parse::<LinkSpec>();
    }
}
