//! A client that does not have the game asks for its schema and its model, which may be longer than all that waits for a
//! client on the control stream.
//!
//! So each is told in parts, one message a part, that follow one another as the client reads them; other messages may come
//! in between. A part says how much is still to come: the first one so announces the whole, and the last one says 0.

use serde::{Deserialize, Serialize};

use crate::control::{ControlError, ServerMessage};
use crate::limits::{DESCRIPTION_BYTES_MAX, PART_BYTES_MAX};

/// A piece of a schema or of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Bytes that are to come in later parts.
    pub rest: u32,
    /// The bytes of this one: [`PART_BYTES_MAX`], the last part fewer.
    pub bytes: Vec<u8>,
}

impl Part {
    /// The parts of `whole`, at most [`DESCRIPTION_BYTES_MAX`], in order.
    pub fn cut(whole: &[u8]) -> impl Iterator<Item = Self> {
        debug_assert!(whole.len() <= DESCRIPTION_BYTES_MAX);
        let mut rest = whole.len();
        whole.chunks(PART_BYTES_MAX).map(move |bytes| {
            rest -= bytes.len();
            Self { rest: rest as u32, bytes: bytes.to_vec() }
        })
    }
}

/// What a server tells of its game.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// The bytes of its schema.
    pub schema: Vec<u8>,
    /// The bytes of its model.
    pub model: Vec<u8>,
}

/// Puts the parts of a schema and a model together. Never holds more than [`DESCRIPTION_BYTES_MAX`] of either.
#[derive(Debug, Default)]
pub struct DescriptionReader {
    schema: Whole,
    model: Whole,
}

impl DescriptionReader {
    /// Takes in a message of the server; gives the description once both are complete. Other messages mean nothing here.
    ///
    /// # Errors
    /// When a part does not follow the one before. The stream cannot go on: close with the error's code.
    pub fn push(&mut self, message: ServerMessage) -> Result<Option<Description>, ControlError> {
        match message {
            ServerMessage::Schema(part) => self.schema.push(&part)?,
            ServerMessage::Model(part) => self.model.push(&part)?,
            _ => return Ok(None),
        }
        if self.schema.rest != Some(0) || self.model.rest != Some(0) {
            return Ok(None);
        }
        let take = |whole: &mut Whole| std::mem::take(&mut whole.bytes);
        Ok(Some(Description { schema: take(&mut self.schema), model: take(&mut self.model) }))
    }
}

#[derive(Debug, Default)]
struct Whole {
    bytes: Vec<u8>,
    /// Bytes that are to come; unknown before the first part.
    rest: Option<usize>,
}

impl Whole {
    fn push(&mut self, part: &Part) -> Result<(), ControlError> {
        let left = part.rest as usize + part.bytes.len();
        if left > DESCRIPTION_BYTES_MAX {
            return Err(ControlError::TooLarge(left));
        }
        if part.bytes.is_empty() || self.rest.is_some_and(|rest| rest != left) {
            return Err(ControlError::BadPart);
        }
        self.bytes.extend_from_slice(&part.bytes);
        self.rest = Some(part.rest as usize);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(messages: impl IntoIterator<Item = ServerMessage>) -> Result<Option<Description>, ControlError> {
        let mut reader = DescriptionReader::default();
        for message in messages {
            if let Some(description) = reader.push(message)? {
                return Ok(Some(description));
            }
        }
        Ok(None)
    }

    proptest! {
        #[test]
        fn what_was_cut_is_put_together(schema in 1..10_000_usize, model in 1..100_000_usize) {
            let bytes = |count: usize| (0..count).map(|i| (i * 7) as u8).collect::<Vec<_>>();
            let description = Description { schema: bytes(schema), model: bytes(model) };
            let draining = std::iter::once(ServerMessage::Draining { deadline_s: 1 });
            let messages = Part::cut(&description.schema).map(ServerMessage::Schema).chain(draining);
            let messages = messages.chain(Part::cut(&description.model).map(ServerMessage::Model));
            prop_assert_eq!(read(messages), Ok(Some(description)));
        }
    }

    #[test]
    fn parts_that_do_not_follow_one_another_are_refused() {
        let part = |rest: u32, count: usize| ServerMessage::Schema(Part { rest, bytes: vec![0; count] });
        assert_eq!(read([part(10, 5), part(5, 5)]), Ok(None), "the model is missing");
        assert_eq!(read([part(10, 5), part(6, 5)]), Err(ControlError::BadPart), "one too many to come");
        assert_eq!(read([part(5, 5), part(0, 5), part(0, 5)]), Err(ControlError::BadPart), "told twice");
        assert_eq!(read([part(5, 0)]), Err(ControlError::BadPart), "an empty part could be told for ever");
        assert_eq!(read([part(1 << 20, 1)]), Err(ControlError::TooLarge((1 << 20) + 1)));
        assert_eq!(read([part(u32::MAX, 1)]), Err(ControlError::TooLarge(1 << 32)));
    }
}
