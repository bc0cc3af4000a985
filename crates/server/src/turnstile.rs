//! A handshake costs as much as hundreds of game packets, so each network may begin so many in a second. Those that QUIC let
//! prove their address first count where they are; anybody can forge the others, so these count apart, and one too many has to
//! prove its address instead of being refused: nobody is kept out by what others send in his name.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use downbeat_transport::network_of;
use governor::clock::{Clock, MonotonicClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::config::{Config, Prefix};
use crate::limits::{NETWORKS_FORGOTTEN_EVERY, NETWORKS_REMEMBERED_MAX, UNPROVEN_BURST, UNPROVEN_PER_S};

/// Shared by all shards.
pub(crate) struct Turnstile<C: Clock = MonotonicClock> {
    limits: ArcSwap<Limits<C>>,
    clock: C,
    began: C::Instant,
}

type ByNetwork<C> = RateLimiter<IpAddr, HashMapStateStore<IpAddr>, C, NoOpMiddleware<<C as Clock>::Instant>>;

struct Limits<C: Clock> {
    exempt: Vec<Prefix>,
    proven: Table<C>,
    unproven: Table<C>,
}

/// Networks that began handshakes lately.
struct Table<C: Clock> {
    limiter: ByNetwork<C>,
    /// When those were forgotten that are at rest, in milliseconds since it all began.
    swept_ms: AtomicU64,
}

impl Turnstile {
    /// As `config` says.
    pub(crate) fn new(config: &Config) -> Self {
        Self::with_clock(config, MonotonicClock)
    }
}

impl<C: Clock + Clone> Turnstile<C> {
    fn with_clock(config: &Config, clock: C) -> Self {
        let limits = ArcSwap::from_pointee(Limits::new(config, &clock));
        Self { limits, began: clock.now(), clock }
    }

    /// Goes over from one configuration to another. What was counted is forgotten if they differ.
    pub(crate) fn follow(&self, old: &Config, new: &Config) {
        let limits =
            |config: &Config| (config.handshakes_per_s, config.handshakes_burst, config.address_exempt.clone());
        if limits(old) != limits(new) {
            self.limits.store(Limits::new(new, &self.clock).into());
        }
    }
}

impl<C: Clock + Clone + Send + Sync> downbeat_transport::Turnstile for Turnstile<C>
where
    C::Instant: Send + Sync,
{
    fn pass(&self, address: IpAddr, is_proven: bool) -> bool {
        let limits = self.limits.load();
        if limits.exempt.iter().any(|prefix| prefix.contains(address)) {
            return true;
        }
        let table = if is_proven { &limits.proven } else { &limits.unproven };
        let now_ms = Duration::from(self.clock.now().duration_since(self.began)).as_millis() as u64;
        if !table.has_room(now_ms) {
            // Nobody forges a proven address: so many real networks are a rush, and other bounds hold for it.
            return is_proven;
        }
        table.limiter.check_key(&network_of(address)).is_ok()
    }
}

impl<C: Clock + Clone> Limits<C> {
    fn new(config: &Config, clock: &C) -> Self {
        Self {
            exempt: config.address_exempt.clone(),
            proven: Table::new(config.handshakes_per_s, config.handshakes_burst, clock),
            unproven: Table::new(UNPROVEN_PER_S, UNPROVEN_BURST, clock),
        }
    }
}

impl<C: Clock + Clone> Table<C> {
    fn new(per_s: u32, burst: u32, clock: &C) -> Self {
        let nonzero = |count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(nonzero(per_s)).allow_burst(nonzero(burst));
        let limiter = RateLimiter::new(quota, HashMapStateStore::default(), clock.clone());
        Self { limiter, swept_ms: AtomicU64::new(0) }
    }

    /// Whether another network can be remembered. Forgets those at rest when it cannot, but not all the time.
    fn has_room(&self, now_ms: u64) -> bool {
        if self.limiter.len() < NETWORKS_REMEMBERED_MAX {
            return true;
        }
        let swept_ms = self.swept_ms.load(Ordering::Relaxed);
        if now_ms.saturating_sub(swept_ms) < NETWORKS_FORGOTTEN_EVERY.as_millis() as u64 {
            return false;
        }
        self.swept_ms.store(now_ms, Ordering::Relaxed);
        self.limiter.retain_recent();
        self.limiter.len() < NETWORKS_REMEMBERED_MAX
    }
}

impl<C: Clock> std::fmt::Debug for Turnstile<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Turnstile")
    }
}

#[cfg(test)]
mod tests {
    use downbeat_transport::Turnstile as _;
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn turnstile() -> (Turnstile<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        // Zero is when it was never swept.
        clock.advance(Duration::from_secs(100));
        let config = Config { handshakes_per_s: 2, handshakes_burst: 6, ..Config::new("field") };
        (Turnstile::with_clock(&config, clock.clone()), clock)
    }

    fn passed(turnstile: &Turnstile<FakeRelativeClock>, address: &str, is_proven: bool, count: usize) -> usize {
        let address = address.parse().expect("an address");
        (0..count).filter(|_| turnstile.pass(address, is_proven)).count()
    }

    #[test]
    fn a_network_may_begin_a_burst_and_then_its_rate() {
        let (turnstile, clock) = turnstile();
        assert_eq!(passed(&turnstile, "192.0.2.1", true, 20), 6);
        clock.advance(Duration::from_secs(1));
        assert_eq!(passed(&turnstile, "192.0.2.1", true, 20), 2);
        assert_eq!(passed(&turnstile, "192.0.2.2", true, 20), 6, "another is on its own");
        assert_eq!(passed(&turnstile, "2001:db8::1", true, 4) + passed(&turnstile, "2001:db8::2", true, 4), 6);
        assert_eq!(passed(&turnstile, "127.0.0.1", true, 1_000), 1_000, "exempt");
    }

    #[test]
    fn what_is_sent_in_somebodys_name_does_not_keep_him_out() {
        let (turnstile, _) = turnstile();
        assert_eq!(passed(&turnstile, "192.0.2.1", false, 1_000), UNPROVEN_BURST as usize);
        assert_eq!(passed(&turnstile, "192.0.2.1", true, 20), 6);
    }

    #[test]
    fn a_bounded_number_of_networks_is_remembered_and_those_at_rest_are_forgotten() {
        let (turnstile, clock) = turnstile();
        let networks = (0..2 * NETWORKS_REMEMBERED_MAX as u32).map(|n| IpAddr::from((n + (11 << 24)).to_be_bytes()));
        networks.clone().for_each(|network| _ = turnstile.pass(network, false));
        let tables = turnstile.limits.load();
        assert_eq!(tables.unproven.limiter.len(), NETWORKS_REMEMBERED_MAX);
        assert!(!turnstile.pass([192, 0, 2, 1].into(), false), "it has to prove its address");
        networks.for_each(|network| _ = turnstile.pass(network, true));
        assert_eq!(tables.proven.limiter.len(), NETWORKS_REMEMBERED_MAX);
        assert!(turnstile.pass([192, 0, 2, 1].into(), true), "a rush");
        clock.advance(Duration::from_secs(60));
        assert!(turnstile.pass([192, 0, 2, 1].into(), false));
        assert_eq!(tables.unproven.limiter.len(), 1);
    }

    #[test]
    fn other_limits_hold_at_once() {
        let (turnstile, _) = turnstile();
        assert_eq!(passed(&turnstile, "192.0.2.1", true, 20), 6);
        let old = Config::new("field");
        turnstile.follow(&old, &old);
        assert_eq!(passed(&turnstile, "192.0.2.1", true, 20), 0, "as before");
        turnstile.follow(&old, &Config { handshakes_burst: 9, address_exempt: Vec::new(), ..old.clone() });
        assert_eq!(passed(&turnstile, "192.0.2.1", true, 20), 9);
        assert_eq!(passed(&turnstile, "127.0.0.1", true, 20), 9);
    }
}
