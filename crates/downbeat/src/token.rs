//! `token`: keys and tickets to try a server that asks for them. In production the backend that knows the players has the
//! private key. And `check-config`: what `serve` would say of a file, without starting anything.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use downbeat_bots::Bots;
use downbeat_server::check_files;
use downbeat_server::ticket::{Audience, NewKey, SigningKey, Ticket};

use crate::cli::{CheckConfigArgs, TokenArgs};
use crate::error::CliError;
use crate::output::say;
use crate::settings::Checked;

/// Says that a file is fine; what is wrong with it was said before.
pub(crate) fn check_config<G: Bots>(args: &CheckConfigArgs, settings: &Checked) -> Result<u8, CliError> {
    settings.rules.rules::<G>()?;
    check_files(&settings.config)?;
    say(&format!("{}: fine", args.file.display()))?;
    Ok(0)
}

pub(crate) fn token(args: &TokenArgs) -> Result<u8, CliError> {
    if let Some(algorithm) = &args.new_key {
        return new_key(args, algorithm);
    }
    let failed = |why: String| CliError::Token { path: args.key.display().to_string(), why };
    let text = fs::read_to_string(&args.key)
        .map_err(|error| failed(format!("{error}; make a key with `downbeat token --new-key EdDSA`")))?;
    let key = SigningKey::from_pem(&text).map_err(|error| failed(error.to_string()))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    for _ in 0..args.count {
        let ticket = Ticket {
            sub: args.sub.clone(),
            aud: Audience::One(args.aud.clone()),
            exp: now.saturating_add(args.seconds),
            nbf: None,
            jti: random_id(),
            room: args.room,
            role: args.role,
            name: args.name.clone(),
        };
        say(&key.sign(&ticket, args.kid.as_deref()).map_err(|error| failed(error.to_string()))?)?;
    }
    Ok(0)
}

/// Writes both parts of a new key, where nothing is yet.
fn new_key(args: &TokenArgs, algorithm: &str) -> Result<u8, CliError> {
    let kid = args.kid.clone().unwrap_or_else(random_id);
    let key = NewKey::generate(algorithm, &kid).map_err(|error| CliError::Usage(format!("--new-key: {error}")))?;
    let public = PathBuf::from(format!("{}.json", args.key.display()));
    write_private(&args.key, &key.private_pem)?;
    write_private(&public, &key.key_set)?;
    say(&format!(
        "{} signs tickets (`downbeat token --key {0}`), {} is for the server (`downbeat serve --ticket-keys {1}`)",
        args.key.display(),
        public.display(),
    ))?;
    Ok(0)
}

/// Writes a file that its owner alone may read; one that is there already stays.
fn write_private(path: &Path, text: &str) -> Result<(), CliError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| CliError::Token { path: path.display().to_string(), why: error.to_string() })
}

/// What nothing else is called: 128 bits in hex.
fn random_id() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has randomness");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
