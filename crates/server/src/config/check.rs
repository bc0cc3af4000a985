//! From what is written to what may be: each value in its range, each text what it should name.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use downbeat_wire::limits::CHAT_BYTES_MAX;
use toml::{Spanned, Value};

use super::error::{ConfigError, Source};
use super::game::GameTable;
use super::loader::{GameDefaults, Layer, Loader};
use super::raw::Raw;
use super::{
    AUDIENCE, Agones, Config, LogFormat, LogOptions, ResultsOptions, SHARDS, SecondLogin, TICK_RATE_HZ, TicketKeys,
    TlsFiles, WebhookOptions,
};
use crate::limits::ADMIN_TOKEN_BYTES;
use crate::log::LEVELS;
use crate::text;

/// A value that somebody set.
pub(super) struct Given<'a, T> {
    pub(super) value: &'a T,
    span: std::ops::Range<usize>,
    pub(super) source: &'a Source,
}

impl<T> Given<'_, T> {
    pub(super) fn error(&self, message: String) -> ConfigError {
        self.source.error(Some(self.span.clone()), message)
    }
}

impl Loader {
    /// The configuration, checked, and what was said about the rules of its game.
    ///
    /// # Errors
    /// When a value is out of its range: says where it was set and what is allowed.
    pub fn finish(mut self) -> Result<(Config, GameTable), ConfigError> {
        self.layers.sort_by_key(|layer| layer.rank);
        let game = self.game()?;
        let mut config = Config { players_max: game.players_max, ..Config::new(game.name) };
        let ticks = i64::from(*TICK_RATE_HZ.start())..=i64::from(*TICK_RATE_HZ.end());
        self.number(&mut config.tick_rate_hz, "tick_rate", ticks, |raw| raw.tick_rate.as_ref())?;
        config.send_rate_hz = config.tick_rate_hz;
        self.number(&mut config.send_rate_hz, "send_rate", 1..=128, |raw| raw.send_rate.as_ref())?;
        self.check_send_rate(&config)?;
        self.number(&mut config.rooms_max, "rooms_max", 1..=1_024, |raw| raw.rooms_max.as_ref())?;
        self.number(&mut config.players_max, "players_max", 2..=4_096, |raw| raw.players_max.as_ref())?;
        self.number(&mut config.spectators_max, "spectators_max", 0..=4_096, |raw| raw.spectators_max.as_ref())?;
        self.optional(&mut config.seed, "seed", 0..=i64::MAX, |raw| raw.seed.as_ref())?;
        self.seconds(&mut config.drain_deadline, "drain_deadline", 0.0..=86_400.0, |raw| raw.drain_deadline.as_ref())?;
        self.seconds(&mut config.hello_timeout, "hello_timeout", 0.1..=60.0, |raw| raw.hello_timeout.as_ref())?;
        self.seconds(&mut config.resume_window, "resume_window", 0.0..=600.0, |raw| raw.resume_window.as_ref())?;
        self.second_login(&mut config.second_login)?;
        let bytes = 2_000..=10_000_000;
        self.number(&mut config.client_bytes_per_s, "client_bytes_per_s", bytes, |raw| {
            raw.client_bytes_per_s.as_ref()
        })?;
        let connections = &mut config.address_connections_max;
        self.number(connections, "address_connections_max", 1..=65_536, |raw| raw.address_connections_max.as_ref())?;
        self.list(&mut config.address_exempt, "address_exempt", "addresses or blocks such as 10.0.0.0/8", |raw| {
            raw.address_exempt.as_ref()
        })?;
        self.number(&mut config.handshakes_per_s, "handshakes_per_s", 1..=10_000, |raw| raw.handshakes_per_s.as_ref())?;
        self.number(&mut config.handshakes_burst, "handshakes_burst", 1..=10_000, |raw| raw.handshakes_burst.as_ref())?;
        let bytes = 20_000..=10_000_000;
        self.number(&mut config.upload_bytes_per_s, "upload_bytes_per_s", bytes, |raw| {
            raw.upload_bytes_per_s.as_ref()
        })?;
        // No client that samples an input a tick needs less than the lowest allowed.
        self.number(&mut config.datagrams_per_s, "datagrams_per_s", 150..=100_000, |raw| raw.datagrams_per_s.as_ref())?;
        self.number(&mut config.datagrams_burst, "datagrams_burst", 10..=100_000, |raw| raw.datagrams_burst.as_ref())?;
        self.number(&mut config.malformed_per_s, "malformed_per_s", 0..=100_000, |raw| raw.malformed_per_s.as_ref())?;
        config.motd = self.motd()?;
        config.bans = self.path(|raw| raw.bans.as_ref());
        self.shards(&mut config.shards)?;
        self.optional(&mut config.cpu, "cpu", 0..=1_023, |raw| raw.cpu.as_ref())?;
        let addresses = "addresses with a port, such as 127.0.0.1:4433, [::1]:4433 or localhost:4433";
        self.list(&mut config.listen, "listen", addresses, |raw| raw.listen.as_ref())?;
        config.danger_no_auth = self.given(|raw| raw.danger_no_auth.as_ref()).is_some_and(|given| *given.value);
        self.log(&mut config.log)?;
        let allowed = "`none` and `agones`";
        self.choice(&mut config.orchestrator, "orchestrator", allowed, |raw| raw.orchestrator.as_ref())?;
        self.agones(&mut config.agones)?;
        self.results(&mut config.results)?;
        config.tickets = self.tickets()?;
        if let Some(given) = self.given(|raw| raw.danger_no_auth.as_ref()).filter(|given| *given.value)
            && config.tickets.is_some()
        {
            return Err(
                given.error("`danger_no_auth` lets anybody in, and `tickets.keys` does not: one of them".to_owned())
            );
        }
        config.tls = self.tls()?;
        config.admin = self.admin()?;
        Ok((config, GameTable { game: game.name, layers: self.layers }))
    }

    pub(super) fn allowed(&self, in_table: bool) -> String {
        let own = in_table.then(|| "`name`".to_owned());
        let names = self.games.iter().map(|game| format!("`{}`", game.name));
        own.into_iter().chain(names).collect::<Vec<_>>().join(", ")
    }

    fn game(&self) -> Result<GameDefaults, ConfigError> {
        for Layer { raw, source, .. } in self.layers.iter().rev() {
            let Some((_, name)) = raw.game.iter().flatten().find(|(key, _)| key.get_ref() == "name") else { continue };
            let text = name.get_ref().as_str().unwrap_or_default();
            return self.games.iter().find(|game| game.name == text).copied().ok_or_else(|| {
                let message =
                    format!("`game.name` is {}; {} are allowed", describe(name.get_ref()), self.allowed(false));
                source.error(Some(name.span()), message)
            });
        }
        Ok(*self.games.first().expect("a process runs at least one game"))
    }

    pub(super) fn given<T>(&self, of: impl Fn(&Raw) -> Option<&Spanned<T>>) -> Option<Given<'_, T>> {
        self.layers.iter().rev().find_map(|Layer { raw, source, .. }| {
            let value = of(raw)?;
            Some(Given { value: value.get_ref(), span: value.span(), source })
        })
    }

    fn number<N: TryFrom<i64>>(
        &self,
        into: &mut N,
        key: &str,
        allowed: RangeInclusive<i64>,
        of: impl Fn(&Raw) -> Option<&Spanned<i64>>,
    ) -> Result<(), ConfigError> {
        let Some(given) = self.given(of) else { return Ok(()) };
        let value =
            Some(*given.value).filter(|value| allowed.contains(value)).and_then(|value| N::try_from(value).ok());
        *into = value.ok_or_else(|| {
            given.error(format!("`{key}` is {}; {} to {} are allowed", given.value, allowed.start(), allowed.end()))
        })?;
        Ok(())
    }

    fn optional<N: TryFrom<i64> + Default>(
        &self,
        into: &mut Option<N>,
        key: &str,
        allowed: RangeInclusive<i64>,
        of: impl Fn(&Raw) -> Option<&Spanned<i64>>,
    ) -> Result<(), ConfigError> {
        if self.given(&of).is_some() {
            self.number(into.insert(N::default()), key, allowed, of)?;
        }
        Ok(())
    }

    fn second_login(&self, into: &mut SecondLogin) -> Result<(), ConfigError> {
        let Some(given) = self.given(|raw| raw.second_login.as_ref()) else { return Ok(()) };
        *into = match given.value.as_str() {
            "replace" => SecondLogin::Replace,
            "refuse" => SecondLogin::Refuse,
            other => {
                let message = format!("`second_login` is `{other}`; `replace` and `refuse` are allowed");
                return Err(given.error(message));
            }
        };
        Ok(())
    }

    fn shards(&self, into: &mut u8) -> Result<(), ConfigError> {
        let Some(given) = self.given(|raw| raw.shards.as_ref()) else { return Ok(()) };
        let shards = match given.value {
            Value::String(text) if text == "auto" => Some(processors()),
            Value::Integer(count) => u8::try_from(*count).ok().filter(|count| SHARDS.contains(count)),
            _ => None,
        };
        *into = shards.ok_or_else(|| {
            let (least, most) = (SHARDS.start(), SHARDS.end());
            given.error(format!("`shards` is {}; {least} to {most} or `auto` are allowed", describe(given.value)))
        })?;
        Ok(())
    }

    fn seconds(
        &self,
        into: &mut Duration,
        key: &str,
        allowed: RangeInclusive<f64>,
        of: impl Fn(&Raw) -> Option<&Spanned<f64>>,
    ) -> Result<(), ConfigError> {
        let Some(given) = self.given(of) else { return Ok(()) };
        if !allowed.contains(given.value) {
            let (value, least, most) = (given.value, allowed.start(), allowed.end());
            return Err(given.error(format!("`{key}` is {value}; {least} to {most} seconds are allowed")));
        }
        *into = Duration::from_secs_f64(*given.value);
        Ok(())
    }

    /// A text, several with commas between them, or an array of texts.
    fn list<T: FromStr>(
        &self,
        into: &mut Vec<T>,
        key: &str,
        allowed: &str,
        of: impl Fn(&Raw) -> Option<&Spanned<Value>>,
    ) -> Result<(), ConfigError> {
        let Some(given) = self.given(of) else { return Ok(()) };
        let texts: Option<Vec<&str>> = match given.value {
            Value::String(text) => Some(text.split(',').map(str::trim).filter(|text| !text.is_empty()).collect()),
            Value::Array(values) => values.iter().map(Value::as_str).collect(),
            _ => None,
        };
        let texts =
            texts.ok_or_else(|| given.error(format!("`{key}` is {}; {allowed} are allowed", describe(given.value))))?;
        let parse = |text: &str| {
            text.parse().map_err(|_| given.error(format!("`{key}` names `{text}`; {allowed} are allowed")))
        };
        *into = texts.into_iter().map(parse).collect::<Result<_, _>>()?;
        if into.is_empty() && key == "listen" {
            return Err(given.error(format!("`{key}` names nothing; {allowed} are allowed")));
        }
        Ok(())
    }

    fn check_send_rate(&self, config: &Config) -> Result<(), ConfigError> {
        let (tick, send) = (config.tick_rate_hz, config.send_rate_hz);
        let Some(given) = self.given(|raw| raw.send_rate.as_ref()).filter(|_| !tick.is_multiple_of(send)) else {
            return Ok(());
        };
        let divisors: Vec<String> = (1..=tick).filter(|n| tick.is_multiple_of(*n)).map(|n| n.to_string()).collect();
        let allowed = divisors.join(", ");
        Err(given.error(format!("`send_rate` is {send}, which does not divide the tick rate {tick}; {allowed} do")))
    }

    fn agones(&self, into: &mut Agones) -> Result<(), ConfigError> {
        let allowed = "`ready`, `reserve`, `shutdown` and `stay`";
        self.choice(&mut into.when_empty, "agones.when_empty", allowed, |raw| {
            raw.agones.as_ref()?.when_empty.as_ref()
        })?;
        self.seconds(&mut into.empty_after, "agones.empty_after", 0.0..=86_400.0, |raw| {
            raw.agones.as_ref()?.empty_after.as_ref()
        })?;
        self.seconds(&mut into.reserve_for, "agones.reserve_for", 1.0..=86_400.0, |raw| {
            raw.agones.as_ref()?.reserve_for.as_ref()
        })?;
        if let Some(given) = self.given(|raw| raw.agones.as_ref()?.sidecar.as_ref()) {
            let address = given.value.strip_prefix("http://").filter(|rest| !rest.is_empty() && !rest.contains('/'));
            if address.is_none() {
                let value = given.value;
                let message = format!("`agones.sidecar` is `{value}`; such as http://localhost:9358 is allowed");
                return Err(given.error(message));
            }
            into.sidecar = Some(given.value.clone());
        }
        Ok(())
    }

    /// One of a few words.
    fn choice<T: FromStr>(
        &self,
        into: &mut T,
        key: &str,
        allowed: &str,
        of: impl Fn(&Raw) -> Option<&Spanned<String>>,
    ) -> Result<(), ConfigError> {
        let Some(given) = self.given(of) else { return Ok(()) };
        let chosen = given.value.parse();
        *into = chosen.map_err(|_| given.error(format!("`{key}` is `{}`; {allowed} are allowed", given.value)))?;
        Ok(())
    }

    /// A path, from the folder of the file that names it.
    fn path(&self, of: impl Fn(&Raw) -> Option<&Spanned<String>>) -> Option<PathBuf> {
        let given = self.given(of).filter(|given| !given.value.is_empty())?;
        Some(given.source.folder().join(given.value))
    }

    fn motd(&self) -> Result<Option<String>, ConfigError> {
        let Some(given) = self.given(|raw| raw.motd.as_ref()).filter(|given| !given.value.is_empty()) else {
            return Ok(None);
        };
        if text::chat(given.value).as_ref() != Some(given.value) {
            return Err(given.error(format!(
                "`motd` is no line of chat; up to {CHAT_BYTES_MAX} bytes that show, without a space at either end, are \
                 allowed"
            )));
        }
        Ok(Some(given.value.clone()))
    }

    fn log(&self, into: &mut LogOptions) -> Result<(), ConfigError> {
        self.one_of(&mut into.level, "log.level", &LEVELS, |raw| raw.log.as_ref()?.level.as_ref())?;
        self.one_of(&mut into.format, "log.format", &FORMATS, |raw| raw.log.as_ref()?.format.as_ref())?;
        let addresses = self.given(|raw| raw.log.as_ref()?.addresses.as_ref());
        into.addresses = addresses.is_some_and(|given| *given.value);
        Ok(())
    }

    fn results(&self, into: &mut ResultsOptions) -> Result<(), ConfigError> {
        self.number(&mut into.waiting_max, "results.waiting_max", 100..=1_000_000, |raw| {
            raw.results.as_ref()?.waiting_max.as_ref()
        })?;
        into.file = self.path(|raw| raw.results.as_ref()?.file.as_ref());
        let secret = self.path(|raw| raw.results.as_ref()?.secret.as_ref());
        let spool = self.path(|raw| raw.results.as_ref()?.spool.as_ref());
        let url = self.given(|raw| raw.results.as_ref()?.webhook.as_ref()).filter(|given| !given.value.is_empty());
        let Some(url) = url else { return Ok(()) };
        if !["http://", "https://"]
            .iter()
            .any(|scheme| url.value.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
        {
            let value = url.value;
            return Err(url.error(format!("`results.webhook` is `{value}`; http://… and https://… are allowed")));
        }
        let secret = secret.ok_or_else(|| {
            let message = "`results.webhook` needs `results.secret`: a file with what requests are signed with";
            url.error(message.to_owned())
        })?;
        into.webhook = Some(WebhookOptions { url: url.value.clone(), secret, spool });
        Ok(())
    }

    /// One of a few words.
    fn one_of<T: Copy>(
        &self,
        into: &mut T,
        key: &str,
        allowed: &[(&str, T)],
        of: impl Fn(&Raw) -> Option<&Spanned<String>>,
    ) -> Result<(), ConfigError> {
        let Some(given) = self.given(of) else { return Ok(()) };
        let found = allowed.iter().find(|(word, _)| word == given.value);
        *into = found.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<String> = allowed.iter().map(|(word, _)| format!("`{word}`")).collect();
            given.error(format!("`{key}` is `{}`; {} are allowed", given.value, words.join(", ")))
        })?;
        Ok(())
    }

    fn tickets(&self) -> Result<Option<TicketKeys>, ConfigError> {
        let keys = self.given(|raw| raw.tickets.as_ref()?.keys.as_ref());
        let audience = self.given(|raw| raw.tickets.as_ref()?.audience.as_ref());
        let Some(keys) = keys else {
            return match audience {
                Some(audience) => {
                    Err(audience.error("`tickets.audience` says nothing without `tickets.keys`".to_owned()))
                }
                None => Ok(None),
            };
        };
        if let Some(empty) = audience.as_ref().filter(|given| given.value.is_empty()) {
            return Err(empty.error("`tickets.audience` is empty; any other text is allowed".to_owned()));
        }
        let audience = audience.map_or_else(|| AUDIENCE.to_owned(), |given| given.value.clone());
        Ok(Some(TicketKeys { keys: keys.source.folder().join(keys.value), audience }))
    }

    fn tls(&self) -> Result<Option<TlsFiles>, ConfigError> {
        let path = |given: &Given<'_, String>| given.source.folder().join(given.value);
        let cert = self.given(|raw| raw.tls.as_ref()?.cert.as_ref());
        let key = self.given(|raw| raw.tls.as_ref()?.key.as_ref());
        match (cert, key) {
            (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert: path(&cert), key: path(&key) })),
            (None, None) => Ok(None),
            (Some(one), None) | (None, Some(one)) => {
                Err(one.error("`tls.cert` and `tls.key` are set together or not at all".to_owned()))
            }
        }
    }
}

/// What `log.format` may be.
const FORMATS: [(&str, LogFormat); 2] = [("text", LogFormat::Text), ("json", LogFormat::Json)];

/// A shard for each processor that this process may use, where shards can share a port.
fn processors() -> u8 {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let most = if cfg!(target_os = "linux") { *SHARDS.end() } else { 1 };
    count.min(most.into()) as u8
}

/// Whether a text may be a bearer token (RFC 6750) and is not guessed soon.
pub(crate) fn is_token(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    ADMIN_TOKEN_BYTES.contains(&text.len()) && text.bytes().all(is_allowed)
}

/// A value as a message names it.
fn describe(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        Value::Integer(number) => number.to_string(),
        other => format!("of type {}", other.type_str()),
    }
}
