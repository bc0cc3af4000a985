//! The stage finds what it is there to find.

use downbeat_benches::{BenchError, Options, Stage};
use downbeat_bots::Bots;
use downbeat_field::{Config, Field};
use downbeat_link::{Chance, LinkSpec};

fn stage(options: &Options) -> Stage<Field> {
    let config = Config { walkers: 60, visible: 16, ..Config::default() };
    Stage::new(options, &config, |seed| Field::brain("wander", seed, 60).expect("a name")).expect("it opens")
}

#[test]
fn on_a_good_line_every_copy_is_exact_on_every_datagram() {
    let mut stage = stage(&Options::new(1, 3));
    stage.run(600);
    stage.verify(true).expect("nothing is wrong");
    for judge in stage.judges() {
        let (exact, compared) = judge.compared();
        assert!(exact == compared && compared > 590, "{exact} of {compared}");
    }
    let totals = stage.totals();
    assert_eq!((totals.ticks, totals.down_datagrams, totals.updates), (600, 1_800, 600 * 3 * 17));
    assert!((totals.up_datagrams as f64 / 1_800.0 - 1.0).abs() < 0.02, "{totals:?}");
}

#[test]
fn copies_that_are_behind_are_found_and_catch_up_when_the_line_is_good_again() {
    let lossy = LinkSpec { loss: Chance::from_percent(30), ..Options::new(2, 4).link };
    let mut stage = stage(&Options { link: lossy, ..Options::new(2, 4) });
    stage.run(300);
    stage.set_link(&LinkSpec { loss: Chance::ALWAYS, ..lossy });
    stage.run(60);
    let deaf = stage.totals().decoded_updates;
    stage.run(60);
    assert_eq!(stage.totals().decoded_updates, deaf, "nothing arrives");
    assert!(matches!(stage.exact_since(), Err(BenchError::Gate(why)) if why.contains("hear nothing")));
    stage.set_link(&lossy.without_loss());
    stage.run(36);
    let since = stage.exact_since().expect("every copy is exact");
    assert!(since < stage.now());
    stage.verify(true).expect("nothing is wrong");
}

#[test]
fn a_budget_that_cuts_is_found() {
    let mut stage = stage(&Options { datagram_bytes_max: 40, ..Options::new(3, 2) });
    stage.run(200);
    assert!(matches!(stage.verify(true), Err(BenchError::Gate(why)) if why.contains("put off")));
    stage.verify(false).expect("nothing else is wrong");
    assert!(matches!(stage.exact_since(), Err(BenchError::Gate(_))));
}
