//! The control stream, either way. It arrives in pieces of any size, which must not matter.

use downbeat_wire::control::{
    ClientMessage, ControlError, ControlReader, FromClient, ServerMessage, decode, encode, frame,
};
use downbeat_wire::description::DescriptionReader;
use downbeat_wire::limits::DESCRIPTION_BYTES_MAX;

use crate::bytes::Bytes;

/// The first byte says who speaks, the second how large the pieces are.
pub(crate) fn run(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let (is_server, size) = (bytes.byte() & 1 == 1, usize::from(bytes.byte()) + 1);
    let stream = bytes.rest();
    if is_server {
        let whole = read(stream, stream.len(), ControlReader::next_from_server);
        assert_eq!(whole, read(stream, size, ControlReader::next_from_server), "in pieces of {size}");
        whole.0.iter().for_each(|message| assert_eq!(decode(&encode(message)).as_ref(), Some(message)));
        describe(whole.0);
    } else {
        let whole = read(stream, stream.len(), ControlReader::next_from_client);
        assert_eq!(whole, read(stream, size, ControlReader::next_from_client), "in pieces of {size}");
        say_again(&whole.0);
    }
}

type Read<T> = (Vec<T>, Option<ControlError>);

fn read<T>(
    stream: &[u8],
    size: usize,
    mut next: impl FnMut(&mut ControlReader) -> Result<Option<T>, ControlError>,
) -> Read<T> {
    let (mut reader, mut messages) = (ControlReader::default(), Vec::new());
    for piece in stream.chunks(size.max(1)) {
        reader.push(piece);
        loop {
            match next(&mut reader) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
    }
    (messages, None)
}

/// What was understood is understood again when it is said in our own words.
fn say_again(messages: &[FromClient]) {
    let mut reader = ControlReader::default();
    for message in messages {
        match message {
            FromClient::Hello(hello) => reader.push(&hello.to_bytes()),
            FromClient::Message(message @ (ClientMessage::Say { .. } | ClientMessage::Look { .. })) => {
                reader.push(&frame(message));
            }
        }
        assert_eq!(reader.next_from_client().as_ref().map(Option::as_ref), Ok(Some(message)));
    }
}

fn describe(messages: Vec<ServerMessage>) {
    let mut reader = DescriptionReader::default();
    for message in messages {
        let Ok(description) = reader.push(message) else { return };
        let Some(description) = description else { continue };
        assert!(description.schema.len().max(description.model.len()) <= DESCRIPTION_BYTES_MAX);
        return;
    }
}
