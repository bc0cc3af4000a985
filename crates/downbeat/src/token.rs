//! `token`: keys and tickets to try a server that asks for them. In production the backend that knows the players has the
//! private key. And `check-config`: what `serve` would say of a file, without starting anything.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use downbeat_bots::Bots;
use downbeat_server::check_files;
use downbeat_server::limits::TICKET_LIFE_S_MAX;
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
    if args.seconds > TICKET_LIFE_S_MAX {
        let most = TICKET_LIFE_S_MAX;
        return Err(CliError::Usage(format!(
            "--seconds {}: a server lets nobody in for more than {most}",
            args.seconds
        )));
    }
    // Where the server has several keys, a ticket says which one it is.
    let kid = args.kid.clone().or_else(|| kid_of(&public_of(&args.key)));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    for i in 1..=args.count {
        let ticket = Ticket {
            // An account is in once, so each ticket is another's.
            sub: if args.count == 1 { args.sub.clone() } else { format!("{}-{i}", args.sub) },
            aud: Audience::One(args.aud.clone()),
            exp: now.saturating_add(args.seconds),
            nbf: None,
            jti: random_id(),
            room: args.room,
            role: args.role,
            name: args.name.clone(),
        };
        say(&key.sign(&ticket, kid.as_deref()).map_err(|error| failed(error.to_string()))?)?;
    }
    Ok(0)
}

/// Writes both parts of a new key, where nothing is yet.
fn new_key(args: &TokenArgs, algorithm: &str) -> Result<u8, CliError> {
    let kid = args.kid.clone().unwrap_or_else(random_id);
    let key = NewKey::generate(algorithm, &kid).map_err(|error| CliError::Usage(format!("--new-key: {error}")))?;
    let public = public_of(&args.key);
    // Of HS256 both parts are the secret; otherwise the server, which may be another user, reads the public one.
    let mode = if algorithm == "HS256" { 0o600 } else { 0o644 };
    write_new(&args.key, &key.private_pem, 0o600)?;
    write_new(&public, &key.key_set, mode)?;
    say(&format!(
        "{} signs tickets (`downbeat token --key {0}`), {} is for the server (`downbeat serve --ticket-keys {1}`)",
        args.key.display(),
        public.display(),
    ))?;
    Ok(0)
}

/// Where the part of a key is that the server reads.
fn public_of(key: &Path) -> PathBuf {
    PathBuf::from(format!("{}.json", key.display()))
}

/// What the key of a key set is called, if it has one that is.
fn kid_of(key_set: &Path) -> Option<String> {
    let set: serde_json::Value = serde_json::from_slice(&fs::read(key_set).ok()?).ok()?;
    Some(set.get("keys")?.get(0)?.get("kid")?.as_str()?.to_owned())
}

/// Writes a file with these permissions; one that is there already stays.
fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), CliError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        let why = match error.kind() {
            ErrorKind::AlreadyExists => "it is there already, and stays; --key FILE names another".to_owned(),
            _ => error.to_string(),
        };
        CliError::Token { path: path.display().to_string(), why }
    })
}

/// What nothing else is called: 128 bits in hex.
fn random_id() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has randomness");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
