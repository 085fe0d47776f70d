//! Properties of the import: every file is read in bounded blocks, and each of its lines becomes an account by the
//! rules for every account, or is refused without its values.

use std::io::Cursor;

use corpus::corpus;
use proptest::prelude::*;
use service_kit::Clock;

use super::{
    formats::{ExportFormat, MemberPath},
    line_to_account::{AccountReader, ReadRecord},
    records::{Content, MAX_RECORD_BYTES, Record, Records},
};
use crate::domain::{Email, Username};

/// Occurs in lines of the corpus, and must never occur in an error.
const SECRET: &str = "s3cr3t-p4ss";
const LONGEST_DETAIL: usize = 400;

#[test]
fn any_line_becomes_an_account_or_is_refused_without_its_values() {
    let (reader, now) = (AccountReader::for_test(true), Clock::manual().now());
    corpus!("json").holds_for_bytes(|bytes| {
        match reader.read_account(&Record { number: 1, content: Content::Json(bytes.to_vec()) }, now) {
            Ok(user) => {
                let (name, email) = (Username::parse(&user.username), Email::parse(&user.email));
                prop_assert_eq!(name.as_ref().map(Username::key), Ok(&*user.username_key));
                prop_assert_eq!(email.as_ref().map(Email::key), Ok(&*user.email_keys[0]));
                prop_assert!(user.password_hash.len() <= 512 && user.roles.len() <= 64);
                prop_assert_eq!(user.pending_events.len(), 1);
            }
            Err(errors) => {
                prop_assert!(!errors.is_empty());
                for error in errors {
                    let shown = format!("{error:?}");
                    prop_assert!(!shown.contains(SECRET), "{}", shown);
                    prop_assert!(error.detail.len() <= LONGEST_DETAIL && error.pointer.len() <= 1024, "{}", shown);
                }
            }
        }
        Ok(())
    });
}

/// Each record of the corpus is a record of each export, too.
#[test]
fn any_record_of_an_export_becomes_an_account_or_is_refused_without_its_values() {
    let formats = [
        ExportFormat::Firebase(None),
        ExportFormat::Auth0(None),
        ExportFormat::Keycloak,
        ExportFormat::Supabase,
        ExportFormat::Wordpress,
    ];
    let readers = formats.map(|format| {
        let mut reader = AccountReader::for_test(false);
        reader.import.format = format;
        reader.import.username = Some(MemberPath::parse("/attributes/name"));
        reader
    });
    let now = Clock::manual().now();
    corpus!("json").holds_for_bytes(|bytes| {
        // Our names, and those of the systems, so that more than the first check is reached.
        let text = String::from_utf8_lossy(bytes);
        for (from, to) in [
            ("email", "email"),
            ("email", "user_email"),
            ("passwordHash", "encrypted_password"),
            ("createdAt", "created_at"),
        ] {
            let content = Content::Json(text.replace(from, to).into_bytes());
            for reader in &readers {
                match reader.read(&Record { number: 1, content: content.clone() }, now) {
                    Ok(ReadRecord::User(user)) => {
                        let name = Username::parse(&user.account.username);
                        prop_assert_eq!(name.as_ref().map(Username::key), Ok(&*user.account.username_key));
                    }
                    Ok(ReadRecord::Skipped(_)) => {}
                    Err(errors) => {
                        prop_assert!(!errors.is_empty());
                        let shown = format!("{errors:?}");
                        prop_assert!(!shown.contains(SECRET), "{}", shown);
                    }
                }
            }
        }
        Ok(())
    });
}

#[test]
fn any_file_is_read_completely_in_bounded_blocks() {
    corpus!("json").holds_for_bytes(|file| {
        let mut blocks = Records::lines(Box::new(Cursor::new(file.to_vec())), 0, 0).read();
        let (mut end, mut last) = (0, 0);
        while let Some(block) = blocks.blocking_recv() {
            let block = block.expect("reading from memory does not fail");
            prop_assert!(block.records.len() <= 1_000 && block.end > end && block.last > last);
            for record in &block.records {
                prop_assert!(record.number > last && record.number <= block.last);
                prop_assert!(!matches!(&record.content, Content::Json(text) if text.len() > MAX_RECORD_BYTES));
            }
            (end, last) = (block.end, block.last);
        }
        prop_assert_eq!(end, file.len() as u64);
        let breaks = file.iter().filter(|byte| **byte == b'\n').count();
        let rest = file.last().is_some_and(|byte| *byte != b'\n');
        prop_assert_eq!(last, (breaks + usize::from(rest)) as u64);
        Ok(())
    });
}
