//! What WordPress does to a password before it hashes it.

use zeroize::Zeroizing;

/// The characters that PHP's `trim` removes.
pub(super) const WHITE_SPACE: [char; 6] = [' ', '\t', '\n', '\r', '\0', '\x0B'];

/// Returns a password as WordPress hashes it at registration and at login: with a backslash before each quotation mark
/// and backslash, because it does that to all form fields (`wp_magic_quotes`) and undoes it for all but passwords, and
/// without white space at its ends.
pub(super) fn as_hashed(typed: &str) -> Zeroizing<String> {
    // Allocates the whole capacity at once: a string that grows leaves its old bytes in memory.
    let mut slashed = Zeroizing::new(String::with_capacity(2 * typed.len()));
    for c in typed.chars() {
        match c {
            '\'' | '"' | '\\' => slashed.extend(['\\', c]),
            '\0' => slashed.push_str("\\0"),
            _ => slashed.push(c),
        }
    }
    Zeroizing::new(slashed.trim_matches(WHITE_SPACE).to_owned())
}
