//! Claims the username of an account that was registered in hidden mode. The write that proves the address for the
//! first time claims it. If another account has the username by then, the account gets a variant with a number.

use bson::{Bson, doc};
use events::UserProfileUpdated;

use crate::{
    domain::{Invalid, Username, UsernameHistory},
    outbox::Origin,
    problem::Problem,
    store::{Change, ClaimedKey, UserRecord, username_fields},
    usecase::{account_service::AccountService, update::Attempt},
};

/// The number of taken names after which the number in the name gets more digits.
const TAKEN_BEFORE_MORE_DIGITS: u32 = 3;

/// Adds the claim to the write that proves the address; an account that already has its username adds nothing.
///
/// # Errors
/// Returns an error if the unique indexes do not exist yet.
pub(in crate::usecase) fn claim_username(
    accounts: &AccountService,
    user: &UserRecord,
    change: &mut Change,
    Attempt { now, taken_usernames }: Attempt,
    origin: &Origin,
) -> Result<(), Problem> {
    if !user.unclaimed {
        return Ok(());
    }
    accounts.require_unique_indexes()?;
    let username = candidate(accounts, user, taken_usernames)?;
    change.claims = Some(ClaimedKey::UsernameOrAnother(username.key().to_owned()));
    change.set.extend(username_fields(&UsernameHistory { current: username.key().to_owned(), reserved: Vec::new() }));
    change.set.extend(doc! { "username": username.as_str(), "unclaimed": Bson::Null });
    if taken_usernames > 0 {
        // The account gets another username than it was registered with.
        let payload = UserProfileUpdated { user_id: user.id.into(), changed: vec!["username".to_owned()] };
        change.events.push(accounts.outbox.event(now, origin, payload));
    }
    Ok(())
}

fn candidate(accounts: &AccountService, user: &UserRecord, taken: u32) -> Result<Username, Problem> {
    let invalid = |invalid: Invalid| Problem::Internal(anyhow::anyhow!("invalid username: {invalid}"));
    let username = Username::parse(&user.username).map_err(invalid)?;
    if taken == 0 {
        return Ok(username);
    }
    let least = if taken <= TAKEN_BEFORE_MORE_DIGITS { 1_000 } else { 100_000_000 };
    let random = u32::try_from(accounts.ids.v4().as_u128() % (9 * u128::from(least))).unwrap_or_default();
    username.with_number(least + random).map_err(invalid)
}
