//! Access tokens whose signature was verified lately: verifying it again would be most of
//! what a read costs. Bounded; what was not used for longest goes first.

use std::num::NonZeroUsize;

use lru::LruCache;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use super::access_token::Genuine;

/// Tokens that are remembered: with their claims some 4 MiB.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(8192).expect("not zero");
/// Longer ones (many roles) are verified each time, so that the memory is bounded.
const LONGEST: usize = 1024;

/// By the SHA-256 of the whole token: a token cannot be had from it, and no other text
/// has the same.
pub(super) struct GenuineTokens(Mutex<LruCache<[u8; 32], Genuine>>);

impl GenuineTokens {
    pub(super) fn new() -> Self {
        Self(Mutex::new(LruCache::new(REMEMBERED)))
    }

    /// What this very token was found to say. Its key may have been retired and its time
    /// may be over since.
    pub(super) fn get(&self, token: &str) -> Option<Genuine> {
        if token.len() > LONGEST {
            return None;
        }
        self.0.lock().get(&digest(token)).cloned()
    }

    pub(super) fn remember(&self, token: &str, genuine: &Genuine) {
        if token.len() <= LONGEST {
            self.0.lock().put(digest(token), genuine.clone());
        }
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::tokens::AccessClaims;

    fn genuine(number: u128) -> Genuine {
        let id = Uuid::from_u128(number);
        let (iss, aud, client_id) = (String::new(), String::new(), String::new());
        let claims = AccessClaims { iss, aud, client_id, sub: id, jti: id, sid: id, epoch: 1, roles: Vec::new() };
        Genuine { kid: "kid".to_owned(), claims: Arc::new(claims), expires: 1 }
    }

    #[test]
    fn only_the_very_same_text_is_known() {
        let tokens = GenuineTokens::new();
        tokens.remember("a.b.c", &genuine(7));
        assert_eq!(tokens.get("a.b.c").unwrap().claims.sub, Uuid::from_u128(7));
        assert!(tokens.get("a.b.d").is_none() && tokens.get("a.b.c ").is_none());
    }

    #[test]
    fn it_is_bounded_and_what_was_used_last_stays() {
        let tokens = GenuineTokens::new();
        let token = |number: usize| format!("token {number}");
        for number in 0..=REMEMBERED.get() {
            tokens.remember(&token(number), &genuine(1));
            assert!(tokens.get(&token(0)).is_some());
        }
        assert!(tokens.get(&token(1)).is_none());
        assert_eq!(tokens.0.lock().len(), REMEMBERED.get());
        let long = "x".repeat(LONGEST + 1);
        tokens.remember(&long, &genuine(1));
        assert!(tokens.get(&long).is_none());
    }
}
