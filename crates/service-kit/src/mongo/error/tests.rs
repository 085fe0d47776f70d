//! Tests of the classification, with the messages of real servers.

use mongodb::{
    bson::{Document, deserialize_from_document, doc},
    error::{CommandError, InsertManyError, WriteConcernError, WriteError},
};
use serde::de::DeserializeOwned;

use super::*;

/// E11000 messages of servers 4.4 to 8.0. The duplicate value is data of a user.
const DUPLICATES: &[(&str, &str)] = &[
    (
        "E11000 duplicate key error collection: users.users index: emailKeys_1 dup key: { emailKeys: \"ada@example.org\" }",
        "emailKeys_1",
    ),
    (
        "Plan executor error during findAndModify :: caused by :: E11000 duplicate key error collection: users.users index: username dup key: { usernameKey: \"ada@example.org\" }",
        "username",
    ),
    (
        "E11000 duplicate key error collection: users.users index: name_ci collation: { locale: \"en\", strength: 2 } dup key: { name: \"0x2d4f ada@example.org\" }",
        "name_ci",
    ),
    (
        "E11000 duplicate key error collection: mail.mailJobs index: _id_ dup key: { _id: \"ada@example.org index: other dup key: x\" }",
        "_id_",
    ),
    (
        "E11000 duplicate key error collection: app.ada@example.org index: a_1_b_1 dup key: { a: 1.0, b: null }",
        "a_1_b_1",
    ),
];

fn from<T: DeserializeOwned>(document: Document) -> T {
    deserialize_from_document(document).unwrap()
}

fn command(code: i32, message: &str) -> Error {
    let error: CommandError = from(doc! { "code": code, "codeName": "Name", "errmsg": message });
    ErrorKind::Command(error).into()
}

fn write(code: i32, message: &str) -> Error {
    let details = doc! { "keyValue": { "email": "ada@example.org" } };
    let error: WriteError = from(doc! { "code": code, "errmsg": message, "errInfo": details });
    ErrorKind::Write(WriteFailure::WriteError(error)).into()
}

fn many(writes: &[(i32, &str)], concern: Option<i32>) -> Error {
    let writes = writes.iter().enumerate();
    let writes: Vec<Document> = writes
        .map(|(index, (code, message))| doc! { "index": i64::try_from(index).unwrap(), "code": *code, "errmsg": *message })
        .collect();
    let mut document = doc! { "writeErrors": writes };
    if let Some(code) = concern {
        document.insert("writeConcernError", doc! { "code": code, "codeName": "Name", "errmsg": "ada@example.org" });
    }
    ErrorKind::InsertMany(from::<InsertManyError>(document)).into()
}

fn assert_nothing_leaked(error: &StoreError) {
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("ada@example.org"), "{shown}");
}

#[test]
fn a_duplicate_key_names_its_index_and_not_the_value() {
    for (message, index) in DUPLICATES {
        for error in [command(11000, message), write(11000, message), many(&[(11000, message)], None)] {
            let error = StoreError::from(error);
            assert!(matches!(&error, StoreError::DuplicateKey { index: found } if found == index), "{error:?}");
            assert!(!error.outcome_unknown());
            assert_nothing_leaked(&error);
        }
    }
}

#[test]
fn a_message_without_an_index_is_still_a_duplicate() {
    let error = StoreError::from(write(11000, "E11000"));
    assert!(matches!(&error, StoreError::DuplicateKey { index } if index.is_empty()), "{error:?}");
}

#[test]
fn a_batch_is_a_duplicate_only_if_all_its_failures_are() {
    let duplicate = DUPLICATES[0].0;
    let error = StoreError::from(many(&[(11000, duplicate), (11000, DUPLICATES[1].0)], None));
    assert!(matches!(&error, StoreError::DuplicateKey { index } if index == "emailKeys_1"), "{error:?}");
    let error = StoreError::from(many(&[(11000, duplicate), (121, "ada@example.org")], None));
    assert!(matches!(&error, StoreError::Other(cause) if cause.code() == Some(121)), "{error:?}");
    assert_nothing_leaked(&error);
}

#[test]
fn an_unreachable_store_is_unavailable() {
    let refused = Error::from(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
    for error in [refused, command(10107, "not primary"), command(11600, "interrupted"), command(50, "too slow")] {
        let error = StoreError::from(error);
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        assert!(error.outcome_unknown(), "{error:?}");
    }
}

#[test]
fn a_write_without_a_majority_has_an_unknown_outcome() {
    let concern: WriteConcernError = from(doc! { "code": 64, "codeName": "Name", "errmsg": "ada@example.org" });
    let one = ErrorKind::Write(WriteFailure::WriteConcernError(concern)).into();
    for error in [one, many(&[], Some(64))] {
        let error = StoreError::from(error);
        assert!(error.outcome_unknown(), "{error:?}");
        assert_nothing_leaked(&error);
    }
}

#[tokio::test]
async fn without_a_server_nothing_was_written() {
    let options = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=50";
    let client = mongodb::Client::with_uri_str(options).await.unwrap();
    let insert = client.database("x").collection("x").insert_one(doc! {}).await;
    let error = StoreError::from(insert.unwrap_err());
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(!error.outcome_unknown());
}

#[test]
fn a_refusal_shows_the_servers_code_but_not_its_message() {
    for error in [command(9, "ada@example.org"), write(121, "ada@example.org")] {
        let error = StoreError::from(error);
        assert!(matches!(error, StoreError::Other(_)), "{error:?}");
        assert!(!error.outcome_unknown());
        assert_nothing_leaked(&error);
    }
}

#[test]
fn a_document_that_does_not_fit_is_not_quoted() {
    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "deserialization must fail")]
    struct Typed {
        age: u8,
    }
    let error = deserialize_from_document::<Typed>(doc! { "age": "ada@example.org" }).unwrap_err();
    let error = StoreError::from(Error::from(error));
    assert!(matches!(error, StoreError::Other(_)), "{error:?}");
    assert_nothing_leaked(&error);
}
