//! JSON Pointers (RFC 6901) in URI fragment form.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// The characters that RFC 3986 does not allow in a URI.
const NOT_IN_URI: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`');
/// The characters that RFC 3986 does not allow in a fragment.
const NOT_IN_FRAGMENT: &AsciiSet = &NOT_IN_URI.add(b'#').add(b'%').add(b'[').add(b']').add(b'{').add(b'|').add(b'}');

/// Returns the JSON Pointer to `segments` in URI fragment form, such as `#/attributes/a~1b`. `#` is the whole body.
pub fn json_pointer<S: AsRef<str>>(segments: impl IntoIterator<Item = S>) -> String {
    let mut pointer = String::from("#");
    for segment in segments {
        let escaped = segment.as_ref().replace('~', "~0").replace('/', "~1");
        pointer.push('/');
        pointer.extend(utf8_percent_encode(&escaped, NOT_IN_FRAGMENT));
    }
    pointer
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
