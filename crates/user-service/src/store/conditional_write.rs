//! The one write that changes an account: a single update whose filter names what was decided on, and which
//! appends the events it causes.

use bson::{Bson, Document, Uuid, doc};
use events::sealing::Purpose;
use mongodb::options::ReturnDocument;
use serde::Deserialize;
use service_kit::mongo::{RequestBudget, StoreError, within};

use super::{
    SCHEMA_VERSION, bson_error,
    user_document::*,
    users::{UserStore, decode},
};
use crate::{
    domain::ip_prefix::{KNOWN_FOR, KNOWN_NETWORKS},
    hashing::PasswordHash,
};

/// At most as many used one-time tokens are kept of one account, the last ones.
const MAX_USED_TOKENS: i32 = 5;

/// What a write was decided on. Where it no longer holds, nothing is written.
pub enum Precondition<'a> {
    /// The whole document as it was read.
    Version(i64),
    /// The password that was verified: its hash, an active account, the session epoch.
    Credentials { hash: &'a PasswordHash, epoch: i64 },
    /// The same, and that the account has no second factor.
    CredentialsWithoutSecondFactor { hash: &'a PasswordHash, epoch: i64 },
}

/// How a change touches the one-time tokens.
#[derive(Default)]
pub enum TokenChange {
    #[default]
    None,
    /// Adds one; of its purpose at most `keep` remain, the newest.
    Add { token: TokenRecord, keep: usize },
    /// Drops those of this purpose.
    Drop(Purpose),
    /// Drops all but those of this purpose.
    DropAllBut(Purpose),
    /// These and no others; for who decided on the version.
    Replace(Vec<TokenRecord>),
}

/// How a change touches the second factor.
#[derive(Default)]
pub enum TotpChange {
    #[default]
    None,
    /// Begins a set-up; one that was begun before is replaced.
    SetUp(TotpSetup),
    /// It is on, and this is its state; the set-up is over.
    On(TotpRecord),
    /// It is off, and was on until now.
    Off,
    /// It is gone, with its set-up, as if the account had never had one: the owner of the
    /// mailbox said that it was not theirs, or the support removed it.
    Forget,
}

/// Which sessions of the user a write ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EndSessions {
    #[default]
    None,
    All,
    AllBut(uuid::Uuid),
}

/// What a write changes.
#[derive(Default)]
pub struct Change {
    /// Fields and their new values, verbatim (never read as expressions); null unsets.
    pub set: Document,
    pub tokens: TokenChange,
    /// Tokens that this change uses up, the one that was presented last.
    pub used_tokens: Vec<UsedTokenRecord>,
    pub totp: TotpChange,
    /// A login came from there: it becomes the first of the known networks.
    pub seen_network: Option<KnownNetwork>,
    pub end_sessions: EndSessions,
    /// Nothing of the user is left but the tombstone.
    pub tombstone: bool,
    pub events: Vec<NewEvent>,
    /// A login: not an update of the account, and its events may be left out when half
    /// of the pending list is used.
    pub events_optional: bool,
    /// Written even when the pending list is full (disable, delete, logout, reset, undo).
    pub ignore_pending_limit: bool,
}

/// How a commit ended, when it surely ended.
pub enum Commit {
    /// Written; the document as it is now.
    Done(Box<UserRecord>),
    /// Written; the account is a tombstone now, with these events to publish.
    Tombstoned(Vec<PendingEvent>),
    /// Not what it was decided on any more: decide again.
    Conflict,
    /// As many events as allowed wait for Kafka.
    PendingFull,
}

impl UserStore {
    /// Writes `change`, if what it was decided on still holds.
    ///
    /// # Errors
    /// [`StoreError::DuplicateKey`] where a unique key is taken; after
    /// [`StoreError::Timeout`] the outcome is unknown.
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
        let written = within(self.handle.deadline, async {
            users.find_one_and_update(filter, pipeline).return_document(ReturnDocument::After).await
        })
        .await?;
        match written {
            Some(document) if tombstone => Ok(Commit::Tombstoned(decode::<Tombstone>(&document)?.pending_events)),
            Some(document) => Ok(Commit::Done(Box::new(decode(&document)?))),
            None if bounded && self.has_field(id, &full).await? => Ok(Commit::PendingFull),
            None => {
                RequestBudget::begin_anew();
                Ok(Commit::Conflict)
            }
        }
    }

    async fn has_field(&self, id: uuid::Uuid, field: &str) -> Result<bool, StoreError> {
        let filter = doc! { "_id": Uuid::from(id), field: { "$exists": true } };
        let found = within(self.handle.deadline, async {
            self.handle.collection.find_one(filter).projection(doc! { "_id": 1 }).await
        })
        .await?;
        Ok(found.is_some())
    }

    /// The change as an update pipeline: sequences are counted from the version that
    /// the document has at that moment, and user text is wrapped in `$literal`.
    fn pipeline(&self, change: Change) -> Result<Vec<Document>, StoreError> {
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
        if !change.events_optional {
            set.insert("updatedAt", "$$NOW");
        }
        for (field, value) in change.set {
            let value = match value {
                Bson::Null => Bson::from("$$REMOVE"),
                value => Bson::from(doc! { "$literal": value }),
            };
            set.insert(field, value);
        }
        let kept = match change.end_sessions {
            EndSessions::None => None,
            EndSessions::All => Some(Bson::from("$$REMOVE")),
            EndSessions::AllBut(session) => Some(Bson::from(Uuid::from(session))),
        };
        if let Some(keep) = kept {
            set.insert("sessions", doc! { "epoch": { "$add": ["$sessions.epoch", 1_i64] }, "keep": keep });
        }
        if let Some(seen) = change.seen_network {
            set.insert("knownNetworks", networks_expression(&seen)?);
        }
        if let Some(tokens) = tokens_expression(change.tokens)? {
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
    let purpose_is = |operator: &str, purpose: Purpose| {
        let operands = vec![Bson::from("$$this.purpose"), Bson::from(doc! { "$literal": purpose.as_str() })];
        let mut condition = Document::new();
        condition.insert(operator, operands);
        doc! { "$filter": { "input": present.clone(), "cond": condition } }
    };
    Ok(match change {
        TokenChange::None => None,
        TokenChange::Drop(purpose) => Some(purpose_is("$ne", purpose).into()),
        TokenChange::DropAllBut(purpose) => Some(purpose_is("$eq", purpose).into()),
        TokenChange::Replace(tokens) => {
            Some(doc! { "$literal": bson::serialize_to_bson(&tokens).map_err(bson_error)? }.into())
        }
        TokenChange::Add { token, keep } => {
            let others = purpose_is("$ne", token.purpose);
            let same = purpose_is("$eq", token.purpose);
            let added = doc! { "$literal": bson::serialize_to_bson(&token).map_err(bson_error)? };
            let newest = i32::try_from(keep).unwrap_or(i32::MAX);
            let kept = doc! { "$slice": [{ "$concatArrays": [same, [added]] }, -newest] };
            Some(doc! { "$concatArrays": [others, kept] }.into())
        }
    })
}

/// Those that are still to be kept, then the new ones; the last of them all.
fn used_tokens_expression(used: &[UsedTokenRecord]) -> Result<Bson, StoreError> {
    let kept = doc! { "$filter": {
        "input": { "$ifNull": ["$usedTokens", []] },
        "cond": { "$gt": ["$$this.until", "$$NOW"] },
    } };
    let added = doc! { "$literal": bson::serialize_to_bson(used).map_err(bson_error)? };
    Ok(doc! { "$slice": [{ "$concatArrays": [kept, added] }, -MAX_USED_TOKENS] }.into())
}

/// This one first, then the others that are not too old.
fn networks_expression(seen: &KnownNetwork) -> Result<Bson, StoreError> {
    let age = i64::try_from(KNOWN_FOR.as_millis()).unwrap_or(i64::MAX);
    let known = i32::try_from(KNOWN_NETWORKS).unwrap_or(i32::MAX);
    let others = doc! { "$filter": { "input": { "$ifNull": ["$knownNetworks", []] }, "cond": { "$and": [
        { "$ne": ["$$this.network", { "$literal": &seen.network }] },
        { "$gt": ["$$this.lastSeen", { "$subtract": ["$$NOW", age] }] },
    ] } } };
    let seen = doc! { "$literal": bson::serialize_to_bson(seen).map_err(bson_error)? };
    Ok(doc! { "$slice": [{ "$concatArrays": [[seen], others] }, known] }.into())
}

/// What is left of a deleted account, as far as it is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tombstone {
    pending_events: Vec<PendingEvent>,
}
