//! JSON Pointers (RFC 6901) in URI fragment form.

/// Returns the JSON Pointer to `segments` in URI fragment form, such as `#/attributes/a~1b`. `#` is the whole body.
pub fn json_pointer<S: AsRef<str>>(segments: impl IntoIterator<Item = S>) -> String {
    let mut pointer = String::from("#");
    for segment in segments {
        pointer.push('/');
        for byte in segment.as_ref().bytes() {
            push_escaped(&mut pointer, byte);
        }
    }
    pointer
}

/// Escapes a byte: with `~0` and `~1` as RFC 6901 demands, then percent-encoded if RFC 3986 does not allow it in a
/// fragment.
fn push_escaped(pointer: &mut String, byte: u8) {
    match byte {
        b'~' => pointer.push_str("~0"),
        b'/' => pointer.push_str("~1"),
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => pointer.push(char::from(byte)),
        b'-' | b'.' | b'_' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':'
        | b'@' | b'?' => pointer.push(char::from(byte)),
        _ => pointer.push_str(&format!("%{byte:02X}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_escaped_as_rfc_6901_demands() {
        for (segments, expected) in [
            (vec![], "#"),
            (vec!["email"], "#/email"),
            (vec!["attributes", "0"], "#/attributes/0"),
            (vec!["a/b"], "#/a~1b"),
            (vec!["m~n"], "#/m~0n"),
            (vec!["c%d"], "#/c%25d"),
            (vec![" "], "#/%20"),
            (vec!["k\"l"], "#/k%22l"),
            (vec!["<b>"], "#/%3Cb%3E"),
            (vec!["ü"], "#/%C3%BC"),
            (vec![""], "#/"),
        ] {
            assert_eq!(json_pointer(&segments), expected, "{segments:?}");
        }
    }
}
