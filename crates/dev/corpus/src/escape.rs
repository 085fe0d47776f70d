//! The notation of an input in one line.

/// The maximum length of a repetition `\(n|…)`, in bytes.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Returns the input that a line represents. A backslash begins an escape: `\n`, `\r`, `\t`, `\0`, `\\`,
/// `\'`, `\"`, `\xff`, and `\(1000|ab)` for `ab` repeated 1,000 times. All other bytes represent
/// themselves.
///
/// # Errors
/// Returns a message if the line is invalid.
pub fn unescape(line: &[u8]) -> Result<Vec<u8>, &'static str> {
    let (mut input, mut rest) = (Vec::with_capacity(line.len()), line);
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'\\' {
            input.push(*first);
            continue;
        }
        let (escape, behind) = rest.split_first().ok_or("a backslash at the end")?;
        rest = behind;
        match escape {
            b'n' => input.push(b'\n'),
            b'r' => input.push(b'\r'),
            b't' => input.push(b'\t'),
            b'0' => input.push(0),
            b'\\' | b'\'' | b'"' => input.push(*escape),
            b'x' => {
                let (digits, behind) = rest.split_at_checked(2).ok_or("\\x without two digits")?;
                let digits = std::str::from_utf8(digits).map_err(|_| "\\x without two digits")?;
                input.push(u8::from_str_radix(digits, 16).map_err(|_| "\\x without two digits")?);
                rest = behind;
            }
            b'(' => {
                let end = rest.iter().position(|byte| *byte == b')').ok_or("a repetition without an end")?;
                let (times, part) = parse_repetition(&rest[..end]).ok_or("a repetition that is not \\(n|part)")?;
                if times.saturating_mul(part.len()) > MAX_BYTES {
                    return Err("a repetition that is too long");
                }
                input.extend(part.repeat(times));
                rest = &rest[end + 1..];
            }
            _ => return Err("an unknown escape"),
        }
    }
    Ok(input)
}

/// Returns the line that represents an input.
#[must_use]
pub fn escape(input: &[u8]) -> String {
    let mut line = String::with_capacity(input.len());
    let push = |line: &mut String, text: &str| {
        for c in text.chars() {
            match c {
                '\\' => line.push_str("\\\\"),
                '\n' => line.push_str("\\n"),
                '\r' => line.push_str("\\r"),
                '\t' => line.push_str("\\t"),
                '#' if line.is_empty() => line.push_str("\\x23"),
                // Characters that an editor does not show are written as bytes.
                c if c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{feff}') => {
                    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                        line.push_str(&format!("\\x{byte:02x}"));
                    }
                }
                c => line.push(c),
            }
        }
    };
    for chunk in input.utf8_chunks() {
        push(&mut line, chunk.valid());
        for byte in chunk.invalid() {
            line.push_str(&format!("\\x{byte:02x}"));
        }
    }
    line
}

fn parse_repetition(text: &[u8]) -> Option<(usize, Vec<u8>)> {
    let bar = text.iter().position(|byte| *byte == b'|')?;
    let times = std::str::from_utf8(&text[..bar]).ok()?.parse().ok()?;
    Some((times, unescape(&text[bar + 1..]).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_invalid_line_is_refused() {
        for line in ["\\", "\\q", "\\x4", "\\xzz", "\\(3", "\\(3x)", "\\(x|y)", "\\(9999999|ab)"] {
            assert!(unescape(line.as_bytes()).is_err(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn escaping_is_reversible(input in any::<Vec<u8>>(), text in any::<String>()) {
            for input in [input.as_slice(), text.as_bytes()] {
                let line = escape(input);
                prop_assert!(!line.contains('\n') && !line.starts_with("# "));
                let again = unescape(line.as_bytes());
                prop_assert_eq!(again.as_deref(), Ok(input));
            }
        }
    }
}
