//! What an operator writes: a configuration file, a variable or a flag, and the text of a link.

use std::path::Path;

use downbeat_field::Field;
use downbeat_link::LinkSpec;
use downbeat_server::Loader;
use downbeat_server::config::GameDefaults;

use crate::bytes::Bytes;

/// The first byte says what the text is.
pub(crate) fn run(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let place = bytes.byte();
    let Ok(text) = std::str::from_utf8(bytes.rest()) else { return };
    match place % 4 {
        0 => link(text),
        1 => load(|loader| loader.text(Path::new("server.toml"), text).is_ok()),
        2 => load(|loader| {
            let pairs = text.lines().filter_map(|line| line.split_once('='));
            loader.environment(pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))).is_ok()
        }),
        _ => load(|loader| {
            let mut pairs = text.lines().filter_map(|line| line.split_once('='));
            pairs.all(|(key, value)| loader.flag("--set", key, value).is_ok())
        }),
    }
}

fn link(text: &str) {
    let Ok(spec) = text.parse::<LinkSpec>() else { return };
    let printed = spec.to_string();
    assert_eq!(printed.parse(), Ok(spec), "{printed} is another link than {text}");
}

fn load(set: impl FnOnce(&mut Loader) -> bool) {
    let mut loader = Loader::new(&[GameDefaults { name: "field", players_max: 64 }]);
    if !set(&mut loader) {
        return;
    }
    let Ok((config, rules)) = loader.finish() else { return };
    assert!(config.tick_rate_hz.is_multiple_of(config.send_rate_hz) && !config.listen.is_empty());
    let _ = rules.rules::<Field>();
}
