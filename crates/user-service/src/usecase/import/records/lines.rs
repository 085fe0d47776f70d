//! Cuts a file into lines.

use std::io;

use super::{
    record::{Content, MAX_RECORD_BYTES},
    source::{Kept, Source},
};

/// Reads a line. Returns `None` at the end of the file, and `Some(None)` for a blank line.
pub(super) fn cut(source: &mut Source, is_first: bool) -> io::Result<Option<Option<Content>>> {
    let mut kept = Kept::default();
    let length = read_line(source, &mut kept)?;
    if length == 0 {
        return Ok(None);
    }
    let mut text = kept.bytes;
    // Some editors write a byte order mark at the beginning of a file.
    if is_first && text.starts_with(b"\xef\xbb\xbf") {
        text.drain(..3);
    }
    if length > MAX_RECORD_BYTES as u64 {
        return Ok(Some(Some(Content::TooLong)));
    }
    Ok(Some((!text.trim_ascii().is_empty()).then_some(Content::Json(text))))
}

/// Reads to the end of a line and keeps at most the maximum length. Returns the length of the line with its line break,
/// and 0 at the end of the file.
fn read_line(source: &mut Source, kept: &mut Kept) -> io::Result<u64> {
    let mut length = 0;
    loop {
        let read = source.fill()?;
        let (part, ends) = match read.iter().position(|byte| *byte == b'\n') {
            Some(at) => (&read[..=at], true),
            None => (read, read.is_empty()),
        };
        kept.extend(part);
        let used = part.len();
        length += used as u64;
        source.consume(used);
        if ends {
            return Ok(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{BLOCK_RECORDS, Block, Records, tests},
        *,
    };

    fn blocks(text: &[u8]) -> Vec<Block> {
        tests::blocks(Records::lines(tests::trickle(text), 0, 0)).unwrap()
    }

    fn numbers(block: &Block) -> Vec<u64> {
        block.records.iter().map(|record| record.number).collect()
    }

    #[test]
    fn blank_lines_are_counted_and_skipped() {
        let [block] = blocks(b"\xef\xbb\xbfone\n\n \r\nfour\r\nfive").try_into().unwrap();
        assert_eq!(numbers(&block), [1, 4, 5]);
        assert_eq!(block.records[0].content, Content::Json(b"one\n".to_vec()));
        assert_eq!((block.last, block.end), (5, 21));
        assert!(blocks(b"").is_empty());
    }

    #[test]
    fn a_line_that_is_too_long_is_not_kept_and_the_next_one_is_read() {
        let mut text = vec![b'x'; 3 * MAX_RECORD_BYTES];
        text.extend_from_slice(b"\nnext\n");
        let [block] = blocks(&text).try_into().unwrap();
        assert_eq!(block.records[0].content, Content::TooLong);
        assert_eq!(block.records[1].content, Content::Json(b"next\n".to_vec()));
        assert_eq!(block.end, text.len() as u64);
        let longest = vec![b'x'; MAX_RECORD_BYTES];
        assert_eq!(blocks(&longest)[0].records[0].content, Content::Json(longest));
    }

    #[test]
    fn blocks_are_bounded() {
        let blocks = blocks(&b"a\n".repeat(2 * BLOCK_RECORDS + 1));
        assert_eq!(blocks.iter().map(|block| block.last).collect::<Vec<_>>(), [1000, 2000, 2001]);
        assert_eq!(blocks[1].end, 4000);
    }
}
