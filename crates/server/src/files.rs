//! What the configuration names and does not hold: ticket keys, certificate and key, bans. They change while the server runs,
//! and nobody should have to tell it: a thread looks at them now and then. A file is read once it has stayed the same for a
//! look, so that none is read half written; one that cannot be used changes nothing, and is told once.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::SystemTime;

use downbeat_transport::{Fingerprint, Identity, LiveIdentity};

use crate::bans::{Bans, BansError};
use crate::config::{Config, TicketKeys, TlsFiles};
use crate::doorman::{self, Doorman};
use crate::limits::{FILES_LOOKED_AT_EVERY, PEM_BYTES_MAX};
use crate::notice::Notice;
use crate::start::StartError;
use crate::ticket::Keys;

/// What was read from files, and where they are.
pub(crate) struct Files {
    pub(crate) doorman: Arc<Doorman>,
    pub(crate) identity: LiveIdentity,
    pub(crate) bans: Arc<Bans>,
    followed: Mutex<Followed>,
}

/// What is looked at.
struct Followed {
    tickets: Option<(Stamps, TicketKeys)>,
    tls: Option<(Stamps, TlsFiles)>,
    bans: Option<(Stamps, PathBuf)>,
}

impl Files {
    /// Reads what `config` names.
    pub(crate) fn read(config: &Config) -> Result<Self, StartError> {
        let (followed, fresh) = (Mutex::new(Followed::of(config)), Fresh::read(config)?);
        let identity = match fresh.identity {
            Some(identity) => identity,
            None => Identity::self_signed(&["localhost", "127.0.0.1", "::1"])?,
        };
        let bans = match &config.bans {
            Some(path) => Bans::open(path).map_err(|error| StartError::Bans { path: path.clone(), error })?,
            None => Bans::none(),
        };
        let doorman = Doorman::new(fresh.keys);
        Ok(Self { doorman: Arc::new(doorman), identity: LiveIdentity::new(identity), bans: Arc::new(bans), followed })
    }

    /// Reads all files again, those that `config` names; if one of them cannot be used, nothing changes.
    pub(crate) fn reread(&self, config: &Config) -> Result<(), StartError> {
        let (mut followed, next) = (self.followed(), Followed::of(config));
        let fresh = Fresh::read(config)?;
        // The last that can fail, and all that follows cannot.
        if let Some(path) = &config.bans {
            match self.bans.reread() {
                // A list that is gone is kept, and no reason not to follow the rest.
                Ok(_) | Err(BansError::Gone) => {}
                Err(error) => return Err(StartError::Bans { path: path.clone(), error }),
            }
        }
        if let Some((keys, audience)) = fresh.keys {
            self.doorman.set(keys, &audience);
        }
        if let Some(identity) = fresh.identity {
            self.identity.replace(identity);
        }
        *followed = next;
        Ok(())
    }

    /// Reads again what changes, until `is_over`.
    pub(crate) fn follow(&self, is_over: &AtomicBool, mut notify: impl FnMut(&Notice)) {
        while !is_over.load(Ordering::Relaxed) {
            thread::sleep(FILES_LOOKED_AT_EVERY);
            self.look().iter().for_each(&mut notify);
        }
    }

    /// Looks once at each.
    fn look(&self) -> Vec<Notice> {
        let mut followed = self.followed();
        let mut notices = Vec::new();
        if let Some((stamps, tickets)) = &mut followed.tickets
            && stamps.have_settled(&[&tickets.keys])
        {
            notices.push(match doorman::read(&tickets.keys) {
                Ok(keys) => {
                    let count = keys.count();
                    self.doorman.set(keys, &tickets.audience);
                    Notice::KeysRead { count }
                }
                Err(error) => Notice::KeysRefused { path: tickets.keys.clone(), error: error.to_string() },
            });
        }
        if let Some((stamps, tls)) = &mut followed.tls
            && stamps.have_settled(&[&tls.cert, &tls.key])
        {
            notices.push(match read_identity(tls) {
                Ok(identity) => {
                    let fingerprint = identity.fingerprint();
                    self.identity.replace(identity);
                    Notice::CertificateRead { fingerprint }
                }
                Err(error) => Notice::CertificateRefused { error: error.to_string() },
            });
        }
        if let Some((stamps, path)) = &mut followed.bans
            && stamps.have_settled(&[path])
        {
            notices.push(match self.bans.reread() {
                Ok(count) => Notice::BansRead { count },
                Err(error) => Notice::BansRefused { path: path.clone(), error: error.to_string() },
            });
        }
        notices
    }

    /// What newcomers are shown.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.identity.fingerprint()
    }

    fn followed(&self) -> MutexGuard<'_, Followed> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Followed {
    /// The files of `config`, as they are before anything is read.
    fn of(config: &Config) -> Self {
        let tickets = config.tickets.clone();
        let (tls, bans) = (config.tls.clone(), config.bans.clone());
        Self {
            tickets: tickets.map(|tickets| (Stamps::of(&[&tickets.keys]), tickets)),
            tls: tls.map(|tls| (Stamps::of(&[&tls.cert, &tls.key]), tls)),
            bans: bans.map(|path| (Stamps::of(&[&path]), path)),
        }
    }
}

/// What was read, and is not used yet.
struct Fresh {
    keys: Option<(Keys, String)>,
    identity: Option<Identity>,
}

impl Fresh {
    fn read(config: &Config) -> Result<Self, StartError> {
        let keys = config.tickets.as_ref().map(read_keys).transpose()?;
        Ok(Self { keys, identity: config.tls.as_ref().map(read_identity).transpose()? })
    }
}

fn read_keys(tickets: &TicketKeys) -> Result<(Keys, String), StartError> {
    let keys = doorman::read(&tickets.keys);
    let keys = keys.map_err(|error| StartError::TicketKeys { path: tickets.keys.clone(), error })?;
    Ok((keys, tickets.audience.clone()))
}

fn read_identity(tls: &TlsFiles) -> Result<Identity, StartError> {
    let read = |path: &PathBuf| {
        read_up_to(path, PEM_BYTES_MAX).map_err(|error| StartError::Read { path: path.clone(), error })
    };
    Ok(Identity::from_pem(&read(&tls.cert)?, &read(&tls.key)?)?)
}

/// The content of a file, of so many bytes at most. What is no file, such as a pipe that nobody writes to, is not waited for.
pub(crate) fn read_up_to(path: &Path, bytes_max: usize) -> std::io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    let file = std::io::Read::take(fs::File::open(path)?, bytes_max as u64 + 1);
    std::io::Read::read_to_end(&mut { file }, &mut bytes)?;
    if bytes.len() > bytes_max {
        return Err(std::io::Error::other(format!("it is longer than {bytes_max} bytes")));
    }
    Ok(bytes)
}

/// The same as text.
pub(crate) fn read_text_up_to(path: &Path, bytes_max: usize) -> std::io::Result<String> {
    String::from_utf8(read_up_to(path, bytes_max)?).map_err(|_| std::io::Error::other("it is no text"))
}

/// Whether others on this machine can read a file.
#[cfg(unix)]
pub(crate) fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
pub(crate) fn is_open_to_others(_path: &Path) -> bool {
    false
}

/// What changes when a file does: the time of its last change, its length, and which file it is.
type Stamp = (SystemTime, u64, [u64; 2]);

/// What some files that belong together were like.
#[derive(Debug)]
struct Stamps {
    read: Vec<Option<Stamp>>,
    seen: Vec<Option<Stamp>>,
}

impl Stamps {
    fn of(paths: &[&PathBuf]) -> Self {
        let read = stamps(paths);
        Self { seen: read.clone(), read }
    }

    /// Whether they are others than those that were read, and the same as at the last look. Then they are to be read.
    fn have_settled(&mut self, paths: &[&PathBuf]) -> bool {
        let now = stamps(paths);
        let have = now != self.read && now == self.seen;
        if have {
            self.read.clone_from(&now);
        }
        self.seen = now;
        have
    }
}

fn stamps(paths: &[&PathBuf]) -> Vec<Option<Stamp>> {
    paths.iter().map(|path| stamp(path)).collect()
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), identity_of(&metadata)))
}

/// Which file it is, and when it was put there: one that was moved into the place of another may be as old and as long.
#[cfg(unix)]
fn identity_of(metadata: &fs::Metadata) -> [u64; 2] {
    use std::os::unix::fs::MetadataExt;
    [metadata.ino(), (metadata.ctime() as u64).wrapping_mul(1_000_000_000).wrapping_add(metadata.ctime_nsec() as u64)]
}

#[cfg(not(unix))]
fn identity_of(_metadata: &fs::Metadata) -> [u64; 2] {
    [0; 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("downbeat-files-{}-{name}", std::process::id()))
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_not_waited_for_and_what_has_no_end_is_not_read() {
        let pipe = path("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("coreutils").success());
        assert!(read_up_to(&pipe, 100).is_err(), "nobody writes to it");
        fs::remove_file(&pipe).expect("it is there");
        assert!(read_up_to(Path::new("/dev/zero"), 100).is_err());
        assert!(read_up_to(Path::new("/"), 100).is_err());
    }

    #[test]
    fn a_file_that_is_put_in_the_place_of_one_as_old_and_as_long_is_another() {
        let (first, second) = (path("first"), path("second"));
        fs::write(&first, "one").expect("it can be written");
        let before = stamp(&first).expect("it is there");
        fs::write(&second, "two").expect("it can be written");
        let file = fs::File::options().write(true).open(&second).expect("it is there");
        file.set_modified(before.0).expect("it is ours");
        fs::rename(&second, &first).expect("it is there");
        assert_ne!(stamp(&first), Some(before));
        fs::remove_file(&first).expect("it is there");
    }
}
