//! The bytes of a schema and of a model, which a server that is not trusted may tell, and what is done with them.

use downbeat_replica::codec::{Model, ModelError};
use downbeat_replica::{Schema, SchemaError};

use crate::bytes::Bytes;
use crate::record;

/// The first two bytes say where the schema ends; behind it lie the model and a record.
pub(crate) fn run(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let length = bytes.word() as usize & 0xffff;
    let Some(schema) = read(bytes.take(length)) else { return };
    let again = Schema::from_bytes(&schema.to_bytes()).expect("what was read can be written");
    assert_eq!((again.text(), again.hash()), (schema.text(), schema.hash()));
    let model = patched(&schema, &mut bytes);
    if let Ok(model) = Model::from_bytes(&schema, &model) {
        assert_eq!(Model::from_bytes(&schema, &model.to_bytes()).map(|again| again.hash()), Ok(model.hash()));
        record::check(&schema, &model, &mut bytes);
    }
}

/// A schema whose hash is put right, which no fuzzer could.
fn read(bytes: &[u8]) -> Option<Schema> {
    match Schema::from_bytes(bytes) {
        Err(SchemaError::OtherHash { found, .. }) => {
            let mut bytes = bytes.to_vec();
            bytes[4..12].copy_from_slice(&found.to_le_bytes());
            Some(Schema::from_bytes(&bytes).expect("only its hash was wrong"))
        }
        other => other.ok(),
    }
}

/// An untrained model, with words of it overwritten: what is far from one is refused at once.
fn patched(schema: &Schema, bytes: &mut Bytes<'_>) -> Vec<u8> {
    let mut model = Model::untrained(schema).to_bytes();
    assert!(!matches!(Model::from_bytes(schema, &model), Err(ModelError::NotAModel | ModelError::Length)));
    for _ in 0..bytes.below(16) {
        let at = bytes.word() as usize % model.len();
        let count = [1, 2, 4, 8][bytes.below(4)].min(model.len() - at);
        let patch = bytes.take(count);
        model[at..at + patch.len()].copy_from_slice(patch);
    }
    if bytes.below(8) == 7 {
        model.truncate(bytes.word() as usize % model.len());
    }
    model
}
