//! Asking for a mail to an address that anybody may type. Charged and queued before any
//! look-up: neither the answer nor its time says whether there is such an account.

use super::{Accounts, Failure, RequestedMail};
use crate::{domain::Email, outbox::Origin};

/// Queues the mail.
///
/// # Errors
/// Asked too often, or the queue is full: for everybody alike.
pub async fn request_mail(
    accounts: &Accounts,
    mail: RequestedMail,
    email: &Email,
    origin: Origin,
) -> Result<(), Failure> {
    accounts.throttle.mail(mail, email, &origin).await?;
    accounts.background.request_mail(mail, email.key().to_owned(), origin)
}
