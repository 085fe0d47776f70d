//! Properties of the import: every file is read in bounded blocks, and each of its lines becomes an account by the
//! rules for every account, or is refused without its values.

use std::io::Cursor;

use corpus::corpus;
use proptest::prelude::*;
use service_kit::Clock;

use super::{
    line_to_account::AccountReader,
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
