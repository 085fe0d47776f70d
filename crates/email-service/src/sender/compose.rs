//! Renders the mail of a job, with its token opened.

use events::{
    SealedToken,
    sealing::{KeyRing, OpenError},
};
use jiff::Timestamp;
use secrecy::SecretString;

use crate::{
    ledger::MailJob,
    renderer::{ComposedMail, MailContent, Renderer},
};

/// Why a mail cannot be rendered.
pub(super) enum ComposeError {
    /// Another attempt does not help.
    Permanent(String),
    /// An operator can repair it.
    Temporary(String),
}

/// Renders the mail. The opened token lives only as long as the result.
pub(super) fn compose(
    job: &MailJob,
    renderer: &Renderer,
    keys: &KeyRing,
    now: Timestamp,
) -> Result<ComposedMail, ComposeError> {
    let token = open_link_token(job, keys)?;
    let content = MailContent {
        template: job.template,
        to: &job.to,
        display_name: job.display_name.as_deref(),
        locale: job.locale.as_deref(),
        username: job.values.username.as_deref(),
        link_token: token.as_ref(),
        link_expires_at: job.link.as_ref().map(|link| link.expires_at),
        new_email: job.values.new_email.as_deref(),
        old_email: job.values.old_email.as_deref(),
        remaining: job.values.remaining,
        locked_until: job.values.locked_until,
        totp_disabled_by: job.values.totp_disabled_by,
        undone_change: job.values.undone_change,
        event_time: job.event_time,
        message_id: &job.message_id,
        date: now,
    };
    renderer.compose(&content).map_err(|error| ComposeError::Permanent(error.to_string()))
}

fn open_link_token(job: &MailJob, keys: &KeyRing) -> Result<Option<SecretString>, ComposeError> {
    let Some(link) = &job.link else { return Ok(None) };
    let Ok(event_id) = job.event_id.parse() else {
        return Err(ComposeError::Permanent("the row has no event id".to_owned()));
    };
    let sealed = SealedToken { kid: link.kid.clone(), sealed_box: link.sealed_box.clone() };
    match keys.open_bound(&sealed, &job.to, link.purpose, event_id) {
        Ok(token) => Ok(Some(token)),
        Err(error @ OpenError::UnknownKey) => Err(ComposeError::Temporary(error.to_string())),
        Err(error @ (OpenError::Broken | OpenError::Mismatch)) => Err(ComposeError::Permanent(error.to_string())),
    }
}
