//! Exports all users in the format of the import: one JSON object per line, ordered by id. The export is no snapshot: a
//! user who changes meanwhile is contained once, in the old or the new state.

use std::io;

use serde::Serialize;
use service_kit::mongo::StoreError;

use crate::store::{BulkStore, UserRecord};

/// The number of accounts in memory.
const PAGE_SIZE: i64 = 500;

/// The reason why an export failed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("the export cannot be written")]
    Write(#[source] io::Error),
    #[error("the database is unavailable")]
    Store(#[from] StoreError),
}

/// The numbers of an export.
#[derive(Debug, Default, Clone, Copy)]
pub struct ExportSummary {
    pub users: u64,
    /// The number of users with a second factor, which is not exported.
    pub second_factors: u64,
}

/// Writes all users. Calls `on_progress` with the number of users that are written so far.
///
/// # Errors
/// Returns [`ExportError`].
pub async fn export_users(
    store: &BulkStore,
    with_hashes: bool,
    out: &mut impl io::Write,
    mut on_progress: impl FnMut(u64),
) -> Result<ExportSummary, ExportError> {
    let (mut exported, mut last) = (ExportSummary::default(), None);
    loop {
        let page = store.page(last, PAGE_SIZE).await?;
        for user in &page {
            let line = serde_json::to_vec(&ExportedUser::new(user, with_hashes)).map_err(io::Error::from);
            line.and_then(|line| out.write_all(&line))
                .and_then(|()| out.write_all(b"\n"))
                .map_err(ExportError::Write)?;
            exported.users += 1;
            exported.second_factors += u64::from(user.totp.is_some());
        }
        on_progress(exported.users);
        match page.last() {
            Some(user) => last = Some(user.id.into()),
            None => return out.flush().map(|()| exported).map_err(ExportError::Write),
        }
    }
}

/// A line of the export. The member names are those of the API.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExportedUser<'a> {
    id: uuid::Uuid,
    username: &'a str,
    email: &'a str,
    email_verified: bool,
    display_name: Option<&'a str>,
    locale: Option<&'a str>,
    timezone: Option<&'a str>,
    attributes: Option<serde_json::Value>,
    roles: &'a [String],
    status: &'static str,
    created_at: jiff::Timestamp,
    last_login_at: Option<jiff::Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_hash: Option<&'a str>,
}

impl<'a> ExportedUser<'a> {
    fn new(user: &'a UserRecord, with_hashes: bool) -> Self {
        Self {
            id: user.id.into(),
            username: &user.username,
            email: &user.email,
            email_verified: user.email_verified,
            display_name: user.display_name.as_deref(),
            locale: user.locale.as_deref(),
            timezone: user.timezone.as_deref(),
            attributes: user.attributes.as_deref().and_then(|text| serde_json::from_str(text).ok()),
            roles: &user.roles,
            status: user.status.as_str(),
            created_at: user.created_at.to_jiff(),
            last_login_at: user.last_login_at.map(bson::DateTime::to_jiff),
            password_hash: with_hashes.then_some(user.password_hash.as_str()),
        }
    }
}
