//! The one trait a game implements, and what it is handed in each of its methods.

use std::fmt;

use glam::Vec3;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{EntityId, Input, Kinds, LaneReader, LaneWriter, PlayerId, Results, Scene, Tick, ViewTick};

/// A game: what the server simulates, what clients predict of it, and what is replicated between them.
///
/// Everything here is pure: no clock, no threads, no randomness but from the seed, and no iteration whose order
/// depends on hashing, so that a room can be replayed and a client can predict to the bit.
pub trait Game: Sized + Send + 'static {
    /// Names the game in the handshake and in metrics: at most 64 bytes of letters, digits and `_-.#:`.
    const NAME: &'static str;
    /// What `downbeat train` fitted to recordings of the game, as a file ([`codec::Model`](crate::codec::Model)): records
    /// become smaller. Empty for a game that nobody trained.
    const MODEL: &'static [u8] = &[];
    /// The rules that an operator may set: `[game.NAME]` of the server's configuration. Clients are sent a copy.
    type Config: Clone + Default + Serialize + DeserializeOwned + Send + 'static;
    /// What never changes during a match and both ends know: the map, the rules.
    type World: Send + Sync + 'static;
    /// What a player does in one tick. `Default` is neutral: nothing held, nothing pressed.
    type Input: Input;
    /// The replicated kinds.
    type Entity: Kinds + Clone + Send + 'static;
    /// Facts of one moment: a shot's tracer for those who see it, a goal for everybody. [`Events`] says how surely each
    /// arrives. A game without any says [`NoEvents`](crate::NoEvents).
    type Event: Kinds + Clone + Send + 'static;

    /// Builds what both ends know, from the rules.
    ///
    /// # Errors
    /// Says which rule is impossible and what is allowed.
    fn world(config: &Self::Config) -> Result<Self::World, ConfigError>;

    /// Opens a match.
    ///
    /// # Errors
    /// As [`Self::world`].
    fn new(config: &Self::Config, setup: Setup) -> Result<Self, ConfigError>;

    /// A player arrives. `name` is what the player calls itself: at most 32 characters, no control characters.
    fn join(&mut self, player: PlayerId, name: &str);

    /// A player is gone for good.
    fn leave(&mut self, player: PlayerId);

    /// Advances the match to `tick`. `past` shows where entities were, for lag compensation.
    fn step(
        &mut self,
        tick: Tick,
        inputs: &Inputs<'_, Self::Input>,
        past: &impl Rewind<Self::Entity>,
        events: &mut Events<Self::Event>,
    );

    /// Tells what is to be kept of the match when it is over, such as scores: the server writes it where its operator wants it,
    /// clients do not hear of it. Asked on the server alone, after each [`Self::step`] and after each [`Self::leave`], so that a
    /// game keeps until then what it has to tell. The default tells nothing.
    ///
    /// ```ignore
    /// fn leave(&mut self, player: PlayerId) {
    ///     self.left.extend(self.scores.remove(&player).map(|score| (player, score)));
    /// }
    ///
    /// fn results(&mut self, out: &mut Results) {
    ///     self.left.drain(..).for_each(|(player, score)| out.tell("score", Some(player), &score));
    /// }
    /// ```
    fn results(&mut self, out: &mut Results) {
        let _ = out;
    }

    /// Reports every entity of the match. [`Capture`] rounds each to what clients are told, so that the next step
    /// starts on the server from the same bits as on a predicting client.
    fn capture(&mut self, out: &mut Capture<'_, Self::Entity>);

    /// Chooses what a viewer is shown, of the state that was captured last: what matters to a player, or where a spectator's
    /// camera is. Its own avatar is shown in any case. The default shows everything.
    fn relevance(&self, viewer: &Viewer, scene: &Scene, out: &mut Visible) {
        let _ = viewer;
        scene.ids().for_each(|id| out.add(id));
    }

    /// Advances a client's own avatar by one tick: the part of [`Self::step`] that depends on nothing but the
    /// avatar, its input and the context. Share the code with `step`.
    fn predict(context: &Context<'_, Self>, own: &mut Self::Entity, input: &Self::Input);

    /// What the avatar just put into the world, such as a rocket it launched, so that its player sees it at once: as
    /// [`Self::step`] captures it in the same tick. `before` is the avatar before [`Self::predict`], `own` what that made of
    /// it. Called after each `predict`, also when a tick is played again: a shot that then did not happen is withdrawn.
    ///
    /// It is shown in `View::spawned` of the client until the server tells of it, and then instead of the server's copy. To
    /// be taken for the same, both must be near each other in the same tick and agree in all whole numbers, flags and
    /// choices, such as who fired it. The default spawns nothing.
    fn predict_spawn(
        context: &Context<'_, Self>,
        before: &Self::Entity,
        own: &Self::Entity,
        input: &Self::Input,
    ) -> Option<Self::Entity> {
        let _ = (context, before, own, input);
        None
    }

    /// Advances what [`Self::predict_spawn`] gave by one tick, as `step` does. `false` when it ends in this tick: it is
    /// not shown any more, unless the server says that it flies on.
    fn predict_flight(context: &Context<'_, Self>, spawned: &mut Self::Entity) -> bool {
        let _ = (context, spawned);
        false
    }
}

/// What a match is opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Ticks per second.
    pub tick_rate_hz: u32,
    /// Decides everything random in the match.
    pub seed: u64,
    /// Most players that will be in it at a time.
    pub players_max: u16,
}

impl Setup {
    /// Seconds per tick, the same bits as [`Context::dt`].
    #[must_use]
    pub fn dt(&self) -> f32 {
        dt(self.tick_rate_hz)
    }
}

/// Seconds per tick at `tick_rate_hz`. Both ends step by this.
#[must_use]
pub fn dt(tick_rate_hz: u32) -> f32 {
    1.0 / tick_rate_hz as f32
}

/// A configuration that cannot be: says what is wrong and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// What a player does in a tick, as the server runs it.
#[derive(Clone, Debug, PartialEq)]
pub struct PlayerInput<I> {
    /// Whose it is.
    pub player: PlayerId,
    /// What is done.
    pub input: I,
    /// What moment of the others' past the player saw when it sampled the input: as it says, but not farther back than
    /// its line explains.
    pub view: ViewTick,
    /// Whether the real input did not arrive in time and this stands in for it.
    pub substituted: bool,
}

/// The inputs of one tick, in ascending order of players.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a, I>(&'a [PlayerInput<I>]);

impl<'a, I> Inputs<'a, I> {
    /// Inputs, ascending by player.
    #[must_use]
    pub fn new(inputs: &'a [PlayerInput<I>]) -> Self {
        debug_assert!(inputs.is_sorted_by_key(|input| input.player));
        Self(inputs)
    }

    /// The input of `player`, if it is in the match.
    #[must_use]
    pub fn of(&self, player: PlayerId) -> Option<&'a PlayerInput<I>> {
        let at = self.0.binary_search_by_key(&player, |input| input.player).ok()?;
        Some(&self.0[at])
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &'a PlayerInput<I>> {
        self.0.iter()
    }
}

/// Where entities were.
pub trait Rewind<E> {
    /// The entity `id` as those saw it who looked at the moment `view`; `None` when it was not there then, or when
    /// that is longer ago than the rewind limit. Who was moved since, rather than that it moved, is where that brought it.
    fn at(&self, id: EntityId, view: ViewTick) -> Option<E>;
}

/// Nothing is remembered: for tests and for games without lag compensation.
impl<E> Rewind<E> for () {
    fn at(&self, _: EntityId, _: ViewTick) -> Option<E> {
        None
    }
}

/// Who is told of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearers {
    /// Every client of the room.
    All,
    /// Those who are shown this entity at the moment.
    Viewers(EntityId),
    /// One player.
    Player(PlayerId),
}

/// Collects the events of a tick, each for those who are to hear it. A client shows an event when the others are shown as
/// they were in its tick.
///
/// [`emit`](Self::emit) is for what is worthless a moment later, such as a tracer: it rides in the next snapshot, once, and
/// is lost with it. [`emit_reliable`](Self::emit_reliable) is for what counts whenever it arrives, such as a goal: it is never
/// lost and never overtaken by a later one. State needs neither: it is replicated.
#[derive(Debug)]
pub struct Events<E> {
    once: Vec<(Hearers, E)>,
    reliable: Vec<(Hearers, E)>,
}

impl<E> Default for Events<E> {
    fn default() -> Self {
        Self { once: Vec::new(), reliable: Vec::new() }
    }
}

impl<E> Events<E> {
    /// Tells `hearers` of `event`, if nothing is lost on the way.
    pub fn emit(&mut self, hearers: Hearers, event: E) {
        self.once.push((hearers, event));
    }

    /// Tells `hearers` of `event`, surely and in order. A client that does not take in what it is told so is closed, so keep
    /// these few: a bad line delays them all by a round trip for each loss.
    ///
    /// An entity that the event names may be gone when it is shown: the client then sees none in its place.
    pub fn emit_reliable(&mut self, hearers: Hearers, event: E) {
        self.reliable.push((hearers, event));
    }

    /// Takes those that may be lost, in order.
    pub fn drain(&mut self) -> impl Iterator<Item = (Hearers, E)> {
        self.once.drain(..)
    }

    /// Takes those that must arrive, in order.
    pub fn drain_reliable(&mut self) -> impl Iterator<Item = (Hearers, E)> {
        self.reliable.drain(..)
    }
}

/// One captured entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Captured {
    /// Which one.
    pub id: EntityId,
    /// Index of its kind in the schema.
    pub kind: usize,
    /// The player whose avatar it is.
    pub avatar: Option<PlayerId>,
    /// Where its lanes begin.
    pub first_lane: usize,
}

/// Takes in the state of a match, one entity after the other.
pub struct Capture<'a, E> {
    entities: &'a mut Vec<Captured>,
    lanes: &'a mut Vec<i32>,
    previous: &'a dyn Fn(EntityId, usize) -> Option<&'a [i32]>,
    clamped: u32,
    refused: u32,
    of: std::marker::PhantomData<fn(E)>,
}

impl<E> fmt::Debug for Capture<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture").field("entities", &self.entities).finish_non_exhaustive()
    }
}

impl<'a, E: Kinds> Capture<'a, E> {
    /// Fills the two tables. `previous` knows the lanes of the tick before of an entity of a kind.
    pub fn new(
        entities: &'a mut Vec<Captured>,
        lanes: &'a mut Vec<i32>,
        previous: &'a dyn Fn(EntityId, usize) -> Option<&'a [i32]>,
    ) -> Self {
        entities.clear();
        lanes.clear();
        Self { entities, lanes, previous, clamped: 0, refused: 0, of: std::marker::PhantomData }
    }

    /// Reports an entity and rounds it to what clients are told.
    pub fn put(&mut self, id: EntityId, entity: &mut E) {
        self.add(id, None, entity);
    }

    /// Reports the entity that `player` steers and predicts. A player has at most one: each further one of the same tick is
    /// counted, and told as an entity that nobody steers.
    pub fn put_avatar(&mut self, id: EntityId, player: PlayerId, entity: &mut E) {
        self.add(id, Some(player), entity);
    }

    fn add(&mut self, id: EntityId, avatar: Option<PlayerId>, entity: &mut E) {
        let (kind, first_lane) = (entity.kind(), self.lanes.len());
        let mut writer = LaneWriter::new(self.lanes);
        entity.write(&mut writer);
        self.clamped += writer.clamped();
        if writer.saw_nan() {
            // A state that is no state is refused: the entity stays what it was, and so clients never see it.
            self.refused += 1;
            self.lanes.truncate(first_lane);
            let Some(previous) = (self.previous)(id, kind) else { return };
            self.lanes.extend_from_slice(previous);
        }
        let mut reader = LaneReader::new(&self.lanes[first_lane..]);
        *entity = E::read(kind, &mut reader).expect("the kind is the entity's own");
        self.entities.push(Captured { id, kind, avatar, first_lane });
    }

    /// What was reported so far, and its lanes.
    pub(crate) fn captured(&self) -> (&[Captured], &[i32]) {
        (self.entities, self.lanes)
    }

    /// What knows the lanes of the tick before.
    pub(crate) fn previous(&self) -> &'a dyn Fn(EntityId, usize) -> Option<&'a [i32]> {
        self.previous
    }

    /// Values so far that were out of their range and were clamped.
    #[must_use]
    pub const fn clamped(&self) -> u32 {
        self.clamped
    }

    /// Entities so far that held a NaN and kept their previous state.
    #[must_use]
    pub const fn refused(&self) -> u32 {
        self.refused
    }
}

/// Who looks at the match.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Viewer {
    /// The player; `None` for a spectator.
    pub player: Option<PlayerId>,
    /// Its avatar, when it has one in this tick.
    pub avatar: Option<EntityId>,
    /// Where a spectator looks from; `None` for one that overlooks the match, and for a player.
    pub camera: Option<Camera>,
}

impl Viewer {
    /// Where it looks from, in metres: where its avatar is, or its camera. `None` when it has neither.
    #[must_use]
    pub fn place(&self, scene: &Scene) -> Option<Vec3> {
        let avatar = self.avatar.and_then(|own| scene.position(own));
        avatar.or_else(|| self.camera.map(|camera| camera.position))
    }
}

/// Where a spectator looks from in a tick.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Camera {
    /// The place, in metres: three finite numbers, however far from the match.
    pub position: Vec3,
    /// The entity that it follows, as long as that is there. It is shown in any case.
    pub follows: Option<EntityId>,
}

/// Collects what a viewer is shown.
#[derive(Debug, Default)]
pub struct Visible {
    ids: Vec<EntityId>,
}

impl Visible {
    /// Shows `id`. Naming an entity twice does no harm; naming one that was not captured shows nothing.
    pub fn add(&mut self, id: EntityId) {
        self.ids.push(id);
    }

    /// Empties the set for the next viewer.
    pub fn clear(&mut self) {
        self.ids.clear();
    }

    /// The set, ascending and without doubles.
    pub fn sorted(&mut self) -> &[EntityId] {
        if !self.ids.is_sorted() {
            self.ids.sort_unstable();
        }
        self.ids.dedup();
        &self.ids
    }
}

impl Extend<EntityId> for Visible {
    fn extend<I: IntoIterator<Item = EntityId>>(&mut self, ids: I) {
        self.ids.extend(ids);
    }
}

/// What a client knows besides its avatar and its input.
#[derive(Debug)]
pub struct Context<'a, G: Game> {
    /// The map and the rules.
    pub world: &'a G::World,
    /// The tick to be predicted.
    pub tick: Tick,
    /// Seconds per tick.
    pub dt: f32,
    /// The others as they are shown right now.
    pub others: &'a [Sighting<G::Entity>],
}

/// An entity as a client is shown it.
#[derive(Clone, Debug)]
pub struct Sighting<E> {
    /// The name the client knows it by. It is the client's own: other clients call the same entity otherwise.
    pub id: EntityId,
    /// Its state.
    pub entity: E,
}
