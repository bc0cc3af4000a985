//! Whoever is banned while he is in, goes.

use downbeat_replica::Game;
use downbeat_transport::Socket;
use downbeat_wire::{CloseCode, Micros};

use super::Shard;
use crate::bans;

impl<G: Game, S: Socket> Shard<G, S> {
    /// Looks at all connections and sessions, if the bans are others than before.
    pub(super) fn follow_bans(&mut self, now: Micros) {
        let version = self.files.bans.version();
        if version == self.bans_version {
            return;
        }
        self.bans_version = version;
        for link in self.peers.links() {
            let Some(remote) = self.drivers[link.driver].remote(link.conn) else { continue };
            if let Some(ban) = self.files.bans.check(remote.ip(), None) {
                self.dismiss(now, link, CloseCode::Kicked, &bans::told(&ban));
            }
        }
        for id in self.sessions.ids(None) {
            let Some(session) = self.sessions.get(id) else { continue };
            let by_account =
                session.identity.account.as_ref().and_then(|account| self.files.bans.check_account(account));
            // Who waits for a connection is known by the network of its last one.
            let by_network = || session.away_from.and_then(|network| self.files.bans.check(network, None));
            if let Some(ban) = by_account.or_else(by_network) {
                self.send_away(now, id, CloseCode::Kicked, &bans::told(&ban));
            }
        }
    }
}
