//! The W3C Trace Context `traceparent`, which is passed from request to event.

use std::fmt;

/// A valid `traceparent` (W3C Trace Context, version 00).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TraceParent(String);

/// The length of a `traceparent` of version 00, in bytes.
const LENGTH: usize = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".len();

impl TraceParent {
    /// Parses a header's value. Returns `None` if it is invalid: the specification requires treating
    /// an invalid value as absent. For a later version, the part that version 00 defines is read
    /// and kept as version 00.
    pub fn parse(text: &str) -> Option<TraceParent> {
        let fields = text.get(..LENGTH)?;
        let version = hex_field(fields, 0, 2)?;
        let has_later_fields = version != "00" && text[LENGTH..].starts_with('-');
        if version == "ff" || !(text.len() == LENGTH || has_later_fields) {
            return None;
        }
        let trace_id = hex_field(fields, 3, 32)?;
        let parent_id = hex_field(fields, 36, 16)?;
        let flags = hex_field(fields, 53, 2)?;
        let dashes = [2, 35, 52].iter().all(|at| fields.as_bytes()[*at] == b'-');
        if !dashes || all_zero(trace_id) || all_zero(parent_id) {
            return None;
        }
        Some(TraceParent(format!("00-{trace_id}-{parent_id}-{flags}")))
    }

    /// Starts a new, sampled trace from 24 random bytes.
    pub fn generate(random: [u8; 24]) -> TraceParent {
        let (trace_id, parent_id) = random.split_at(16);
        TraceParent(format!("00-{}-{}-01", non_zero_hex(trace_id), non_zero_hex(parent_id)))
    }

    /// Returns the same trace with a new parent span from 8 random bytes.
    #[must_use]
    pub fn child(&self, random: [u8; 8]) -> TraceParent {
        TraceParent(format!("00-{}-{}-{}", self.trace_id(), non_zero_hex(&random), &self.0[53..]))
    }

    /// Returns the header's value.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the trace's id: 32 hex digits in lower case.
    pub fn trace_id(&self) -> &str {
        &self.0[3..35]
    }
}

/// Returns `length` hex digits at `at`. The specification requires lower case.
fn hex_field(text: &str, at: usize, length: usize) -> Option<&str> {
    let field = text.get(at..at + length)?;
    let is_hex = field.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    is_hex.then_some(field)
}

fn all_zero(hex: &str) -> bool {
    hex.bytes().all(|b| b == b'0')
}

/// Returns the bytes in hex, but never all zeros, which is an invalid id.
fn non_zero_hex(bytes: &[u8]) -> String {
    let hex = hex::encode(bytes);
    if all_zero(&hex) { format!("{}1", &hex[1..]) } else { hex }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceParent({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn the_specifications_example_is_kept_as_it_is() {
        let parsed = TraceParent::parse(VALID).expect("a valid trace parent");
        assert_eq!(parsed.as_str(), VALID);
        assert_eq!(parsed.trace_id(), "0af7651916cd43dd8448eb211c80319c");
    }

    #[test]
    fn a_later_version_is_read_as_far_as_version_00_goes() {
        let later = format!("cc{}-what-comes-later", &VALID[2..]);
        assert_eq!(TraceParent::parse(&later).expect("a later version can be read").as_str(), VALID);
    }

    #[test]
    fn an_invalid_value_is_none() {
        for text in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.more",
            "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
            "üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü",
            " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(TraceParent::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_generated_value_is_valid_even_from_zeros() {
        for random in [[0; 24], [0xab; 24]] {
            let generated = TraceParent::generate(random);
            assert_eq!(TraceParent::parse(generated.as_str()), Some(generated));
        }
    }

    #[test]
    fn a_child_stays_in_its_trace() {
        let parent = TraceParent::parse(VALID).expect("a valid trace parent");
        let child = parent.child([7; 8]);
        assert_eq!(child.as_str(), "00-0af7651916cd43dd8448eb211c80319c-0707070707070707-01");
    }
}
