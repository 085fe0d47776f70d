//! Invites a person: inserts an account that no password can sign in to, and mails a link that accepts the invitation.

use std::sync::Arc;

use events::{UserInvited, sealing::Purpose};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    domain::{Attributes, DisplayName, Email, IdempotencyKey, Invalid, Lifetimes, Locale, User, Username, Writer},
    outbox::{Actor, EventBuilder, Origin},
    problem::{Problem, Validation},
    store::{InvitationRecord, NewEvent, UserRecord},
    usecase::{
        account_service::AccountService,
        rate_limit::charged_counters::AdminMail,
        registration::register::{Access, NewAccount, NewUsername, existed_before},
    },
};

/// An invitation as a client sends it.
pub struct Invitation {
    /// `None` if the invited person chooses it.
    pub username: Option<String>,
    pub email: String,
    pub display_name: Option<String>,
    pub locale: Option<String>,
    pub attributes: Option<Value>,
    pub idempotency_key: Option<Result<IdempotencyKey, Invalid>>,
}

/// Creates the invited account, or finds the account that the same request created before.
///
/// # Errors
/// Returns [`Problem::ValidationFailed`], [`Problem::EmailTaken`], [`Problem::UsernameTaken`],
/// [`Problem::IdempotencyKeyReused`] or [`Problem::RateLimited`]. Nothing was written, unless the store was
/// unavailable: then the outcome is unknown, and a retry with the same `Idempotency-Key` is safe.
pub async fn invite_user(
    accounts: &Arc<AccountService>,
    invitation: Invitation,
    origin: Origin,
) -> Result<User, Problem> {
    let account = accounts.parse_invitation(invitation)?;
    accounts.require_unique_indexes()?;
    let started = accounts.clock.now();
    let inviter = accounts.name_of_inviter(&origin).await?;
    let charges = accounts.rate_limiter.charge_mail_by_admin(AdminMail::Invitation, &account.email).await?;
    let invited = accounts.insert_account(account, Access::Invitation { inviter }, origin).await;
    match &invited {
        // The account existed before this request, so no mail is sent.
        Ok(user) if existed_before(user, started) => {
            accounts.rate_limiter.refund(&charges).await;
        }
        Err(Problem::EmailTaken | Problem::UsernameTaken | Problem::IdempotencyKeyReused) => {
            accounts.rate_limiter.refund(&charges).await;
        }
        // After any other failure the account may exist.
        _ => {}
    }
    invited
}

/// Creates the links of invitations, and the events that mail them.
pub struct Invitations {
    pub outbox: EventBuilder,
    pub lifetimes: Lifetimes,
}

impl Invitations {
    /// Creates a link for the invitation of a user, and the event that mails it.
    pub(in crate::usecase) fn invite(
        &self,
        user: &UserRecord,
        placeholder: Option<String>,
        inviter: Option<String>,
        now: Timestamp,
        origin: &Origin,
    ) -> (NewEvent, InvitationRecord) {
        let link = self.lifetimes.new_link(Purpose::Invitation, &user.email, now);
        let email_key = user.email_keys.first().map(String::as_str).unwrap_or_default();
        let invitation = InvitationRecord::new(&link, email_key, placeholder);
        let username = invitation.placeholder.is_none().then(|| user.username.clone());
        let (user_id, recipient) = (user.id.into(), user.user().recipient());
        let payload = |invitation| UserInvited { user_id, username, recipient, inviter, invitation };
        (self.outbox.event_with_link(now, origin, &link, payload), invitation)
    }
}

impl AccountService {
    fn parse_invitation(&self, sent: Invitation) -> Result<NewAccount, Problem> {
        let mut validation = Validation::default();
        let username = validation.check_optional("username", sent.username.as_deref().map(Username::parse));
        let email = validation.check("email", Email::parse(&sent.email));
        let display_name =
            validation.check_optional("displayName", sent.display_name.as_deref().map(DisplayName::parse));
        let locale = validation.check_optional("locale", sent.locale.as_deref().map(Locale::parse));
        let attributes = validation.check_optional("attributes", sent.attributes.map(Attributes::parse));
        let idempotency_key = validation.check_header("Idempotency-Key", sent.idempotency_key);
        validation.finish()?;
        let attributes = self.attributes.validate_new_attributes(attributes, Writer::Admin);
        let attributes = validation.check_schema("attributes", attributes).flatten();
        validation.finish()?;
        let Some(email) = email else { return Err(validation.problem()) };
        let username = match username {
            Some(username) => NewUsername::Chosen(username),
            None => NewUsername::Placeholder(self.placeholder()?),
        };
        Ok(NewAccount { by: Writer::Admin, username, email, display_name, locale, attributes, idempotency_key })
    }

    /// Returns a username for an account whose user will choose one. It is valid, because the previous release needs
    /// one, and random, so that it is free.
    fn placeholder(&self) -> Result<Username, Problem> {
        let random = self.ids.v4().simple().to_string();
        let name = format!("invited-{}", &random[..12]);
        Username::parse(&name).map_err(|invalid| Problem::internal(anyhow::anyhow!("invalid username: {invalid}")))
    }

    /// Returns the display name of the administrator who invites, or `None` if it is another actor.
    pub(in crate::usecase) async fn name_of_inviter(&self, origin: &Origin) -> Result<Option<String>, Problem> {
        let Actor::Admin(id) = origin.actor else { return Ok(None) };
        Ok(self.store.users.by_id(id).await?.and_then(|admin| admin.display_name))
    }
}
