//! Tests of the whole verifier through its public API, with keys, tokens, clock and issuer of our own.

mod http;
mod keys;
mod properties;
mod support;
mod tokens;
