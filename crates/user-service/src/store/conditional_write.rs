//! The conditional write: every change of an account, and what happens when two writers change one account.
//!
//! [`UserStore::commit`] is a single update. Its filter contains the [`Precondition`] that the decision was based
//! on, and the update appends the events that the change causes. If another write came first, nothing is written
//! and the result is [`Commit::Conflict`]: the use case reads the account again and decides again.

use std::time::Duration;

use bson::{Bson, DateTime, Document, Uuid, doc};
use events::sealing::Purpose;
use mongodb::options::ReturnDocument;
use serde::{Deserialize, Serialize};
use service_kit::mongo::{RequestBudget, StoreError, with_deadline};

use super::{
    collection::{SCHEMA_VERSION, bson_error},
    user_document::{pending_event::is_update, *},
    users::{UserStore, decode},
};
use crate::{
    domain::{
        UserStatus,
        ip_prefix::{KNOWN_NETWORK_LIFETIME, MAX_KNOWN_NETWORKS},
        sign_in_places::{MAX_SIGN_IN_PLACES, SIGN_IN_PLACE_LIFETIME},
    },
    hashing::PasswordHash,
};

/// The maximum number of used one-time tokens of an account; the newest are kept.
const MAX_USED_TOKENS: i32 = 5;

/// How many entries of a list an account keeps, and for how long.
struct KeptEntries {
    most: usize,
    lifetime: Duration,
}

const KNOWN_NETWORKS: KeptEntries = KeptEntries { most: MAX_KNOWN_NETWORKS, lifetime: KNOWN_NETWORK_LIFETIME };
const SIGN_IN_PLACES: KeptEntries = KeptEntries { most: MAX_SIGN_IN_PLACES, lifetime: SIGN_IN_PLACE_LIFETIME };

/// The precondition of a write. If it no longer holds, nothing is written.
pub enum Precondition<'a> {
    /// The document still has the version that was read.
    Version(i64),
    /// The account is active, and still has the verified password hash and this session epoch.
    Credentials { hash: &'a PasswordHash, epoch: i64 },
    /// The same, and the account has no second factor.
    CredentialsWithoutSecondFactor { hash: &'a PasswordHash, epoch: i64 },
}

/// A change of the one-time tokens.
#[derive(Default)]
pub enum TokenChange {
    /// Only what follows from the other parts of the [`Change`].
    #[default]
    Implied,
    /// Adds a token. At most `keep` tokens of its purpose remain, the newest.
    Add { token: TokenRecord, keep: usize },
    /// Removes the tokens of this purpose.
    Drop(Purpose),
    /// Removes all tokens except those of this purpose.
    DropAllBut(Purpose),
    /// Replaces all tokens with these. The precondition must be the version.
    Replace(Vec<TokenRecord>),
}

/// A change of the second factor.
#[derive(Default)]
pub enum TotpChange {
    #[default]
    None,
    /// Starts a setup. It replaces a setup that was started before.
    SetUp(TotpSetup),
    /// Stores the state of a second factor that is on, and ends the setup.
    On(TotpRecord),
    /// Turns off a second factor that was on until now.
    Off,
    /// Removes the second factor and its setup as if the account had never had one: the owner of the mailbox
    /// reported that it was not theirs, or an operator removed it.
    Forget,
}

/// The sessions of the user that a write ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EndSessions {
    #[default]
    None,
    All,
    AllBut(uuid::Uuid),
}

/// The changes of one write.
#[derive(Default)]
pub struct Change {
    /// Fields and their new values, which are never evaluated as expressions. Null removes the field.
    pub set: Document,
    /// The new status. A disabled account has no sessions, and no tokens except those that undo a change of address.
    pub status: Option<UserStatus>,
    /// The new roles.
    pub roles: Option<Vec<String>>,
    /// The hash of another password. The tokens become void, except those that undo a change of address.
    pub replaced_password: Option<PasswordHash>,
    /// The unique key that the account gets by this change.
    pub claims: Option<ClaimedKey>,
    pub tokens: TokenChange,
    /// The tokens that this change uses up. The token that was presented is the last one.
    pub used_tokens: Vec<UsedTokenRecord>,
    pub totp: TotpChange,
    /// The network of a login. It becomes the first of the known networks.
    pub seen_network: Option<KnownNetwork>,
    /// The place of a login. It becomes the first of the sign-in places.
    pub seen_place: Option<SignInPlaceRecord>,
    pub end_sessions: EndSessions,
    /// Whether only the tombstone of the user remains.
    pub tombstone: bool,
    pub events: Vec<NewEvent>,
    /// Whether the events are omitted when half of the pending list is used, as those of a login are.
    pub events_optional: bool,
    /// Whether the change is written even if the pending list is full, as a deletion, a reset or an undo is.
    pub ignore_pending_limit: bool,
}

/// A unique key that a change claims. The reservation of another account that has expired does not prevent this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimedKey {
    Email(String),
    Username(String),
    /// The same, but if the username is taken, the change is decided again, for another username.
    UsernameOrAnother(String),
}

impl Change {
    /// Returns the change that deletes an account.
    #[must_use]
    pub fn tombstone(event: NewEvent) -> Self {
        Self { tombstone: true, ignore_pending_limit: true, events: vec![event], ..Self::default() }
    }

    /// Returns the sessions that end by this change.
    #[must_use]
    pub fn ended_sessions(&self) -> EndSessions {
        match self.status {
            Some(UserStatus::Disabled) => EndSessions::All,
            _ => self.end_sessions,
        }
    }

    /// Returns the change of the tokens, and leaves none.
    fn take_token_change(&mut self) -> TokenChange {
        let implied = self.replaced_password.is_some() || self.status == Some(UserStatus::Disabled);
        match std::mem::take(&mut self.tokens) {
            TokenChange::Implied if implied => TokenChange::DropAllBut(Purpose::EmailChangeUndo),
            tokens => tokens,
        }
    }
}

/// The outcome of a commit whose outcome is known.
pub enum Commit {
    /// The change is written. This is the document after the write.
    Done(Box<UserRecord>),
    /// The change is written. The account is now a tombstone with these events to publish.
    Tombstoned(Vec<PendingEvent>),
    /// The precondition no longer holds. The caller must decide again.
    Conflict,
    /// The maximum number of events is waiting for Kafka.
    PendingFull,
}

impl UserStore {
    /// Writes `change` if the precondition still holds.
    ///
    /// # Errors
    /// Returns [`StoreError::DuplicateKey`] if a unique key is taken. After [`StoreError::Timeout`] the outcome is
    /// unknown.
    pub async fn commit(
        &self,
        id: uuid::Uuid,
        precondition: Precondition<'_>,
        change: Change,
    ) -> Result<Commit, StoreError> {
        let mut filter = doc! { "_id": Uuid::from(id), "deletedAt": { "$exists": false } };
        match precondition {
            Precondition::Version(version) => {
                filter.insert("version", version);
            }
            Precondition::Credentials { hash, epoch } => filter.extend(credentials(hash, epoch)),
            Precondition::CredentialsWithoutSecondFactor { hash, epoch } => {
                filter.extend(credentials(hash, epoch));
                filter.insert("totp", doc! { "$exists": false });
            }
        }
        let bounded = !change.events.is_empty() && !change.ignore_pending_limit && !change.events_optional;
        let full = format!("pendingEvents.{}", self.max_pending - change.events.len().clamp(1, self.max_pending));
        if bounded {
            filter.insert(&full, doc! { "$exists": false });
        }
        let tombstone = change.tombstone;
        let pipeline = self.pipeline(change)?;
        let users = self.raw();
        let written = with_deadline(self.handle.deadline, async {
            users.find_one_and_update(filter, pipeline).return_document(ReturnDocument::After).await
        })
        .await?;
        match written {
            Some(document) if tombstone => Ok(Commit::Tombstoned(decode::<Tombstone>(&document)?.pending_events)),
            Some(document) => Ok(Commit::Done(Box::new(decode(&document)?))),
            None if bounded && self.has_field(id, &full).await? => Ok(Commit::PendingFull),
            None => {
                RequestBudget::restart();
                Ok(Commit::Conflict)
            }
        }
    }

    async fn has_field(&self, id: uuid::Uuid, field: &str) -> Result<bool, StoreError> {
        let filter = doc! { "_id": Uuid::from(id), field: { "$exists": true } };
        let found = with_deadline(self.handle.deadline, async {
            self.handle.collection.find_one(filter).projection(doc! { "_id": 1 }).await
        })
        .await?;
        Ok(found.is_some())
    }

    /// Returns the change as an update pipeline. The sequences of events are counted from the version that the
    /// document has when it is written. Values from users are wrapped in `$literal`.
    fn pipeline(&self, mut change: Change) -> Result<Vec<Document>, StoreError> {
        let raise = i64::try_from(change.events.len().max(1)).unwrap_or(i64::MAX);
        let pending = self.pending_expression(&change)?;
        let version = doc! { "$add": ["$version", raise] };
        if change.tombstone {
            return Ok(vec![doc! { "$replaceWith": {
                "_id": "$_id",
                "schemaVersion": SCHEMA_VERSION,
                "version": version,
                "deletedAt": "$$NOW",
                "pendingEvents": pending,
            } }]);
        }
        let mut set = doc! { "version": version, "pendingEvents": pending };
        // Other writes change nothing that other services see.
        if change.events.iter().any(|event| is_update(event.event_type.as_str())) {
            set.insert("updatedAt", "$$NOW");
        }
        let ended_sessions = change.ended_sessions();
        let tokens = change.take_token_change();
        let status = change.status.map(|status| ("status", status.as_str().into()));
        let roles = change.roles.map(|roles| ("roles", roles.into()));
        let password = change.replaced_password.map(|hash| ("passwordHash", hash.expose().into()));
        change.set.extend(
            [status, roles, password].into_iter().flatten().map(|(name, value): (_, Bson)| (name.to_owned(), value)),
        );
        for (field, value) in change.set {
            let value = match value {
                Bson::Null => Bson::from("$$REMOVE"),
                value => Bson::from(doc! { "$literal": value }),
            };
            set.insert(field, value);
        }
        let kept = match ended_sessions {
            EndSessions::None => None,
            EndSessions::All => Some(Bson::from("$$REMOVE")),
            EndSessions::AllBut(session) => Some(Bson::from(Uuid::from(session))),
        };
        if let Some(keep) = kept {
            set.insert("sessions", doc! { "epoch": { "$add": ["$sessions.epoch", 1_i64] }, "keep": keep });
        }
        if let Some(seen) = change.seen_network {
            let networks = seen_expression("knownNetworks", "network", &seen, seen.last_seen, &KNOWN_NETWORKS)?;
            set.insert("knownNetworks", networks);
        }
        if let Some(seen) = change.seen_place {
            let places = seen_expression("signInPlaces", "place", &seen, seen.last_seen, &SIGN_IN_PLACES)?;
            set.insert("signInPlaces", places);
        }
        if let Some(tokens) = tokens_expression(tokens)? {
            set.insert("tokens", tokens);
        }
        if !change.used_tokens.is_empty() {
            set.insert("usedTokens", used_tokens_expression(&change.used_tokens)?);
        }
        set.extend(second_factor_expressions(change.totp)?);
        Ok(vec![doc! { "$set": set }])
    }

    fn pending_expression(&self, change: &Change) -> Result<Bson, StoreError> {
        let present = doc! { "$ifNull": ["$pendingEvents", []] };
        if change.events.is_empty() {
            return Ok(present.into());
        }
        let mut entries = Vec::with_capacity(change.events.len());
        for (event, ahead) in change.events.iter().zip(1_i64..) {
            let literal = bson::serialize_to_bson(&event.to_pending_event(0)).map_err(bson_error)?;
            let sequence = doc! { "sequence": { "$add": ["$version", ahead] } };
            entries.push(doc! { "$mergeObjects": [{ "$literal": literal }, sequence] });
        }
        let appended = doc! { "$concatArrays": [present.clone(), entries] };
        if change.events_optional {
            let half = i64::try_from(self.max_pending / 2).unwrap_or(i64::MAX);
            let room = doc! { "$lt": [{ "$size": present.clone() }, half] };
            return Ok(doc! { "$cond": [room, appended, present] }.into());
        }
        Ok(appended.into())
    }
}

fn credentials(hash: &PasswordHash, epoch: i64) -> Document {
    doc! { "passwordHash": hash.expose(), "status": "active", "sessions.epoch": epoch }
}

fn second_factor_expressions(change: TotpChange) -> Result<Document, StoreError> {
    let literal =
        |value: bson::error::Result<Bson>| Ok::<_, StoreError>(doc! { "$literal": value.map_err(bson_error)? });
    Ok(match change {
        TotpChange::None => doc! {},
        TotpChange::SetUp(setup) => doc! { "totpSetup": literal(bson::serialize_to_bson(&setup))? },
        TotpChange::On(totp) => {
            doc! { "totp": literal(bson::serialize_to_bson(&totp))?, "totpSetup": "$$REMOVE" }
        }
        TotpChange::Off => doc! {
            "totp": "$$REMOVE",
            "totpSetup": "$$REMOVE",
            "secondFactorSince": { "$ifNull": ["$secondFactorSince", "$totp.enabledAt"] },
            "secondFactorOffAt": "$$NOW",
        },
        TotpChange::Forget => doc! {
            "totp": "$$REMOVE",
            "totpSetup": "$$REMOVE",
            "secondFactorSince": "$$REMOVE",
            "secondFactorOffAt": "$$REMOVE",
        },
    })
}

fn tokens_expression(change: TokenChange) -> Result<Option<Bson>, StoreError> {
    let present = doc! { "$ifNull": ["$tokens", []] };
    let filter_by_purpose = |operator: &str, purpose: Purpose| {
        let operands = vec![Bson::from("$$this.purpose"), Bson::from(doc! { "$literal": purpose.as_str() })];
        let mut condition = Document::new();
        condition.insert(operator, operands);
        doc! { "$filter": { "input": present.clone(), "cond": condition } }
    };
    Ok(match change {
        TokenChange::Implied => None,
        TokenChange::Drop(purpose) => Some(filter_by_purpose("$ne", purpose).into()),
        TokenChange::DropAllBut(purpose) => Some(filter_by_purpose("$eq", purpose).into()),
        TokenChange::Replace(tokens) => {
            Some(doc! { "$literal": bson::serialize_to_bson(&tokens).map_err(bson_error)? }.into())
        }
        TokenChange::Add { token, keep } => {
            let others = filter_by_purpose("$ne", token.purpose);
            let same = filter_by_purpose("$eq", token.purpose);
            let added = doc! { "$literal": bson::serialize_to_bson(&token).map_err(bson_error)? };
            let newest = i32::try_from(keep).unwrap_or(i32::MAX);
            let kept = doc! { "$slice": [{ "$concatArrays": [same, [added]] }, -newest] };
            Some(doc! { "$concatArrays": [others, kept] }.into())
        }
    })
}

/// Returns the used tokens that are not expired, followed by the new ones; at most [`MAX_USED_TOKENS`] of them, the
/// newest.
fn used_tokens_expression(used: &[UsedTokenRecord]) -> Result<Bson, StoreError> {
    let kept = doc! { "$filter": {
        "input": { "$ifNull": ["$usedTokens", []] },
        "cond": { "$gt": ["$$this.until", "$$NOW"] },
    } };
    let added = doc! { "$literal": bson::serialize_to_bson(used).map_err(bson_error)? };
    Ok(doc! { "$slice": [{ "$concatArrays": [kept, added] }, -MAX_USED_TOKENS] }.into())
}

/// Returns the list of an account with this entry first, followed by the other entries that were seen recently enough.
/// `key` is the field that distinguishes the entries.
fn seen_expression(
    list: &str,
    key: &str,
    seen: &impl Serialize,
    last_seen: DateTime,
    kept: &KeptEntries,
) -> Result<Document, StoreError> {
    let seen = bson::serialize_to_document(seen).map_err(bson_error)?;
    let age = i64::try_from(kept.lifetime.as_millis()).unwrap_or(i64::MAX);
    let oldest = DateTime::from_millis(last_seen.timestamp_millis().saturating_sub(age));
    let most = i32::try_from(kept.most).unwrap_or(i32::MAX);
    let others = doc! { "$filter": { "input": { "$ifNull": [format!("${list}"), []] }, "cond": { "$and": [
        { "$ne": [format!("$$this.{key}"), { "$literal": seen.get(key) }] },
        { "$gt": ["$$this.lastSeen", oldest] },
    ] } } };
    Ok(doc! { "$slice": [{ "$concatArrays": [[{ "$literal": seen }], others] }, most] })
}

/// The fields of a deleted account that are read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tombstone {
    pending_events: Vec<PendingEvent>,
}
