//! What is wrong with a configuration, and where an operator finds it.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::files::read_text_up_to;
use crate::limits::CONFIG_BYTES_MAX;

/// Where something was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In a file.
    File {
        /// Which.
        path: PathBuf,
        /// In which line, counted from 1, if it is about one.
        line: Option<usize>,
    },
    /// By the flag or the environment variable of this name.
    Named(String),
    /// Nowhere: the default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line: Some(line) } => write!(f, "{}:{line}", path.display()),
            Self::File { path, line: None } => path.display().fmt(f),
            Self::Named(name) => f.write_str(name),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A configuration that cannot be: where, what, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {message}")]
pub struct ConfigError {
    /// Where it was set.
    pub origin: Origin,
    /// What is wrong and what is allowed.
    pub message: String,
}

/// The parser's words, with those of operators for types of Rust.
fn plain(message: &str) -> String {
    let types = [
        ("expected struct", "expected the table"),
        ("expected u8", "expected a whole number from 0 to 255"),
        ("expected u32", "expected a whole number from 0 on"),
        ("expected i64", "expected a whole number"),
        ("expected f32", "expected a number"),
        ("expected f64", "expected a number"),
        ("expected a sequence", "expected a list"),
        ("expected a boolean", "expected true or false"),
    ];
    types.iter().fold(message.trim_end().to_owned(), |message, (rust, plain)| message.replace(rust, plain))
}

/// A text that settings were read from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file.
    File {
        /// Which.
        path: PathBuf,
        /// What it holds.
        text: String,
    },
    /// The flag or the environment variable of this name.
    Named(String),
}

impl Source {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        match read_text_up_to(path, CONFIG_BYTES_MAX) {
            Ok(text) => Ok(Self::File { path: path.to_owned(), text }),
            Err(error) => Err(ConfigError {
                origin: Origin::File { path: path.to_owned(), line: None },
                message: format!("cannot be read: {error}"),
            }),
        }
    }

    /// What the file holds; nothing of a flag or a variable.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::File { text, .. } => text,
            Self::Named(_) => "",
        }
    }

    /// What `span` of the text, in bytes, is called.
    #[must_use]
    pub fn origin(&self, span: Option<Range<usize>>) -> Origin {
        match self {
            Self::File { path, text } => {
                let line = span.map(|span| 1 + text.bytes().take(span.start).filter(|&byte| byte == b'\n').count());
                Origin::File { path: path.clone(), line }
            }
            Self::Named(name) => Origin::Named(name.clone()),
        }
    }

    /// An error in `span` of the text, in bytes.
    #[must_use]
    pub fn error(&self, span: Option<Range<usize>>, message: impl Into<String>) -> ConfigError {
        ConfigError { origin: self.origin(span), message: message.into() }
    }

    /// An error of the parser.
    #[must_use]
    pub fn syntax(&self, error: &toml::de::Error) -> ConfigError {
        self.error(error.span(), plain(error.message()))
    }

    /// What relative paths in it start from.
    #[must_use]
    pub fn folder(&self) -> &Path {
        match self {
            Self::File { path, .. } => path.parent().unwrap_or(Path::new("")),
            Self::Named(_) => Path::new(""),
        }
    }
}
