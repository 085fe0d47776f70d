//! Remembers sessions that were ended individually. Their rows are deleted, but their access tokens stay valid for some
//! minutes. So "end all sessions" still has something to end, although no session is listed.

use std::time::Duration;

use service_kit::mongo::StoreError;
use uuid::Uuid;

use super::limiter::RateLimiter;
use crate::store::{SessionRow, SessionRule, ThrottleKey};

const ENDED_SESSION: &str = "ended-session";

impl RateLimiter {
    /// Remembers an ended session for the lifetime of its access tokens. If this cannot be written, the session has
    /// ended nevertheless.
    pub(in crate::usecase) async fn mark_session_ended(&self, ended: &SessionRow, access_token_ttl: Duration) {
        let key = self.ended_session_key(ended.user_id.into(), ended.id.into());
        if let Err(error) = self.store.mark(key, ended.epoch, access_token_ttl).await {
            tracing::debug!(%error, "the end of a session was not recorded in the rate limiter");
        }
    }

    /// Returns whether an access token of an ended session, other than `without`, may still be valid.
    pub(in crate::usecase) async fn has_recently_ended_session(
        &self,
        user: Uuid,
        rule: SessionRule,
        without: Option<Uuid>,
    ) -> Result<bool, StoreError> {
        let subject = self.hash.subject_key(ENDED_SESSION, user.as_bytes()).subject;
        let (kept, without) = (
            rule.keep.map(|id| self.ended_session_key(user, id.into())),
            without.map(|id| self.ended_session_key(user, id)),
        );
        self.store.is_marked(subject, rule.epoch, kept, without).await
    }

    fn ended_session_key(&self, user: Uuid, session: Uuid) -> ThrottleKey {
        self.hash.part_key(ENDED_SESSION, user.as_bytes(), session.as_bytes())
    }
}
