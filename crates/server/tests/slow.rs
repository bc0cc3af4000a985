//! A tick that was too long is told with its parts, so that an operator sees whose fault it is.

mod common;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Player, config, hello, start};
use downbeat_field::{Config as Rules, Entity, Field, Input, World};
use downbeat_replica::{Capture, ConfigError, Context, Events, Game, Inputs, NoEvents, PlayerId, Rewind, Setup, Tick};
use tracing::field::{Field as Name, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context as Around, SubscriberExt};

/// `field`, with every fortieth step as long as three ticks.
struct Hiccup(Field);

const HICCUP: Duration = Duration::from_millis(50);

impl Game for Hiccup {
    const NAME: &'static str = "hiccup";
    type Config = Rules;
    type World = World;
    type Input = Input;
    type Entity = Entity;
    type Event = NoEvents;

    fn world(config: &Rules) -> Result<World, ConfigError> {
        Field::world(config)
    }

    fn new(config: &Rules, setup: Setup) -> Result<Self, ConfigError> {
        Ok(Self(Field::new(config, setup)?))
    }

    fn join(&mut self, player: PlayerId, name: &str) {
        self.0.join(player, name);
    }

    fn leave(&mut self, player: PlayerId) {
        self.0.leave(player);
    }

    fn step(
        &mut self,
        tick: Tick,
        inputs: &Inputs<'_, Input>,
        past: &impl Rewind<Entity>,
        events: &mut Events<NoEvents>,
    ) {
        if tick.0.is_multiple_of(40) {
            std::thread::sleep(HICCUP);
        }
        self.0.step(tick, inputs, past, events);
    }

    fn capture(&mut self, out: &mut Capture<'_, Entity>) {
        self.0.capture(out);
    }

    fn predict(context: &Context<'_, Self>, own: &mut Entity, input: &Input) {
        let Context { world, tick, dt, others } = *context;
        Field::predict(&Context { world, tick, dt, others }, own, input);
    }
}

type Fields = BTreeMap<&'static str, String>;

/// Keeps what is told of slow ticks.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Fields>>>);

impl<S: Subscriber> Layer<S> for Told {
    fn on_event(&self, event: &Event<'_>, _: Around<'_, S>) {
        struct Read(Fields);
        impl Visit for Read {
            fn record_debug(&mut self, field: &Name, value: &dyn Debug) {
                self.0.insert(field.name(), format!("{value:?}"));
            }
        }
        let mut read = Read(Fields::new());
        event.record(&mut read);
        if read.0.get("event").is_some_and(|event| event == "\"slow_tick\"") {
            self.0.lock().expect("no test panics").push(read.0);
        }
    }
}

#[test]
fn a_slow_tick_tells_what_took_how_long() {
    let told = Told::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(told.clone()));
    let server = start::<Hiccup>(&config::<Hiccup>(), &Rules { walkers: 5, ..Rules::default() });
    let mut player = Player::<Hiccup>::enter(server.probe(), &hello::<Hiccup>());
    let is_blamed = |fields: &Fields| fields["tick"].parse::<u32>().is_ok_and(|tick| tick.is_multiple_of(40));
    assert!(player.until(|_| told.0.lock().expect("no test panics").iter().any(is_blamed)));
    server.stop();
    let told = told.0.lock().expect("no test panics");
    let us = |fields: &Fields, name: &str| fields[name].parse::<u64>().expect("a number");
    let slow = told.iter().find(|fields| is_blamed(fields)).expect("it was told");
    assert!(us(slow, "step_us") >= HICCUP.as_micros() as u64, "{slow:?}");
    assert!(us(slow, "work_us") >= us(slow, "step_us"), "{slow:?}");
    assert_eq!((slow["room"].as_str(), slow["sessions"].as_str()), ("1", "1"));
    let others = ["capture_us", "interest_us", "encode_us", "flush_us"];
    let others: u64 = others.into_iter().map(|part| us(slow, part)).sum();
    assert!(others <= us(slow, "work_us") - us(slow, "step_us") + 10, "parts add up: {slow:?}");
}
