//! Tests of sealed tokens: which keys open them, and how a moved box is detected.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use events::SealedToken;
use events::sealing::{KeyError, KeyRing, OpenError, PrivateKey, PublicKey, Purpose, TokenPlaintext};
use proptest::prelude::*;
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

const TOKEN: &str = "Zk3vX9c1QmY7uT5sR2pN8wL4jH6gF0dBaEiOqKtVxCM";
const TO: &str = "ada@example.com";
const EVENT: Uuid = Uuid::from_u128(0x019f2b4c_7a11_7c3e_9b1d_5f2a8e6d4c31);

fn plaintext() -> TokenPlaintext {
    TokenPlaintext { token: TOKEN.into(), to: TO.to_owned(), purpose: Purpose::PasswordReset, event_id: EVENT }
}

fn ring(keys: Vec<PrivateKey>) -> KeyRing {
    KeyRing::new(keys).expect("at least one key")
}

fn exposed(result: Result<SecretString, OpenError>) -> Result<String, OpenError> {
    result.map(|token| token.expose_secret().to_owned())
}

#[test]
fn a_sealed_token_opens_again() {
    let (private, public) = PrivateKey::generate();
    let sealed = public.seal(&plaintext());
    assert_eq!(sealed.kid, public.kid());
    let opened = ring(vec![private]).open_bound(&sealed, TO, Purpose::PasswordReset, EVENT);
    assert_eq!(exposed(opened).as_deref(), Ok(TOKEN));
}

#[test]
fn two_boxes_of_the_same_token_have_nothing_in_common() {
    let (_, public) = PrivateKey::generate();
    let (one, two) = (public.seal(&plaintext()), public.seal(&plaintext()));
    assert_ne!(one.sealed_box[..40], two.sealed_box[..40]);
}

#[test]
fn a_ring_opens_with_the_old_and_the_new_key_while_keys_rotate() {
    let (old, old_public) = PrivateKey::generate();
    let (new, new_public) = PrivateKey::generate();
    let ring = ring(vec![new, old]);
    for public in [old_public, new_public] {
        let opened = ring.open_bound(&public.seal(&plaintext()), TO, Purpose::PasswordReset, EVENT);
        assert_eq!(exposed(opened).as_deref(), Ok(TOKEN));
    }
}

#[test]
fn a_token_sealed_to_a_key_outside_of_the_ring_has_an_unknown_key() {
    let (_, other_key) = PrivateKey::generate();
    let (private, _) = PrivateKey::generate();
    assert_eq!(ring(vec![private]).open(&other_key.seal(&plaintext())).err(), Some(OpenError::UnknownKey));
}

#[test]
fn a_wrong_kid_makes_a_broken_box() {
    let (_, other_key) = PrivateKey::generate();
    let (private, public) = PrivateKey::generate();
    let mut sealed = other_key.seal(&plaintext());
    sealed.kid = public.kid().to_owned();
    assert_eq!(ring(vec![private]).open(&sealed).err(), Some(OpenError::Broken));
}

#[test]
fn a_box_moved_to_another_address_purpose_or_event_is_a_mismatch() {
    let (private, public) = PrivateKey::generate();
    let ring = ring(vec![private]);
    let sealed = public.seal(&plaintext());
    for (to, purpose, event_id) in [
        ("mallory@example.com", Purpose::PasswordReset, EVENT),
        ("Ada@example.com", Purpose::PasswordReset, EVENT),
        (TO, Purpose::EmailVerification, EVENT),
        (TO, Purpose::PasswordReset, Uuid::from_u128(EVENT.as_u128() + 1)),
    ] {
        let opened = ring.open_bound(&sealed, to, purpose, event_id);
        assert_eq!(exposed(opened), Err(OpenError::Mismatch), "{to} {purpose:?} {event_id}");
    }
}

#[test]
fn a_damaged_box_is_broken_wherever_the_damage_is() {
    let (private, public) = PrivateKey::generate();
    let ring = ring(vec![private]);
    let sealed = public.seal(&plaintext());
    let bytes = URL_SAFE_NO_PAD.decode(&sealed.sealed_box).expect("valid base64url");
    let mut damaged: Vec<String> = (0..bytes.len())
        .map(|at| {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            URL_SAFE_NO_PAD.encode(bytes)
        })
        .collect();
    damaged.extend([0, 16, 31, 32, 33, 47, 48, bytes.len() - 1].map(|length| URL_SAFE_NO_PAD.encode(&bytes[..length])));
    damaged.extend(["%%%".to_owned(), format!("{}=", sealed.sealed_box)]);
    for sealed_box in damaged {
        let token = SealedToken { sealed_box, kid: sealed.kid.clone() };
        assert_eq!(ring.open(&token).err(), Some(OpenError::Broken), "{token:?}");
    }
}

#[test]
fn a_box_with_other_contents_is_broken() {
    let (private, public) = PrivateKey::generate();
    let bytes: [u8; 32] = STANDARD.decode(public.to_base64()).expect("valid base64").try_into().expect("32 bytes");
    let key = crypto_box::PublicKey::from_bytes(bytes);
    let ring = ring(vec![private]);
    for inside in [
        "",
        "{}",
        r#"{"token":"t","to":"a@b","purpose":"world-domination","eventId":"019f2b4c-7a11-7c3e-9b1d-5f2a8e6d4c31"}"#,
    ] {
        let sealed = key.seal(&mut crypto_box::aead::OsRng, inside.as_bytes()).expect("sealing succeeds");
        let token = SealedToken { kid: public.kid().to_owned(), sealed_box: URL_SAFE_NO_PAD.encode(sealed) };
        assert_eq!(ring.open(&token).err(), Some(OpenError::Broken), "{inside}");
    }
}

#[test]
fn debug_output_shows_no_token_and_no_private_key() {
    let (private, public) = PrivateKey::generate();
    let key = private.to_base64().expose_secret().to_owned();
    let shown = format!("{:?} {private:?} {public:?}", plaintext());
    let shown = format!("{shown} {:?}", ring(vec![private]));
    for secret in [TOKEN, TO, &key, &key[..20]] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains(public.kid()), "{shown}");
}

#[test]
fn a_key_file_may_end_with_a_line_break() {
    let (private, public) = PrivateKey::generate();
    let text = format!("{}\n", private.to_base64().expose_secret());
    assert_eq!(PrivateKey::from_base64(&text).expect("a valid key").public().kid(), public.kid());
    let text = format!("{}\r\n", public.to_base64());
    assert_eq!(PublicKey::from_base64(&text).expect("a valid key").kid(), public.kid());
}

#[test]
fn the_kid_is_the_start_of_the_public_keys_sha_256() {
    // The expected values were computed with libsodium and sha256sum from the private key 01 02 … 20.
    let private = PrivateKey::from_base64("AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=").expect("a valid key");
    assert_eq!(private.public().to_base64(), "B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw=");
    assert_eq!(private.public().kid(), "aaa8fff703b50b22");
}

#[test]
fn a_text_that_is_no_key_is_refused_without_being_quoted() {
    let short = STANDARD.encode([7; 31]);
    let url_safe = URL_SAFE_NO_PAD.encode([0xff; 32]);
    for (text, error) in [
        ("", KeyError::Length(0)),
        (short.as_str(), KeyError::Length(31)),
        ("not a key", KeyError::NotBase64),
        (url_safe.as_str(), KeyError::NotBase64),
        ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", KeyError::Zero),
    ] {
        assert_eq!(PrivateKey::from_base64(text).err(), Some(error), "{text}");
        assert_eq!(PublicKey::from_base64(text).err(), Some(error), "{text}");
    }
}

#[test]
fn a_ring_without_keys_is_refused() {
    assert_eq!(KeyRing::new(Vec::new()).err(), Some(KeyError::NoKey));
}

proptest! {
    #[test]
    fn any_token_for_any_address_opens_unchanged(token in ".{0,200}", to in ".{0,300}", event in any::<u128>()) {
        let (private, public) = PrivateKey::generate();
        let event_id = Uuid::from_u128(event);
        let sealed = public.seal(&TokenPlaintext {
            token: token.as_str().into(), to: to.clone(), purpose: Purpose::EmailChange, event_id,
        });
        let opened = ring(vec![private]).open_bound(&sealed, &to, Purpose::EmailChange, event_id);
        prop_assert_eq!(exposed(opened), Ok(token));
    }
}
