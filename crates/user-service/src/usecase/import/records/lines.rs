//! Reads the lines of a file in blocks, on a thread of its own. The length of a line is bounded, the size of the file
//! is not.

use std::{
    io::{self, BufRead, BufReader, Read},
    thread,
};

use tokio::sync::mpsc;

/// The maximum length of a line. Attributes are at most 16 KiB, and JSON may write each of their characters as six.
pub(in crate::usecase::import) const MAX_LINE_BYTES: usize = 128 * 1024;
/// The maximum number of lines and of bytes in a block.
const BLOCK_LINES: usize = 1_000;
const BLOCK_BYTES: usize = 4 * 1024 * 1024;
/// The number of blocks that are read ahead.
const QUEUED_BLOCKS: usize = 2;

/// Consecutive lines.
#[derive(Debug)]
pub(in crate::usecase::import) struct Block {
    pub(in crate::usecase::import) lines: Vec<Line>,
    /// The number of its last line, and the byte offset of the next line.
    pub(in crate::usecase::import) last_line: u64,
    pub(in crate::usecase::import) end: u64,
}

/// A line that is not blank. `text` is `None` if the line is too long.
#[derive(Debug)]
pub(in crate::usecase::import) struct Line {
    /// The line number, starting at 1.
    pub(in crate::usecase::import) number: u64,
    pub(in crate::usecase::import) text: Option<Vec<u8>>,
}

/// Starts the thread. `at` is the position of `source`: the number of lines and bytes before it.
pub(in crate::usecase::import) fn read(
    source: Box<dyn Read + Send>,
    at: (u64, u64),
) -> mpsc::Receiver<io::Result<Block>> {
    let (sender, receiver) = mpsc::channel(QUEUED_BLOCKS);
    thread::spawn(move || {
        let mut blocks = Blocks { source: BufReader::with_capacity(256 * 1024, source), line: at.0, byte: at.1 };
        while let Some(block) = blocks.next().transpose() {
            let failed = block.is_err();
            if sender.blocking_send(block).is_err() || failed {
                return;
            }
        }
    });
    receiver
}

struct Blocks<R> {
    source: R,
    line: u64,
    byte: u64,
}

impl<R: BufRead> Blocks<R> {
    fn next(&mut self) -> io::Result<Option<Block>> {
        let (mut lines, mut size, first) = (Vec::new(), 0, self.line);
        while self.line - first < BLOCK_LINES as u64 && size < BLOCK_BYTES {
            let mut text = Vec::new();
            let length = read_line(&mut self.source, &mut text)?;
            if length == 0 {
                break;
            }
            self.line += 1;
            self.byte += length;
            // Some editors write a byte order mark at the beginning of a file.
            if self.line == 1 && text.starts_with(b"\xef\xbb\xbf") {
                text.drain(..3);
            }
            let fits = length <= MAX_LINE_BYTES as u64;
            if !fits || !text.trim_ascii().is_empty() {
                size += text.len();
                lines.push(Line { number: self.line, text: fits.then_some(text) });
            }
        }
        Ok((self.line > first).then_some(Block { lines, last_line: self.line, end: self.byte }))
    }
}

/// Reads to the end of a line and keeps at most the maximum length. Returns the length of the line with its line break,
/// and 0 at the end of the file.
fn read_line(source: &mut impl BufRead, text: &mut Vec<u8>) -> io::Result<u64> {
    let mut length = 0;
    loop {
        let read = match source.fill_buf() {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let (part, ends) = match read.iter().position(|byte| *byte == b'\n') {
            Some(at) => (&read[..=at], true),
            None => (read, read.is_empty()),
        };
        let room = MAX_LINE_BYTES.saturating_sub(text.len());
        text.extend_from_slice(&part[..part.len().min(room)]);
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
    use super::*;

    fn blocks(text: &[u8]) -> Vec<Block> {
        let mut blocks = Blocks { source: BufReader::with_capacity(7, text), line: 0, byte: 0 };
        std::iter::from_fn(|| blocks.next().unwrap()).collect()
    }

    fn numbers(block: &Block) -> Vec<u64> {
        block.lines.iter().map(|line| line.number).collect()
    }

    #[test]
    fn blank_lines_are_counted_and_skipped() {
        let [block] = blocks(b"\xef\xbb\xbfone\n\n \r\nfour\r\nfive").try_into().unwrap();
        assert_eq!(numbers(&block), [1, 4, 5]);
        assert_eq!(block.lines[0].text.as_deref(), Some(&b"one\n"[..]));
        assert_eq!((block.last_line, block.end), (5, 21));
        assert!(blocks(b"").is_empty());
    }

    #[test]
    fn a_line_that_is_too_long_is_not_kept_and_the_next_one_is_read() {
        let mut text = vec![b'x'; 3 * MAX_LINE_BYTES];
        text.extend_from_slice(b"\nnext\n");
        let [block] = blocks(&text).try_into().unwrap();
        assert!(block.lines[0].text.is_none());
        assert_eq!(block.lines[1].text.as_deref(), Some(&b"next\n"[..]));
        assert_eq!(block.end, text.len() as u64);
        let longest = vec![b'x'; MAX_LINE_BYTES];
        assert!(blocks(&longest)[0].lines[0].text.is_some());
    }

    #[test]
    fn blocks_are_bounded() {
        let blocks = blocks(&b"a\n".repeat(2 * BLOCK_LINES + 1));
        assert_eq!(blocks.iter().map(|block| block.last_line).collect::<Vec<_>>(), [1000, 2000, 2001]);
        assert_eq!(blocks[1].end, 4000);
    }
}
