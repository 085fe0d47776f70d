//! Claims the username of an account that was registered in hidden mode. The write that proves the address for the
//! first time claims it. If another account has the username by then, the account gets a variant with a number.

use bson::{Bson, Document, doc};
use jiff::Timestamp;
use service_kit::mongo::StoreError;

use crate::{
    domain::{Username, UsernameHistory},
    outbox::Origin,
    store::{NewEvent, USERNAME_KEY, USERNAME_KEYS, UserRecord, username_fields},
    usecase::{account_service::AccountService, failure::Failure},
};

/// The number of taken names after which the number in the name gets more digits.
const TAKEN_BEFORE_MORE_DIGITS: u32 = 3;

/// The claim of one account, over all attempts of its write.
#[derive(Default)]
pub(in crate::usecase) struct UsernameClaim {
    /// The number of names that were tried and are taken.
    taken_names: u32,
    freed: bool,
}

/// The additional fields and event of the write that proves the address.
#[derive(Default)]
pub(in crate::usecase) struct ClaimWrite {
    pub set: Document,
    /// Set if the account gets another username than it was registered with.
    pub event: Option<NewEvent>,
}

impl UsernameClaim {
    /// Returns the additional part of the write; it is empty for an account that already has its username.
    ///
    /// # Errors
    /// Returns an error if the unique indexes do not exist yet.
    pub(in crate::usecase) fn build_write(
        &self,
        accounts: &AccountService,
        user: &UserRecord,
        now: Timestamp,
        origin: &Origin,
    ) -> Result<ClaimWrite, Failure> {
        if !user.unclaimed {
            return Ok(ClaimWrite::default());
        }
        accounts.require_unique_indexes()?;
        let username = self.candidate(accounts, user)?;
        let mut set = username_fields(&UsernameHistory { current: username.key().to_owned(), reserved: Vec::new() });
        set.extend(doc! { "username": username.as_str(), "unclaimed": Bson::Null });
        let event = (self.taken_names > 0)
            .then(|| accounts.outbox.profile_updated(user.id.into(), vec!["username".to_owned()], now, origin));
        Ok(ClaimWrite { set, event })
    }

    /// Returns whether the error says that the username is taken. The next attempt then uses another name, or the same
    /// one if an ended reservation was removed.
    ///
    /// # Errors
    /// Returns an error if the store is unavailable.
    pub(in crate::usecase) async fn advance_if_taken(
        &mut self,
        accounts: &AccountService,
        user: &UserRecord,
        error: &StoreError,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let StoreError::DuplicateKey { index } = error else { return Ok(false) };
        if !user.unclaimed || ![USERNAME_KEY, USERNAME_KEYS].contains(&index.as_str()) {
            return Ok(false);
        }
        if self.taken_names == 0 && !self.freed {
            let username = self.candidate(accounts, user)?;
            self.freed = accounts.store.users.release_expired_username(username.key(), now).await?;
            if self.freed {
                return Ok(true);
            }
        }
        self.taken_names += 1;
        Ok(true)
    }

    fn candidate(&self, accounts: &AccountService, user: &UserRecord) -> Result<Username, Failure> {
        let invalid =
            |invalid: crate::domain::Invalid| Failure::Internal(anyhow::anyhow!("invalid username: {invalid}"));
        let username = Username::parse(&user.username).map_err(invalid)?;
        if self.taken_names == 0 {
            return Ok(username);
        }
        let least = if self.taken_names <= TAKEN_BEFORE_MORE_DIGITS { 1_000 } else { 100_000_000 };
        let random = u32::try_from(accounts.ids.v4().as_u128() % (9 * u128::from(least))).unwrap_or_default();
        username.with_number(least + random).map_err(invalid)
    }
}
