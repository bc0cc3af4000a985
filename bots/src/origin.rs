//! Which run a report is of, so that it can be told from others and run again.

use time::OffsetDateTime;

/// The time now in UTC, as RFC 3339 writes it, to the second.
pub(crate) fn now() -> String {
    told(OffsetDateTime::now_utc())
}

fn told(at: OffsetDateTime) -> String {
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// A command line without what nobody but its user may know: tokens, and passwords of addresses. Files of tokens stay, since
/// they are only named.
#[must_use]
pub fn without_secrets(args: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut is_secret = false;
    let tell = |arg: String| {
        if std::mem::take(&mut is_secret) {
            return hidden(&arg);
        }
        match arg.split_once('=') {
            Some((flag, value)) if SECRET.contains(&flag) => format!("{flag}={}", hidden(value)),
            _ => {
                is_secret = SECRET.contains(&arg.as_str());
                without_password(arg)
            }
        }
    };
    args.into_iter().map(tell).collect()
}

/// Flags whose values are secret, but for names of files, which begin with `@`.
const SECRET: [&str; 2] = ["--token", "--admin-token"];

const HIDDEN: &str = "***";

fn hidden(value: &str) -> String {
    if value.starts_with('@') { value.to_owned() } else { HIDDEN.to_owned() }
}

/// `http://name:password@host` without what stands before the host.
fn without_password(arg: String) -> String {
    let Some((scheme, rest)) = arg.split_once("://") else { return arg };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match host.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{HIDDEN}@{host}{path}"),
        None => arg,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339_has_them() {
        let at = OffsetDateTime::from_unix_timestamp(1_700_000_003).expect("a time");
        assert_eq!(told(at), "2023-11-14T22:13:23Z");
        let now = now();
        assert!(now.len() == 20 && now.as_str() > "2023-11-14T22:13:23Z", "{now}");
    }

    #[test]
    fn a_command_line_is_told_without_its_secrets() {
        let line =
            "bots --token s3cret --admin-token=s3cret --token @tickets --admin http://me:s3cret@host:1/x --seed 7";
        let told = without_secrets(line.split(' ').map(str::to_owned)).join(" ");
        let expected = "bots --token *** --admin-token=*** --token @tickets --admin http://***@host:1/x --seed 7";
        assert_eq!(told, expected);
        let (plain, cut) = ("--connect [::1]:4433 --net latency=5ms --admin http://h:1/a@b", "--token");
        assert_eq!(without_secrets(plain.split(' ').map(str::to_owned)).join(" "), plain);
        assert_eq!(without_secrets([cut.to_owned()]), [cut]);
    }
}
