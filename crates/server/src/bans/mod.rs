//! Who may not come in: accounts, and networks by the first bits of their addresses. Moderators add and remove bans while
//! matches run, and operators edit their file; whoever is banned is kept out from then on, and sent away if he is in.
//!
//! Readers never wait: the list is replaced as a whole. What is added is in the file before it counts, and a file that cannot
//! be used changes nothing.

mod file;
mod list;

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;

use self::list::{Full, List, counts};
use crate::control::{self, Ban, Banned, HookError};
use crate::limits::{ACCOUNT_BYTES_MAX, BAN_REASON_BYTES_MAX, BANS_MAX};
use crate::text;

/// The bans of a server. All its shards ask the same ones.
#[derive(Debug)]
pub struct Bans {
    list: ArcSwap<List>,
    /// Counts changes.
    version: AtomicU64,
    /// Held while the list is changed and written.
    file: Mutex<Option<PathBuf>>,
}

/// Why a ban cannot be kept, or a file of them cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BansError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// There was a file, and now there is none.
    #[error("is not there any more; the bans that were in it stay")]
    Gone,
    /// The file cannot be written.
    #[error("{path} cannot be written: {error}; the ban is not kept")]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file does not hold what it should.
    #[error("is no list of bans: {0}")]
    Syntax(String),
    /// There are as many as there may be.
    #[error("there are {BANS_MAX} bans already; remove some, or give them an end")]
    Full,
    /// Nobody is called so.
    #[error("an account has 1 to {ACCOUNT_BYTES_MAX} bytes, and no control characters")]
    Account,
}

impl Bans {
    /// No bans, which nobody keeps.
    #[must_use]
    pub fn none() -> Self {
        Self { list: ArcSwap::default(), version: AtomicU64::new(0), file: Mutex::new(None) }
    }

    /// The bans of a file, where changes are kept. One that is not there holds none.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn open(path: &Path) -> Result<Self, BansError> {
        // Without a folder for it none could be kept, and who bans somebody would be the first to hear.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        folder.map_or(Ok(()), |folder| folder.metadata().map(drop)).map_err(BansError::Read)?;
        let bans = Self { file: Mutex::new(Some(path.to_owned())), ..Self::none() };
        bans.reread()?;
        Ok(bans)
    }

    /// Bans an account or a network, for so long or for good. Who is banned already is banned anew.
    ///
    /// # Errors
    /// When it cannot be kept; then it does not count.
    pub fn add(&self, whom: Banned, time: Option<Duration>, reason: &str) -> Result<Ban, BansError> {
        if let Banned::Account(account) = &whom
            && !text::is_account(account)
        {
            return Err(BansError::Account);
        }
        let until = time.map(|time| now().saturating_add(time.as_secs()));
        let reason = text::cut(reason, BAN_REASON_BYTES_MAX);
        self.change(|list| list.put(whom, until, reason).map_err(|Full| BansError::Full))
    }

    /// Takes a ban back; false when there is none of that number.
    ///
    /// # Errors
    /// When that cannot be kept; then it counts on.
    pub fn remove(&self, id: u64) -> Result<bool, BansError> {
        self.change(|list| Ok(list.remove(id)))
    }

    /// All that count, in the order of their numbers.
    #[must_use]
    pub fn list(&self) -> Vec<Ban> {
        self.list.load().iter().filter(|ban| counts(ban, now())).cloned().collect()
    }

    /// The ban that keeps somebody out, if any.
    #[must_use]
    pub fn check(&self, address: IpAddr, account: Option<&str>) -> Option<Ban> {
        let (list, now) = (self.list.load(), now());
        let by_account = account.and_then(|account| list.find_account(account, now));
        by_account.or_else(|| list.find_address(address, now)).cloned()
    }

    /// The ban of an account, if any.
    #[must_use]
    pub fn check_account(&self, account: &str) -> Option<Ban> {
        self.list.load().find_account(account, now()).cloned()
    }

    /// A number that changes whenever somebody may be banned who was not.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Reads the file again, if there is one; returns how many bans are in it.
    pub(crate) fn reread(&self) -> Result<usize, BansError> {
        let file = self.lock();
        let Some(path) = &*file else { return Ok(self.list.load().len()) };
        let list = file::read(path, now())?;
        if list.len() == 0 && self.list.load().len() > 0 && !path.exists() {
            // A volume that is not mounted pardons nobody.
            return Err(BansError::Gone);
        }
        let list = list.after(&self.list.load());
        let count = list.len();
        self.publish(list);
        Ok(count)
    }

    fn change<T>(&self, change: impl FnOnce(&mut List) -> Result<T, BansError>) -> Result<T, BansError> {
        let file = self.lock();
        let mut list = match &*file {
            // What somebody has just written there is kept, or, where it cannot be read, at least not overwritten.
            Some(path) if path.exists() => file::read(path, now())?.after(&self.list.load()),
            _ => List::clone(&self.list.load()),
        };
        list.forget_ended(now());
        let changed = change(&mut list)?;
        if let Some(path) = &*file {
            file::write(path, &list).map_err(|error| BansError::Write { path: path.clone(), error })?;
        }
        self.publish(list);
        Ok(changed)
    }

    fn publish(&self, list: List) {
        self.list.store(Arc::new(list));
        self.version.fetch_add(1, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Option<PathBuf>> {
        // Nothing is left half done: the list is replaced when all else is.
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl control::Bans for Bans {
    fn add(&self, whom: Banned, time: Option<Duration>, reason: &str) -> Result<Ban, HookError> {
        Ok(self.add(whom, time, reason)?)
    }

    fn remove(&self, id: u64) -> Result<bool, HookError> {
        Ok(self.remove(id)?)
    }

    fn list(&self) -> Vec<Ban> {
        self.list()
    }
}

impl From<BansError> for HookError {
    fn from(error: BansError) -> Self {
        match error {
            BansError::Account => Self::Asked(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// What somebody who is banned is told.
pub(crate) fn told(ban: &Ban) -> String {
    if ban.reason.is_empty() { "banned".to_owned() } else { format!("banned: {}", ban.reason) }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str) -> Banned {
        Banned::Account(name.to_owned())
    }

    fn network(prefix: &str) -> Banned {
        Banned::Network(prefix.parse().expect("a prefix"))
    }

    const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1));

    #[test]
    fn accounts_and_networks_are_kept_out_for_as_long_as_was_said() {
        let bans = Bans::none();
        let rude = bans.add(account("rude"), None, "for being rude").expect("there is room");
        bans.add(network("192.0.2.77/24"), Some(Duration::from_secs(600)), "a farm").expect("there is room");
        bans.add(network("2001:db8::/32"), Some(Duration::ZERO), "over").expect("there is room");
        let by = |address: &str, account| bans.check(address.parse().expect("an address"), account);
        assert_eq!(by("198.51.100.1", Some("rude")), Some(rude.clone()));
        assert_eq!(by("198.51.100.1", Some("polite")), None);
        assert_eq!(by("198.51.100.1", None), None);
        assert_eq!(by("192.0.2.5", None).map(|ban| ban.reason), Some("a farm".to_owned()));
        assert_eq!(by("::ffff:192.0.2.5", Some("polite")).map(|ban| ban.id), Some(2));
        assert_eq!(by("2001:db8::1", None), None, "its time is over");
        assert_eq!(bans.list().len(), 2);
        assert!(bans.remove(rude.id).expect("nothing is written") && !bans.remove(rude.id).expect("likewise"));
        assert_eq!(by("198.51.100.1", Some("rude")), None);
    }

    #[test]
    fn who_is_banned_again_is_banned_once_and_newly() {
        let bans = Bans::none();
        let first = bans.add(account("rude"), None, "a").expect("there is room");
        let version = bans.version();
        let second = bans.add(account("rude"), Some(Duration::from_secs(60)), "b").expect("there is room");
        assert_eq!((first.id, bans.list()), (second.id, vec![second]));
        assert_ne!(bans.version(), version);
        // However the network is written.
        bans.add(network("10.1.2.3/8"), None, "").expect("there is room");
        bans.add(network("10.0.0.0/8"), None, "").expect("there is room");
        assert_eq!(bans.list().len(), 2);
    }

    #[test]
    fn there_is_a_limit_to_what_can_be_banned() {
        let bans = Bans::none();
        assert!(matches!(bans.add(account(""), None, ""), Err(BansError::Account)));
        assert!(matches!(bans.add(account(&"a".repeat(200)), None, ""), Err(BansError::Account)));
        assert!(
            matches!(bans.add(account("a\nb"), None, ""), Err(BansError::Account)),
            "it would end a line of the log"
        );
        let ban = bans.add(account("a"), None, &"€\n".repeat(1_000)).expect("there is room");
        assert_eq!(ban.reason, "€".repeat(66));
    }

    #[test]
    fn bans_outlive_the_server_and_edits_of_their_file_count() {
        let path = std::env::temp_dir().join(format!("downbeat-{}-bans.json", std::process::id()));
        let bans = Bans::open(&path).expect("none is no mistake");
        bans.add(account("rude"), None, "for being rude").expect("it can be written");
        bans.add(network("192.0.2.0/24"), Some(Duration::from_secs(600)), "").expect("it can be written");
        let again = Bans::open(&path).expect("its own file");
        assert_eq!(again.list(), bans.list());
        let edited = r#"{"bans": [{"account": "ada", "reason": "?"}, {"network": "10.0.0.0/8", "until": 1}]}"#;
        std::fs::write(&path, edited).expect("it is there");
        assert_eq!(again.reread().expect("it is right"), 1);
        assert!(again.check(ELSEWHERE, Some("ada")).is_some() && again.check(ELSEWHERE, Some("rude")).is_none());
        let version = again.version();
        for (text, why) in [
            ("[", "is no list of bans: EOF while parsing a list at line 1 column 1"),
            (
                r#"{"bans": [{"reason": "whom?"}]}"#,
                "is no list of bans: ban 1 names neither an `account` nor a `network`",
            ),
            (
                r#"{"bans": [{"account": "a", "id": 18446744073709551615}]}"#,
                "is no list of bans: ban 1 has an `id` above 9007199254740992",
            ),
            (
                r#"{"bans": [{"account": "a"}, {"network": "10.0.0.0/40"}]}"#,
                "is no list of bans: ban 2 names the network `10.0.0.0/40`; addresses or blocks such as 10.0.0.0/8 are allowed",
            ),
        ] {
            std::fs::write(&path, text).expect("it is there");
            assert_eq!(again.reread().expect_err("it is wrong").to_string(), why);
        }
        assert!(again.check(ELSEWHERE, Some("ada")).is_some() && again.version() == version, "nothing changed");
        std::fs::remove_file(&path).expect("it is there");
    }

    #[test]
    fn what_cannot_be_written_does_not_count() {
        assert!(matches!(Bans::open(Path::new("/nowhere/at/all/bans.json")), Err(BansError::Read(_))));
        let folder = std::env::temp_dir().join(format!("downbeat-bans-folder-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("it can be made");
        let bans = Bans::open(&folder.join("bans.json")).expect("none is no mistake");
        std::fs::remove_dir(&folder).expect("it is empty");
        assert!(matches!(bans.add(account("rude"), None, ""), Err(BansError::Write { .. })));
        assert!(bans.list().is_empty() && bans.check(ELSEWHERE, Some("rude")).is_none());
    }

    #[test]
    fn what_an_operator_writes_is_kept_and_no_number_is_given_twice() {
        let path = std::env::temp_dir().join(format!("downbeat-bans-edit-{}.json", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let bans = Bans::open(&path).expect("none is no mistake");
        let first = bans.add(account("rude"), None, "").expect("it can be written");
        assert!(bans.remove(first.id).expect("it can be written"));
        assert_eq!(bans.reread().expect("it is there"), 0);
        std::fs::write(&path, r#"{"bans":[{"account":"mallory"}]}"#).expect("it can be written");
        let second = bans.add(account("eve"), None, "").expect("it can be written");
        assert!(second.id > first.id);
        assert!(bans.check(ELSEWHERE, Some("mallory")).is_some() && bans.check(ELSEWHERE, Some("eve")).is_some());
        std::fs::write(&path, "{,}").expect("it can be written");
        assert!(bans.add(account("trudy"), None, "").is_err(), "a slip is not overwritten");
        std::fs::remove_file(&path).expect("it is there");
        assert!(bans.reread().is_err(), "a list that vanished pardons nobody");
        assert!(bans.check(ELSEWHERE, Some("mallory")).is_some());
    }
}
