//! What lets in, and above all what does not.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;
use crate::limits::{CLOCK_LEEWAY_S, KEYS_MAX, TICKET_LIFE_S_MAX};

const NOW: u64 = 1_800_000_000;

fn ticket() -> Ticket {
    Ticket {
        sub: "account-7".to_owned(),
        aud: Audience::One("downbeat".to_owned()),
        exp: NOW + 60,
        nbf: None,
        jti: "1".to_owned(),
        room: Some(3),
        role: Role::Player,
        name: Some("Ada".to_owned()),
    }
}

fn made(algorithm: &str) -> (SigningKey, Tickets) {
    let key = NewKey::generate(algorithm, "k1").expect("a known algorithm");
    let tickets = Tickets::new(Keys::parse(&key.key_set).expect("its own key"), "downbeat");
    (SigningKey::from_pem(&key.private_pem).expect("its own key"), tickets)
}

fn signed(key: &SigningKey, ticket: &Ticket) -> String {
    key.sign(ticket, Some("k1")).expect("ring signs")
}

#[test]
fn what_was_signed_is_believed_once_with_every_algorithm() {
    for algorithm in ["EdDSA", "ES256", "HS256"] {
        let (key, mut tickets) = made(algorithm);
        let read = tickets.check(&signed(&key, &ticket()), NOW);
        assert_eq!(read, Ok(ticket()), "{algorithm}");
        assert_eq!(tickets.take(&ticket(), NOW), Ok(()));
        assert_eq!(tickets.take(&ticket(), NOW + 30), Err(TicketError::Used));
        assert_eq!(tickets.check(&signed(&key, &ticket()), NOW), Err(TicketError::Used));
        // Any change of head, claims or signature is found.
        let text = signed(&key, &Ticket { jti: "2".to_owned(), ..ticket() });
        for place in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).expect("ASCII");
            // The last character of a signature holds bits that nobody reads.
            let is_slack = place + 1 == text.len();
            assert!(is_slack || tickets.check(&changed, NOW).is_err(), "{algorithm}: byte {place}");
        }
        assert_eq!(made(algorithm).1.check(&text, NOW), Err(TicketError::BadSignature), "another key");
    }
}

#[test]
fn times_audience_and_lengths_are_looked_at() {
    let (key, tickets) = made("EdDSA");
    let with = |change: &dyn Fn(&mut Ticket)| {
        let mut ticket = ticket();
        change(&mut ticket);
        tickets.check(&signed(&key, &ticket), NOW).map(drop)
    };
    assert_eq!(with(&|t| t.exp = NOW - CLOCK_LEEWAY_S), Ok(()));
    assert_eq!(with(&|t| t.exp = NOW - CLOCK_LEEWAY_S - 1), Err(TicketError::Expired));
    assert_eq!(with(&|t| t.nbf = Some(NOW + CLOCK_LEEWAY_S)), Ok(()));
    assert_eq!(with(&|t| t.nbf = Some(NOW + CLOCK_LEEWAY_S + 1)), Err(TicketError::TooEarly));
    assert_eq!(with(&|t| t.exp = NOW + TICKET_LIFE_S_MAX), Ok(()));
    assert_eq!(with(&|t| t.exp = NOW + TICKET_LIFE_S_MAX + 1), Err(TicketError::TooLong));
    assert_eq!(with(&|t| t.exp = u64::MAX), Err(TicketError::TooLong));
    assert_eq!(with(&|t| t.aud = Audience::One("other".to_owned())), Err(TicketError::WrongAudience));
    assert_eq!(with(&|t| t.aud = Audience::Any(vec!["other".to_owned(), "downbeat".to_owned()])), Ok(()));
    assert_eq!(with(&|t| t.aud = Audience::Any(Vec::new())), Err(TicketError::WrongAudience));
    assert_eq!(with(&|t| t.sub = String::new()), Err(TicketError::Malformed));
    assert_eq!(with(&|t| t.sub = "x".repeat(10_000)), Err(TicketError::Malformed));
    assert_eq!(with(&|t| t.jti = String::new()), Err(TicketError::Malformed));
}

/// A token of these parts, signed with whatever is given.
fn forged(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(header), part(claims), BASE64_URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn a_ticket_does_not_choose_its_algorithm() {
    let claims = serde_json::to_value(ticket()).expect("plain values");
    for algorithm in ["EdDSA", "ES256"] {
        let new = NewKey::generate(algorithm, "k1").expect("a known algorithm");
        let tickets = Tickets::new(Keys::parse(&new.key_set).expect("its own key"), "downbeat");
        for none in ["none", "None", "NONE", ""] {
            let unsigned = forged(&json!({ "alg": none, "kid": "k1" }), &claims, &[]);
            assert_eq!(tickets.check(&unsigned, NOW), Err(TicketError::Malformed), "{none}");
        }
        // The public key, which everybody may know, as the secret of a symmetric signature.
        let set: Value = serde_json::from_str(&new.key_set).expect("JSON");
        let field = |name: &str| {
            let text = set["keys"][0][name].as_str().unwrap_or_default();
            BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url")
        };
        let header = json!({ "alg": "HS256", "kid": "k1" });
        for secret in [field("x"), [vec![4], field("x"), field("y")].concat(), new.key_set.clone().into_bytes()] {
            let unsigned = forged(&header, &claims, &[]);
            let message = unsigned.trim_end_matches('.');
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
            let token = forged(&header, &claims, ring::hmac::sign(&key, message.as_bytes()).as_ref());
            assert_eq!(tickets.check(&token, NOW), Err(TicketError::WrongAlgorithm));
        }
    }
}

#[test]
fn keys_are_found_by_name_and_change_without_letting_used_tickets_in_again() {
    let new = |kid: &str| NewKey::generate("EdDSA", kid).expect("a known algorithm");
    let (old, young) = (new("k1"), new("k2"));
    let keys = |sets: &[&NewKey]| {
        let keys = sets.iter().flat_map(|set| {
            let set: Value = serde_json::from_str(&set.key_set).expect("JSON");
            set["keys"].as_array().expect("a list").clone()
        });
        Keys::parse(&json!({ "keys": keys.collect::<Vec<_>>() }).to_string()).expect("good keys")
    };
    let mut tickets = Tickets::new(keys(&[&old, &young]), "downbeat");
    let signer = |new: &NewKey| SigningKey::from_pem(&new.private_pem).expect("its own key");
    let sign = |new: &NewKey, kid| signer(new).sign(&ticket(), kid).expect("ring signs");
    assert!(tickets.check(&sign(&old, Some("k1")), NOW).is_ok());
    assert!(tickets.check(&sign(&young, Some("k2")), NOW).is_ok());
    assert_eq!(tickets.check(&sign(&young, Some("k1")), NOW), Err(TicketError::BadSignature));
    assert_eq!(tickets.check(&sign(&young, Some("k3")), NOW), Err(TicketError::UnknownKey));
    assert_eq!(tickets.check(&sign(&young, None), NOW), Err(TicketError::UnknownKey), "which of the two?");
    assert_eq!(tickets.take(&ticket(), NOW), Ok(()));
    tickets.set_keys(keys(&[&young]), "downbeat");
    assert_eq!(tickets.check(&sign(&old, Some("k1")), NOW), Err(TicketError::UnknownKey));
    assert_eq!(tickets.check(&sign(&young, None), NOW), Err(TicketError::Used), "there is one key: it needs no name");
}

#[test]
fn key_sets_that_cannot_be_say_why() {
    let x = BASE64_URL_SAFE_NO_PAD.encode([7; 32]);
    let short = BASE64_URL_SAFE_NO_PAD.encode([7; 31]);
    let cases = [
        (json!({}), "missing field `keys`"),
        (json!({ "keys": [] }), "0 keys"),
        (json!({ "keys": [{ "kty": "RSA", "n": x, "e": "AQAB" }] }), "\"RSA\""),
        (json!({ "keys": [{ "kty": "OKP", "crv": "X25519", "x": x }] }), "\"X25519\""),
        (json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519" }] }), "`x` is missing"),
        (json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": short }] }), "31 bytes"),
        (json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": "??" }] }), "no base64url"),
        (json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": x, "d": x }] }), "private"),
        (json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": x, "alg": "HS256" }] }), "`alg` is \"HS256\""),
        (json!({ "keys": [{ "kty": "oct", "k": "c2hvcnQ" }] }), "5 bytes"),
        (json!({ "keys": [{ "kty": "oct", "k": x }, { "kty": "oct", "k": x, "kid": "a" }] }), "needs a `kid`"),
        (json!({ "keys": [{ "kty": "oct", "k": x, "kid": "a" }, { "kty": "oct", "k": x, "kid": "a" }] }), "same `kid`"),
        (json!({ "keys": vec![json!({ "kty": "oct", "k": x }); KEYS_MAX + 1] }), "keys; 1 to"),
    ];
    for (set, why) in cases {
        let error = Keys::parse(&set.to_string()).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(why), "{set}: {error}");
    }
    assert_eq!(Keys::parse(&" ".repeat(1 << 20)).err(), Some(KeysError::TooLong));
}

#[test]
fn texts_that_are_no_tickets_are_malformed() {
    let (key, tickets) = made("HS256");
    let text = signed(&key, &ticket());
    for cut in 0..text.len() - 1 {
        assert!(tickets.check(&text[..cut], NOW).is_err(), "{cut} bytes");
    }
    for text in ["", ".", "..", "...", "a.b.c", "\u{1f600}.\u{1f600}.\u{1f600}", &"a".repeat(100_000)] {
        assert_eq!(tickets.check(text, NOW), Err(TicketError::Malformed));
    }
    let header = json!({ "alg": "HS256", "kid": "k1" });
    for claims in
        [json!({}), json!([]), json!({ "sub": 7 }), json!({ "sub": "a", "aud": "downbeat", "exp": -1, "jti": "1" })]
    {
        assert!(tickets.check(&forged(&header, &claims, &[0; 32]), NOW).is_err(), "{claims}");
    }
    let critical = json!({ "alg": "EdDSA", "kid": "k1", "crit": ["exp2"], "exp2": 1 });
    assert_eq!(tickets.check(&forged(&critical, &json!({}), &[0; 64]), NOW), Err(TicketError::Malformed));
    assert!(SigningKey::from_pem("nothing").is_err() && NewKey::generate("RS256", "k").is_err());
}
