//! What goes to the standard output: whoever reads it may have gone, which is no fault.

use std::io::{ErrorKind, Write};

use crate::error::CliError;

/// Prints `text` and a line end, at once.
pub(crate) fn say(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CliError::Stdout(error)),
        _ => Ok(()),
    }
}
