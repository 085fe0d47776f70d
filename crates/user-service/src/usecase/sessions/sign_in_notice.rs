//! The notice of a login from a new place: whether the owner gets one, and its event with the link that ends all sessions.

use events::{UserNewSignIn, sealing::Purpose};
use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    domain::{device_name, sign_in_places},
    outbox::Origin,
    store::{Change, SignInPlaceRecord, UserRecord, binary},
    usecase::{account_service::AccountService, rate_limit::networks::known_client_network},
};

impl AccountService {
    /// Adds the place of this request to those that the account remembers: its network, and, if there are notices, the
    /// pair of device and network. The owner of the mailbox can then sign in from this network even while the account is
    /// under attack.
    pub(in crate::usecase) fn remember_place(&self, user: Uuid, change: &mut Change, now: Timestamp, origin: &Origin) {
        change.seen_network = Some(self.rate_limiter.known_network(user, origin, now));
        change.seen_place = self
            .rules
            .new_sign_in_notice
            .then(|| SignInPlaceRecord { place: binary(&self.place_digest(user, origin)), last_seen: now.into() });
    }

    /// Returns whether the owner is notified of a login at `now`.
    pub(super) fn is_new_sign_in(&self, user: &UserRecord, now: Timestamp, origin: &Origin) -> bool {
        let last_login = user.last_login_at.map(Timestamp::from);
        let place = || self.place_digest(user.id.into(), origin);
        self.rules.new_sign_in_notice && sign_in_places::is_notified(&user.sign_in_places(), place(), last_login, now)
    }

    /// Adds the notice to the write of a login, which must require the version of `user`: the account must be complete,
    /// because the link is added to its undo links.
    pub(super) fn add_sign_in_notice(
        &self,
        user: &UserRecord,
        session_id: Uuid,
        change: &mut Change,
        now: Timestamp,
        origin: &Origin,
    ) {
        let undo = self.new_undo_link(user, Purpose::SignInUndo, now);
        let payload = |grant| UserNewSignIn {
            user_id: user.id.into(),
            session_id,
            device: origin.client.as_deref().and_then(device_name),
            network: known_client_network(origin).map(|network| network.to_string()),
            recipient: user.user().recipient(),
            undo: grant,
        };
        let link = undo.as_ref().map(|undo| &undo.link);
        change.events.push(self.outbox.event_with_optional_link(now, origin, link, payload));
        change.set.extend(undo.map(|undo| undo.fields).unwrap_or_default());
    }

    fn place_digest(&self, user: Uuid, origin: &Origin) -> [u8; 16] {
        let device = origin.client.as_deref().and_then(device_name);
        self.rate_limiter.sign_in_place(user, device.as_deref(), origin)
    }
}
