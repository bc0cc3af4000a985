//! Agones runs many servers and decides which of them live. It must know of each whether it is ready, healthy, in use, and how
//! full; and each must hear when it was allocated or is to end. Both go through a sidecar beside the process, over HTTP.
//!
//! The sidecar may be slow, restart, or answer with errors; no match may notice. So all of it happens on two threads of its
//! own: one asks and one listens. What is to be asked next is decided in [`plan`], without a clock or a network, one
//! call at a time; nothing is queued, since only the present counts.
//!
//! | module | holds |
//! |---|---|
//! | `plan` | which call is due, given what the server is like and what Agones said |
//! | `sidecar` | the calls as HTTP, and the stream of what Agones says |

mod plan;
mod sidecar;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use downbeat_wire::Micros;

use self::plan::{Plan, Seen};
use self::sidecar::Sidecar;
use crate::config::Agones;
use crate::control::Control;
use crate::directory::Directory;
use crate::limits::{AGONES_LISTENS_AGAIN_AFTER, AGONES_LOOKS_EVERY, AGONES_SHUTDOWN_PATIENCE, LIST_VALUES_MAX};
use crate::metrics::Metrics;
use crate::notice::{Notice, Notify};
use crate::pulse::Pulse;
use crate::stop::{Stop, Urgency};

/// What Agones said last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GameServer {
    /// `Ready`, `Allocated`, `Reserved`, `Shutdown`, …; empty before it said anything.
    pub(crate) state: String,
    /// Changes with each allocation.
    pub(crate) last_allocated: String,
}

/// What listens and what asks share.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    game_server: Mutex<GameServer>,
    /// Whether anybody still wants to know.
    is_over: AtomicBool,
}

impl Heard {
    fn read(&self) -> GameServer {
        self.game_server.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes in what Agones said, or what follows from what it was asked.
    fn note(&self, change: impl FnOnce(&mut GameServer)) {
        change(&mut self.game_server.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The server as the orchestrator sees it.
pub(crate) struct Orchestrated<'a> {
    pub(crate) options: &'a Agones,
    pub(crate) metrics: &'a Metrics,
    pub(crate) control: &'a Control,
    pub(crate) directory: &'a Directory,
    pub(crate) stop: &'a Stop,
    pub(crate) is_over: &'a AtomicBool,
}

/// Tells Agones how the server is until all its shards have ended, and then that it may be taken away.
pub(crate) fn follow_agones(server: &Orchestrated<'_>, mut notify: Notify) {
    let heard = Arc::new(Heard::default());
    let sidecar = Arc::new(Sidecar::new(server.options.sidecar.as_deref()));
    // It may hang in a read for a while when all is over: nobody waits for it.
    let (listening, hears) = (Arc::clone(&sidecar), Arc::clone(&heard));
    let listen = move || listening.listen(&hears, AGONES_LISTENS_AGAIN_AFTER);
    if let Err(error) = thread::Builder::new().name("agones watch".to_owned()).spawn(listen) {
        notify(&Notice::OrchestratorFailing { error: format!("no thread for its words: {error}") });
    }
    server.control.watch();
    let (began, mut pulse) = (Instant::now(), Pulse::default());
    let (mut plan, mut teller) = (Plan::new(server.options.clone()), Teller::new());
    loop {
        let now = Micros(began.elapsed().as_micros() as u64);
        let game_server = heard.read();
        teller.tell_state(&game_server.state, &mut notify);
        if game_server.state == plan::SHUTDOWN {
            // The signal that follows, when the pod is deleted, is the first request then, and does not cut the drain short.
            server.stop.drain(None);
        }
        plan.see(now, look(server, &mut pulse), game_server);
        let Some(call) = plan.next(now) else {
            if plan.is_done() || server.is_gone_for(AGONES_SHUTDOWN_PATIENCE, &mut teller.ended) {
                break;
            }
            thread::sleep(AGONES_LOOKS_EVERY);
            continue;
        };
        if call == plan::Call::End {
            server.stop.drain(None);
        }
        let answer = sidecar.call(&call);
        teller.tell_health(answer.as_ref().err(), &mut notify);
        if let (Ok(_), Some(state)) = (&answer, call.leads_to()) {
            state.clone_into(&mut heard.game_server.lock().unwrap_or_else(PoisonError::into_inner).state);
        }
        plan.done(Micros(began.elapsed().as_micros() as u64), &call, answer);
    }
    heard.is_over.store(true, Ordering::Relaxed);
}

/// What of the server Agones is told.
fn look(server: &Orchestrated<'_>, pulse: &mut Pulse) -> Seen {
    let views = server.control.views();
    let players = views.iter().flat_map(|view| &view.players).filter(|player| player.player.is_some());
    let named = players.map(|player| player.account.as_deref().map_or_else(|| player.id.to_string(), str::to_owned));
    Seen {
        is_alive: pulse.hung(&server.control.beats()).is_none(),
        is_draining: server.stop.urgency() > Urgency::None,
        is_over: server.is_over.load(Ordering::Relaxed),
        clients: server.directory.clients(),
        rooms: server.directory.rooms() as u64,
        rooms_max: server.directory.rooms_max() as u64,
        players: named.take(LIST_VALUES_MAX).collect::<BTreeSet<_>>(),
        players_max: server.metrics.player_places().min(LIST_VALUES_MAX as u64),
    }
}

impl Orchestrated<'_> {
    /// Whether all has been over for so long.
    fn is_gone_for(&self, patience: Duration, ended: &mut Option<Instant>) -> bool {
        self.is_over.load(Ordering::Relaxed) && ended.get_or_insert_with(Instant::now).elapsed() > patience
    }
}

/// Tells operators what changed, once.
struct Teller {
    state: String,
    /// Calls that went well since one did not, up to [`WELL_FOR`].
    well: u32,
    /// It was told that the fleet does not name a counter or list.
    is_incomplete: bool,
    ended: Option<Instant>,
}

impl Teller {
    const fn new() -> Self {
        Self { state: String::new(), well: WELL_FOR, is_incomplete: false, ended: None }
    }

    fn tell_state(&mut self, state: &str, notify: &mut Notify) {
        if self.state != state {
            state.clone_into(&mut self.state);
            notify(&Notice::OrchestratorState { state: self.state.clone() });
        }
    }

    fn tell_health(&mut self, error: Option<&sidecar::Failure>, notify: &mut Notify) {
        let is_told = match error {
            // It does not pass by itself, and the rest works without.
            Some(sidecar::Failure::Unconfigured(_)) => !std::mem::replace(&mut self.is_incomplete, true),
            Some(sidecar::Failure::Other(_)) => std::mem::take(&mut self.well) == WELL_FOR,
            Some(sidecar::Failure::AlreadySo) | None if self.well < WELL_FOR => {
                self.well += 1;
                self.well == WELL_FOR
            }
            Some(sidecar::Failure::AlreadySo) | None => false,
        };
        if is_told {
            notify(&match error {
                Some(error) if *error != sidecar::Failure::AlreadySo => {
                    Notice::OrchestratorFailing { error: error.to_string() }
                }
                _ => Notice::OrchestratorBack,
            });
        }
    }
}

/// So many calls in a row tell that all is well again: some may fail while others do not.
const WELL_FOR: u32 = 5;
