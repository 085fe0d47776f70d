//! Lists of accounts for admins. Each page is read from an index that has its order, so its cost depends on what it
//! shows and not on the number of accounts.

use std::collections::VecDeque;

use bson::{Bson, Document, Uuid, doc};
use futures_util::TryStreamExt;
use mongodb::options::Hint;
use service_kit::mongo::{StoreError, with_deadline};

use super::{
    indexes::{EMAIL_BY_STATUS, ID_BY_STATUS, USERNAME_BY_STATUS},
    user_document::UserRecord,
    users::UserStore,
};
use crate::domain::{
    SearchText, UserCursor, UserSearch, UserSelection, UserStatus,
    user_search::{MAX_IDS, prefix_end},
};

/// The current email address. Reserved addresses come after it and are not searched.
const EMAIL: &str = "emailKeys.0";
const USERNAME: &str = "usernameKey";
/// The index that every collection has.
const ID_INDEX: &str = "_id_";
/// The maximum number of batches that are read from each index for one page. An account that matches by both keys
/// is shown at the first of them, so a page may have to skip many accounts.
const MAX_BATCHES: usize = 8;
/// The error code `BadValue` of the server: the index of the hint is not built yet.
const BAD_VALUE: i32 = 2;

/// A page of accounts, and the cursor of the last one if more accounts may follow.
pub struct UserPage {
    pub users: Vec<UserRecord>,
    pub next: Option<UserCursor>,
}

/// A query for accounts in the order of an index.
struct IndexQuery {
    filter: Document,
    sort: Document,
    index: &'static str,
}

impl UserStore {
    /// Returns at most `limit` accounts after the cursor `after`. A page may be short, and even empty, although
    /// more accounts follow: only `next` says whether they do. A selection that is one page has no limit and no
    /// cursor.
    pub async fn page(
        &self,
        search: &UserSearch,
        after: Option<&UserCursor>,
        limit: usize,
    ) -> Result<UserPage, StoreError> {
        let status = status_filter(search.status);
        let (field, value, index) = match &search.selection {
            UserSelection::All => return self.page_by_id(status, after, limit).await,
            UserSelection::Prefix(text) => return self.page_by_key(text, status, after, limit).await,
            UserSelection::Ids(ids) => {
                let ids: Vec<Uuid> = ids.iter().copied().map(Uuid::from).collect();
                ("_id", Bson::from(doc! { "$in": ids }), ID_INDEX)
            }
            UserSelection::Email(email) => (EMAIL, Bson::from(email.key()), EMAIL_BY_STATUS),
            UserSelection::Username(username) => (USERNAME, Bson::from(username.key()), USERNAME_BY_STATUS),
        };
        let filter = doc! { "status": status, field: value };
        let users = self.query(IndexQuery { filter, sort: doc! { field: -1 }, index }, MAX_IDS).await?;
        Ok(UserPage { users, next: None })
    }

    async fn page_by_id(
        &self,
        status: Document,
        after: Option<&UserCursor>,
        limit: usize,
    ) -> Result<UserPage, StoreError> {
        let mut filter = doc! { "status": status };
        if let Some(UserCursor::Id(id)) = after {
            filter.insert("_id", doc! { "$lt": Uuid::from(*id) });
        }
        let query = IndexQuery { filter, sort: doc! { "_id": -1 }, index: ID_BY_STATUS };
        let mut users = self.query(query, limit + 1).await?;
        let more = users.len() > limit;
        users.truncate(limit);
        let next = users.last().filter(|_| more).map(|last| UserCursor::Id(last.id.into()));
        Ok(UserPage { users, next })
    }

    async fn page_by_key(
        &self,
        text: &SearchText,
        status: Document,
        after: Option<&UserCursor>,
        limit: usize,
    ) -> Result<UserPage, StoreError> {
        let after_key = match after {
            Some(UserCursor::Key(key)) => Some(key.as_str()),
            _ => None,
        };
        let mut by_email = KeyScan::new(EMAIL, EMAIL_BY_STATUS, text.email(), after_key);
        let mut by_username =
            text.username().map(|prefix| KeyScan::new(USERNAME, USERNAME_BY_STATUS, prefix, after_key));
        let mut users: Vec<UserRecord> = Vec::with_capacity(limit);
        let mut last = None;
        loop {
            by_email.fetch_if_empty(self, &status, limit + 1).await?;
            if let Some(by_username) = &mut by_username {
                by_username.fetch_if_empty(self, &status, limit + 1).await?;
            }
            // The next key of one scan is unknown. The accounts of the other scan may come after it.
            if by_email.is_cut_short() || by_username.as_ref().is_some_and(KeyScan::is_cut_short) {
                return Ok(UserPage { users, next: last.map(UserCursor::Key) });
            }
            let name = by_username.as_ref().and_then(KeyScan::key);
            let email_first = by_email.key().is_some_and(|email| name.is_none_or(|name| email <= name));
            let scan = if email_first { Some(&mut by_email) } else { by_username.as_mut() };
            let Some((key, user)) = scan.and_then(KeyScan::pop) else { return Ok(UserPage { users, next: None }) };
            if !is_found_by_smaller_key(&user, &key, text) {
                if users.len() == limit {
                    return Ok(UserPage { users, next: last.map(UserCursor::Key) });
                }
                users.push(user);
            }
            last = Some(key);
        }
    }

    async fn query(&self, query: IndexQuery, limit: usize) -> Result<Vec<UserRecord>, StoreError> {
        match self.query_with_hint(&query, Some(query.index), limit).await {
            Err(StoreError::Other(cause)) if cause.code() == Some(BAD_VALUE) => {
                self.query_with_hint(&query, None, limit).await
            }
            result => result,
        }
    }

    async fn query_with_hint(
        &self,
        query: &IndexQuery,
        index: Option<&str>,
        limit: usize,
    ) -> Result<Vec<UserRecord>, StoreError> {
        with_deadline(self.handle.deadline, async {
            let mut find = self
                .handle
                .collection
                .find(query.filter.clone())
                .projection(doc! { "pendingEvents": 0, "tokens": 0 })
                .sort(query.sort.clone())
                .limit(i64::try_from(limit).unwrap_or(i64::MAX));
            if let Some(index) = index {
                find = find.hint(Hint::Name(index.to_owned()));
            }
            find.await?.with_type::<UserRecord>().try_collect().await
        })
        .await
    }
}

/// Returns the filter on the status. Every filter has one, because the indexes begin with the status. Tombstones
/// have none.
fn status_filter(status: Option<UserStatus>) -> Document {
    let all = [UserStatus::Active, UserStatus::Disabled];
    let names: Vec<&str> =
        all.into_iter().filter(|it| status.is_none_or(|only| only == *it)).map(UserStatus::as_str).collect();
    doc! { "$in": names }
}

/// Returns whether the account also matches by its other key, and is shown at that one because it is smaller.
fn is_found_by_smaller_key(user: &UserRecord, key: &str, text: &SearchText) -> bool {
    let email = user.email_keys.first().map_or("", String::as_str);
    let name = user.username_key.as_str();
    if key == name {
        email < key && email.starts_with(text.email())
    } else {
        name < key && text.username().is_some_and(|prefix| name.starts_with(prefix))
    }
}

/// A scan of the accounts that match by one kind of key, in the order of that key, read in batches.
struct KeyScan {
    field: &'static str,
    index: &'static str,
    /// The range of keys that have not been read yet.
    from: Document,
    buffer: VecDeque<(String, UserRecord)>,
    batches: usize,
    exhausted: bool,
}

impl KeyScan {
    fn new(field: &'static str, index: &'static str, prefix: &str, after: Option<&str>) -> Self {
        let mut from = match after.filter(|after| *after >= prefix) {
            Some(after) => doc! { "$gt": after },
            None => doc! { "$gte": prefix },
        };
        if let Some(end) = prefix_end(prefix) {
            from.insert("$lt", end);
        }
        Self { field, index, from, buffer: VecDeque::new(), batches: 0, exhausted: false }
    }

    async fn fetch_if_empty(&mut self, users: &UserStore, status: &Document, batch: usize) -> Result<(), StoreError> {
        if !self.buffer.is_empty() || self.exhausted || self.batches == MAX_BATCHES {
            return Ok(());
        }
        let mut filter = doc! { "status": status };
        filter.insert(self.field, self.from.clone());
        let mut sort = Document::new();
        sort.insert(self.field, 1);
        let found = users.query(IndexQuery { filter, sort, index: self.index }, batch).await?;
        self.batches += 1;
        self.exhausted = found.len() < batch;
        self.buffer = found.into_iter().map(|user| (self.key_of(&user), user)).collect();
        if let Some((last, _)) = self.buffer.back() {
            self.from.remove("$gte");
            self.from.insert("$gt", last.clone());
        }
        Ok(())
    }

    fn key_of(&self, user: &UserRecord) -> String {
        if self.field == EMAIL {
            user.email_keys.first().cloned().unwrap_or_default()
        } else {
            user.username_key.clone()
        }
    }

    fn key(&self) -> Option<&str> {
        self.buffer.front().map(|(key, _)| key.as_str())
    }

    fn pop(&mut self) -> Option<(String, UserRecord)> {
        self.buffer.pop_front()
    }

    /// Returns whether more accounts may match that this page does not read.
    fn is_cut_short(&self) -> bool {
        self.buffer.is_empty() && !self.exhausted
    }
}
