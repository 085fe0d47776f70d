//! Changes of a profile, by its owner or by an administrator: the members of a merge patch (RFC 7396). The
//! write requires the version that was read; after a conflicting write the change is decided again. An administrator
//! may also change the roles in the same write.

use std::sync::Arc;

use bson::{Bson, Document};
use serde_json::{Map, Value};
use service_kit::mongo::StoreError;
use uuid::Uuid;

use super::{
    account_service::AccountService,
    administration::last_admin::AdminWriteError,
    failure::Failure,
    rate_limit::account_writes::AccountWrite,
    sessions::authenticate::Caller,
    write_outcome::{MAX_ATTEMPTS, WriteOutcome, write_outcome},
};
use crate::{
    domain::{
        AttributeRules, Attributes, DisplayName, Locale, Roles, SchemaViolation, Timezone, User, UserStatus, Username,
        Writer, expiry::expires_at,
    },
    outbox::{Origin, roles_changed},
    store::{Change, USERNAME_KEY, USERNAME_KEYS, UserRecord, username_fields},
};

/// The new values. An outer `None` leaves the member unchanged, an inner `None` clears it.
#[derive(Default)]
pub struct ProfileChange {
    pub username: Option<Username>,
    pub display_name: Option<Option<DisplayName>>,
    pub locale: Option<Option<Locale>>,
    pub timezone: Option<Option<Timezone>>,
    /// A merge patch for the stored attributes.
    pub attributes: Option<Option<Map<String, Value>>>,
}

/// The reason why the profile was not changed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateProfileError {
    #[error("the username is taken")]
    UsernameTaken,
    #[error("the account has another version")]
    PreconditionFailed,
    #[error("the attributes would be invalid")]
    InvalidAttributes(Vec<SchemaViolation>),
    /// The account of the caller was deleted, or the session has ended.
    #[error("the account no longer exists")]
    Gone,
    /// The account that the administrator named does not exist.
    #[error("there is no such account")]
    NotFound,
    #[error("the account is the last administrator")]
    LastAdmin,
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<StoreError> for UpdateProfileError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

/// The author of a change, which decides what must hold when the account is read again.
enum Editor {
    User { session: Uuid, epoch: i64 },
    Admin { roles: Option<Roles> },
}

/// Changes the profile of the caller. `permits` is called with the version that the change is based on (`If-Match`).
///
/// # Errors
/// Returns [`UpdateProfileError`]. Nothing was changed, unless the store was unavailable: then the outcome is unknown.
pub async fn update_profile(
    accounts: &Arc<AccountService>,
    caller: Caller,
    change: ProfileChange,
    permits: impl Fn(i64) -> bool + Send + 'static,
    origin: Origin,
) -> Result<User, UpdateProfileError> {
    accounts.require_unique_indexes()?;
    if !permits(caller.user.version) {
        return Err(UpdateProfileError::PreconditionFailed);
    }
    let renames = change.username.as_ref().is_some_and(|new| new.as_str() != caller.user.username);
    let renaming: &[AccountWrite] = if renames { &[AccountWrite::Username] } else { &[] };
    let id = caller.user.id.into();
    // Charged before the work of validating the attributes against their schema.
    let charges = accounts.rate_limiter.charge_account_writes(&[AccountWrite::Profile], id).await?;
    let username_charges = accounts.rate_limiter.charge_account_writes(renaming, id).await;
    let username_charges = accounts.rate_limiter.refund_on_error(&charges, username_charges).await?;
    let editor = Editor::User { session: caller.session, epoch: caller.epoch };
    let this = Arc::clone(accounts);
    let patch = async move { this.patch(caller.user, &editor, &change, permits, &origin).await };
    match accounts.writes.run_to_completion(patch).await {
        // The username may have been written nevertheless.
        Err(UpdateProfileError::Failure(failure)) => Err(failure.into()),
        patched => accounts.rate_limiter.refund_on_error(&username_charges, patched).await,
    }
}

/// Changes the profile of the account with this id, as an administrator. `roles` replaces all roles of the account.
///
/// # Errors
/// Returns the errors of [`update_profile`], and [`UpdateProfileError::LastAdmin`].
pub async fn edit_user(
    accounts: &Arc<AccountService>,
    id: Uuid,
    change: ProfileChange,
    roles: Option<Roles>,
    permits: impl Fn(i64) -> bool + Send + 'static,
    origin: Origin,
) -> Result<User, UpdateProfileError> {
    accounts.require_unique_indexes()?;
    let editor = Editor::Admin { roles };
    let this = Arc::clone(accounts);
    let patch = async move {
        let user = this.store.users.by_id(id).await?.ok_or(UpdateProfileError::NotFound)?;
        this.patch(user, &editor, &change, permits, &origin).await
    };
    accounts.writes.run_to_completion(patch).await
}

impl AccountService {
    async fn patch(
        &self,
        mut user: UserRecord,
        editor: &Editor,
        change: &ProfileChange,
        permits: impl Fn(i64) -> bool,
        origin: &Origin,
    ) -> Result<User, UpdateProfileError> {
        let mut freed = false;
        for _ in 0..MAX_ATTEMPTS {
            if !permits(user.version) {
                return Err(UpdateProfileError::PreconditionFailed);
            }
            let id = user.id.into();
            let now = self.clock.now();
            let (mut set, changed) = differences(&user, change, &self.attributes, editor.writer())
                .map_err(UpdateProfileError::InvalidAttributes)?;
            if let Some(username) = &change.username
                && set.contains_key("username")
                && !user.unclaimed
            {
                let until = expires_at(now, self.rules.undo_ttl);
                set.extend(username_fields(&user.username_history().change_to(username.key(), until, now)));
            }
            let mut events = Vec::new();
            if !changed.is_empty() {
                events.push(self.outbox.profile_updated(id, changed, now, origin));
            }
            let mut admin_after = user.is_admin();
            if let Editor::Admin { roles: Some(roles) } = editor
                && roles.as_slice() != user.roles
            {
                set.insert("roles", roles.as_slice());
                admin_after = user.status == UserStatus::Active && roles.has_admin();
                events.push(roles_changed(&self.ids, id, roles.as_slice(), now, origin));
            }
            if events.is_empty() {
                return Ok(user.user());
            }
            let write = Change { set, events, ..Change::default() };
            let commit = match self.commit_with_admin_list(&user, admin_after, write).await {
                Ok(commit) => commit,
                Err(AdminWriteError::LastAdmin) => return Err(UpdateProfileError::LastAdmin),
                Err(AdminWriteError::Store(StoreError::DuplicateKey { index }))
                    if [USERNAME_KEY, USERNAME_KEYS].contains(&index.as_str()) =>
                {
                    let wanted = change.username.as_ref().filter(|_| !freed).map(Username::key);
                    freed = match wanted {
                        Some(key) => self.store.users.release_expired_username(key, now).await?,
                        None => false,
                    };
                    if !freed {
                        return Err(UpdateProfileError::UsernameTaken);
                    }
                    continue;
                }
                Err(AdminWriteError::Store(error)) => return Err(error.into()),
            };
            if let WriteOutcome::Done(written) = write_outcome(commit)? {
                self.publish(&written);
                return Ok(written.user());
            }
            user = editor.recheck(self.store.users.by_id(id).await?)?;
        }
        Err(Failure::too_many_conflicts().into())
    }
}

impl Editor {
    fn writer(&self) -> Writer {
        match self {
            Self::User { .. } => Writer::User,
            Self::Admin { .. } => Writer::Admin,
        }
    }

    /// Returns the account as it is now, if the author may still change it.
    fn recheck(&self, user: Option<UserRecord>) -> Result<UserRecord, UpdateProfileError> {
        match self {
            Self::User { session, epoch } => {
                user.filter(|user| user.is_session_valid(*session, *epoch)).ok_or(UpdateProfileError::Gone)
            }
            Self::Admin { .. } => user.ok_or(UpdateProfileError::NotFound),
        }
    }
}

/// Returns the fields to write, and the names of the changed members for the event.
fn differences(
    user: &UserRecord,
    change: &ProfileChange,
    rules: &AttributeRules,
    writer: Writer,
) -> Result<(Document, Vec<String>), Vec<SchemaViolation>> {
    let mut set = Document::new();
    let mut changed = Vec::new();
    if let Some(username) = &change.username
        && username.as_str() != user.username
    {
        set.insert("username", username.as_str());
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
        let new = rules.validate_change(&stored_attributes(user), patch.as_ref(), writer)?;
        let new = new.as_ref().map(Attributes::to_json);
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
