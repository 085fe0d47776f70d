//! The mails that were caught, in memory: the newest thousand, and at most 256 MiB of them.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

const MOST_MAILS: usize = 1_000;
const MOST_BYTES: usize = 256 * 1024 * 1024;

/// One mail as SMTP delivered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Unique while the catcher runs.
    pub id: String,
    /// When it was accepted.
    pub created: Timestamp,
    /// The client's name in EHLO.
    pub helo: String,
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// Headers and body, dots unstuffed.
    pub data: Vec<u8>,
}

/// Newest first.
#[derive(Debug, Default)]
pub struct Store {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    mails: VecDeque<Arc<Mail>>,
    bytes: usize,
    accepted: u64,
}

impl Store {
    /// Keeps a mail and returns its id; the oldest ones make room.
    pub fn add(&self, helo: &str, from: &str, to: &[String], data: Vec<u8>) -> String {
        let created = now();
        let mut inner = self.inner();
        inner.accepted += 1;
        let id = format!("{}-{}@mail-catcher.local", created.as_millisecond(), inner.accepted);
        let mail =
            Mail { id: id.clone(), created, helo: helo.to_owned(), from: from.to_owned(), to: to.to_vec(), data };
        inner.bytes += mail.data.len();
        inner.mails.push_front(Arc::new(mail));
        while inner.mails.len() > MOST_MAILS || (inner.bytes > MOST_BYTES && inner.mails.len() > 1) {
            if let Some(oldest) = inner.mails.pop_back() {
                inner.bytes -= oldest.data.len();
            }
        }
        id
    }

    /// All mails, newest first.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Mail>> {
        self.inner().mails.iter().cloned().collect()
    }

    /// The mail with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Arc<Mail>> {
        self.inner().mails.iter().find(|mail| mail.id == id).cloned()
    }

    /// Forgets one mail, or all; whether there was one.
    pub fn remove(&self, id: Option<&str>) -> bool {
        let mut inner = self.inner();
        let before = inner.mails.len();
        inner.mails.retain(|mail| id.is_some_and(|id| mail.id != id));
        inner.bytes = inner.mails.iter().map(|mail| mail.data.len()).sum();
        inner.mails.len() < before
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::disallowed_methods, reason = "a display of when a mail came; nothing is decided by it")]
fn now() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_thousand_mails_are_kept_newest_first() {
        let store = Store::default();
        for n in 0..1_005 {
            store.add("client", "a@example.test", &["b@example.test".to_owned()], format!("{n}").into_bytes());
        }
        let mails = store.all();
        assert_eq!(mails.len(), 1_000);
        assert_eq!(mails[0].data, b"1004");
        assert_eq!(mails[999].data, b"5");
    }

    #[test]
    fn mails_can_be_forgotten_one_by_one_and_all_at_once() {
        let store = Store::default();
        let first = store.add("c", "a@example.test", &[], b"1".to_vec());
        store.add("c", "a@example.test", &[], b"2".to_vec());
        assert!(store.remove(Some(&first)));
        assert!(!store.remove(Some(&first)));
        assert_eq!(store.all().len(), 1);
        assert!(store.remove(None));
        assert!(store.all().is_empty());
    }
}
