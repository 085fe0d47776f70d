//! Renders the mail of a job, with its token opened.

use events::sealing::{KeyRing, OpenError};
use jiff::Timestamp;
use secrecy::SecretString;

use crate::{
    ledger::MailJob,
    renderer::{ComposedMail, MailContent, OpenedLink, Renderer},
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
    let link = job.link.as_ref().zip(token.as_ref());
    let content = MailContent {
        facts: &job.facts,
        link: link.map(|(link, token)| OpenedLink { token, expires_at: link.expires_at }),
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
    match keys.open_bound(&link.token, &job.facts.to, link.purpose, event_id) {
        Ok(token) => Ok(Some(token)),
        Err(error @ OpenError::UnknownKey) => Err(ComposeError::Temporary(error.to_string())),
        Err(error @ (OpenError::Broken | OpenError::Mismatch)) => Err(ComposeError::Permanent(error.to_string())),
    }
}
