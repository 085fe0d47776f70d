//! Issues undo links, and builds the write of every undo.

use bson::{Bson, Document, doc};
use events::{
    SessionsEndedReason, TotpDisabledBy, UserEmailChangeUndone, UserPasswordResetRequested, UserSessionsEnded,
    UserTotpDisabled, sealing::Purpose,
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    domain::{EmailHistory, KeyReservation, MailedLink, SecondFactorUndo, UndoLink, UndoPlan, User, undo_links},
    outbox::Origin,
    store::{
        Change, EndSessions, NewEvent, TokenChange, TokenRecord, TotpChange, TotpRecord, UndoTokenRecord, UserRecord,
    },
    usecase::{
        account_service::AccountService,
        email_address::change_email::{address_fields, kept_undo_tokens},
    },
};

/// A new undo link, and the list of links that contains it.
pub(in crate::usecase) struct NewUndoLink {
    /// The link for the notice.
    pub link: MailedLink,
    /// The fields of the write, which must require the version.
    pub fields: Document,
}

/// Returns the undo links in the form of the document.
fn undo_link_fields(links: &[UndoLink]) -> Document {
    let records: Vec<UndoTokenRecord> = links.iter().map(UndoTokenRecord::from).collect();
    let records = if records.is_empty() {
        Bson::Null
    } else {
        bson::serialize_to_bson(&records).expect("digests, names and times can be serialized to BSON")
    };
    doc! { "undoTokens": records }
}

impl AccountService {
    /// Creates a link to the current address of this account, or returns `None` if the account has the maximum number
    /// of links.
    pub(in crate::usecase) fn new_undo_link(
        &self,
        user: &UserRecord,
        purpose: Purpose,
        now: Timestamp,
    ) -> Option<NewUndoLink> {
        let link = self.lifetimes.new_link(purpose, &user.email, now);
        let addresses = user.email_history();
        let undo = UndoLink {
            digest: link.token.digest(),
            purpose,
            to: addresses.current.clone(),
            expires_at: link.expires_at,
        };
        let links = undo_links::add_link(user.undo_links(), undo, &addresses, now)?;
        Some(NewUndoLink { link, fields: undo_link_fields(&links) })
    }

    /// Returns when the account left this address; the undo token of that change has the time.
    pub(in crate::usecase) fn address_left_at(&self, record: &UserRecord, reservation: &KeyReservation) -> Timestamp {
        let lifetime = SignedDuration::try_from(self.lifetimes.undo_link).unwrap_or(SignedDuration::MAX);
        let issued_at = undo_token_of(record, reservation).and_then(|token| token.issued_at);
        issued_at.map_or_else(|| reservation.until.saturating_sub(lifetime).unwrap_or(Timestamp::MIN), Timestamp::from)
    }

    /// Builds the write of an undo. It is a single write, so an undo is complete or has no effect. `used` is the
    /// digest of the link, and `undo_event` returns the event of the undone change.
    pub(in crate::usecase) fn undo_write(
        &self,
        record: &UserRecord,
        undo: UndoPlan,
        used: &[u8],
        undo_event: impl FnOnce(&User) -> Option<NewEvent>,
        now: Timestamp,
        origin: &Origin,
    ) -> Change {
        let UndoPlan { restored_emails, invalidates_password, second_factor } = undo;
        let mut set = Document::new();
        let mut user = record.user();
        let mut address_events = Vec::new();
        let addresses = match restored_emails {
            None => record.email_history(),
            Some(addresses) => {
                // All following mails go to the restored address.
                user.email = address_as_typed(record, &addresses, now);
                set.extend(address_fields(&user.email, &addresses));
                let undone = UserEmailChangeUndone { user_id: user.id, recipient: user.recipient() };
                let ended = UserSessionsEnded { user_id: user.id, reason: SessionsEndedReason::EmailChangeUndone };
                address_events = vec![self.outbox.event(now, origin, undone), self.outbox.event(now, origin, ended)];
                addresses
            }
        };
        let mut events: Vec<NewEvent> = undo_event(&user).into_iter().chain(address_events).collect();
        let mut links = undo_links::valid_links(record.undo_links(), &addresses, now);
        links.retain(|link| link.digest != *used);
        set.extend(undo_link_fields(&links));
        if invalidates_password {
            // The attacker's place must not count as known. The reset that follows records that of the owner.
            set.insert("signInPlaces", Bson::Null);
        }
        let replaced_password = invalidates_password.then(|| self.hashes.unmatchable_hash());
        let tokens = if invalidates_password {
            let link = self.lifetimes.new_link(Purpose::PasswordReset, &user.email, now);
            events.push(self.outbox.event_with_link(now, origin, &link, |reset| UserPasswordResetRequested {
                user_id: user.id,
                recipient: user.recipient(),
                reset,
            }));
            // Undo links of earlier changes stay valid: otherwise an attacker could invalidate the owner's links by a
            // change and its undo.
            let mut tokens = kept_undo_tokens(&record.tokens, &addresses);
            tokens.push(TokenRecord::new(&link, &addresses.current));
            TokenChange::Replace(tokens)
        } else {
            // An attacker may have requested a change of the address that is not confirmed yet.
            TokenChange::Drop(Purpose::EmailChange)
        };
        let totp = match (second_factor, &record.totp) {
            (SecondFactorUndo::Keep, _) | (SecondFactorUndo::RevokeRecoveryCodes, None) => TotpChange::None,
            (SecondFactorUndo::RevokeRecoveryCodes, Some(totp)) => {
                TotpChange::On(TotpRecord { recovery_codes: Vec::new(), ..totp.clone() })
            }
            (SecondFactorUndo::Remove, None) => TotpChange::Forget,
            (SecondFactorUndo::Remove, Some(_)) => {
                events.push(self.totp_disabled_by_mailbox(&user, now, origin));
                TotpChange::Forget
            }
        };
        Change {
            set,
            replaced_password,
            tokens,
            totp,
            end_sessions: EndSessions::All,
            ignore_pending_limit: true,
            events,
            ..Change::default()
        }
    }
}

impl AccountService {
    /// Returns the event of a second factor that is turned off because the owner of the mailbox did not turn it on.
    pub(in crate::usecase) fn totp_disabled_by_mailbox(
        &self,
        user: &User,
        now: Timestamp,
        origin: &Origin,
    ) -> NewEvent {
        let by = Some(TotpDisabledBy::Mailbox);
        self.outbox.event(now, origin, UserTotpDisabled { user_id: user.id, recipient: user.recipient(), by })
    }
}

/// Returns the restored address in the spelling of its owner, from the undo token of its change.
fn address_as_typed(record: &UserRecord, restored: &EmailHistory, now: Timestamp) -> String {
    // Addresses that were left earlier stay reserved, so the restored address directly follows them.
    let addresses = record.email_history();
    let reservation = addresses.reserved.iter().filter(|kept| now < kept.until).nth(restored.reserved.len());
    let address =
        reservation.and_then(|reservation| undo_token_of(record, reservation)).and_then(|token| token.address.clone());
    address.unwrap_or_else(|| restored.current.clone())
}

fn undo_token_of<'a>(record: &'a UserRecord, reservation: &KeyReservation) -> Option<&'a TokenRecord> {
    record.tokens.iter().find(|token| token.purpose == Purpose::EmailChangeUndo && token.reservation() == *reservation)
}
