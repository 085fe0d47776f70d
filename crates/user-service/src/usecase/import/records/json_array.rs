//! Cuts the elements of an array out of one JSON document: the document is the array, or an object that has it in a
//! member. Elements are not parsed, only their ends are found. Other members of the object are skipped.

use std::io;

use super::{
    record::Content,
    source::{Kept, Source},
};

/// The maximum depth of a value that is skipped or cut.
const MAX_DEPTH: usize = 256;
/// The maximum length of the name of a member of the document, as it is written.
const MAX_NAME_BYTES: usize = 1024;

pub(super) struct ArrayCutter {
    /// The array is in this member of the document. `None` if it is the document.
    member: Option<&'static str>,
    position: Position,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    /// Before the first element, or the end of the array.
    First,
    /// Before a comma, or the end of the array.
    AfterElement,
    End,
}

impl ArrayCutter {
    /// Reads to the first element.
    pub(super) fn new(source: &mut Source, member: &'static str) -> io::Result<Self> {
        let no_array = || io::Error::new(io::ErrorKind::InvalidData, format!("the document has no array `{member}`"));
        let member = match next_byte(source)? {
            b'[' => None,
            b'{' => {
                let mut is_first = true;
                loop {
                    match next_member(source, is_first)? {
                        None => return Err(no_array()),
                        Some(name) if name == member => break,
                        Some(_) => cut_value(source, None)?,
                    }
                    is_first = false;
                }
                if next_byte(source)? != b'[' {
                    return Err(no_array());
                }
                Some(member)
            }
            _ => return Err(source.malformed("this is no JSON document with an array")),
        };
        Ok(Self { member, position: Position::First })
    }

    /// Reads an element. Returns `None` at the end of the document.
    pub(super) fn cut(&mut self, source: &mut Source) -> io::Result<Option<Content>> {
        match self.position {
            Position::End => return Ok(None),
            Position::First => {
                if peek_byte(source)? == b']' {
                    source.consume(1);
                    return self.end(source);
                }
            }
            Position::AfterElement => match next_byte(source)? {
                b',' => {}
                b']' => return self.end(source),
                _ => return Err(source.malformed("the array has no comma between two elements")),
            },
        }
        let mut kept = Kept::default();
        cut_value(source, Some(&mut kept))?;
        self.position = Position::AfterElement;
        Ok(Some(if kept.too_long { Content::TooLong } else { Content::Json(kept.bytes) }))
    }

    /// Reads what follows the array.
    fn end(&mut self, source: &mut Source) -> io::Result<Option<Content>> {
        if let Some(member) = self.member {
            while let Some(name) = next_member(source, false)? {
                if name == member {
                    return Err(source.malformed(&format!("the document has `{member}` twice")));
                }
                cut_value(source, None)?;
            }
        }
        source.skip_white_space()?;
        if !source.fill()?.is_empty() {
            return Err(source.malformed("there is more after the end of the JSON document"));
        }
        self.position = Position::End;
        Ok(None)
    }
}

/// Reads the name of the next member and its colon. Returns `None` at the end of the object.
fn next_member(source: &mut Source, is_first: bool) -> io::Result<Option<String>> {
    match peek_byte(source)? {
        b'}' => {
            source.consume(1);
            return Ok(None);
        }
        b',' if !is_first => source.consume(1),
        _ if is_first => {}
        _ => return Err(source.malformed("the object has no comma between two members")),
    }
    if peek_byte(source)? != b'"' {
        return Err(source.malformed("the object has a member without a name"));
    }
    let mut name = Kept::default();
    cut_value(source, Some(&mut name))?;
    let name = Some(name.bytes).filter(|name| name.len() <= MAX_NAME_BYTES);
    let name = name.and_then(|name| serde_json::from_slice::<String>(&name).ok());
    let name = name.ok_or_else(|| source.malformed("the name of a member is malformed"))?;
    if next_byte(source)? != b':' {
        return Err(source.malformed("the name of a member has no colon after it"));
    }
    Ok(Some(name))
}

/// Reads a value after white space, and keeps it.
fn cut_value(source: &mut Source, mut kept: Option<&mut Kept>) -> io::Result<()> {
    peek_byte(source)?;
    let mut scan = Scan::default();
    loop {
        let bytes = source.fill()?;
        if bytes.is_empty() {
            return match scan.is_scalar {
                true => Ok(()),
                false => Err(source.malformed(CUT_SHORT)),
            };
        }
        let (used, ended) = scan.advance(bytes);
        if let Some(kept) = &mut kept {
            kept.extend(&bytes[..used]);
        }
        source.consume(used);
        match ended {
            Ended::NotYet => {}
            Ended::Yes => return Ok(()),
            Ended::Never(what) => return Err(source.malformed(what)),
        }
    }
}

const CUT_SHORT: &str = "the JSON document is cut short";

/// Finds the end of a value.
#[derive(Default)]
struct Scan {
    /// The closing brackets of the arrays and objects that are open.
    open: Vec<u8>,
    in_string: bool,
    escaped: bool,
    /// Whether the value is a number, or `true`, `false` or `null`: it ends before the next delimiter.
    is_scalar: bool,
}

enum Ended {
    NotYet,
    Yes,
    Never(&'static str),
}

impl Scan {
    /// Reads on, and returns the number of bytes that belong to the value.
    fn advance(&mut self, bytes: &[u8]) -> (usize, Ended) {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if self.in_string {
                if self.escaped {
                    self.escaped = false;
                    at += 1;
                    continue;
                }
                let Some(run) = bytes[at..].iter().position(|byte| matches!(byte, b'"' | b'\\')) else {
                    return (bytes.len(), Ended::NotYet);
                };
                at += run + 1;
                match bytes[at - 1] {
                    b'\\' => self.escaped = true,
                    _ => {
                        self.in_string = false;
                        if self.open.is_empty() {
                            return (at, Ended::Yes);
                        }
                    }
                }
                continue;
            }
            if self.is_scalar {
                if matches!(byte, b',' | b']' | b'}' | b':' | b'"' | b'[' | b'{') || byte.is_ascii_whitespace() {
                    return (at, Ended::Yes);
                }
                at += 1;
                continue;
            }
            at += 1;
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' if self.open.len() == MAX_DEPTH => {
                    return (at, Ended::Never("the JSON document is nested too deeply"));
                }
                b'{' => self.open.push(b'}'),
                b'[' => self.open.push(b']'),
                b'}' | b']' => {
                    if self.open.pop() != Some(*byte) {
                        return (at, Ended::Never("the JSON document has a bracket without its counterpart"));
                    }
                    if self.open.is_empty() {
                        return (at, Ended::Yes);
                    }
                }
                b',' | b':' if self.open.is_empty() => {
                    return (at, Ended::Never("the JSON document lacks a value"));
                }
                _ if self.open.is_empty() => self.is_scalar = true,
                _ => {}
            }
        }
        (at, Ended::NotYet)
    }
}

/// Returns the next byte that is not white space, without reading it.
fn peek_byte(source: &mut Source) -> io::Result<u8> {
    source.skip_white_space()?;
    match source.fill()?.first() {
        Some(byte) => Ok(*byte),
        None => Err(source.malformed(CUT_SHORT)),
    }
}

/// Reads the next byte that is not white space.
fn next_byte(source: &mut Source) -> io::Result<u8> {
    let byte = peek_byte(source)?;
    source.consume(1);
    Ok(byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{
        super::{Container, MAX_RECORD_BYTES, tests::contents},
        *,
    };

    const USERS: Container = Container::Array { member: "users" };

    fn elements(text: &str) -> Vec<String> {
        let text_of = |content| match content {
            Content::Json(text) => String::from_utf8(text).unwrap(),
            other => format!("{other:?}"),
        };
        contents(text.as_bytes(), USERS).unwrap().into_iter().map(text_of).collect()
    }

    fn error(text: &str) -> String {
        contents(text.as_bytes(), USERS).unwrap_err().to_string()
    }

    #[test]
    fn the_elements_of_the_array_are_cut_out_of_the_document() {
        for (text, expected) in [
            (r#"{"users": [{"a": "]},\\\""}, {"b":[{}]}]}"#, vec![r#"{"a": "]},\\\""}"#, r#"{"b":[{}]}"#]),
            (
                r#"{"realm":"x","roles":{"users":[1]},"n":-1.5e3,"t":true,"users":[1,"two",null],"z":[[]]} "#,
                vec!["1", "\"two\"", "null"],
            ),
            ("[ 1 , [2] ]\n", vec!["1", "[2]"]),
            (r#"{"u":"users","\u0075sers":[]}"#, vec![]),
            ("[]", vec![]),
        ] {
            assert_eq!(elements(text), expected, "{text}");
        }
    }

    #[test]
    fn a_document_without_the_array_or_with_a_mistake_is_an_error() {
        for (text, expected) in [
            ("{}", "the document has no array `users`"),
            (r#"{"users":{}}"#, "the document has no array `users`"),
            (r#"{"user":[]}"#, "the document has no array `users`"),
            ("1", "this is no JSON document with an array (at byte 1)"),
            (r#"{"users":[{}"#, "the JSON document is cut short (at byte 12)"),
            (r#"{"users":[{"a"#, "the JSON document is cut short (at byte 13)"),
            (r#"{"users":[]"#, "the JSON document is cut short (at byte 11)"),
            ("[1 2]", "the array has no comma between two elements (at byte 4)"),
            ("[1,]", "the JSON document has a bracket without its counterpart (at byte 4)"),
            ("[{]]", "the JSON document has a bracket without its counterpart (at byte 3)"),
            ("[,1]", "the JSON document lacks a value (at byte 2)"),
            ("[1] 2", "there is more after the end of the JSON document (at byte 4)"),
            (r#"{"users":[],"users":[]}"#, "the document has `users` twice (at byte 20)"),
            (r#"{"a":1 "users":[]}"#, "the object has no comma between two members (at byte 7)"),
            ("{a:1}", "the object has a member without a name (at byte 1)"),
        ] {
            assert_eq!(error(text), expected, "{text}");
        }
        assert!(error(&"[".repeat(1000)).contains("nested too deeply"));
    }

    #[test]
    fn an_element_that_is_too_long_is_not_kept_and_the_next_one_is_read() {
        let long = format!("[\"{}\",1]", "x".repeat(2 * MAX_RECORD_BYTES));
        assert_eq!(elements(&long), ["TooLong", "1"]);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[\\[\\]{}\",:\\\\a ]{0,8}|\\PC{0,5}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map("[a-z\"{\\\\]{0,3}", inner, 0..4)
                    .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_elements_are_those_that_serde_json_reads(
            users in prop::collection::vec(value(), 0..6),
            others in prop::collection::hash_map("[a-t]{1,5}", value(), 0..4),
            pretty in any::<bool>(),
            in_object in any::<bool>(),
        ) {
            let mut document = json!(users);
            if in_object {
                let mut members: serde_json::Map<_, _> = others.into_iter().collect();
                members.insert("users".to_owned(), document);
                document = members.into();
            }
            let text = if pretty { format!("{document:#}") } else { document.to_string() };
            let read: Vec<Value> = elements(&text).iter().map(|element| serde_json::from_str(element).unwrap()).collect();
            prop_assert_eq!(read, users);
        }

        /// A document that serde_json accepts is cut in the same way.
        #[test]
        fn a_damaged_document_that_is_still_json_is_read_as_serde_json_reads_it(
            users in prop::collection::vec(value(), 0..4),
            at in any::<prop::sample::Index>(),
            byte in prop_oneof![Just(None), "[\\[\\]{}\",:\\\\ 0]".prop_map(|text| text.bytes().next())],
        ) {
            let mut text = json!({ "a": 1, "users": users }).to_string().into_bytes();
            let at = at.index(text.len());
            match byte {
                Some(byte) => text[at] = byte,
                None => text.truncate(at),
            }
            let cut = contents(&text, USERS);
            if let Ok(Value::Object(document)) = serde_json::from_slice(&text)
                && let Some(Value::Array(expected)) = document.get("users")
            {
                let cut = cut.expect("the document is JSON");
                let read: Vec<Value> = cut.iter().map(|content| match content {
                    Content::Json(text) => serde_json::from_slice(text).unwrap(),
                    other => panic!("{other:?}"),
                }).collect();
                prop_assert_eq!(&read, expected);
            }
        }
    }
}
