//! Changes of the profile: members of a merge patch (RFC 7396), decided on the version
//! that was read and decided again when somebody else wrote.

use std::sync::Arc;

use bson::{Bson, Document, doc};
use serde_json::{Map, Value};

use super::{Accounts, Caller, DECISIONS, Failure, Next, after};
use crate::{
    domain::{Attributes, DisplayName, Invalid, Locale, Timezone, User, Username},
    outbox::Origin,
    store::{Change, DecidedOn, USERNAME_KEY, UserRecord},
};
use service_kit::mongo::StoreError;

/// New values; the outer `None` leaves a member as it is, the inner one clears it.
#[derive(Default)]
pub struct ProfileChange {
    pub username: Option<Username>,
    pub display_name: Option<Option<DisplayName>>,
    pub locale: Option<Option<Locale>>,
    pub timezone: Option<Option<Timezone>>,
    /// Merged into what is there.
    pub attributes: Option<Option<Map<String, Value>>>,
}

/// Why the profile is as it was.
#[derive(Debug, thiserror::Error)]
pub enum UpdateProfileError {
    #[error("the user name is taken")]
    UsernameTaken,
    #[error("the account has another version")]
    PreconditionFailed,
    #[error("the attributes would not be valid")]
    InvalidAttributes(Invalid),
    #[error("the account is gone")]
    Gone,
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<StoreError> for UpdateProfileError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

/// Writes the new values. `permits` judges the version that is decided on (`If-Match`).
///
/// # Errors
/// [`UpdateProfileError`]; nothing was changed, except after an unavailable store,
/// where the outcome is unknown.
pub async fn update_profile(
    accounts: &Arc<Accounts>,
    caller: Caller,
    change: ProfileChange,
    permits: impl Fn(i64) -> bool + Send + 'static,
    origin: Origin,
) -> Result<User, UpdateProfileError> {
    accounts.uniqueness_is_decided()?;
    let this = Arc::clone(accounts);
    accounts.writes.to_the_end(async move { this.patch(caller, &change, permits, &origin).await }).await
}

impl Accounts {
    async fn patch(
        &self,
        caller: Caller,
        change: &ProfileChange,
        permits: impl Fn(i64) -> bool,
        origin: &Origin,
    ) -> Result<User, UpdateProfileError> {
        let mut user = caller.user;
        for _ in 0..DECISIONS {
            if !permits(user.version) {
                return Err(UpdateProfileError::PreconditionFailed);
            }
            let (set, changed) = differences(&user, change).map_err(UpdateProfileError::InvalidAttributes)?;
            if changed.is_empty() {
                return Ok(user.user());
            }
            let event = self.outbox.profile_updated(user.id.into(), changed, self.clock.now(), origin);
            let write = Change { set, events: vec![event], ..Change::default() };
            let decided_on = DecidedOn::Version(user.version);
            let commit = match self.store.users.commit(user.id.into(), decided_on, write).await {
                Ok(commit) => commit,
                Err(StoreError::DuplicateKey { index }) if index == USERNAME_KEY => {
                    return Err(UpdateProfileError::UsernameTaken);
                }
                Err(error) => return Err(error.into()),
            };
            if let Next::Done(written) = after(commit)? {
                self.publish(&written);
                return Ok(written.user());
            }
            let again = self.store.users.by_id(user.id.into()).await?;
            user = again
                .filter(|user| user.session_lives(caller.session, caller.epoch))
                .ok_or(UpdateProfileError::Gone)?;
        }
        Err(Failure::unavailable("too many writers on one account").into())
    }
}

/// The fields to write, and the members' names as the event tells them.
fn differences(user: &UserRecord, change: &ProfileChange) -> Result<(Document, Vec<String>), Invalid> {
    let mut set = Document::new();
    let mut changed = Vec::new();
    if let Some(username) = &change.username
        && username.as_str() != user.username
    {
        set.extend(doc! { "username": username.as_str(), "usernameKey": username.key() });
        changed.push("username".to_owned());
    }
    let texts = [
        (
            "displayName",
            &user.display_name,
            change.display_name.as_ref().map(|new| new.as_ref().map(DisplayName::as_str)),
        ),
        ("locale", &user.locale, change.locale.as_ref().map(|new| new.as_ref().map(Locale::as_str))),
        ("timezone", &user.timezone, change.timezone.as_ref().map(|new| new.as_ref().map(Timezone::as_str))),
    ];
    for (member, old, new) in texts {
        if let Some(new) = new
            && old.as_deref() != new
        {
            set.insert(member, new.map_or(Bson::Null, Bson::from));
            changed.push(member.to_owned());
        }
    }
    if let Some(patch) = &change.attributes {
        let new = match patch {
            None => None,
            Some(patch) => Some(stored_attributes(user).merged(patch)?.to_json()),
        };
        if new != user.attributes {
            set.insert("attributes", new.map_or(Bson::Null, Bson::from));
            changed.push("attributes".to_owned());
        }
    }
    Ok((set, changed))
}

fn stored_attributes(user: &UserRecord) -> Attributes {
    let stored = user.attributes.as_deref().and_then(|text| serde_json::from_str(text).ok());
    stored.and_then(|value| Attributes::parse(value).ok()).unwrap_or_default()
}
