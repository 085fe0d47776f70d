//! Processes a block of lines.

use std::{collections::HashMap, sync::Arc};

use service_kit::{
    fail_point,
    mongo::{StoreError, retry_while_unavailable},
    panics,
};
use uuid::Uuid;

use super::{
    ImportError, ImportStep, Importer, LineError, RefusedLine, duplicate_check::UniqueKeys,
    line_to_account::AccountReader, records::lines::Block,
};
use crate::store::{KeyHolder, UserRecord};

/// The maximum number of retries while the database is unavailable. An account that was inserted by an earlier attempt
/// is recognised.
const MAX_RETRIES: u32 = 8;
/// The detail of a line whose processing panicked.
const NOT_PROCESSED: &str =
    "The processing of this line failed because of a defect of the program. Its log contains the place.";

/// The result of a block; in a dry run also the keys that a later line must not repeat.
#[derive(Default)]
pub(super) struct BlockResult {
    pub(super) step: ImportStep,
    pub(super) keys: Vec<(u64, UniqueKeys)>,
}

/// Reads the lines, and inserts their accounts unless it is a dry run.
pub(super) async fn process_block(
    importer: Arc<Importer>,
    reader: Arc<AccountReader>,
    block: Block,
    dry_run: bool,
) -> Result<BlockResult, ImportError> {
    let mut result = BlockResult::default();
    (result.step.line, result.step.bytes) = (block.last_line, block.end);
    let (now, line_reader) = (importer.clock.now(), Arc::clone(&reader));
    let read = tokio::task::spawn_blocking(move || {
        let (mut users, mut refused) = (Vec::with_capacity(block.lines.len()), Vec::new());
        for line in block.lines {
            let read = panics::catch("import", || {
                fail_point!("import.read_line");
                line_reader.read(&line, now)
            });
            match read.unwrap_or_else(|_| Err(vec![LineError::for_line("processing-failed", NOT_PROCESSED)])) {
                Ok(user) => users.push((line.number, user)),
                Err(errors) => refused.push(RefusedLine { line: line.number, errors }),
            }
        }
        (users, refused)
    });
    let (users, refused) = read.await.expect("the task is not aborted, and a panic outside of a line ends the process");
    result.step.refused = refused;
    let lines: Vec<u64> = users.iter().map(|(line, _)| *line).collect();
    let users: Vec<UserRecord> = users.into_iter().map(|(_, user)| user).collect();
    if users.is_empty() {
        return Ok(result);
    }
    if dry_run {
        let holders = KeyHolders::new(importer.store.bulk.key_holders(&users.iter().collect::<Vec<_>>()).await?);
        for (line, user) in lines.into_iter().zip(&users) {
            match holders.classify(&reader, line, user) {
                // Duplicates of earlier lines are found later, in the order of the lines.
                KeyConflict::None => {
                    result.step.imported += 1;
                    result.keys.push((line, UniqueKeys::from_record(user)));
                }
                KeyConflict::AlreadyImported => result.step.already_imported += 1,
                KeyConflict::Refused(errors) => result.step.refused.push(RefusedLine { line, errors }),
            }
        }
        return Ok(result);
    }
    let mut remaining: Vec<usize> = (0..users.len()).collect();
    // Two rounds: the account that had a key may have been deleted in between.
    for is_last_round in [false, true] {
        let batch: Vec<UserRecord> = remaining.iter().map(|index| users[*index].clone()).collect();
        let conflicts = retry_while_unavailable(MAX_RETRIES, || importer.store.bulk.insert(&batch)).await?;
        result.step.imported += (batch.len() - conflicts.len()) as u64;
        remaining = conflicts.into_iter().filter_map(|index| remaining.get(index).copied()).collect();
        if remaining.is_empty() {
            break;
        }
        // A reserved address or username is free when its reservation has ended.
        retry_while_unavailable(MAX_RETRIES, || importer.store.users.release_expired_reservations(now)).await?;
        let unresolved: Vec<&UserRecord> = remaining.iter().map(|index| &users[*index]).collect();
        release_abandoned_usernames(&importer, &unresolved).await?;
        let holders = KeyHolders::new(
            retry_while_unavailable(MAX_RETRIES, || importer.store.bulk.key_holders(&unresolved)).await?,
        );
        remaining.retain(|index| match holders.classify(&reader, lines[*index], &users[*index]) {
            KeyConflict::AlreadyImported => {
                result.step.already_imported += 1;
                false
            }
            KeyConflict::Refused(errors) => {
                result.step.refused.push(RefusedLine { line: lines[*index], errors });
                false
            }
            KeyConflict::None if is_last_round => {
                let error = LineError::for_line(
                    "conflict",
                    "An account with the same keys was created and deleted while this line was imported.",
                );
                result.step.refused.push(RefusedLine { line: lines[*index], errors: vec![error] });
                false
            }
            KeyConflict::None => true,
        });
        if remaining.is_empty() {
            break;
        }
    }
    list_admins(&importer, &users).await?;
    Ok(result)
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
async fn list_admins(importer: &Importer, users: &[UserRecord]) -> Result<(), ImportError> {
    for user in users.iter().filter(|user| user.is_admin()) {
        retry_while_unavailable(MAX_RETRIES, || importer.store.admins.ensure_listed(user.id.into())).await?;
    }
    Ok(())
}

/// How the keys of a line conflict with existing accounts.
enum KeyConflict {
    /// No account has its keys, at least not any more.
    None,
    /// The account exists and was imported from this line.
    AlreadyImported,
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

    fn classify(&self, reader: &AccountReader, line: u64, user: &UserRecord) -> KeyConflict {
        let id = Uuid::from(user.id);
        if let Some(holder) = self.ids.get(&id) {
            // Only this line yields this id. So the account was imported from it, even if it is now the tombstone of
            // a deleted account.
            let derived = id == reader.derived_id(line, user.created_at.to_jiff());
            if derived || holder.imported.as_ref().is_some_and(|origin| reader.is_source_of(line, origin)) {
                return KeyConflict::AlreadyImported;
            }
        }
        let mut errors = Vec::new();
        let keys = [
            ("id", self.ids.get(&id)),
            ("email", user.email_keys.iter().find_map(|key| self.emails.get(key))),
            ("username", self.names.get(&user.username_key)),
        ];
        for (member, holder) in keys {
            errors.extend(holder.map(|holder| duplicate_error(reader, member, holder)));
        }
        if errors.is_empty() { KeyConflict::None } else { KeyConflict::Refused(errors) }
    }
}

fn duplicate_error(reader: &AccountReader, member: &str, holder: &KeyHolder) -> LineError {
    match &holder.imported {
        Some(from) if from.import == reader.import.id => LineError::for_member(
            member,
            "duplicate-line",
            format!("Line {} of this file has the same value.", from.line),
        ),
        _ => {
            let code = match member {
                "email" => "email-taken",
                "username" => "username-taken",
                _ => "id-taken",
            };
            LineError::for_member(member, code, "Another account has it.")
        }
    }
}
