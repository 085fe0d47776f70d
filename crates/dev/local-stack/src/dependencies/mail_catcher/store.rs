//! Stores the accepted mails in memory: at most the newest 1000, and at most 256 MiB.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use jiff::Timestamp;
use tokio::sync::watch;

use super::decoded_mail::MailSummary;

/// The maximum number of mails.
pub(super) const MAX_MAILS: usize = 1_000;
/// The maximum size of all mails with their envelopes. The newest mail is kept in any case.
pub(super) const MAX_BYTES: usize = 256 * 1024 * 1024;

/// A mail as it arrived by SMTP.
#[derive(Debug)]
pub struct CaughtMail {
    /// An id that is unique while the catcher runs.
    pub id: String,
    /// When the mail was accepted.
    pub created: Timestamp,
    pub envelope: Envelope,
    /// The headers and the body, with dots unstuffed.
    pub data: Vec<u8>,
    summary: OnceLock<MailSummary>,
    was_read: AtomicBool,
}

impl CaughtMail {
    /// Returns what the list shows. It is decoded at the first call.
    pub(super) fn summary(&self) -> &MailSummary {
        self.summary.get_or_init(|| MailSummary::of(self))
    }

    /// Returns whether the mail was opened on the page.
    pub(super) fn was_read(&self) -> bool {
        self.was_read.load(Ordering::Relaxed)
    }

    fn size(&self) -> usize {
        let Envelope { helo, from, to } = &self.envelope;
        self.data.len() + helo.len() + from.len() + to.iter().map(String::len).sum::<usize>()
    }
}

/// What the client sent before the mail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The host name that the client sent with EHLO or HELO.
    pub helo: String,
    /// The sender.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
}

/// The stored mails, newest first.
#[derive(Debug, Default)]
pub struct MailStore {
    contents: Mutex<Contents>,
    /// Counts the changes.
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Contents {
    mails: VecDeque<Arc<CaughtMail>>,
    bytes: usize,
    accepted: u64,
}

impl MailStore {
    /// Stores a mail and returns its id. The oldest mails are removed to stay within the limits.
    pub fn add(&self, envelope: Envelope, data: Vec<u8>) -> String {
        let created = now();
        let mut contents = self.contents();
        contents.accepted += 1;
        let id = format!("{}-{}@mail-catcher.local", created.as_millisecond(), contents.accepted);
        let (summary, was_read) = (OnceLock::new(), AtomicBool::new(false));
        let mail = CaughtMail { id: id.clone(), created, envelope, data, summary, was_read };
        contents.bytes += mail.size();
        contents.mails.push_front(Arc::new(mail));
        while contents.mails.len() > MAX_MAILS || (contents.bytes > MAX_BYTES && contents.mails.len() > 1) {
            if let Some(oldest) = contents.mails.pop_back() {
                contents.bytes -= oldest.size();
            }
        }
        drop(contents);
        self.announce_change();
        id
    }

    /// Returns all mails, newest first.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<CaughtMail>> {
        self.contents().mails.iter().cloned().collect()
    }

    /// Returns the mail with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Arc<CaughtMail>> {
        self.contents().mails.iter().find(|mail| mail.id == id).cloned()
    }

    /// Removes one mail, or all mails. Returns whether a mail was removed.
    pub fn remove(&self, id: Option<&str>) -> bool {
        let mut contents = self.contents();
        let before = contents.mails.len();
        contents.mails.retain(|mail| id.is_some_and(|id| mail.id != id));
        contents.bytes = contents.mails.iter().map(|mail| mail.size()).sum();
        let removed = contents.mails.len() < before;
        drop(contents);
        if removed {
            self.announce_change();
        }
        removed
    }

    /// Records that a mail was opened on the page.
    pub(super) fn mark_read(&self, mail: &CaughtMail) {
        if !mail.was_read.swap(true, Ordering::Relaxed) {
            self.announce_change();
        }
    }

    /// Returns a receiver of the number of changes.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn announce_change(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::disallowed_methods, reason = "only shown as the time of arrival; no decision depends on it")]
fn now() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_thousand_mails_are_kept_newest_first() {
        let store = MailStore::default();
        for n in 0..1_005 {
            store.add(Envelope::default(), format!("{n}").into_bytes());
        }
        let mails = store.all();
        assert_eq!(mails.len(), 1_000);
        assert_eq!(mails[0].data, b"1004");
        assert_eq!(mails[999].data, b"5");
    }

    #[test]
    fn the_oldest_mails_are_removed_to_stay_within_the_limit_in_bytes() {
        let store = MailStore::default();
        // Two of them fit only without their envelopes.
        let envelope = || Envelope { to: vec!["x".repeat(2_000)], ..Envelope::default() };
        let ids: Vec<String> = (0..2).map(|_| store.add(envelope(), vec![0; MAX_BYTES / 2 - 1_000])).collect();
        assert!(store.get(&ids[0]).is_none() && store.get(&ids[1]).is_some());
        let small = store.add(envelope(), Vec::new());
        assert!(store.get(&ids[1]).is_some() && store.get(&small).is_some());
    }

    #[test]
    fn every_change_is_announced_once() {
        let store = MailStore::default();
        let changes = store.subscribe();
        let id = store.add(Envelope::default(), Vec::new());
        assert_eq!(*changes.borrow(), 1);
        let mail = store.get(&id).unwrap();
        store.mark_read(&mail);
        store.mark_read(&mail);
        assert_eq!((*changes.borrow(), mail.was_read()), (2, true));
        store.remove(Some(&id));
        store.remove(Some(&id));
        store.remove(None);
        assert_eq!(*changes.borrow(), 3);
    }

    #[test]
    fn mails_can_be_removed_one_by_one_or_all_at_once() {
        let store = MailStore::default();
        let first = store.add(Envelope::default(), b"1".to_vec());
        store.add(Envelope::default(), b"2".to_vec());
        assert!(store.remove(Some(&first)));
        assert!(!store.remove(Some(&first)));
        assert_eq!(store.all().len(), 1);
        assert!(store.remove(None));
        assert!(store.all().is_empty());
    }
}
