//! The documents that earlier releases have stored, and the rules that today's code must keep for them.
//!
//! They are in `tests/released/<version>/<collection>.json` of each service, as canonical extended JSON. A release is
//! recorded once, from a run of its programs (`docs/UPGRADE.md`).

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use bson::{Bson, Document};
use serde::{Serialize, de::DeserializeOwned};

/// The documents of one collection, as one release has stored them.
#[derive(Debug, Clone)]
pub struct ReleasedCollection {
    /// The version of the release.
    pub release: String,
    /// The name of the collection.
    pub name: String,
    /// All documents of the recorded run.
    pub documents: Vec<Document>,
}

/// What may not change about stored documents. A change that breaks a rule needs a migration, and a release between
/// that reads both forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentRule {
    /// Every document that a release has stored can be read.
    StaysReadable,
    /// Every member that a release has stored keeps its name, type and meaning: it is read, and written back unchanged.
    MemberStays,
}

/// A rule that does not hold for a stored document, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentBreach {
    /// The rule.
    pub rule: DocumentRule,
    /// The member, or the error of the reader.
    pub detail: String,
}

impl fmt::Display for DocumentBreach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = match self.rule {
            DocumentRule::StaysReadable => "a stored document stays readable",
            DocumentRule::MemberStays => "a stored member is read, and written back unchanged",
        };
        write!(f, "{rule}: {}", self.detail)
    }
}

/// Returns the recorded collections of a service. `directory` is that of its crate.
///
/// # Panics
/// Panics if there are none, or a file is not extended JSON.
#[must_use]
pub fn released_collections(directory: &str) -> Vec<ReleasedCollection> {
    let root = Path::new(directory).join("tests/released");
    let mut collections = Vec::new();
    for release in entries(&root) {
        for path in entries(&release).into_iter().filter(|path| path.extension().is_some_and(|end| end == "json")) {
            let name = path.file_stem().and_then(|name| name.to_str()).expect("valid UTF-8").to_owned();
            let release = release.file_name().and_then(|name| name.to_str()).expect("valid UTF-8").to_owned();
            collections.push(ReleasedCollection { release, name, documents: read(&path) });
        }
    }
    assert!(!collections.is_empty(), "{} has no documents", root.display());
    collections
}

/// Reads a stored document as `T`, as the driver does, and writes it back.
///
/// # Errors
/// Returns the rule that does not hold.
pub fn check_stored_document<T: DeserializeOwned + Serialize>(stored: &Document) -> Result<T, DocumentBreach> {
    let unreadable =
        |error: bson::error::Error| DocumentBreach { rule: DocumentRule::StaysReadable, detail: error.to_string() };
    let bytes = bson::serialize_to_vec(stored).map_err(unreadable)?;
    let read: T = bson::deserialize_from_slice(&bytes).map_err(unreadable)?;
    let written = bson::serialize_to_document(&read).map_err(unreadable)?;
    match first_difference("", &Bson::from(stored.clone()), &Bson::from(written)) {
        Some(member) => Err(DocumentBreach { rule: DocumentRule::MemberStays, detail: member }),
        None => Ok(read),
    }
}

/// Returns the path of the first stored member that is missing or different in what was written.
fn first_difference(path: &str, stored: &Bson, written: &Bson) -> Option<String> {
    match (stored, written) {
        (Bson::Document(stored), Bson::Document(written)) => stored.iter().find_map(|(name, value)| {
            let path = format!("{path}/{name}");
            match written.get(name) {
                Some(written) => first_difference(&path, value, written),
                None => Some(path),
            }
        }),
        (Bson::Array(stored), Bson::Array(written)) if stored.len() == written.len() => {
            let mut pairs = stored.iter().zip(written).enumerate();
            pairs.find_map(|(n, (stored, written))| first_difference(&format!("{path}/{n}"), stored, written))
        }
        _ => (stored != written).then(|| path.to_owned()),
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a directory entry").path()).collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> Vec<Document> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let values: Vec<serde_json::Value> =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let document = |value| match Bson::try_from(value) {
        Ok(Bson::Document(document)) => document,
        other => panic!("{}: not a document: {other:?}", path.display()),
    };
    values.into_iter().map(document).collect()
}

#[cfg(test)]
mod tests {
    use bson::doc;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Row {
        level: i64,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    }

    fn breach(stored: &Document) -> (DocumentRule, String) {
        let breach = check_stored_document::<Row>(stored).expect_err("a rule is broken");
        (breach.rule, breach.detail)
    }

    #[test]
    fn a_document_that_cannot_be_read_and_a_member_that_is_lost_or_changed_are_told_apart() {
        let stored = doc! { "level": 1_i64, "name": "a" };
        assert_eq!(check_stored_document(&stored), Ok(Row { level: 1, name: Some("a".to_owned()) }));
        assert_eq!(breach(&doc! { "name": "a" }).0, DocumentRule::StaysReadable);
        assert_eq!(breach(&doc! { "level": "high" }).0, DocumentRule::StaysReadable);
        assert_eq!(breach(&doc! { "level": 1_i64, "nick": "a" }), (DocumentRule::MemberStays, "/nick".to_owned()));
        assert_eq!(breach(&doc! { "level": 1_i32 }), (DocumentRule::MemberStays, "/level".to_owned()));
    }
}
