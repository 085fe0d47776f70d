//! Charges requests to their counters.

use uuid::Uuid;

use super::{
    account_writes::AccountWrite,
    charges::Charges,
    limiter::RateLimiter,
    limits::{HOUR, RateLimitPolicy},
    networks::client_network,
};
use crate::{
    config::LimitsConfig, domain::Email, outbox::Origin, problem::Problem, store::ThrottleKey,
    usecase::background_queue::RequestedMail,
};

/// A mail that an administrator has sent to an address.
#[derive(Debug, Clone, Copy)]
pub enum AdminMail {
    /// To the user of an account that an administrator has created.
    Welcome,
    Invitation,
}

impl RateLimiter {
    /// Charges one request to an endpoint that guards a secret.
    ///
    /// # Errors
    /// Returns [`Problem::RateLimited`], or an error if the database is unavailable.
    pub async fn charge_request(&self, origin: &Origin) -> Result<(), Problem> {
        let _ = self.charge_request_and(origin, &[]).await?;
        Ok(())
    }

    /// Charges a registration to its network, and its mail to the mailbox.
    ///
    /// # Errors
    /// Returns [`Problem::RateLimited`], or an error if the database is unavailable.
    pub async fn charge_registration(&self, email: &Email, origin: &Origin) -> Result<Charges, Problem> {
        let mail = self.mail_counter("mail/registration", email);
        let policy = self.limits.registration_policy();
        let registration = self.hash.subject_key(policy.name, &client_network(origin).to_bytes());
        let charges = self.charge_request_and(origin, &[mail, (policy, registration)]).await?;
        Ok(charges.with_mail_key(mail.1))
    }

    /// Charges a mail to this address, whether or not it has an account.
    ///
    /// # Errors
    /// Returns [`Problem::RateLimited`], or an error if the database is unavailable.
    pub async fn charge_mail(&self, mail: RequestedMail, email: &Email, origin: &Origin) -> Result<(), Problem> {
        let _ = self.charge_request_and(origin, &[self.mail_counter(mail_scope(mail), email)]).await?;
        Ok(())
    }

    /// Charges a mail by an administrator to the mailbox. The network of the administrator is not charged.
    ///
    /// # Errors
    /// Returns [`Problem::RateLimited`], or an error if the database is unavailable.
    pub async fn charge_mail_by_admin(&self, mail: AdminMail, email: &Email) -> Result<Charges, Problem> {
        if !self.limits.enabled {
            return Ok(Charges::default());
        }
        let scope = match mail {
            AdminMail::Welcome => "mail/registration",
            AdminMail::Invitation => "mail/invitation",
        };
        let mail = self.mail_counter(scope, email);
        Ok(self.charge_all(&[mail]).await?.with_mail_key(mail.1))
    }

    /// Charges a request to change the email address to the account, and its mail to the mailbox.
    ///
    /// # Errors
    /// Returns [`Problem::RateLimited`], or an error if the database is unavailable.
    pub async fn charge_email_change(&self, user: Uuid, email: &Email, origin: &Origin) -> Result<Charges, Problem> {
        let mail = self.mail_counter("mail/new-address", email);
        self.charge_request_and(origin, &[mail, self.account_write_counter(AccountWrite::Email, user)]).await
    }

    /// Charges a failed authentication of a client to its network. The counter is separate from that of the requests of
    /// users: a program with a wrong secret does not block the logins of its network, nor they it.
    ///
    /// # Errors
    /// Returns [`Problem::RateLimited`], or an error if the database is unavailable.
    pub async fn charge_client_failure(&self, origin: &Origin) -> Result<(), Problem> {
        if !self.limits.enabled {
            return Ok(());
        }
        self.check_local_client_failure(origin)?;
        let policy = self.limits.client_policy();
        self.charge(&policy, self.hash.subject_key(policy.name, &client_network(origin).to_bytes())).await
    }

    /// Returns the counter of the mailbox. Addresses that differ only in a `+tag` share it.
    fn mail_counter(&self, kind: &'static str, email: &Email) -> (RateLimitPolicy, ThrottleKey) {
        let policy = LimitsConfig::rate_policy("mail", self.limits.mails_per_address, HOUR);
        (policy, self.hash.subject_key(kind, email.mailbox().as_bytes()))
    }

    /// Charges one request to its network and to these counters, concurrently. The request to the network is never
    /// refunded.
    async fn charge_request_and(
        &self,
        origin: &Origin,
        rows: &[(RateLimitPolicy, ThrottleKey)],
    ) -> Result<Charges, Problem> {
        if !self.limits.enabled {
            return Ok(Charges::default());
        }
        self.check_local_request(origin)?;
        let policy = self.limits.network_policy();
        let request = (policy, self.hash.subject_key(policy.name, &client_network(origin).to_bytes()));
        let mut charges = self.charge_all(&[&[request], rows].concat()).await?;
        charges.keys.retain(|key| *key != request.1);
        Ok(charges)
    }
}

/// Returns the scope of this kind of mail. Each kind has its own quota, so a client that uses up another user's quota
/// only had that mail sent.
const fn mail_scope(mail: RequestedMail) -> &'static str {
    match mail {
        RequestedMail::Verification => "mail/verification",
        RequestedMail::Reset => "mail/reset",
    }
}

impl Charges {
    fn with_mail_key(self, key: ThrottleKey) -> Self {
        Self { mail_key: self.keys.contains(&key).then_some(key), ..self }
    }
}
