//! The result of inserting new mails: the only place where a duplicate key becomes "already in the
//! ledger".

use std::collections::HashSet;

use bson::Document;
use mongodb::error::InsertManyError;

const DUPLICATE_KEY: i32 = 11000;

/// The result of inserting a batch of new mails.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct InsertResult {
    /// The number of mails that were written.
    pub new: usize,
    /// Indexes of the mails that were in the ledger already: their record was read again.
    pub existing: Vec<usize>,
    /// Indexes of the mails that the database refuses permanently, with its error code.
    pub refused: Vec<(usize, i32)>,
}

impl InsertResult {
    /// Reads from `failure` which mails existed already and which ones the database refuses.
    /// Returns `None` if the whole batch must be tried again.
    pub(super) fn from_failure(failure: &InsertManyError, total: usize) -> Option<Self> {
        if failure.write_concern_error.is_some() {
            return None;
        }
        let mut result = InsertResult::default();
        for error in failure.write_errors.as_deref().unwrap_or_default() {
            if error.code != DUPLICATE_KEY {
                result.refused.push((error.index, error.code));
            } else if error.message.contains(" index: _id_ ") {
                result.existing.push(error.index);
            } else {
                // Another unique index, which we do not have: this is not "already in the ledger".
                return None;
            }
        }
        result.new = total.checked_sub(result.existing.len() + result.refused.len())?;
        Some(result)
    }

    /// Reads the result from the `answer` to an `update` command whose statements are upserts by `_id` that change no
    /// existing row. Returns `None` if the whole batch must be tried again.
    pub(super) fn from_upserts(answer: &Document, total: usize) -> Option<Self> {
        let failure = bson::deserialize_from_document(answer.clone()).ok()?;
        let mut result = Self::from_failure(&failure, total)?;
        let inserted = answer.get_array("upserted").into_iter().flatten();
        let inserted = inserted.filter_map(|row| usize::try_from(row.as_document()?.get_i32("index").ok()?).ok());
        let known: HashSet<usize> = inserted
            .chain(result.existing.iter().copied())
            .chain(result.refused.iter().map(|(index, _)| *index))
            .collect();
        result.existing.extend((0..total).filter(|index| !known.contains(index)));
        result.new = total.checked_sub(result.existing.len() + result.refused.len())?;
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    fn failure(errors: &[(usize, i32, &str)], concern: bool) -> InsertManyError {
        let errors: Vec<Document> = errors
            .iter()
            .map(|(index, code, message)| doc! { "index": i64::try_from(*index).unwrap(), "code": code, "errmsg": message })
            .collect();
        let concern = concern.then(|| doc! { "code": 64, "codeName": "WriteConcernTimeout", "errmsg": "waiting" });
        bson::deserialize_from_document(doc! { "writeErrors": errors, "writeConcernError": concern }).unwrap()
    }

    const KNOWN: &str = "E11000 duplicate key error collection: db.mailJobs index: _id_ dup key: { _id: \"x\" }";

    #[test]
    fn a_duplicate_id_is_an_existing_row() {
        let result = InsertResult::from_failure(&failure(&[(0, DUPLICATE_KEY, KNOWN)], false), 3).unwrap();
        assert_eq!(result, InsertResult { new: 2, existing: vec![0], refused: Vec::new() });
    }

    #[test]
    fn a_row_that_the_store_refuses_is_reported_separately() {
        let result =
            InsertResult::from_failure(&failure(&[(0, DUPLICATE_KEY, KNOWN), (2, 10334, "too large")], false), 3)
                .unwrap();
        assert_eq!(result, InsertResult { new: 1, existing: vec![0], refused: vec![(2, 10334)] });
    }

    #[test]
    fn without_a_majority_no_row_is_confirmed() {
        assert_eq!(InsertResult::from_failure(&failure(&[(0, DUPLICATE_KEY, KNOWN)], true), 1), None);
        let answer = doc! {
            "n": 1,
            "upserted": [{ "index": 0, "_id": "x" }],
            "writeConcernError": { "code": 64, "codeName": "WriteConcernTimeout", "errmsg": "waiting" },
        };
        assert_eq!(InsertResult::from_upserts(&answer, 1), None);
    }

    #[test]
    fn an_upsert_that_inserted_nothing_is_an_existing_row() {
        let answer = doc! {
            "n": 3,
            "nModified": 0,
            "upserted": [{ "index": 1, "_id": "b" }],
            "writeErrors": [
                { "index": 2, "code": 10334, "errmsg": "too large" },
                { "index": 3, "code": DUPLICATE_KEY, "errmsg": KNOWN },
            ],
        };
        let result = InsertResult::from_upserts(&answer, 5).unwrap();
        assert_eq!(result, InsertResult { new: 1, existing: vec![3, 0, 4], refused: vec![(2, 10334)] });
        let all_new = doc! { "n": 1, "upserted": [{ "index": 0, "_id": "a" }] };
        assert_eq!(
            InsertResult::from_upserts(&all_new, 1).unwrap(),
            InsertResult { new: 1, ..InsertResult::default() }
        );
    }

    #[test]
    fn a_duplicate_in_another_index_is_not_an_existing_row() {
        let other = KNOWN.replace("_id_", "someIndex_1");
        assert_eq!(InsertResult::from_failure(&failure(&[(0, DUPLICATE_KEY, &other)], false), 1), None);
    }
}
