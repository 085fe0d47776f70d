//! Processes a block of records: reads them, gives usernames, and inserts the accounts.

use std::collections::HashMap;

use jiff::Timestamp;
use service_kit::{
    fail_point,
    mongo::{StoreError, retry_while_unavailable},
    panics,
};
use uuid::Uuid;

use super::{
    ImportError, ImportStep, Importer, LineError, RefusedLine,
    derived_username::AssignedUsernames,
    duplicate_check::{UniqueKeys, duplicate_record},
    formats::LeftBehind,
    line_to_account::{Access, AccountReader, ReadRecord, ReadUser},
    records::Block,
};
use crate::store::{KeyHolder, UserRecord};

/// The maximum number of retries while the database is unavailable. An account that was inserted by an earlier attempt
/// is recognised.
const MAX_RETRIES: u32 = 8;
/// The maximum number of rounds: an account that had a key may have been deleted in between, and a username that was
/// made from an address may be taken several times.
const MAX_ROUNDS: u32 = 6;
/// The detail of a record whose processing panicked.
const NOT_PROCESSED: &str =
    "The processing of this line failed because of a defect of the program. Its log contains the place.";

/// A block whose records were read.
pub(super) struct ReadBlock {
    users: Vec<ReadUser>,
    refused: Vec<RefusedLine>,
    skipped: Vec<(u64, LeftBehind)>,
    /// The number of its last record, and the byte offset of the end of that record.
    last: u64,
    end: u64,
    /// When the block was read.
    now: Timestamp,
}

/// The result of a block; in a dry run also the keys that a later record must not repeat.
#[derive(Default)]
pub(super) struct BlockResult {
    pub(super) step: ImportStep,
    pub(super) keys: Vec<(u64, UniqueKeys)>,
}

/// Reads the records.
pub(super) fn read_block(reader: &AccountReader, block: Block, now: Timestamp) -> ReadBlock {
    let Block { records, last, end } = block;
    let users = Vec::with_capacity(records.len());
    let mut read_block = ReadBlock { users, refused: Vec::new(), skipped: Vec::new(), last, end, now };
    for record in records {
        let read = panics::catch("import", || {
            fail_point!("import.read_line");
            reader.read(&record, now)
        });
        match read.unwrap_or_else(|_| Err(vec![LineError::for_line("processing-failed", NOT_PROCESSED)])) {
            Ok(ReadRecord::User(user)) => read_block.users.push(*user),
            Ok(ReadRecord::Skipped(because)) => read_block.skipped.push((record.number, because)),
            Err(errors) => read_block.refused.push(RefusedLine { line: record.number, errors }),
        }
    }
    read_block
}

impl ReadBlock {
    /// Gives usernames to the users who have none. Must be called in the order of the blocks.
    pub(super) fn assign_usernames(&mut self, assigned: &mut AssignedUsernames) {
        let refused = &mut self.refused;
        self.users.retain_mut(|user| {
            if let Some(derived) = &mut user.derived {
                let username = assigned.assign(user.number, derived);
                user.set_username(username);
                return true;
            }
            let Some(first) = assigned.claim(user.number, &user.username) else { return true };
            let error = duplicate_record(&user.sources, "username", "record", first);
            refused.push(RefusedLine { line: user.number, errors: vec![error] });
            false
        });
    }

    /// Drops the records up to this one, which an earlier run has processed.
    pub(super) fn forget_up_to(&mut self, done: u64) {
        self.users.retain(|user| user.number > done);
        self.refused.retain(|refused| refused.line > done);
        self.skipped.retain(|(number, _)| *number > done);
    }
}

/// Inserts the accounts, unless it is a dry run.
pub(super) async fn insert_block(
    importer: &Importer,
    reader: &AccountReader,
    block: ReadBlock,
) -> Result<BlockResult, ImportError> {
    let ReadBlock { mut users, refused, skipped, last, end, now } = block;
    let mut result = BlockResult::default();
    let step = &mut result.step;
    (step.line, step.bytes, step.refused) = (last, end, refused);
    step.skipped = skipped.len() as u64;
    skipped.into_iter().for_each(|(_, left)| step.count_left(left));
    if users.is_empty() {
        return Ok(result);
    }
    if reader.import.dry_run {
        let accounts: Vec<&UserRecord> = users.iter().map(|user| &user.account).collect();
        let holders = KeyHolders::new(importer.store.bulk.key_holders(&accounts).await?);
        for user in users {
            match holders.classify(reader, &user) {
                // Duplicates of earlier records are found later, in the order of the records.
                KeyConflict::None | KeyConflict::DerivedUsername => {
                    step.count_imported(&user);
                    result.keys.push((user.number, UniqueKeys::new(user)));
                }
                KeyConflict::AlreadyImported => step.already_imported += 1,
                KeyConflict::Refused(errors) => step.refused.push(RefusedLine { line: user.number, errors }),
            }
        }
        return Ok(result);
    }
    users.iter_mut().for_each(|user| reader.add_events(user, now));
    let mut remaining: Vec<usize> = (0..users.len()).collect();
    for round in 1..=MAX_ROUNDS {
        let batch: Vec<&UserRecord> = remaining.iter().map(|index| &users[*index].account).collect();
        let conflicts = retry_while_unavailable(MAX_RETRIES, || importer.store.bulk.insert(&batch)).await?;
        let mut conflicts: Vec<usize> =
            conflicts.into_iter().filter_map(|position| remaining.get(position).copied()).collect();
        conflicts.sort_unstable();
        remaining.retain(|index| conflicts.binary_search(index).is_err());
        remaining.iter().for_each(|index| step.count_imported(&users[*index]));
        remaining = conflicts;
        if remaining.is_empty() {
            break;
        }
        // A reserved address or username is free when its reservation has ended.
        retry_while_unavailable(MAX_RETRIES, || importer.store.users.release_expired_reservations(now)).await?;
        let unresolved: Vec<&UserRecord> = remaining.iter().map(|index| &users[*index].account).collect();
        release_abandoned_usernames(importer, &unresolved).await?;
        let holders = KeyHolders::new(
            retry_while_unavailable(MAX_RETRIES, || importer.store.bulk.key_holders(&unresolved)).await?,
        );
        remaining.retain(|index| {
            let user = &mut users[*index];
            let errors = match (holders.classify(reader, user), &mut user.derived) {
                (KeyConflict::AlreadyImported, _) => {
                    step.already_imported += 1;
                    return false;
                }
                (KeyConflict::Refused(errors), _) => errors,
                (KeyConflict::DerivedUsername, Some(derived)) if round < MAX_ROUNDS => {
                    let username = derived.next_in_database();
                    user.set_username(username);
                    reader.add_events(user, now);
                    return true;
                }
                (KeyConflict::DerivedUsername, _) => {
                    let detail = "Other accounts have every username that was made from the address.";
                    vec![user.sources.error("username", "username-taken", detail)]
                }
                // The account that had the keys was deleted in between.
                (KeyConflict::None, _) if round == 1 => return true,
                _ => vec![LineError::for_line(
                    "conflict",
                    format!(
                        "An account with the same keys was created and deleted while this {} was imported.",
                        reader.import.format.unit()
                    ),
                )],
            };
            step.refused.push(RefusedLine { line: user.number, errors });
            false
        });
        if remaining.is_empty() {
            break;
        }
    }
    list_admins(importer, &users).await?;
    Ok(result)
}

impl ImportStep {
    fn count_imported(&mut self, user: &ReadUser) {
        self.imported += 1;
        self.derived_usernames += u64::from(user.derived.is_some());
        self.invited += u64::from(user.access == Access::Invitation);
        self.without_password += u64::from(user.access == Access::None);
        self.count_left(user.left);
    }

    fn count_left(&mut self, left: LeftBehind) {
        left.kinds().for_each(|kind| self.left_behind[kind] += 1);
    }
}

/// Releases the usernames of these accounts that release 0.1.0 has left behind at others.
async fn release_abandoned_usernames(importer: &Importer, users: &[&UserRecord]) -> Result<(), ImportError> {
    let names: Vec<&str> = users.iter().map(|user| user.username_key.as_str()).collect();
    let released =
        retry_while_unavailable(MAX_RETRIES, || importer.store.users.release_abandoned_usernames(&names)).await;
    match released {
        // 0.1.0 has also left the current username of such an account behind at another one, so the name is kept.
        Ok(_) | Err(StoreError::DuplicateKey { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Puts imported administrators into the list of administrators.
async fn list_admins(importer: &Importer, users: &[ReadUser]) -> Result<(), ImportError> {
    for user in users.iter().map(|user| &user.account).filter(|user| user.is_admin()) {
        retry_while_unavailable(MAX_RETRIES, || importer.store.admins.ensure_listed(user.id.into())).await?;
    }
    Ok(())
}

/// How the keys of a record conflict with existing accounts.
enum KeyConflict {
    /// No account has its keys, at least not any more.
    None,
    /// The account exists and was imported from this record.
    AlreadyImported,
    /// Another account has the username, which was made from the address.
    DerivedUsername,
    Refused(Vec<LineError>),
}

/// The accounts that already have keys of the block, by key.
struct KeyHolders {
    ids: HashMap<Uuid, KeyHolder>,
    emails: HashMap<String, KeyHolder>,
    names: HashMap<String, KeyHolder>,
}

impl KeyHolders {
    fn new(found: Vec<KeyHolder>) -> Self {
        let mut holders = Self { ids: HashMap::new(), emails: HashMap::new(), names: HashMap::new() };
        for holder in found {
            holders.ids.insert(holder.id.into(), holder.clone());
            holders.emails.extend(holder.email_keys.iter().map(|key| (key.clone(), holder.clone())));
            holders.names.extend(holder.username_keys.iter().map(|key| (key.clone(), holder.clone())));
            holders.names.insert(holder.username_key.clone(), holder);
        }
        holders
    }

    fn classify(&self, reader: &AccountReader, user: &ReadUser) -> KeyConflict {
        let (line, account) = (user.number, &user.account);
        let id = Uuid::from(account.id);
        if let Some(holder) = self.ids.get(&id) {
            // Only this record yields this id. So the account was imported from it, even if it is now the tombstone of
            // a deleted account.
            let derived = id == reader.derived_id(line, account.created_at.to_jiff());
            if derived || holder.imported.as_ref().is_some_and(|origin| reader.is_source_of(line, origin)) {
                return KeyConflict::AlreadyImported;
            }
        }
        let mut errors = Vec::new();
        let name_holder = self.names.get(&account.username_key);
        let keys = [
            ("id", self.ids.get(&id)),
            ("email", account.email_keys.iter().find_map(|key| self.emails.get(key))),
            ("username", name_holder.filter(|_| user.derived.is_none())),
        ];
        for (member, holder) in keys {
            errors.extend(holder.map(|holder| duplicate_error(reader, user, member, holder)));
        }
        match (errors.is_empty(), name_holder) {
            (false, _) => KeyConflict::Refused(errors),
            (true, Some(_)) => KeyConflict::DerivedUsername,
            (true, None) => KeyConflict::None,
        }
    }
}

fn duplicate_error(reader: &AccountReader, user: &ReadUser, member: &str, holder: &KeyHolder) -> LineError {
    match &holder.imported {
        Some(from) if from.import == reader.import.id => {
            let first = u64::try_from(from.line).unwrap_or(0);
            duplicate_record(&user.sources, member, reader.import.format.unit(), first)
        }
        _ => {
            let code = match member {
                "email" => "email-taken",
                "username" => "username-taken",
                _ => "id-taken",
            };
            user.sources.error(member, code, "Another account has it.")
        }
    }
}
