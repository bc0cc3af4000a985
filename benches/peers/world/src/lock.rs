//! Which version of a library was built.

const LOCK: &str = include_str!("../../Cargo.lock");

/// The version of `package` in the lock file, if it comes from a registry.
pub(crate) fn version(package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let entry = LOCK.split("[[package]]").find(|entry| entry.lines().any(|line| line == name))?;
    entry.lines().find(|line| line.starts_with("source = "))?;
    let version = entry.lines().find_map(|line| line.strip_prefix("version = "))?;
    Some(version.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_lock_file() {
        assert!(version("renet").is_some_and(|version| version.starts_with("2.")));
        assert_eq!(version("downbeat-server"), None);
        assert_eq!(version("no-such-package"), None);
    }
}
