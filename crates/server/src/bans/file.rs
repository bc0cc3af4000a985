//! Bans as JSON, for operators to read and to edit: `{"bans": [{"account": "…", "until": 1800000000, "reason": "…"}]}`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::BansError;
use super::list::{Full, List};
use crate::control::Banned;
use crate::files::read_text_up_to;
use crate::limits::{BAN_ID_MAX, BANS_FILE_BYTES_MAX};

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawBans {
    bans: Vec<RawBan>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawBan {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    #[serde(default)]
    reason: String,
}

/// The bans of a file that still count; none when it is not there.
pub(super) fn read(path: &Path, now: u64) -> Result<List, BansError> {
    let text = match read_text_up_to(path, BANS_FILE_BYTES_MAX) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(List::default()),
        Err(error) => return Err(BansError::Read(error)),
    };
    let raw: RawBans = serde_json::from_str(&text).map_err(|error| BansError::Syntax(error.to_string()))?;
    let mut list = List::default();
    for (place, raw) in (1..).zip(raw.bans) {
        let whom = match (raw.account, raw.network) {
            (Some(account), None) => Banned::Account(account),
            (None, Some(network)) => Banned::Network(network.parse().map_err(|()| {
                let allowed = "addresses or blocks such as 10.0.0.0/8 are allowed";
                BansError::Syntax(format!("ban {place} names the network `{network}`; {allowed}"))
            })?),
            (None, None) => {
                let why = format!("ban {place} names neither an `account` nor a `network`");
                return Err(BansError::Syntax(why));
            }
            (Some(_), Some(_)) => {
                let why = format!("ban {place} names an `account` and a `network`; make it two");
                return Err(BansError::Syntax(why));
            }
        };
        if raw.until.is_none_or(|until| now < until) {
            if raw.id.is_some_and(|id| id > BAN_ID_MAX) {
                return Err(BansError::Syntax(format!("ban {place} has an `id` above {BAN_ID_MAX}")));
            }
            let put = list.put_numbered(raw.id.unwrap_or(0), whom, raw.until, raw.reason);
            put.map_err(|Full| BansError::Full)?;
        }
    }
    Ok(list)
}

/// Writes beside the file and puts that in its place, so that nobody ever reads half of it.
pub(super) fn write(path: &Path, list: &List) -> io::Result<()> {
    let bans = list.iter().map(|ban| {
        let (account, network) = match &ban.whom {
            Banned::Account(account) => (Some(account.clone()), None),
            Banned::Network(prefix) => (None, Some(prefix.to_string())),
        };
        RawBan { id: Some(ban.id), account, network, until: ban.until, reason: ban.reason.clone() }
    });
    let text = serde_json::to_string_pretty(&RawBans { bans: bans.collect() }).expect("plain data always encodes");
    let beside = path.with_extension("json.new");
    let mut file = private(&beside)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

/// A new file that nobody else may read: accounts and addresses are in it. What has its name was left by a run that broke off.
fn private(path: &Path) -> io::Result<File> {
    let _ = fs::remove_file(path);
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
