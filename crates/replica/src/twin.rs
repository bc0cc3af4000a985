//! A room can be replayed, and a client can predict it, only if `step` gives the same again for the same inputs. A game
//! that reads a clock, draws from a global or iterates over a hash map does not, and nothing shows it. So every match can be
//! played twice side by side, and what differs is named.

use crate::{
    Capture, Captured, ConfigError, Context, Events, Game, Hearers, Inputs, Kind, Kinds, LaneWriter, PlayerId, Results,
    Rewind, Scene, Setup, Tick, Viewer, Visible,
};

/// A game that is `G` twice, stepped with the same inputs: a room of `Twin<G>` plays as one of `G` does, at twice the cost.
///
/// # Panics
/// In [`Game::step`] and [`Game::capture`] when the two differ. The message names the tick, the entity or event, the field
/// and its lanes in both. A server ends the room then.
///
/// ```
/// use downbeat_replica::{Game, Twin};
///
/// /// Whether `G` can be opened as a twin, too: wherever a game is asked for, `Twin<G>` can stand.
/// fn is_game<G: Game>() -> &'static str {
///     <Twin<G> as Game>::NAME
/// }
/// ```
#[derive(Debug)]
pub struct Twin<G> {
    first: G,
    second: G,
    tick: Tick,
}

impl<G: Game> Game for Twin<G> {
    const NAME: &'static str = G::NAME;
    const MODEL: &'static [u8] = G::MODEL;
    type Config = G::Config;
    type World = G::World;
    type Input = G::Input;
    type Entity = G::Entity;
    type Event = G::Event;

    fn world(config: &G::Config) -> Result<G::World, ConfigError> {
        G::world(config)
    }

    fn new(config: &G::Config, setup: Setup) -> Result<Self, ConfigError> {
        Ok(Self { first: G::new(config, setup)?, second: G::new(config, setup)?, tick: Tick::ZERO })
    }

    fn join(&mut self, player: PlayerId, name: &str) {
        self.first.join(player, name);
        self.second.join(player, name);
    }

    fn leave(&mut self, player: PlayerId) {
        self.first.leave(player);
        self.second.leave(player);
    }

    fn results(&mut self, out: &mut Results) {
        let (mut first, mut second) = (Results::default(), Results::default());
        self.first.results(&mut first);
        self.second.results(&mut second);
        let (first, second): (Vec<_>, Vec<_>) = (first.drain().collect(), second.drain().collect());
        assert!(first == second, "results are impure after {:?}: {first:?} where the twin has {second:?}", self.tick);
        out.extend(first);
    }

    fn step(
        &mut self,
        tick: Tick,
        inputs: &Inputs<'_, G::Input>,
        past: &impl Rewind<G::Entity>,
        events: &mut Events<G::Event>,
    ) {
        self.tick = tick;
        let (mut first, mut second) = (Events::default(), Events::default());
        self.first.step(tick, inputs, past, &mut first);
        self.second.step(tick, inputs, past, &mut second);
        let kinds = G::Event::kinds();
        let (first_once, first_sure): (Vec<_>, Vec<_>) = (first.drain().collect(), first.drain_reliable().collect());
        agree(tick, &kinds, &first_once, &second.drain().collect::<Vec<_>>());
        agree(tick, &kinds, &first_sure, &second.drain_reliable().collect::<Vec<_>>());
        first_once.into_iter().for_each(|(hearers, event)| events.emit(hearers, event));
        first_sure.into_iter().for_each(|(hearers, event)| events.emit_reliable(hearers, event));
    }

    fn capture(&mut self, out: &mut Capture<'_, G::Entity>) {
        let (mut entities, mut lanes, source) = (Vec::new(), Vec::new(), out.previous());
        let previous = |id, kind| source(id, kind);
        self.second.capture(&mut Capture::new(&mut entities, &mut lanes, &previous));
        self.first.capture(out);
        let kinds = G::Entity::kinds();
        let (tick, (told, told_lanes)) = (self.tick, out.captured());
        let differs = |what: String| panic!("step is impure: {tick:?}, {what}");
        for (a, b) in told.iter().zip(&entities) {
            if (a.id, a.kind, a.avatar) != (b.id, b.kind, b.avatar) {
                differs(format!("{} where the twin has {}", named(&kinds, a), named(&kinds, b)));
            }
            let width = kinds[a.kind].lanes.len();
            let (a_lanes, b_lanes) = (&told_lanes[a.first_lane..][..width], &lanes[b.first_lane..][..width]);
            if let Some(field) = difference(&kinds[a.kind], a_lanes, b_lanes) {
                differs(format!("{}: {field}", named(&kinds, a)));
            }
        }
        if told.len() != entities.len() {
            differs(format!("{} entities where the twin has {}", told.len(), entities.len()));
        }
    }

    fn relevance(&self, viewer: &Viewer, scene: &Scene, out: &mut Visible) {
        self.first.relevance(viewer, scene, out);
    }

    fn predict(context: &Context<'_, Self>, own: &mut G::Entity, input: &G::Input) {
        G::predict(&single(context), own, input);
    }

    fn predict_spawn(
        context: &Context<'_, Self>,
        before: &G::Entity,
        own: &G::Entity,
        input: &G::Input,
    ) -> Option<G::Entity> {
        G::predict_spawn(&single(context), before, own, input)
    }

    fn predict_flight(context: &Context<'_, Self>, spawned: &mut G::Entity) -> bool {
        G::predict_flight(&single(context), spawned)
    }
}

/// The same of one of the twins.
fn single<'a, G: Game>(context: &Context<'a, Twin<G>>) -> Context<'a, G> {
    let Context { world, tick, dt, others } = *context;
    Context { world, tick, dt, others }
}

fn named(kinds: &[Kind], entity: &Captured) -> String {
    format!("{} {:?}", kinds[entity.kind].name, entity.id)
}

/// The first field in which two states differ, with its lanes in both.
fn difference(kind: &Kind, a: &[i32], b: &[i32]) -> Option<String> {
    let field = kind.fields.iter().find(|field| a[field.lanes.clone()] != b[field.lanes.clone()])?;
    let (a, b) = (&a[field.lanes.clone()], &b[field.lanes.clone()]);
    Some(format!("{} is {a:?} and {b:?} (lanes)", field.name))
}

/// Panics unless both told the same of the tick.
fn agree<E: Kinds>(tick: Tick, kinds: &[Kind], a: &[(Hearers, E)], b: &[(Hearers, E)]) {
    let lanes = |event: &E| {
        let mut lanes = Vec::new();
        event.write(&mut LaneWriter::new(&mut lanes));
        lanes
    };
    for ((a_hearers, a), (b_hearers, b)) in a.iter().zip(b) {
        let name = |event: &E| kinds[event.kind()].name.clone();
        assert!(
            (a.kind(), a_hearers) == (b.kind(), b_hearers),
            "step is impure: {tick:?}, event {} to {a_hearers:?} where the twin has {} to {b_hearers:?}",
            name(a),
            name(b)
        );
        let field = difference(&kinds[a.kind()], &lanes(a), &lanes(b));
        assert!(field.is_none(), "step is impure: {tick:?}, event {}: {}", name(a), field.unwrap_or_default());
    }
    assert!(a.len() == b.len(), "step is impure: {tick:?}, {} events where the twin has {}", a.len(), b.len());
}
