//! What the service does, one file each. A use case takes domain values, decides,
//! writes once, and offers the events to the relay.

mod administration;
mod audit_log;
mod background;
mod begin_session;
mod change_email;
mod change_password;
mod delete_account;
mod disown_account;
mod expire_unverified;
mod export;
mod export_users;
mod failure;
mod hidden_registration;
mod import_users;
mod link_state;
mod lock;
mod login;
mod login_totp;
mod logout;
mod new_password;
mod one_time_tokens;
mod profile;
mod reauthenticate;
mod refresh;
mod register;
mod request_mail;
mod reset_password;
mod second_factor;
mod sessions;
mod sign_in;
mod throttle;
mod totp_change;
mod totp_setup;
mod undo_change;
mod undo_email_change;
mod undo_link;
mod unlock;
mod username_claim;
mod verify_email;
mod who;

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use service_kit::{Clock, Ids, mongo::RequestBudget, panics};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use uuid::Uuid;

pub use administration::{
    AccountName, ActError, FoundUsers, GrantRoleError, Granted, RemoveSecondFactorError, audit_log_of, delete_user,
    disable_user, enable_user, end_sessions, find_user, find_users, grant_role, remove_second_factor,
    remove_second_factor_as_operator,
};
pub use audit_log::{AuditLogEntry, AuditPage, audit_log};
pub use background::{Background, BackgroundQueue, RequestedMail};
pub use change_email::{ChangeEmail, ChangeEmailError, ConfirmEmailError, change_email, confirm_email_change};
pub use change_password::{ChangePassword, ChangePasswordError, change_password};
pub use delete_account::{DeleteAccount, DeleteAccountError, delete_account};
pub use disown_account::{DisownAccountError, disown_account};
pub use expire_unverified::{Expiry, expire_unverified};
pub use export::{
    ExportedFactor, ExportedKey, ExportedSession, ExportedToken, ExportedUsedLink, PersonalData, WaitingEvent,
    export_audit, export_sessions, personal_data,
};
pub use export_users::{ExportError, Exported, export_users};
pub use failure::Failure;
pub use import_users::{
    Import, ImportError, Importer, Mistake, Progress, RefusedLine, Running, Step, begin as begin_import, fingerprint,
};
pub use link_state::{LinkState, LinkedAccount, link_state, resend_link};
pub use login::{Login, LoginError, login};
pub use login_totp::{LoginTotpError, login_totp};
pub use logout::logout;
pub use new_password::Passwords;
pub use profile::{ProfileChange, UpdateProfileError, edit_user, update_profile};
pub use refresh::{RefreshError, refresh};
pub use register::{RegisterError, Registered, Registration, register};
pub use request_mail::request_mail;
pub use reset_password::{ResetPasswordError, request_reset, reset_password};
pub use second_factor::SecondFactorError;
pub use sessions::{
    EndSessionError, EndSessionsError, ListedSession, SessionPage, end_other_sessions, end_session, list_sessions,
};
pub use sign_in::SignedIn;
pub use throttle::{Limits, Standing, Throttle, with_standing};
pub use totp_change::{BothFactors, remove_totp, renew_recovery_codes};
pub use totp_setup::{TotpStarted, confirm_totp, start_totp};
pub use undo_change::{UndoChangeError, undo_change};
pub use undo_email_change::{UndoEmailChangeError, undo_email_change};
pub use unlock::{UnlockError, unlock};
pub use verify_email::{VerifyEmailError, request_verification, verify_email};
pub use who::{Caller, NotSignedIn, caller};

use crate::{
    domain::AttributeRules,
    hashing::HashPool,
    keys::KeyEncryptionKey,
    metrics::AccountMetrics,
    outbox::Outbox,
    relay::Relay,
    store::{Backlog, Commit, PendingEvent, SessionTimes, Store, UserRecord},
    tokens::{AccessTokens, MfaTokens, RefreshTokens},
};

/// How often a use case decides again because somebody else wrote in between.
const DECISIONS: usize = 50;

/// Everything that the use cases work with.
pub struct Accounts {
    pub store: Store,
    pub relay: Relay,
    pub hashes: HashPool,
    pub access_tokens: AccessTokens,
    pub refresh_tokens: RefreshTokens,
    pub mfa_tokens: MfaTokens,
    pub outbox: Outbox,
    pub background: BackgroundQueue,
    pub keys: KeyEncryptionKey,
    pub clock: Clock,
    pub ids: Ids,
    pub rules: Rules,
    pub passwords: Passwords,
    pub attributes: AttributeRules,
    pub throttle: Throttle,
    pub metrics: AccountMetrics,
    pub writes: Writes,
    /// Whether the indexes that decide uniqueness are there.
    pub unique: tokio::sync::watch::Receiver<bool>,
}

/// Lifetimes and rules from the configuration.
#[derive(Debug, Clone)]
pub struct Rules {
    pub session_times: SessionTimes,
    pub verification_ttl: Duration,
    pub reset_ttl: Duration,
    pub undo_ttl: Duration,
    pub require_verified_email: bool,
    /// Whether a registration hides if its address has an account.
    pub hidden_registration: bool,
    /// What authenticators show above the code.
    pub totp_issuer: String,
}

/// Writes under way. They outlive their clients, whose number would bound them otherwise.
const WRITES: usize = 4096;

/// Runs writes to their end even if the client goes away: a handler may be dropped at
/// any await.
#[derive(Clone)]
pub struct Writes {
    runtime: tokio::runtime::Handle,
    tasks: TaskTracker,
    room: Arc<Semaphore>,
}

impl Writes {
    /// Writes run on the runtime in which this is called.
    #[must_use]
    pub fn on_this_runtime() -> Self {
        let room = Arc::new(Semaphore::new(WRITES));
        Self { runtime: tokio::runtime::Handle::current(), tasks: TaskTracker::new(), room }
    }

    /// Waits until none is under way; no new ones may come then.
    pub async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// A panic of the write is a failure of who asked for it; what it has written by then stays.
    ///
    /// The write has the deadlines of its operations. The client waits no longer than its
    /// request may wait for the store (`mongo::with_request_budget`): then it is told
    /// "unavailable", and the write goes on.
    async fn to_the_end<T, E>(&self, write: impl Future<Output = Result<T, E>> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Failure> + Send + 'static,
    {
        let Some(budget) = RequestBudget::current() else { return self.run(write).await };
        tokio::select! {
            biased;
            result = self.run(budget.clone().charge(write)) => result,
            () = budget.exhausted() => Err(Failure::unavailable("the write is still under way").into()),
        }
    }

    async fn run<T, E>(&self, write: impl Future<Output = Result<T, E>> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Failure> + Send + 'static,
    {
        // Not for long: each write has the deadlines of its operations. Who goes away here has
        // written nothing.
        let waiting = RequestBudget::current().map(|budget| budget.start_wait());
        let room = Arc::clone(&self.room).acquire_owned().await;
        drop(waiting);
        let write = async move {
            let _room = room.expect("the semaphore is never closed");
            panics::catch_future("write", with_standing(write)).await
        };
        let task = self.tasks.spawn_on(write.in_current_span(), &self.runtime);
        // The other error of a task is that its runtime ends.
        let written = task.await.map_err(|_| Failure::unavailable("shutting down"))?;
        let (output, standing) = written.map_err(|panicked| Failure::Internal(panicked.into()))?;
        standing.into_iter().for_each(throttle::tell);
        output
    }
}

impl Accounts {
    /// Fails until uniqueness can be decided: without its indexes nothing that must be
    /// unique is written.
    fn uniqueness_is_decided(&self) -> Result<(), Failure> {
        if *self.unique.borrow() { Ok(()) } else { Err(Failure::unavailable("the unique indexes are not there yet")) }
    }

    /// Publishes what the write left pending.
    fn publish(&self, user: &UserRecord) {
        self.relay.offer(Backlog {
            user: user.id,
            deleted_at: None,
            pending_events: user.pending_events.clone(),
            parked: user.parked.clone(),
        });
    }

    /// Publishes what a tombstone has pending.
    fn publish_tombstone(&self, user: Uuid, now: Timestamp, pending_events: Vec<PendingEvent>) {
        self.relay.offer(Backlog { user: user.into(), deleted_at: Some(now.into()), pending_events, parked: None });
    }
}

/// What to do after a commit that decided about a living account.
enum Next {
    Done(Box<UserRecord>),
    DecideAgain,
}

/// Sorts a commit's end; a full pending list is "later".
fn after(commit: Commit) -> Result<Next, Failure> {
    match commit {
        Commit::Done(user) => Ok(Next::Done(user)),
        Commit::Outdated => Ok(Next::DecideAgain),
        Commit::PendingFull => Err(Failure::unavailable("this account has too many unpublished events")),
        Commit::Buried(_) => Err(Failure::Internal(anyhow::anyhow!("buried where nothing was to be deleted"))),
    }
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    now.saturating_add(SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX)).unwrap_or(Timestamp::MAX)
}

/// Shared by every handler.
pub type SharedAccounts = Arc<Accounts>;
