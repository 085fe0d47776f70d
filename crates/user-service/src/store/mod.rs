//! The MongoDB layer: the only module that knows collections, documents and filters.
//!
//! Every write is acknowledged by a majority and journaled (set on the client), except in `throttles`. Every
//! operation has a deadline; the outcome of an operation that exceeds it is unknown.

mod admins;
mod attempts;
mod audit;
mod bulk;
mod clients;
mod collection;
mod conditional_write;
mod dummy_user;
mod import_checkpoint;
mod indexes;
mod keys;
mod leases;
mod outbox;
mod published_state;
mod reservations;
mod session_document;
mod sessions;
mod snapshot_progress;
mod throttles;
mod user_document;
mod user_search;
mod users;

use std::time::Duration;

use mongodb::{Database, options::CollectionOptions};
use service_kit::mongo::WorkerCollection;

use collection::CollectionHandle;

pub use admins::{AdminRemoval, AdminStore, RemovalCount};
pub use attempts::{AttemptCharge, AttemptRefund, AttemptState, ChargeId, Forget};
pub use audit::{AuditEntry, AuditOnlyKind, AuditRow, AuditStore};
pub use bulk::{BulkStore, KeyHolder};
pub use clients::{ClientRecord, ClientStore};
pub use collection::SCHEMA_VERSION;
pub(crate) use collection::binary;
pub use conditional_write::{Change, ClaimedKey, Commit, EndSessions, Precondition, TokenChange, TotpChange};
pub use import_checkpoint::ImportCheckpoint;
pub use indexes::{EMAIL_KEYS, IDEMPOTENCY_KEY, is_username_index, non_unique_indexes, unique_indexes};
pub use keys::{KeySetDocument, KeyStore, NewKey, StoredKey, StoredKeySet};
pub use leases::LeaseStore;
pub use outbox::{AcknowledgedEvents, Backlog, OutboxStore, StatePublication};
pub use published_state::{PresentUser, TombstoneRecord};
pub use session_document::SessionRow;
pub use sessions::{Rotation, SessionStore};
pub use snapshot_progress::{SnapshotProgress, WaitingSnapshots};
pub use throttles::{Backoff, ThrottleKey, ThrottleRule, ThrottleState, ThrottleStore};
pub use user_document::{
    AuditDetails, IdempotencyRecord, ImportedFrom, InvitationRecord, KnownNetwork, NewEvent, Parked, PendingEvent,
    ReservedKey, SessionRule, SignInPlaceRecord, TokenRecord, TotpRecord, TotpSetup, UndoTokenRecord, UsedMfaToken,
    UsedTokenRecord, UserRecord, username_fields,
};
pub use user_search::UserPage;
pub use users::UserStore;

/// The collection of the small document that `/readyz` writes.
pub const READINESS: &str = "readiness";

/// The stores of all collections of the service.
#[derive(Clone)]
pub struct Store {
    pub users: UserStore,
    pub bulk: BulkStore,
    pub outbox: OutboxStore,
    pub sessions: SessionStore,
    pub audit: AuditStore,
    pub admins: AdminStore,
    pub clients: ClientStore,
    pub keys: KeyStore,
    pub leases: LeaseStore,
    pub throttles: ThrottleStore,
}

impl Store {
    /// Creates the stores. `deadline` limits each operation, and `max_pending` limits the number of unpublished
    /// events of a user.
    #[must_use]
    pub fn new(database: &Database, deadline: Duration, max_pending: usize) -> Self {
        let handle = |name| CollectionHandle {
            collection: WorkerCollection::new(database, name, CollectionOptions::default()),
            deadline,
        };
        let users = UserStore::new(handle("users"), max_pending);
        Self {
            admins: AdminStore::new(handle("admins"), users.clone()),
            users,
            bulk: BulkStore::new(&handle("users"), handle("imports"), handle("snapshots")),
            outbox: OutboxStore::new(handle("users"), handle("sessions"), handle("audit")),
            sessions: SessionStore::new(handle("sessions")),
            audit: AuditStore::new(handle("audit")),
            clients: ClientStore::new(handle("clients")),
            keys: KeyStore::new(handle("keys")),
            leases: LeaseStore::new(handle("leases")),
            throttles: ThrottleStore::new(&handle("throttles"), database),
        }
    }
}
