//! From the text that a client sends to a ticket that may be believed.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};

use super::keys::Keys;
use super::used::{Refused, Used};
use super::{Ticket, crypto};
use crate::limits::{CLOCK_LEEWAY_S, TICKET_ID_BYTES_MAX, TICKET_LIFE_S_MAX, TICKETS_REMEMBERED_MAX};
use crate::text::is_account;

/// Why a ticket lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// There is none.
    #[error("this server asks for a ticket")]
    Missing,
    /// It is no JWT, or its claims are not those of a ticket.
    #[error("the ticket cannot be read")]
    Malformed,
    /// It names a key that is not known here, or none where there are several.
    #[error("the ticket was signed with a key that is not known here")]
    UnknownKey,
    /// It was signed in another way than its key is for, or not at all.
    #[error("the ticket was signed with another algorithm than its key is for")]
    WrongAlgorithm,
    /// Its signature is wrong.
    #[error("the ticket's signature is wrong")]
    BadSignature,
    /// It is for another service.
    #[error("the ticket is for another audience")]
    WrongAudience,
    /// Its time is over.
    #[error("the ticket has expired")]
    Expired,
    /// Its time has not begun.
    #[error("the ticket is not good yet")]
    TooEarly,
    /// It would be good for too long.
    #[error("the ticket is good for more than {} hours", TICKET_LIFE_S_MAX / 3_600)]
    TooLong,
    /// It was used before.
    #[error("the ticket was used before")]
    Used,
    /// It is for another room.
    #[error("the ticket is for another room")]
    WrongRoom,
    /// It lets its bearer watch, not play, or the other way round.
    #[error("the ticket does not allow that role")]
    WrongRole,
    /// So many tickets are in use that no other can be told from one that was used.
    #[error("too many tickets are in use; try again in a moment")]
    Overloaded,
}

impl TicketError {
    /// All of them, for whoever counts them.
    pub const ALL: [Self; 13] = [
        Self::Missing,
        Self::Malformed,
        Self::UnknownKey,
        Self::WrongAlgorithm,
        Self::BadSignature,
        Self::WrongAudience,
        Self::Expired,
        Self::TooEarly,
        Self::TooLong,
        Self::Used,
        Self::WrongRoom,
        Self::WrongRole,
        Self::Overloaded,
    ];

    /// What it is called in metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::UnknownKey => "unknown_key",
            Self::WrongAlgorithm => "wrong_algorithm",
            Self::BadSignature => "bad_signature",
            Self::WrongAudience => "wrong_audience",
            Self::Expired => "expired",
            Self::TooEarly => "too_early",
            Self::TooLong => "too_long",
            Self::Used => "used",
            Self::WrongRoom => "wrong_room",
            Self::WrongRole => "wrong_role",
            Self::Overloaded => "overloaded",
        }
    }
}

/// Checks tickets, and remembers those that were used.
pub struct Tickets {
    keys: Keys,
    audience: String,
    used: Used,
}

impl Tickets {
    /// Believes what these keys signed for this audience.
    #[must_use]
    pub fn new(keys: Keys, audience: &str) -> Self {
        crypto::install();
        Self { keys, audience: audience.to_owned(), used: Used::default() }
    }

    /// Other keys and another audience count from now on; tickets that were used stay used.
    pub fn set_keys(&mut self, keys: Keys, audience: &str) {
        self.keys = keys;
        audience.clone_into(&mut self.audience);
    }

    /// What a ticket says, if it may be believed at `now` (seconds since 1970). It is not used up yet.
    ///
    /// # Errors
    /// Says why it may not.
    pub fn check(&self, text: &str, now: u64) -> Result<Ticket, TicketError> {
        // The library knows no `none`, and no algorithms that it was not told of.
        let header = decode_header(text).map_err(|_| TicketError::Malformed)?;
        // What it says is critical is not understood here (RFC 7515, 4.1.11).
        if header.crit.is_some() {
            return Err(TicketError::Malformed);
        }
        let key = self.keys.find(header.kid.as_deref()).ok_or(TicketError::UnknownKey)?;
        if header.alg != key.algorithm {
            return Err(TicketError::WrongAlgorithm);
        }
        let mut validation = Validation::new(key.algorithm);
        // Times and audience are looked at here, by the caller's clock and with reasons of our own.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let ticket = decode::<Ticket>(text, &key.key, &validation).map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => TicketError::BadSignature,
            ErrorKind::InvalidAlgorithm => TicketError::WrongAlgorithm,
            _ => TicketError::Malformed,
        })?;
        self.judge(ticket.claims, now)
    }

    fn judge(&self, ticket: Ticket, now: u64) -> Result<Ticket, TicketError> {
        if !is_account(&ticket.sub) || !(1..=TICKET_ID_BYTES_MAX).contains(&ticket.jti.len()) {
            return Err(TicketError::Malformed);
        }
        if !ticket.aud.includes(&self.audience) {
            return Err(TicketError::WrongAudience);
        }
        if ticket.exp.saturating_add(CLOCK_LEEWAY_S) < now {
            return Err(TicketError::Expired);
        }
        if ticket.nbf.is_some_and(|from| from > now + CLOCK_LEEWAY_S) {
            return Err(TicketError::TooEarly);
        }
        if ticket.exp > now + TICKET_LIFE_S_MAX {
            return Err(TicketError::TooLong);
        }
        if self.used.contains(&ticket.jti) {
            return Err(TicketError::Used);
        }
        Ok(ticket)
    }

    /// Uses up a ticket that was checked. Once is enough, whatever becomes of its bearer.
    ///
    /// # Errors
    /// When it was used before.
    pub fn take(&mut self, ticket: &Ticket, now: u64) -> Result<(), TicketError> {
        // Good until the clocks that it was measured by have passed its end.
        let until = ticket.exp.saturating_add(CLOCK_LEEWAY_S);
        self.used.take(&ticket.jti, until, now, TICKETS_REMEMBERED_MAX).map_err(|refused| match refused {
            Refused::Again => TicketError::Used,
            Refused::Full => TicketError::Overloaded,
        })
    }
}
