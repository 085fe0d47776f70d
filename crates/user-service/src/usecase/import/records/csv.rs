//! Cuts a CSV file (RFC 4180) into records. A quote inside a field that does not begin with one is a part of the field,
//! because some systems write names in that way. A lone line feed also ends a record. Blank lines are skipped.

use std::{io, sync::Arc};

use super::{
    record::{Content, Fields, MAX_RECORD_BYTES},
    source::Source,
};

/// The maximum number of fields of a record.
const MAX_FIELDS: usize = 1_000;

pub(super) struct CsvCutter {
    pub(super) columns: Arc<[String]>,
}

/// The position within a record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    FieldStart,
    Bare,
    Quoted,
    /// After a quote inside a quoted field: it ends the field, or is the first of two.
    QuoteSeen,
}

/// A record while it is cut.
struct Draft {
    values: Vec<Vec<u8>>,
    size: usize,
    too_long: bool,
    misplaced_quote: bool,
}

impl CsvCutter {
    /// Reads the header, unless the columns are given.
    pub(super) fn new(source: &mut Source, columns: Option<&[&str]>) -> io::Result<Self> {
        if let Some(columns) = columns {
            return Ok(Self { columns: columns.iter().map(|name| (*name).to_owned()).collect() });
        }
        let draft = cut(source)?.ok_or_else(|| source.malformed("the file is empty"))?;
        let names = match draft {
            Draft { values, too_long: false, misplaced_quote: false, .. } => {
                values.into_iter().map(String::from_utf8).collect::<Result<Vec<_>, _>>().ok()
            }
            _ => None,
        };
        let names = names.ok_or_else(|| source.malformed("the first line is no header of a CSV file in UTF-8"))?;
        Ok(Self { columns: names.into_iter().map(|name| name.trim().to_owned()).collect() })
    }

    /// Reads a record. Returns `None` at the end of the file.
    pub(super) fn cut(&self, source: &mut Source) -> io::Result<Option<Content>> {
        Ok(cut(source)?.map(|draft| match draft {
            Draft { too_long: true, .. } => Content::TooLong,
            Draft { misplaced_quote: true, .. } => Content::MisplacedQuote,
            Draft { values, .. } => Content::Csv(Fields { columns: Arc::clone(&self.columns), values }),
        }))
    }
}

fn cut(source: &mut Source) -> io::Result<Option<Draft>> {
    loop {
        let Some(draft) = cut_line(source)? else { return Ok(None) };
        let is_blank = matches!(draft.values.as_slice(), [only] if only.is_empty());
        if !is_blank || draft.too_long || draft.misplaced_quote {
            return Ok(Some(draft));
        }
    }
}

/// Reads a record, which may be blank.
fn cut_line(source: &mut Source) -> io::Result<Option<Draft>> {
    let mut draft = Draft { values: Vec::new(), size: 0, too_long: false, misplaced_quote: false };
    let (mut state, mut field, mut begun, mut quoted) = (State::FieldStart, Vec::new(), false, false);
    loop {
        let bytes = source.fill()?;
        if bytes.is_empty() {
            if state == State::Quoted {
                return Err(source.malformed("the file ends inside a quoted field"));
            }
            if !begun {
                return Ok(None);
            }
            draft.end_field(&mut field, quoted);
            return Ok(Some(draft));
        }
        begun = true;
        let (mut at, mut ended) = (0, false);
        while at < bytes.len() && !ended {
            // The run of bytes that have no meaning in this state.
            let rest = &bytes[at..];
            let run = match state {
                State::Quoted => rest.iter().position(|byte| *byte == b'"'),
                State::Bare => rest.iter().position(|byte| matches!(byte, b',' | b'\n')),
                State::FieldStart | State::QuoteSeen => Some(0),
            };
            let run = run.unwrap_or(rest.len());
            draft.keep(&mut field, &rest[..run]);
            at += run;
            let Some(byte) = bytes.get(at) else { break };
            at += 1;
            state = match (state, byte) {
                (State::Quoted, _) => State::QuoteSeen,
                (State::QuoteSeen, b'"') => {
                    draft.keep(&mut field, b"\"");
                    State::Quoted
                }
                (State::FieldStart, b'"') => {
                    quoted = true;
                    State::Quoted
                }
                (_, b',' | b'\n') => {
                    ended = *byte == b'\n';
                    draft.end_field(&mut field, quoted && state == State::QuoteSeen);
                    quoted = false;
                    State::FieldStart
                }
                (State::QuoteSeen, b'\r') => State::QuoteSeen,
                (State::QuoteSeen, _) => {
                    draft.misplaced_quote = true;
                    State::Bare
                }
                (State::FieldStart | State::Bare, _) => {
                    draft.keep(&mut field, &[*byte]);
                    State::Bare
                }
            };
        }
        source.consume(at);
        if ended {
            return Ok(Some(draft));
        }
    }
}

impl Draft {
    fn keep(&mut self, field: &mut Vec<u8>, bytes: &[u8]) {
        self.size += bytes.len();
        self.too_long |= self.size > MAX_RECORD_BYTES;
        if !self.too_long {
            field.extend_from_slice(bytes);
        }
    }

    fn end_field(&mut self, field: &mut Vec<u8>, quoted: bool) {
        // The carriage return of the line break after a field without quotes.
        if !quoted && field.last() == Some(&b'\r') {
            field.pop();
        }
        self.too_long |= self.values.len() >= MAX_FIELDS;
        if !self.too_long {
            self.values.push(std::mem::take(field));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{Container, tests::contents},
        *,
    };

    const CSV: Container = Container::Csv { columns: None };

    fn records(text: &[u8]) -> Vec<Vec<String>> {
        let of = |content| match content {
            Content::Csv(fields) => fields.values.into_iter().map(|value| String::from_utf8(value).unwrap()).collect(),
            other => vec![format!("{other:?}")],
        };
        contents(text, CSV).unwrap().into_iter().map(of).collect()
    }

    #[test]
    fn quoted_fields_may_have_commas_quotes_and_line_breaks() {
        let text = b"a,b\r\n\"1,\"\"x\"\"\r\n2\",\"\"\r\n\r\n , \"y\" z\n\"\",5\" wide\nlast,";
        assert_eq!(
            records(text),
            [["1,\"x\"\r\n2", ""], [" ", " \"y\" z"], ["", "5\" wide"], ["last", ""]]
                .map(|record| record.map(str::to_owned).to_vec())
        );
    }

    #[test]
    fn a_record_that_cannot_be_read_is_marked_and_the_next_one_is_read() {
        assert_eq!(records(b"a\n\"x\" y\nz\n"), [["MisplacedQuote"], ["z"]]);
        let long = [b"a\n".as_slice(), &vec![b'x'; 2 * MAX_RECORD_BYTES], b"\nz"].concat();
        assert_eq!(records(&long), [["TooLong"], ["z"]]);
        let wide = [b"a\n".as_slice(), &vec![b','; 2 * MAX_FIELDS], b"\nz"].concat();
        assert_eq!(records(&wide), [["TooLong"], ["z"]]);
    }

    #[test]
    fn a_file_that_ends_inside_quotes_is_an_error() {
        let error = contents(b"a\n1\n\"2\n3", CSV).unwrap_err();
        assert_eq!(error.to_string(), "the file ends inside a quoted field (at byte 8)");
        assert!(contents(b"", CSV).unwrap_err().to_string().contains("the file is empty"));
        assert!(contents(b"\"\xff\"\n", CSV).unwrap_err().to_string().contains("no header"));
    }

    proptest! {
        #[test]
        fn what_a_writer_of_rfc_4180_writes_is_read_back(
            rows in prop::collection::vec(prop::collection::vec(("[a-z\",\r\n ]{0,12}|\\PC{0,4}", any::<bool>()), 2..4), 0..6),
            line_break in prop_oneof![Just("\n"), Just("\r\n")],
        ) {
            let write = |(value, quoted): &(String, bool)| {
                let must = value.contains(['"', ',', '\r', '\n']);
                if must || *quoted { format!("\"{}\"", value.replace('"', "\"\"")) } else { value.clone() }
            };
            let lines: Vec<String> = rows.iter().map(|row| row.iter().map(write).collect::<Vec<_>>().join(",")).collect();
            let text = format!("header{line_break}{}{line_break}", lines.join(line_break));
            let expected: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|(value, _)| value.clone()).collect()).collect();
            prop_assert_eq!(records(text.as_bytes()), expected);
        }

        #[test]
        fn any_bytes_are_cut_completely(text in prop::collection::vec(prop_oneof![Just(b','), Just(b'"'), Just(b'\n'), Just(b'\r'), any::<u8>()], 0..60)) {
            // Each record and the header end at most once at a line break.
            if let Ok(records) = contents(&text, CSV) {
                prop_assert!(records.len() <= text.iter().filter(|byte| **byte == b'\n').count());
            }
        }
    }
}
