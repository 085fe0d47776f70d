//! Cuts a file into records and reads them in blocks, on a thread of its own. The length of a record is bounded, the
//! size of the file is not.

mod csv;
mod json_array;
mod lines;
mod record;
mod source;

use std::{
    io::{self, Read},
    sync::Arc,
    thread,
};

use tokio::sync::mpsc;

pub(super) use self::record::{Content, Fields, MAX_RECORD_BYTES, Record};
use self::{csv::CsvCutter, json_array::ArrayCutter, source::Source};

/// The maximum number of records and of bytes in a block.
const BLOCK_RECORDS: usize = 1_000;
const BLOCK_BYTES: usize = 4 * 1024 * 1024;
/// The number of blocks that are read ahead.
const QUEUED_BLOCKS: usize = 2;

/// Consecutive records.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) records: Vec<Record>,
    /// The number of its last record, and the byte offset of the end of that record.
    pub(super) last: u64,
    pub(super) end: u64,
}

/// How a file is cut into records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    /// One JSON object per line.
    Lines,
    /// CSV by RFC 4180. The columns are those of the header, or these if the file has no header.
    Csv { columns: Option<&'static [&'static str]> },
    /// One JSON document: an array, or an object with an array in the member `member`.
    Array { member: &'static str },
}

/// A file of users, at its first record.
pub struct Records {
    source: Source,
    cutter: Cutter,
    /// The number of the last record that was cut.
    number: u64,
    /// A record that was cut to look at it.
    first: Option<Record>,
    /// The end of the last block.
    reported: u64,
}

enum Cutter {
    Lines,
    Csv(CsvCutter),
    Array(ArrayCutter),
}

impl Records {
    /// Reads the lines of a file. `source` is positioned after the first `line` lines, which have `bytes` bytes.
    #[must_use]
    pub fn lines(source: Box<dyn Read + Send>, line: u64, bytes: u64) -> Self {
        Self { source: Source::new(source, bytes), cutter: Cutter::Lines, number: line, first: None, reported: bytes }
    }

    /// Reads a file from its beginning. `choose` gets its first bytes, without a byte order mark and white space.
    pub(super) fn open(
        source: Box<dyn Read + Send>,
        choose: impl FnOnce(&[u8]) -> Result<Container, String>,
    ) -> io::Result<Result<Self, String>> {
        let mut source = Source::new(source, 0);
        if source.peek(3)?.starts_with(b"\xef\xbb\xbf") {
            source.consume(3);
        }
        source.skip_white_space()?;
        let container = match choose(source.peek(64)?) {
            Ok(container) => container,
            Err(reason) => return Ok(Err(reason)),
        };
        let cutter = match container {
            Container::Lines => Cutter::Lines,
            Container::Csv { columns } => Cutter::Csv(CsvCutter::new(&mut source, columns)?),
            Container::Array { member } => Cutter::Array(ArrayCutter::new(&mut source, member)?),
        };
        Ok(Ok(Self { source, cutter, number: 0, first: None, reported: 0 }))
    }

    /// Returns the columns of a CSV file.
    pub(super) fn columns(&self) -> Option<&Arc<[String]>> {
        match &self.cutter {
            Cutter::Csv(cutter) => Some(&cutter.columns),
            _ => None,
        }
    }

    /// Returns the first record that is not blank, if there is one. It will be read again.
    pub(super) fn peek(&mut self) -> io::Result<Option<&Record>> {
        while self.first.is_none() {
            match self.cut()? {
                Cut::Record(record) => self.first = Some(record),
                Cut::Blank => {}
                Cut::End => break,
            }
        }
        Ok(self.first.as_ref())
    }

    /// Starts the thread that reads the blocks.
    pub(super) fn read(mut self) -> mpsc::Receiver<io::Result<Block>> {
        let (sender, receiver) = mpsc::channel(QUEUED_BLOCKS);
        thread::spawn(move || {
            while let Some(block) = self.next_block().transpose() {
                let failed = block.is_err();
                if sender.blocking_send(block).is_err() || failed {
                    return;
                }
            }
        });
        receiver
    }

    fn next_block(&mut self) -> io::Result<Option<Block>> {
        let (mut records, mut size, mut count) = (Vec::new(), 0, 0);
        while count < BLOCK_RECORDS && size < BLOCK_BYTES {
            let cut = match self.first.take() {
                Some(first) => Cut::Record(first),
                None => self.cut()?,
            };
            match cut {
                Cut::Record(record) => {
                    size += record.content.size();
                    records.push(record);
                }
                Cut::Blank => {}
                Cut::End => break,
            }
            count += 1;
        }
        // What follows the last record may be a block without records.
        let end = self.source.offset;
        let is_block = count > 0 || end > self.reported;
        self.reported = end;
        Ok(is_block.then_some(Block { records, last: self.number, end }))
    }

    fn cut(&mut self) -> io::Result<Cut> {
        let content = match &mut self.cutter {
            Cutter::Lines => match lines::cut(&mut self.source, self.number == 0)? {
                None => return Ok(Cut::End),
                Some(content) => content,
            },
            Cutter::Csv(cutter) => match cutter.cut(&mut self.source)? {
                None => return Ok(Cut::End),
                content => content,
            },
            Cutter::Array(cutter) => match cutter.cut(&mut self.source)? {
                None => return Ok(Cut::End),
                content => content,
            },
        };
        self.number += 1;
        Ok(content.map_or(Cut::Blank, |content| Cut::Record(Record { number: self.number, content })))
    }
}

/// The result of reading on.
enum Cut {
    Record(Record),
    /// A blank line, which counts.
    Blank,
    End,
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Gives its bytes in pieces of a few bytes.
    pub(in crate::usecase::import) struct Trickle(pub(in crate::usecase::import) Vec<u8>, usize);

    impl Read for Trickle {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let piece = into.len().min(7).min(self.0.len() - self.1);
            into[..piece].copy_from_slice(&self.0[self.1..self.1 + piece]);
            self.1 += piece;
            Ok(piece)
        }
    }

    pub(in crate::usecase::import) fn trickle(text: &[u8]) -> Box<dyn Read + Send> {
        Box::new(Trickle(text.to_vec(), 0))
    }

    pub(super) fn blocks(mut records: Records) -> io::Result<Vec<Block>> {
        std::iter::from_fn(|| records.next_block().transpose()).collect()
    }

    pub(super) fn contents(text: &[u8], container: Container) -> io::Result<Vec<Content>> {
        let records = Records::open(trickle(text), |_| Ok(container))?.expect("the container is chosen");
        let blocks = blocks(records)?;
        assert_eq!(blocks.last().map_or(0, |block| block.end), text.len() as u64);
        let numbers: Vec<u64> = blocks.iter().flat_map(|block| &block.records).map(|record| record.number).collect();
        assert!(numbers.iter().copied().eq(1..=numbers.len() as u64));
        Ok(blocks.into_iter().flat_map(|block| block.records).map(|record| record.content).collect())
    }

    #[test]
    fn the_first_record_can_be_looked_at_and_is_read_again() {
        let mut records = Records::open(trickle(b"\xef\xbb\xbf\n [1, 2]"), |first| {
            assert!(first.starts_with(b"["), "{first:?}");
            Ok(Container::Array { member: "users" })
        })
        .unwrap()
        .unwrap();
        assert_eq!(records.peek().unwrap().unwrap().content, Content::Json(b"1".to_vec()));
        let blocks = blocks(records).unwrap();
        let numbers: Vec<u64> = blocks[0].records.iter().map(|record| record.number).collect();
        assert_eq!((numbers, blocks[0].last), (vec![1, 2], 2));
    }

    #[test]
    fn a_file_that_is_not_accepted_is_not_cut() {
        let refused = Records::open(trickle(b"anything"), |_| Err("no".to_owned())).unwrap();
        assert_eq!(refused.err().as_deref(), Some("no"));
    }
}
