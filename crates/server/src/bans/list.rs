//! The bans themselves, found by account and by address without looking at each.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use crate::config::Prefix;
use crate::control::{Ban, Banned};
use crate::limits::BANS_MAX;

/// Whether a ban still counts.
pub(super) fn counts(ban: &Ban, now: u64) -> bool {
    ban.until.is_none_or(|until| now < until)
}

/// No more fit in.
#[derive(Debug)]
pub(super) struct Full;

#[derive(Clone, Debug, Default)]
pub(super) struct List {
    bans: BTreeMap<u64, Ban>,
    accounts: HashMap<String, u64>,
    /// By number of bits, of which there are few, and by the address of the network.
    networks: BTreeMap<u8, HashMap<IpAddr, u64>>,
    next_id: u64,
}

impl List {
    pub(super) fn len(&self) -> usize {
        self.bans.len()
    }

    /// Gives no number away that `earlier` had given.
    pub(super) fn after(mut self, earlier: &Self) -> Self {
        self.next_id = self.next_id.max(earlier.next_id);
        self
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Ban> {
        self.bans.values()
    }

    /// Puts a ban in, in the place of one of the same account or network.
    pub(super) fn put(&mut self, whom: Banned, until: Option<u64>, reason: String) -> Result<Ban, Full> {
        let known = self.id_of(&whom);
        if known.is_none() && self.bans.len() >= BANS_MAX {
            return Err(Full);
        }
        let id = known.unwrap_or_else(|| {
            self.next_id += 1;
            self.next_id
        });
        match &whom {
            Banned::Account(account) => _ = self.accounts.insert(account.clone(), id),
            Banned::Network(prefix) => {
                self.networks.entry(prefix.bits()).or_default().insert(prefix.network(), id);
            }
        }
        let ban = Ban { id, whom, until, reason };
        self.bans.insert(id, ban.clone());
        Ok(ban)
    }

    /// Puts a ban in with its number, unless that is taken.
    pub(super) fn put_numbered(
        &mut self,
        id: u64,
        whom: Banned,
        until: Option<u64>,
        reason: String,
    ) -> Result<(), Full> {
        if id > self.next_id {
            self.next_id = id - 1;
        }
        self.put(whom, until, reason).map(drop)
    }

    pub(super) fn remove(&mut self, id: u64) -> bool {
        let Some(ban) = self.bans.remove(&id) else { return false };
        match &ban.whom {
            Banned::Account(account) => _ = self.accounts.remove(account),
            Banned::Network(prefix) => {
                let Some(networks) = self.networks.get_mut(&prefix.bits()) else { return true };
                networks.remove(&prefix.network());
                if networks.is_empty() {
                    self.networks.remove(&prefix.bits());
                }
            }
        }
        true
    }

    pub(super) fn forget_ended(&mut self, now: u64) {
        let ended: Vec<u64> = self.iter().filter(|ban| !counts(ban, now)).map(|ban| ban.id).collect();
        ended.into_iter().for_each(|id| _ = self.remove(id));
    }

    pub(super) fn find_account(&self, account: &str, now: u64) -> Option<&Ban> {
        let ban = self.bans.get(self.accounts.get(account)?)?;
        counts(ban, now).then_some(ban)
    }

    pub(super) fn find_address(&self, address: IpAddr, now: u64) -> Option<&Ban> {
        let ids = self
            .networks
            .iter()
            .filter_map(|(bits, networks)| networks.get(&Prefix::new(address.to_canonical(), *bits)?.network()));
        ids.filter_map(|id| self.bans.get(id)).find(|ban| counts(ban, now))
    }

    fn id_of(&self, whom: &Banned) -> Option<u64> {
        match whom {
            Banned::Account(account) => self.accounts.get(account).copied(),
            Banned::Network(prefix) => self.networks.get(&prefix.bits())?.get(&prefix.network()).copied(),
        }
    }
}
