//! Reads a file and counts its bytes.

use std::io::{self, BufRead, BufReader, Read};

use super::record::MAX_RECORD_BYTES;

const BUFFER_BYTES: usize = 256 * 1024;

/// The file, with the number of bytes before the current position.
pub(super) struct Source {
    reader: BufReader<Box<dyn Read + Send>>,
    pub(super) offset: u64,
}

impl Source {
    pub(super) fn new(source: Box<dyn Read + Send>, offset: u64) -> Self {
        Self { reader: BufReader::with_capacity(BUFFER_BYTES, source), offset }
    }

    /// Returns the next bytes, or none at the end of the file.
    pub(super) fn fill(&mut self) -> io::Result<&[u8]> {
        loop {
            match self.reader.fill_buf() {
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.reader.buffer())
    }

    /// Returns at most `count` of the next bytes, fewer only if the source gives fewer at once.
    pub(super) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        let bytes = self.fill()?;
        Ok(&bytes[..bytes.len().min(count)])
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.reader.consume(count);
        self.offset += count as u64;
    }

    pub(super) fn skip_white_space(&mut self) -> io::Result<()> {
        loop {
            let bytes = self.fill()?;
            let blank = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let more = blank > 0 && blank == bytes.len();
            self.consume(blank);
            if !more {
                return Ok(());
            }
        }
    }

    /// Returns the error of a file that is not what it should be.
    pub(super) fn malformed(&self, what: &str) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, format!("{what} (at byte {})", self.offset))
    }
}

/// The beginning of a record, up to the maximum length.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) bytes: Vec<u8>,
    pub(super) too_long: bool,
}

impl Kept {
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        let room = MAX_RECORD_BYTES.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.too_long |= bytes.len() > room;
    }
}
