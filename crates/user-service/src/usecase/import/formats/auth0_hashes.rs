//! The export of password hashes from Auth0, which is joined with the export of users by the id of the user. Only a
//! digest of each id and the position of its line are in memory: 16 bytes for each user.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _},
    os::unix::fs::FileExt as _,
};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::usecase::import::records::MAX_RECORD_BYTES;

/// The file, with the position of the line of each user.
pub struct Auth0Hashes {
    file: File,
    /// Digests of the ids in ascending order, with the positions.
    lines: Vec<(u64, u64)>,
    /// The digest of the file.
    id: String,
}

/// The reason why the file cannot be used. It contains no value.
#[derive(Debug, thiserror::Error)]
pub enum InvalidHashFile {
    #[error(transparent)]
    Read(#[from] io::Error),
    #[error("line {0} is no user with `_id` and `passwordHash`")]
    Malformed(u64),
    #[error("two lines are the same user")]
    Repeated,
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "_id")]
    id: ObjectId,
    alt_id: Option<String>,
    #[serde(rename = "passwordHash")]
    password_hash: Option<String>,
}

#[derive(Deserialize)]
struct ObjectId {
    #[serde(rename = "$oid")]
    oid: String,
}

impl Line {
    fn user_id(&self) -> String {
        format!("auth0|{}", self.alt_id.as_ref().unwrap_or(&self.id.oid))
    }
}

impl Auth0Hashes {
    /// Reads the file once.
    ///
    /// # Errors
    /// Returns [`InvalidHashFile`].
    pub fn open(file: File) -> Result<Self, InvalidHashFile> {
        let mut reader = BufReader::with_capacity(256 * 1024, &file);
        let (mut lines, mut position, mut number) = (Vec::new(), 0, 0);
        let (mut text, mut digest) = (Vec::new(), Sha256::new());
        loop {
            text.clear();
            let read = (&mut reader).take(MAX_RECORD_BYTES as u64).read_until(b'\n', &mut text)?;
            if read == 0 {
                break;
            }
            number += 1;
            digest.update(&text);
            if !text.trim_ascii().is_empty() {
                let line: Line = serde_json::from_slice(&text).map_err(|_| InvalidHashFile::Malformed(number))?;
                lines.push((digest_of(&line.user_id()), position));
            }
            position += read as u64;
        }
        lines.sort_unstable();
        if lines.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(InvalidHashFile::Repeated);
        }
        Ok(Self { file, lines, id: hex::encode(digest.finalize()) })
    }

    /// Returns the digest of the file.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the hash of a user.
    pub(super) fn find(&self, user_id: &str) -> io::Result<Option<String>> {
        let Ok(found) = self.lines.binary_search_by_key(&digest_of(user_id), |(digest, _)| *digest) else {
            return Ok(None);
        };
        let (mut text, mut piece) = (Vec::new(), [0; 1024]);
        while text.len() < MAX_RECORD_BYTES {
            let read = self.file.read_at(&mut piece, self.lines[found].1 + text.len() as u64)?;
            let end = piece[..read].iter().position(|byte| *byte == b'\n');
            text.extend_from_slice(&piece[..end.unwrap_or(read)]);
            if end.is_some() || read == 0 {
                break;
            }
        }
        let line: Line = serde_json::from_slice(&text)?;
        Ok(line.password_hash.filter(|_| line_is_of(&line.id, line.alt_id.as_ref(), user_id)))
    }
}

fn line_is_of(id: &ObjectId, alt_id: Option<&String>, user_id: &str) -> bool {
    user_id.strip_prefix("auth0|") == Some(alt_id.unwrap_or(&id.oid))
}

fn digest_of(user_id: &str) -> u64 {
    u64::from_be_bytes(Sha256::digest(user_id)[..8].try_into().expect("the digest has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};

    use super::*;

    fn hashes(text: &str) -> Result<Auth0Hashes, InvalidHashFile> {
        let path = std::env::temp_dir().join(format!("auth0-hashes-{}-{:x}", std::process::id(), digest_of(text)));
        let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.rewind().unwrap();
        Auth0Hashes::open(file)
    }

    #[test]
    fn a_hash_is_found_by_the_id_of_its_user() {
        let long = "x".repeat(3000);
        let text = format!(
            "{}\n\n{}\n{}",
            r#"{"_id":{"$oid":"5dea9f9c82dd7c0e76e4ec93"},"email":"a@example.org","passwordHash":"one"}"#,
            format_args!(
                r#"{{"_id":{{"$oid":"5dea9f9c82dd7c0e76e4ec94"}},"alt_id":"euclid","n":"{long}","passwordHash":"two"}}"#
            ),
            r#"{"_id":{"$oid":"5dea9f9c82dd7c0e76e4ec95"}}"#,
        );
        let hashes = hashes(&text).unwrap();
        let find = |id: &str| hashes.find(id).unwrap();
        assert_eq!(find("auth0|5dea9f9c82dd7c0e76e4ec93").as_deref(), Some("one"));
        assert_eq!(find("auth0|euclid").as_deref(), Some("two"));
        for id in ["auth0|5dea9f9c82dd7c0e76e4ec94", "auth0|5dea9f9c82dd7c0e76e4ec95", "google-oauth2|euclid", ""] {
            assert_eq!(find(id), None, "{id}");
        }
    }

    #[test]
    fn another_file_is_refused() {
        let user = r#"{"_id":{"$oid":"5dea9f9c82dd7c0e76e4ec93"},"passwordHash":"secret"}"#;
        assert!(matches!(hashes(&format!("{user}\n{user}\n")), Err(InvalidHashFile::Repeated)));
        for (text, line) in [("{}", 1), ("id,hash\n", 1), (&format!("{user}\n[]\n"), 2)] {
            let error = hashes(text).err().unwrap();
            assert!(matches!(error, InvalidHashFile::Malformed(found) if found == line), "{error}");
        }
    }
}
