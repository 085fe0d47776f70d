//! Accepts an invitation. The use of the link proves control of the mailbox, so the address counts as verified. A
//! password reset of an invited account is an acceptance, too.

use std::sync::Arc;

use bson::{Bson, Document, doc};
use events::{UserEmailVerified, UserInvitationAccepted, sealing::Purpose};
use jiff::Timestamp;
use secrecy::SecretString;

use crate::{
    domain::{Invalid, Username, UsernameHistory},
    outbox::Origin,
    problem::{Problem, Validation},
    store::{Change, ClaimedKey, InvitationRecord, NewEvent, UserRecord, username_fields},
    usecase::{
        account_service::AccountService,
        mailed_links::link_validity::used_links,
        update::{Attempt, Decision, Load},
    },
};

/// Sets the first password and, where the invitation leaves it open, the username; then the user can sign in. The
/// values are validated after the token: a refused value does not use the token, and only the holder of a valid token
/// learns that it was refused.
///
/// # Errors
/// Returns [`Problem::TokenInvalid`], [`Problem::ValidationFailed`] or [`Problem::UsernameTaken`].
pub async fn accept_invitation(
    accounts: &Arc<AccountService>,
    token: &str,
    sent_username: Option<&str>,
    password: &SecretString,
    origin: Origin,
) -> Result<(), Problem> {
    accounts.rate_limiter.charge_request(&origin).await?;
    accounts.require_unique_indexes()?;
    let mut holder = accounts.invitation_holder(token)?;
    let (user, _) = holder.load(accounts.clock.now()).await?;
    let mut validation = Validation::default();
    let username = validation.check("username", parse_username(&user, sent_username));
    let password = validation.check("password", accounts.passwords.parse(password));
    let (Some(username), Some(password)) = (username, password) else { return Err(validation.problem()) };
    let name = username.as_ref().map_or(user.username.as_str(), Username::as_str);
    let context_words = [Some(name), Some(user.email.as_str()), user.display_name.as_deref()];
    let context_words: Vec<&str> = context_words.into_iter().flatten().collect();
    let password = accounts.passwords.judge("password", password, &context_words, &accounts.hashes).await?;
    let hash = accounts.hashes.hash(&password).await?;
    let this = Arc::clone(accounts);
    let sent_username = sent_username.map(str::to_owned);
    let accept = move |user: &UserRecord, invitation: InvitationRecord, Attempt { now, .. }: Attempt| {
        // An administrator may have chosen the username meanwhile.
        let username = Validation::only("username", parse_username(user, sent_username.as_deref()))?;
        // The first proof of the mailbox leaves these links without a purpose.
        let obsolete = [Purpose::EmailVerification, Purpose::PasswordReset];
        let mut change = Change {
            replaced_password: Some(hash.clone()),
            used_tokens: used_links(user, invitation.used(now), &obsolete, now),
            ignore_pending_limit: true,
            ..Change::default()
        };
        this.remember_place(user.id.into(), &mut change, now, &origin);
        let name = username.as_ref().map_or(user.username.as_str(), Username::as_str);
        let (set, events) = this.acceptance(user, name, now, &origin);
        (change.set, change.events) = (set, events);
        if let Some(username) = &username {
            change.claims = Some(ClaimedKey::Username(username.key().to_owned()));
            // The placeholder is not reserved: it was no name of a person.
            let history = UsernameHistory { current: username.key().to_owned(), reserved: Vec::new() };
            change.set.extend(username_fields(&history));
            change.set.insert("username", username.as_str());
        }
        Ok(Decision::Write(change, ()))
    };
    accounts.update(holder, accept).await.map(|_| ())
}

/// Returns the chosen username, or `None` if the invitation has one.
fn parse_username(user: &UserRecord, chosen: Option<&str>) -> Result<Option<Username>, Invalid> {
    match (user.chooses_username(), chosen) {
        (true, Some(chosen)) => Username::parse(chosen).map(Some),
        (true, None) => {
            Err(Invalid::new("missing", "This member is required, because the invitation has no username."))
        }
        (false, Some(_)) => {
            Err(Invalid::new("already-chosen", "The invitation has a username. Leave this member out."))
        }
        (false, None) => Ok(None),
    }
}

impl AccountService {
    /// Returns the fields and the events of an accepted invitation, besides the password and the username.
    pub(in crate::usecase) fn acceptance(
        &self,
        user: &UserRecord,
        username: &str,
        now: Timestamp,
        origin: &Origin,
    ) -> (Document, Vec<NewEvent>) {
        let user_id = user.id.into();
        let verified = UserEmailVerified { user_id, email: user.email.clone() };
        let accepted = UserInvitationAccepted { user_id, username: username.to_owned() };
        let events = vec![self.outbox.event(now, origin, verified), self.outbox.event(now, origin, accepted)];
        (doc! { "emailVerified": true, "invitation": Bson::Null }, events)
    }
}
