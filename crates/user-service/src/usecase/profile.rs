//! Changes of a profile, by its owner, by an administrator or by a client: the members of a merge patch (RFC 7396). The
//! write requires the version that was read; after a conflicting write the change is decided again. An administrator
//! may also change the roles in the same write.

use std::sync::Arc;

use bson::{Bson, Document};
use events::{RolesChangedBy, UserProfileUpdated, UserRolesChanged};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    account_service::AccountService,
    rate_limit::account_writes::AccountWrite,
    sessions::authenticate::Caller,
    update::{Attempt, Decision, require_version},
};
use crate::{
    domain::{
        AttributeRules, Attributes, DisplayName, ExpectedVersion, Invalid, Locale, Roles, SchemaViolation, Timezone,
        User, Username, Writer, expires_at,
    },
    outbox::{Actor, Origin},
    problem::{Problem, Validation},
    store::{Change, ClaimedKey, UserRecord, username_fields},
};

/// The new values, as a client sends them. An outer `None` leaves the member unchanged, an inner `None` clears it.
#[derive(Default)]
pub struct ProfilePatch {
    pub username: Option<String>,
    pub display_name: Option<Option<String>>,
    pub locale: Option<Option<String>>,
    pub timezone: Option<Option<String>>,
    /// A merge patch for the stored attributes.
    pub attributes: Option<Option<Map<String, Value>>>,
}

/// The new values.
struct ProfileChange {
    username: Option<Username>,
    display_name: Option<Option<DisplayName>>,
    locale: Option<Option<Locale>>,
    timezone: Option<Option<Timezone>>,
    attributes: Option<Option<Map<String, Value>>>,
}

impl ProfileChange {
    fn parse(patch: ProfilePatch, validation: &mut Validation) -> Self {
        Self {
            username: validation.check_optional("username", patch.username.as_deref().map(Username::parse)),
            display_name: validation
                .check_optional("displayName", patch.display_name.map(|new| parse_or_clear(new, DisplayName::parse))),
            locale: validation.check_optional("locale", patch.locale.map(|new| parse_or_clear(new, Locale::parse))),
            timezone: validation
                .check_optional("timezone", patch.timezone.map(|new| parse_or_clear(new, Timezone::parse))),
            attributes: patch.attributes,
        }
    }
}

fn parse_or_clear<T>(new: Option<String>, parse: impl Fn(&str) -> Result<T, Invalid>) -> Result<Option<T>, Invalid> {
    new.map(|text| parse(&text)).transpose()
}

/// Changes the profile of the caller.
///
/// # Errors
/// Returns [`Problem::ValidationFailed`], [`Problem::UsernameTaken`], [`Problem::PreconditionFailed`] or
/// [`Problem::Unauthorized`].
pub async fn update_profile(
    accounts: &Arc<AccountService>,
    caller: Caller,
    patch: ProfilePatch,
    expected: ExpectedVersion,
    origin: Origin,
) -> Result<User, Problem> {
    let mut validation = Validation::default();
    let change = ProfileChange::parse(patch, &mut validation);
    validation.finish()?;
    accounts.require_unique_indexes()?;
    require_version(&expected, &caller.user)?;
    let renames = change.username.as_ref().is_some_and(|new| new.as_str() != caller.user.username);
    let renaming: &[AccountWrite] = if renames { &[AccountWrite::Username] } else { &[] };
    let id = caller.user.id.into();
    // Charged before the work of validating the attributes against their schema.
    let charges = accounts.rate_limiter.charge_account_writes(&[AccountWrite::Profile], id).await?;
    let username_charges = accounts.rate_limiter.charge_account_writes(renaming, id).await;
    let username_charges = accounts.rate_limiter.refund_on_error(&charges, username_charges).await?;
    let decide = accounts.profile_decision(change, None, Writer::User, expected, origin);
    match accounts.update(accounts.signed_in(caller, None), decide).await {
        // The username may have been written nevertheless.
        Err(problem) if problem.status().is_server_error() => Err(problem),
        updated => Ok(accounts.rate_limiter.refund_on_error(&username_charges, updated).await?.into_user()?.user()),
    }
}

/// Changes the profile of the account with this id, as an administrator or a client. `roles` replaces all roles of the
/// account; only an administrator may change them.
///
/// # Errors
/// Returns [`Problem::ValidationFailed`], [`Problem::UsernameTaken`], [`Problem::PreconditionFailed`],
/// [`Problem::NotFound`], [`Problem::ForbiddenBecause`], or a conflict for the last administrator.
pub async fn edit_user(
    accounts: &Arc<AccountService>,
    id: Uuid,
    patch: ProfilePatch,
    roles: Option<Vec<String>>,
    expected: ExpectedVersion,
    origin: Origin,
) -> Result<User, Problem> {
    if roles.is_some() && matches!(origin.actor, Actor::Client(_)) {
        return Err(Problem::ForbiddenBecause("A client cannot change roles."));
    }
    let mut validation = Validation::default();
    let change = ProfileChange::parse(patch, &mut validation);
    let roles = validation.check_optional("roles", roles.map(Roles::parse));
    validation.finish()?;
    accounts.require_unique_indexes()?;
    let account = accounts.managed(id, &origin);
    let decide = accounts.profile_decision(change, roles, Writer::Admin, expected, origin);
    Ok(accounts.update(account, decide).await?.into_user()?.user())
}

impl AccountService {
    fn profile_decision(
        self: &Arc<Self>,
        change: ProfileChange,
        roles: Option<Roles>,
        writer: Writer,
        expected: ExpectedVersion,
        origin: Origin,
    ) -> impl FnMut(&UserRecord, (), Attempt) -> Result<Decision<()>, Problem> + use<> {
        let this = Arc::clone(self);
        move |user, (), Attempt { now, .. }| {
            require_version(&expected, user)?;
            let user_id = user.id.into();
            let mut validation = Validation::default();
            let differences = differences(user, &change, &this.attributes, writer);
            let (set, changed) =
                validation.check_schema("attributes", differences).ok_or_else(|| validation.problem())?;
            let mut write = Change { set, ..Change::default() };
            if let Some(username) = &change.username
                && write.set.contains_key("username")
                && !user.unclaimed
            {
                let until = expires_at(now, this.lifetimes.undo_link);
                let history = user.username_history().change_to(username.key(), until, now);
                write.set.extend(username_fields(&history));
                write.claims = Some(ClaimedKey::Username(username.key().to_owned()));
            }
            if !changed.is_empty() {
                write.events.push(this.outbox.event(now, &origin, UserProfileUpdated { user_id, changed }));
            }
            if let Some(roles) = roles.as_ref().map(Roles::as_slice)
                && roles != user.roles
            {
                write.roles = Some(roles.to_vec());
                let payload = UserRolesChanged { user_id, roles: roles.to_vec(), by: RolesChangedBy::Admin };
                write.events.push(this.outbox.event(now, &origin, payload));
            }
            Ok(if write.events.is_empty() { Decision::Unchanged(()) } else { Decision::Write(write, ()) })
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
