//! A cache of access tokens whose signature was verified recently: another verification would be most of the cost of a
//! read request. The cache is bounded and evicts the least recently used token.

use std::num::NonZeroUsize;

use lru::LruCache;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

/// Maximum number of cached tokens. A user with one role takes about 460 bytes, so that all take about 4 MiB. A user with
/// the most roles takes 2.7 KB (each name is a `String` of its own), and all of them take 21 MiB. Configured claims are not
/// kept.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(8192).expect("not zero");
/// Maximum length of a cached token. A token of RS256 has about 810 bytes and the most configured claims add 1024; longer
/// tokens (with many roles) are verified each time, so that the memory is bounded.
const MAX_TOKEN_BYTES: usize = 2048;

/// An LRU cache whose keys are SHA-256 digests of whole tokens: a token cannot be computed from its digest, and no
/// other text has the same digest.
pub(super) struct VerifiedTokenCache<T>(Mutex<LruCache<[u8; 32], T>>);

impl<T: Clone> VerifiedTokenCache<T> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(LruCache::new(CAPACITY)))
    }

    /// Returns the verified content of exactly this token. Its key may have been retired, and the token may have
    /// expired since.
    pub(super) fn get(&self, token: &str) -> Option<T> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        self.0.lock().get(&digest(token)).cloned()
    }

    pub(super) fn insert(&self, token: &str, verified: &T) {
        if token.len() <= MAX_TOKEN_BYTES {
            self.0.lock().put(digest(token), verified.clone());
        }
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exactly_the_same_text_is_found() {
        let tokens = VerifiedTokenCache::new();
        tokens.insert("a.b.c", &7);
        assert_eq!(tokens.get("a.b.c").unwrap(), 7);
        assert!(tokens.get("a.b.d").is_none() && tokens.get("a.b.c ").is_none());
    }

    #[test]
    fn the_cache_is_bounded_and_keeps_recently_used_tokens() {
        let tokens = VerifiedTokenCache::new();
        let token = |number: usize| format!("token {number}");
        for number in 0..=CAPACITY.get() {
            tokens.insert(&token(number), &1);
            assert!(tokens.get(&token(0)).is_some());
        }
        assert!(tokens.get(&token(1)).is_none());
        assert_eq!(tokens.0.lock().len(), CAPACITY.get());
        let long = "x".repeat(MAX_TOKEN_BYTES + 1);
        tokens.insert(&long, &1);
        assert!(tokens.get(&long).is_none());
    }
}
