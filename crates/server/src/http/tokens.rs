//! Who may do what: bearer tokens (RFC 6750), each with a role.
//!
//! What is kept of a token is a MAC under a key of this process, and what somebody shows is verified in constant time: how long
//! that takes says nothing about a token, not even its length.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use crate::config::{Admin, is_token};
use crate::files::{is_open_to_others, read_text_up_to};
use crate::limits::{ADMIN_TOKEN_BYTES, ADMIN_TOKENS_FILE_BYTES_MAX, ADMIN_TOKENS_MAX};
use crate::notice::{Notice, Notify};
use crate::start::StartError;

/// What a bearer may do; who may do more may do all that others may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Access {
    /// Looks.
    Viewer,
    /// Keeps order among players.
    Moderator,
    /// Everything.
    Admin,
}

impl Access {
    const ALL: [Self; 3] = [Self::Viewer, Self::Moderator, Self::Admin];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Moderator => "moderator",
            Self::Admin => "admin",
        }
    }
}

/// Who shows a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bearer {
    /// What logs call him.
    pub(crate) name: String,
    pub(crate) access: Access,
}

/// All tokens.
#[derive(Debug)]
pub(crate) struct Tokens {
    key: hmac::Key,
    known: Vec<(hmac::Tag, Bearer)>,
}

/// A token that was made for one run, in a file that only this user reads. It goes with the server.
#[derive(Debug)]
pub(crate) struct Issued(PathBuf);

/// Why tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The file cannot be read or written.
    #[error("the admin tokens {path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A line is none.
    #[error("{path}:{line}: {message}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// What is wrong, and what is allowed.
        message: String,
    },
    /// Nobody could come in.
    #[error("the admin tokens {path}: there is none in it; a line is `ROLE NAME TOKEN`")]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl Tokens {
    /// Nobody's.
    pub(crate) fn none() -> Self {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).expect("the operating system has randomness");
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &secret), known: Vec::new() }
    }

    /// Those that `admin` names; without any, one that is made now.
    pub(crate) fn of(
        admin: &Admin,
        address: SocketAddr,
        notify: &mut Notify,
    ) -> Result<(Self, Option<Issued>), StartError> {
        let mut tokens = Self::none();
        if let Some(path) = &admin.tokens {
            if is_open_to_others(path) {
                notify(&Notice::SecretReadable { path: path.clone() });
            }
            tokens.read(path)?;
        }
        if let Some(token) = &admin.token {
            tokens.add(Access::Admin, "admin", token.reveal());
        }
        let issued = if tokens.known.is_empty() { Some(tokens.issue(&folder(), address)?) } else { None };
        Ok((tokens, issued))
    }

    /// Whose token it is.
    pub(crate) fn bearer(&self, token: &str) -> Option<&Bearer> {
        let is_it = |tag: &hmac::Tag| hmac::verify(&self.key, token.as_bytes(), tag.as_ref()).is_ok();
        self.known.iter().find(|(tag, _)| is_it(tag)).map(|(_, bearer)| bearer)
    }

    fn add(&mut self, access: Access, name: &str, token: &str) {
        let tag = hmac::sign(&self.key, token.as_bytes());
        self.known.push((tag, Bearer { name: name.to_owned(), access }));
    }

    /// Adds those of a file.
    pub(crate) fn read(&mut self, path: &Path) -> Result<(), TokensError> {
        let file = |error| TokensError::File { path: path.to_owned(), error };
        let text = read_text_up_to(path, ADMIN_TOKENS_FILE_BYTES_MAX).map_err(file)?;
        for (line, text) in (1..).zip(text.lines()) {
            let error = |message: String| TokensError::Line { path: path.to_owned(), line, message };
            let words: Vec<_> = text.split_whitespace().collect();
            if words.first().is_none_or(|word| word.starts_with('#')) {
                continue;
            }
            let [role, name, token] = words[..] else {
                return Err(error("a line is `ROLE NAME TOKEN`, or begins with #".to_owned()));
            };
            let access = Access::ALL.into_iter().find(|access| access.name() == role);
            let access = access
                .ok_or_else(|| error(format!("the role is `{role}`; viewer, moderator and admin are allowed")))?;
            if !is_token(token) {
                let (least, most) = (ADMIN_TOKEN_BYTES.start(), ADMIN_TOKEN_BYTES.end());
                return Err(error(format!(
                    "the token is none; {least} to {most} letters, digits and -._~+/= are allowed"
                )));
            }
            if self.bearer(token).is_some() {
                return Err(error("the token is that of another line".to_owned()));
            }
            if self.known.len() == ADMIN_TOKENS_MAX {
                return Err(error(format!("there are more than {ADMIN_TOKENS_MAX} tokens")));
            }
            self.add(access, name, token);
        }
        if self.known.is_empty() { Err(TokensError::Empty { path: path.to_owned() }) } else { Ok(()) }
    }

    /// Makes a token and leaves it in a file: whoever may read what this user reads may do what the server does, and logs,
    /// which others read, do not hold it.
    fn issue(&mut self, folder: &Path, address: SocketAddr) -> Result<Issued, TokensError> {
        let mut secret = [0; 24];
        getrandom::fill(&mut secret).expect("the operating system has randomness");
        let token = URL_SAFE_NO_PAD.encode(secret);
        let path = folder.join(format!("downbeat-admin-{}.token", address.port()));
        write_secret(&path, &token).map_err(|error| TokensError::File { path: path.clone(), error })?;
        self.add(Access::Admin, "admin", &token);
        Ok(Issued(path))
    }
}

impl Issued {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Issued {
    fn drop(&mut self) {
        // One that stays is good for nothing.
        let _ = fs::remove_file(&self.0);
    }
}

/// Where files of a run belong: what a service manager or a login made for this user, else what all share.
fn folder() -> PathBuf {
    let of_user = ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"].into_iter().filter_map(std::env::var_os);
    of_user.map(PathBuf::from).find(|path| path.is_dir()).unwrap_or_else(std::env::temp_dir)
}

/// Writes a file that was not there before and that only this user reads.
fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    // What an earlier run left; somebody else's cannot be removed, and is not written to below.
    let _ = fs::remove_file(path);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(format!("{text}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("downbeat-tokens-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).expect("a folder can be made");
            Self(path)
        }

        fn read(&self, text: &str) -> Result<Tokens, String> {
            let path = self.0.join("tokens");
            fs::write(&path, text).expect("a file can be written");
            let mut tokens = Tokens::none();
            tokens.read(&path).map_err(|error| error.to_string().replace(path.to_str().expect("text"), "tokens"))?;
            Ok(tokens)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn each_token_has_its_bearer_and_no_other_text_has_one() {
        let folder = Folder::new("bearers");
        let text = "# who may\n\n viewer grafana 0123456789abcdef\nadmin ada\tfedcba9876543210\n";
        let tokens = folder.read(text).expect("good lines");
        let of = |token: &str| tokens.bearer(token).map(|bearer| (bearer.name.as_str(), bearer.access));
        assert_eq!(of("0123456789abcdef"), Some(("grafana", Access::Viewer)));
        assert_eq!(of("fedcba9876543210"), Some(("ada", Access::Admin)));
        for wrong in ["", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF", "ada"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn lines_that_are_none_are_named_with_what_is_allowed() {
        let folder = Folder::new("lines");
        let error = |text: &str| folder.read(text).map(|_| ()).expect_err("it is wrong");
        let roles = "the role is `root`; viewer, moderator and admin are allowed";
        assert_eq!(error("\nroot ada 0123456789abcdef"), format!("tokens:2: {roles}"));
        assert!(error("admin ada short").starts_with("tokens:1: the token is none; 16 to 256 letters"));
        assert!(error("admin 0123456789abcdef").starts_with("tokens:1: a line is `ROLE NAME TOKEN`"));
        assert!(
            error("admin a 0123456789abcdef\nviewer b 0123456789abcdef").starts_with("tokens:2: the token is that")
        );
        assert!(error("# none").starts_with("the admin tokens tokens: there is none in it"));
        let many: String = (0..=ADMIN_TOKENS_MAX).map(|n| format!("viewer v {n:016}\n")).collect();
        assert!(error(&many).starts_with("tokens:65: there are more than 64 tokens"));
        assert!(error(&" ".repeat(ADMIN_TOKENS_FILE_BYTES_MAX + 1)).contains("it is longer than"));
    }

    #[cfg(unix)]
    #[test]
    fn a_token_that_is_made_is_in_a_file_of_this_user_alone_until_the_end() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::new("issued");
        let address = ([127, 0, 0, 1], 4_480).into();
        let left = folder.0.join("downbeat-admin-4480.token");
        fs::write(&left, "of an earlier run").expect("a file can be written");
        let mut tokens = Tokens::none();
        let issued = tokens.issue(&folder.0, address).expect("it can be written");
        assert_eq!(issued.path(), left);
        let token = fs::read_to_string(issued.path()).expect("it is there");
        assert_eq!(tokens.bearer(token.trim()).map(|bearer| bearer.access), Some(Access::Admin));
        let mode = fs::metadata(&left).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(issued);
        assert!(!left.exists());
    }
}
