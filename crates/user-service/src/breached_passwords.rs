//! Looks up passwords in a local, sorted file of SHA-1 hashes of breached passwords. A lookup takes about 40 small
//! reads and no network request.
//!
//! The file has one of two formats, which are distinguished by its content:
//!
//! - text, as in "Have I Been Pwned": one line for each hash, with 40 hexadecimal digits and an optional `:COUNT`, and
//!   with LF or CRLF as line end;
//! - binary: hashes of 20 bytes, and nothing else.
//!
//! The file is read and not memory-mapped: a mapping needs `unsafe`, and if an operator truncates a mapped file, SIGBUS
//! ends the process. When a file that is read is truncated, only the request fails. To install a new list, rename it
//! over the old one and restart the service; until then, the service reads the old file.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use sha1::{Digest, Sha1};

use crate::domain::Password;

/// The length of a SHA-1 hash.
const HASH_BYTES: usize = 20;
/// The length of a SHA-1 hash in hexadecimal digits.
const HEX_DIGITS: usize = 2 * HASH_BYTES;
/// Maximum length of a line: 40 digits, a colon, a count of up to 20 digits, CR and LF.
const MAX_LINE_BYTES: usize = HEX_DIGITS + 1 + 20 + 2;
/// The number of offsets that are checked when the file is opened.
const SAMPLES: u64 = 512;

/// A list of breached passwords in an open file.
#[derive(Debug)]
pub struct BreachedPasswords {
    file: File,
    /// The length of the file in bytes when it was opened.
    length: u64,
    format: FileFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileFormat {
    Text,
    Binary,
}

/// The reason why a file cannot be used as a list of breached passwords.
#[derive(Debug, thiserror::Error)]
pub enum BreachedPasswordsError {
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("it is not a file")]
    NotAFile,
    #[error("it is empty")]
    Empty,
    #[error(
        "it is neither text with a SHA-1 hash of 40 hexadecimal digits at the start of each line, nor binary records of 20 bytes"
    )]
    UnknownFormat,
    #[error("the line at byte {0} is not 40 hexadecimal digits, with or without a colon and a count")]
    BrokenLine(u64),
    #[error("it is not sorted by hash at byte {0}")]
    NotSorted(u64),
}

impl BreachedPasswords {
    /// Opens the file, and checks some hundred records of it.
    ///
    /// # Errors
    /// Returns [`BreachedPasswordsError`] if the file cannot be read or has another format, or if the checked records
    /// are not sorted.
    pub fn open(path: &Path) -> Result<Self, BreachedPasswordsError> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(BreachedPasswordsError::NotAFile);
        }
        let length = metadata.len();
        if length == 0 {
            return Err(BreachedPasswordsError::Empty);
        }
        let mut list = Self { file, length, format: FileFormat::Text };
        list.format = list.detect_format()?;
        list.check_samples()?;
        Ok(list)
    }

    /// Returns whether the list contains this password. Blocks, because it reads from the disk.
    ///
    /// # Errors
    /// Returns [`BreachedPasswordsError`] if the file can no longer be read, or was changed.
    pub fn contains(&self, password: &Password) -> Result<bool, BreachedPasswordsError> {
        self.contains_hash(Sha1::digest(password.expose().as_bytes()).into())
    }

    fn contains_hash(&self, wanted: [u8; HASH_BYTES]) -> Result<bool, BreachedPasswordsError> {
        // The wanted record starts in low..high if it exists.
        let (mut low, mut high) = (0, self.length);
        while low < high {
            let middle = low + (high - low) / 2;
            let Some((start, hash)) = self.first_record_from(middle)?.filter(|(start, _)| *start < high) else {
                high = middle;
                continue;
            };
            match hash.cmp(&wanted) {
                std::cmp::Ordering::Equal => return Ok(true),
                std::cmp::Ordering::Less => low = start + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(false)
    }

    /// Returns the first record that starts at or after `offset`, with its start.
    fn first_record_from(&self, offset: u64) -> Result<Option<(u64, [u8; HASH_BYTES])>, BreachedPasswordsError> {
        match self.format {
            FileFormat::Binary => {
                let start = offset.next_multiple_of(HASH_BYTES as u64);
                if start >= self.length {
                    return Ok(None);
                }
                let mut hash = [0; HASH_BYTES];
                self.file.read_exact_at(&mut hash, start)?;
                Ok(Some((start, hash)))
            }
            FileFormat::Text => self.first_line_from(offset),
        }
    }

    fn first_line_from(&self, offset: u64) -> Result<Option<(u64, [u8; HASH_BYTES])>, BreachedPasswordsError> {
        // The byte before the offset shows whether a line starts exactly there.
        let from = offset.saturating_sub(1);
        let mut buffer = [0; 1 + 2 * MAX_LINE_BYTES];
        let read = self.read_at_most(&mut buffer, from)?;
        let bytes = &buffer[..read];
        let start = if offset == 0 {
            0
        } else {
            match bytes.iter().position(|byte| *byte == b'\n') {
                Some(end) => end + 1,
                // The last line may have no line end.
                None if from + read as u64 >= self.length => return Ok(None),
                None => return Err(BreachedPasswordsError::BrokenLine(from)),
            }
        };
        let line = &bytes[start..];
        let start = from + start as u64;
        if line.is_empty() && start >= self.length {
            return Ok(None);
        }
        let hash = hash_of_line(line).ok_or(BreachedPasswordsError::BrokenLine(start))?;
        Ok(Some((start, hash)))
    }

    fn read_at_most(&self, buffer: &mut [u8], from: u64) -> io::Result<usize> {
        let mut read = 0;
        while read < buffer.len() {
            match self.file.read_at(&mut buffer[read..], from + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn detect_format(&self) -> Result<FileFormat, BreachedPasswordsError> {
        let mut buffer = [0; MAX_LINE_BYTES];
        let read = self.read_at_most(&mut buffer, 0)?;
        if hash_of_line(&buffer[..read]).is_some() {
            Ok(FileFormat::Text)
        } else if self.length.is_multiple_of(HASH_BYTES as u64) && !buffer[..read].is_ascii() {
            Ok(FileFormat::Binary)
        } else {
            Err(BreachedPasswordsError::UnknownFormat)
        }
    }

    /// Checks format and order at offsets across the whole file, including the last record.
    fn check_samples(&self) -> Result<(), BreachedPasswordsError> {
        let last = self.length.saturating_sub(if self.format == FileFormat::Text {
            MAX_LINE_BYTES as u64
        } else {
            HASH_BYTES as u64
        });
        let step = (self.length / SAMPLES).max(1);
        let offsets = (0..SAMPLES).map(|sample| sample * step).take_while(|offset| *offset < last);
        let mut before: Option<(u64, [u8; HASH_BYTES])> = None;
        let mut next = Some(0);
        for offset in offsets.chain([last]) {
            next = Some(offset);
            let Some((start, hash)) = self.first_record_from(offset)? else { break };
            if before.is_some_and(|(earlier, smaller)| earlier < start && smaller >= hash) {
                return Err(BreachedPasswordsError::NotSorted(start));
            }
            before = Some((start, hash));
        }
        // Reads the last records one by one: a truncated list ends in an incomplete line.
        while let Some((start, hash)) = next.map_or(Ok(None), |offset| self.first_record_from(offset))? {
            if before.is_some_and(|(earlier, smaller)| earlier < start && smaller >= hash) {
                return Err(BreachedPasswordsError::NotSorted(start));
            }
            before = Some((start, hash));
            next = Some(start + 1);
        }
        Ok(())
    }
}

/// Returns the hash at the start of a line, or `None` if the bytes do not begin with a valid line.
fn hash_of_line(bytes: &[u8]) -> Option<[u8; HASH_BYTES]> {
    let (digits, rest) = bytes.split_at_checked(HEX_DIGITS)?;
    let mut hash = [0; HASH_BYTES];
    hex::decode_to_slice(digits, &mut hash).ok()?;
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
    let counted = line.strip_prefix(b":").is_some_and(|count| count.iter().all(u8::is_ascii_digit));
    (line.is_empty() || counted).then_some(hash)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    fn hash(word: &str) -> [u8; HASH_BYTES] {
        Sha1::digest(word.as_bytes()).into()
    }

    fn sorted(words: &[String]) -> Vec<[u8; HASH_BYTES]> {
        let mut hashes: Vec<_> = words.iter().map(|word| hash(word)).collect();
        hashes.sort_unstable();
        hashes
    }

    fn words(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("breached {n}")).collect()
    }

    /// A file that is removed when it is dropped.
    struct TempFile(PathBuf);

    impl Drop for TempFile {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    fn temp_file(name: &str, contents: impl AsRef<[u8]>) -> TempFile {
        let path = std::env::temp_dir().join(format!("breached-{name}-{}", std::process::id()));
        fs::write(&path, contents).unwrap();
        TempFile(path)
    }

    fn text(hashes: &[[u8; HASH_BYTES]], line: impl Fn(usize, String) -> String) -> String {
        hashes.iter().enumerate().map(|(n, hash)| line(n, hex::encode(hash))).collect()
    }

    fn assert_finds_exactly(list: &BreachedPasswords, words: &[String]) {
        for word in words {
            assert!(list.contains_hash(hash(word)).unwrap(), "{word}");
        }
        for n in 0..200 {
            assert!(!list.contains_hash(hash(&format!("fine {n}"))).unwrap());
        }
        for edge in [[0; HASH_BYTES], [255; HASH_BYTES]] {
            assert!(!list.contains_hash(edge).unwrap());
        }
    }

    #[test]
    fn exactly_the_listed_hashes_are_found_in_every_format() {
        for count in [1, 2, 3, 7, 1000] {
            let words = words(count);
            let hashes = sorted(&words);
            let forms: [(&str, Vec<u8>); 6] = [
                ("lf", text(&hashes, |_, hex| format!("{hex}\n")).into()),
                ("crlf", text(&hashes, |_, hex| format!("{}\r\n", hex.to_uppercase())).into()),
                ("counts", text(&hashes, |n, hex| format!("{}:{}\r\n", hex.to_uppercase(), n * n * n)).into()),
                (
                    "mixed",
                    text(
                        &hashes,
                        |n, hex| if n % 2 == 0 { format!("{hex}\n") } else { format!("{}:1\n", hex.to_uppercase()) },
                    )
                    .into(),
                ),
                ("no-last-end", text(&hashes, |_, hex| format!("{hex}:3\n")).trim_end().to_owned().into()),
                ("binary", hashes.concat()),
            ];
            for (name, contents) in forms {
                let file = temp_file(&format!("{name}-{count}"), contents);
                assert_finds_exactly(&BreachedPasswords::open(&file.0).unwrap(), &words);
            }
        }
    }

    #[test]
    fn the_password_is_hashed_in_its_normal_form() {
        let file = temp_file("normal", hex::encode(hash("password")));
        let list = BreachedPasswords::open(&file.0).unwrap();
        assert!(list.contains(&Password::parse_attempt(&"ｐａｓｓｗｏｒｄ".into()).unwrap()).unwrap());
    }

    #[test]
    fn a_file_that_is_not_a_sorted_list_is_refused_when_it_is_opened() {
        let hashes = sorted(&words(500));
        let good = text(&hashes, |_, hex| format!("{hex}:1\n"));
        let mut reversed = hashes.clone();
        reversed.reverse();
        let cases: [(&str, Vec<u8>, &str); 8] = [
            ("empty", Vec::new(), "empty"),
            ("words", b"password\n123456\n".to_vec(), "neither"),
            ("ntlm", b"8846F7EAEE8FB117AD06BDD830B7586C:5\n".to_vec(), "neither"),
            ("unsorted", text(&reversed, |_, hex| format!("{hex}\n")).into(), "not sorted"),
            ("unsorted-binary", reversed.concat(), "not sorted"),
            ("cut-off", good[..good.len() - 20].into(), "is not 40"),
            ("cut-off-binary", hashes.concat()[..1990].into(), "neither"),
            ("other-lines", format!("{good}# the end\n").into(), "is not 40"),
        ];
        for (name, contents, expected) in cases {
            let file = temp_file(name, contents);
            let error = BreachedPasswords::open(&file.0).unwrap_err().to_string();
            assert!(error.contains(expected), "{name}: {error}");
        }
        assert!(BreachedPasswords::open(Path::new("/")).unwrap_err().to_string().contains("not a file"));
        assert!(BreachedPasswords::open(Path::new("/nowhere")).is_err());
    }

    #[test]
    fn any_file_is_refused_or_searches_in_it_end() {
        let hashes = sorted(&words(20));
        let lists = [
            text(&hashes, |_, hex| format!("{hex}\n")).into_bytes(),
            text(&hashes, |n, hex| format!("{}:{n}\r\n", hex.to_uppercase())).into_bytes(),
            hashes.concat(),
            vec![0xff; 40],
            vec![b'0'; 40],
            b"\n".repeat(100),
        ];
        let name = std::cell::Cell::new(0);
        corpus::Corpus::from_inputs("lists made by the test", lists).holds_for_bytes(|contents| {
            name.set(name.get() + 1);
            let file = temp_file(&format!("any-{}", name.get()), contents);
            if let Ok(list) = BreachedPasswords::open(&file.0) {
                // The result is true, false or an error, but the search never panics and always ends.
                for hash in [[0; HASH_BYTES], [255; HASH_BYTES], hashes[0], hashes[19]] {
                    let _ = list.contains_hash(hash);
                }
            }
            Ok(())
        });
    }

    #[test]
    fn a_file_that_is_truncated_while_in_use_causes_an_error_and_no_crash() {
        let words = words(1000);
        let hashes = sorted(&words);
        let file = temp_file("shrinks", text(&hashes, |_, hex| format!("{hex}\n")));
        let list = BreachedPasswords::open(&file.0).unwrap();
        File::options().write(true).open(&file.0).unwrap().set_len(100).unwrap();
        assert!(list.contains_hash(hashes[999]).is_err());
    }
}
