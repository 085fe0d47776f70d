//! Reads the audit log of an account, newest first: the stored rows, merged with pending events that have no row yet.

use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    domain::{Cursor, Page},
    outbox::{Actor, Origin},
    problem::Problem,
    store::{AuditEntry, UserRecord},
    usecase::account_service::AccountService,
};

/// An entry of the audit log.
#[derive(Debug)]
pub struct AuditLogEntry {
    pub id: Uuid,
    pub at: Timestamp,
    /// The type of the event, or the name of an action that has no event.
    pub kind: String,
    pub origin: Origin,
    /// The account or client that an administrator acted on.
    pub target: Option<Uuid>,
}

impl AuditLogEntry {
    /// Returns the entry as the owner of the account sees it: without the address of a client, which belongs to the
    /// systems behind this service. That of an administrator is not in the log at all.
    fn for_owner(self) -> Self {
        match self.origin.actor {
            Actor::Client(_) => Self { origin: Origin { address: None, client: None, ..self.origin }, ..self },
            _ => self,
        }
    }
}

/// Returns at most `limit` entries of this account after the cursor. The account must have been read before: its
/// pending events become rows before they are removed from the account, so that no entry is missing.
///
/// # Errors
/// Returns an error only if the store is unavailable.
pub(in crate::usecase) async fn audit_log(
    accounts: &AccountService,
    user: &UserRecord,
    limit: u32,
    after: Option<Cursor>,
) -> Result<Page<AuditLogEntry>, Problem> {
    let after = after.unwrap_or(Cursor::NEWEST);
    let rows = accounts.store.audit.page(user.id.into(), after, i64::from(limit) + 1).await?;
    let size = usize::try_from(limit).unwrap_or(usize::MAX);
    let (entries, next) = merge_page(rows, pending_entries(user), after, size);
    Ok(Page { items: entries.into_iter().map(AuditLogEntry::from).collect(), next })
}

/// Returns the same page as the owner of the account sees it.
///
/// # Errors
/// Returns the errors of [`audit_log`].
pub async fn own_audit_log(
    accounts: &AccountService,
    user: &UserRecord,
    limit: u32,
    after: Option<Cursor>,
) -> Result<Page<AuditLogEntry>, Problem> {
    let page = audit_log(accounts, user, limit, after).await?;
    Ok(Page { items: page.items.into_iter().map(AuditLogEntry::for_owner).collect(), next: page.next })
}

fn pending_entries(user: &UserRecord) -> impl Iterator<Item = AuditEntry> {
    user.unpublished_events().map(|event| AuditEntry::from_pending(user.id.into(), event))
}

/// Merges rows and pending events into one order without duplicates, and returns the cursor of the next page. `entries` are
/// the stored rows after the cursor, one more than `limit` if there are that many.
fn merge_page(
    mut entries: Vec<AuditEntry>,
    pending: impl Iterator<Item = AuditEntry>,
    after: Cursor,
    limit: usize,
) -> (Vec<AuditEntry>, Option<Cursor>) {
    let pending = pending.filter(|entry| entry.cursor() < after);
    let missing: Vec<AuditEntry> = pending.filter(|entry| entries.iter().all(|row| row.id != entry.id)).collect();
    entries.extend(missing);
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.cursor()));
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| more).map(AuditEntry::cursor);
    (entries, next)
}

impl From<AuditEntry> for AuditLogEntry {
    fn from(entry: AuditEntry) -> Self {
        Self {
            id: entry.id.into(),
            at: entry.at.into(),
            kind: entry.kind,
            origin: Origin::from_stored(entry.details),
            target: entry.target.map(Into::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use bson::DateTime;

    use super::*;
    use crate::store::AuditDetails;

    fn entry(at: i64) -> AuditEntry {
        AuditEntry {
            id: bson::Uuid::from(Uuid::from_u128(u128::try_from(at).unwrap())),
            at: DateTime::from_millis(at),
            kind: "login_failed".to_owned(),
            details: AuditDetails { actor: "self".to_owned(), ..AuditDetails::default() },
            target: None,
        }
    }

    fn times(entries: &[AuditEntry]) -> Vec<i64> {
        entries.iter().map(|entry| entry.at.timestamp_millis()).collect()
    }

    #[test]
    fn pending_events_are_listed_once_and_in_order_among_the_rows() {
        let waiting = [3, 5, 7].map(entry).into_iter();
        let (all, next) = merge_page([6, 5, 4].map(entry).to_vec(), waiting, Cursor::NEWEST, 10);
        assert_eq!((times(&all), next), (vec![7, 6, 5, 4, 3], None));
    }

    #[test]
    fn pages_of_any_size_together_make_the_whole_list() {
        let stored: Vec<AuditEntry> = (0..=20).rev().step_by(2).map(entry).collect();
        for size in 1..25 {
            let (mut after, mut all) = (Cursor::NEWEST, Vec::new());
            loop {
                let behind = stored.iter().filter(|row| row.cursor() < after).take(size + 1).cloned().collect();
                let waiting = [1, 5, 6, 19, 21].map(entry).into_iter();
                let (page, next) = merge_page(behind, waiting, after, size);
                assert!(page.len() <= size);
                all.extend(times(&page));
                let Some(next) = next else { break };
                after = next;
            }
            assert_eq!(all, [21, 20, 19, 18, 16, 14, 12, 10, 8, 6, 5, 4, 2, 1, 0], "{size}");
        }
    }
}
