//! What changed between two configurations, key by key, and what of it can change while a server runs.

use super::{Admin, Config, WebhookOptions};

/// Keys that differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Those that a running server follows.
    pub live: Vec<&'static str>,
    /// Those that stay as they were until it is started again.
    pub restart: Vec<&'static str>,
}

impl Changes {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live.is_empty() && self.restart.is_empty()
    }
}

/// A key: whether it differs, and what takes the new value over if that can be done.
struct Key {
    name: &'static str,
    differs: fn(&Config, &Config) -> bool,
    apply: fn(&mut Config, &Config) -> bool,
}

/// Keys whose fields are followed, and keys whose fields are not.
macro_rules! keys {
    (live: $($live:literal => $live_field:ident,)* restart: $($restart:literal => $restart_field:ident,)*) => {
        &[
            $(Key {
                name: $live,
                differs: |old, new| old.$live_field != new.$live_field,
                apply: |old, new| {
                    // Defaults are those of the game, and another one is played after a restart alone.
                    let follows = old.game == new.game || $live != "players_max";
                    if follows {
                        old.$live_field.clone_from(&new.$live_field);
                    }
                    follows
                },
            },)*
            $(Key {
                name: $restart,
                differs: |old, new| old.$restart_field != new.$restart_field,
                apply: stays,
            },)*
        ]
    };
}

const KEYS: &[Key] = keys! {
    live:
        "rooms_max" => rooms_max,
        "players_max" => players_max,
        "spectators_max" => spectators_max,
        "drain_deadline" => drain_deadline,
        "hello_timeout" => hello_timeout,
        "resume_window" => resume_window,
        "second_login" => second_login,
        "address_connections_max" => address_connections_max,
        "address_exempt" => address_exempt,
        "handshakes_per_s" => handshakes_per_s,
        "handshakes_burst" => handshakes_burst,
        "upload_bytes_per_s" => upload_bytes_per_s,
        "datagrams_per_s" => datagrams_per_s,
        "datagrams_burst" => datagrams_burst,
        "malformed_per_s" => malformed_per_s,
        "motd" => motd,
    restart:
        "listen" => listen,
        "tick_rate" => tick_rate_hz,
        "send_rate" => send_rate_hz,
        "seed" => seed,
        "client_bytes_per_s" => client_bytes_per_s,
        "bans" => bans,
        "shards" => shards,
        "cpu" => cpu,
        "danger_no_auth" => danger_no_auth,
        "orchestrator" => orchestrator,
        "game.name" => game,
};

/// Keys that share a field with another.
const PAIRED: &[Key] = &[
    Key { name: "agones.sidecar", differs: |old, new| old.agones.sidecar != new.agones.sidecar, apply: stays },
    Key { name: "agones.when_empty", differs: |old, new| old.agones.when_empty != new.agones.when_empty, apply: stays },
    Key {
        name: "agones.empty_after",
        differs: |old, new| old.agones.empty_after != new.agones.empty_after,
        apply: stays,
    },
    Key {
        name: "agones.reserve_for",
        differs: |old, new| old.agones.reserve_for != new.agones.reserve_for,
        apply: stays,
    },
    Key {
        name: "log.level",
        differs: |old, new| old.log.level != new.log.level,
        apply: |old, new| {
            old.log.level = new.log.level;
            true
        },
    },
    Key {
        name: "log.addresses",
        differs: |old, new| old.log.addresses != new.log.addresses,
        apply: |old, new| {
            old.log.addresses = new.log.addresses;
            true
        },
    },
    Key { name: "log.format", differs: |old, new| old.log.format != new.log.format, apply: stays },
    Key { name: "results.file", differs: |old, new| old.results.file != new.results.file, apply: stays },
    Key {
        name: "results.webhook",
        differs: |old, new| webhook(old).map(|webhook| &webhook.url) != webhook(new).map(|webhook| &webhook.url),
        apply: stays,
    },
    Key {
        name: "results.secret",
        differs: |old, new| webhook(old).map(|webhook| &webhook.secret) != webhook(new).map(|webhook| &webhook.secret),
        apply: stays,
    },
    Key {
        name: "results.spool",
        differs: |old, new| webhook(old).map(|webhook| &webhook.spool) != webhook(new).map(|webhook| &webhook.spool),
        apply: stays,
    },
    Key {
        name: "results.waiting_max",
        differs: |old, new| old.results.waiting_max != new.results.waiting_max,
        apply: stays,
    },
    Key {
        name: "tickets.keys",
        differs: |old, new| {
            old.tickets.as_ref().map(|tickets| &tickets.keys) != new.tickets.as_ref().map(|tickets| &tickets.keys)
        },
        apply: apply_tickets,
    },
    Key {
        name: "tickets.audience",
        differs: |old, new| {
            old.tickets.as_ref().map(|tickets| &tickets.audience)
                != new.tickets.as_ref().map(|tickets| &tickets.audience)
        },
        apply: apply_tickets,
    },
    Key {
        name: "tls.cert",
        differs: |old, new| old.tls.as_ref().map(|tls| &tls.cert) != new.tls.as_ref().map(|tls| &tls.cert),
        apply: apply_tls,
    },
    Key {
        name: "tls.key",
        differs: |old, new| old.tls.as_ref().map(|tls| &tls.key) != new.tls.as_ref().map(|tls| &tls.key),
        apply: apply_tls,
    },
    Key { name: "admin.listen", differs: |old, new| differs(old, new, |admin| &admin.listen), apply: stays },
    Key { name: "admin.tokens", differs: |old, new| differs(old, new, |admin| &admin.tokens), apply: stays },
    Key { name: "admin.token", differs: |old, new| differs(old, new, |admin| &admin.token), apply: stays },
];

/// Whether something about the admin interface differs; without it, there is nothing.
fn differs<T: PartialEq>(old: &Config, new: &Config, of: fn(&Admin) -> &T) -> bool {
    old.admin.as_ref().map(of) != new.admin.as_ref().map(of)
}

fn stays(_: &mut Config, _: &Config) -> bool {
    false
}

const fn webhook(config: &Config) -> Option<&WebhookOptions> {
    config.results.webhook.as_ref()
}

/// A server that asks for tickets does not stop asking under way: everybody could come in.
fn apply_tickets(old: &mut Config, new: &Config) -> bool {
    if new.tickets.is_some() {
        old.tickets.clone_from(&new.tickets);
    }
    new.tickets.is_some()
}

/// Nor does it fall back to a certificate that clients don't believe.
fn apply_tls(old: &mut Config, new: &Config) -> bool {
    if new.tls.is_some() {
        old.tls.clone_from(&new.tls);
    }
    new.tls.is_some()
}

/// What changed from `old` to `new`, and the configuration that a server that ran by `old` runs by from then on.
#[must_use]
pub fn diff(old: &Config, new: &Config) -> (Changes, Config) {
    let (mut changes, mut merged) = (Changes::default(), old.clone());
    for key in KEYS.iter().chain(PAIRED).filter(|key| (key.differs)(old, new)) {
        let is_live = (key.apply)(&mut merged, new);
        if is_live { changes.live.push(key.name) } else { changes.restart.push(key.name) }
    }
    (changes, merged)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::{TicketKeys, TlsFiles, raw};

    #[test]
    fn every_key_either_follows_or_needs_a_restart() {
        let mut known: Vec<_> = KEYS.iter().chain(PAIRED).map(|key| key.name).collect();
        let mut all = raw::KEYS.to_vec();
        known.sort_unstable();
        all.sort_unstable();
        assert_eq!(known, all);
    }

    #[test]
    fn what_can_change_is_taken_over_and_the_rest_stays_and_is_told() {
        let old = Config::new("arena");
        let mut new = Config { tick_rate_hz: 30, datagrams_per_s: 200, motd: Some("hi".to_owned()), ..old.clone() };
        let (changes, merged) = diff(&old, &new);
        assert_eq!((changes.live, changes.restart), (vec!["datagrams_per_s", "motd"], vec!["tick_rate"]));
        new.tick_rate_hz = old.tick_rate_hz;
        assert_eq!(merged, new);
        assert!(diff(&merged, &new).0.is_empty());
    }

    #[test]
    fn a_server_that_asks_for_tickets_goes_on_asking() {
        let tickets = |keys: &str| Some(TicketKeys { keys: PathBuf::from(keys), audience: "a".to_owned() });
        let open = Config::new("arena");
        let asking = Config { tickets: tickets("k"), ..open.clone() };
        let (changes, merged) = diff(&asking, &open);
        assert_eq!((changes.restart, merged.tickets), (vec!["tickets.keys", "tickets.audience"], tickets("k")));
        let (changes, merged) = diff(&open, &asking);
        assert_eq!((changes.live, merged.tickets), (vec!["tickets.keys", "tickets.audience"], tickets("k")));
        let other = Config { tickets: tickets("l"), ..open };
        assert_eq!(diff(&asking, &other).0.live, ["tickets.keys"]);
    }

    #[test]
    fn a_certificate_changes_to_other_files_but_not_to_none() {
        let files = |name: &str| Some(TlsFiles { cert: PathBuf::from(name), key: PathBuf::from("k") });
        let plain = Config::new("arena");
        let old = Config { tls: files("a"), ..plain.clone() };
        let (changes, merged) = diff(&old, &Config { tls: files("b"), ..plain.clone() });
        assert_eq!((changes.live, merged.tls), (vec!["tls.cert"], files("b")));
        let (changes, merged) = diff(&old, &plain);
        assert_eq!((changes.restart, merged.tls), (vec!["tls.cert", "tls.key"], files("a")));
    }
}
