//! What becomes of a block of lines.

use std::{collections::HashMap, sync::Arc, time::Duration};

use uuid::Uuid;

use super::{
    ImportError, Importer, Mistake, RefusedLine, Step,
    account::AccountReader,
    duplicate_check::{Keys, keys_of},
    lines::Block,
};
use crate::store::{KeyHolder, UserRecord};
use service_kit::{fail_point, mongo::StoreError, panics};

/// How often a block is tried while the database is away, and the first pause between.
const TRIES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(250);
/// Of a line at which the code panicked.
const NOT_PROCESSED: &str = "This line meets a defect of the program, whose log has the place.";

/// A block whose lines are decided; in a dry run also what a later line may not have again.
#[derive(Default)]
pub(super) struct Decided {
    pub(super) step: Step,
    pub(super) keys: Vec<(u64, Keys)>,
}

/// Reads the lines, and inserts their accounts if that is what is wanted.
pub(super) async fn decide(
    importer: Arc<Importer>,
    accounts: Arc<AccountReader>,
    block: Block,
    dry_run: bool,
) -> Result<Decided, ImportError> {
    let mut decided = Decided::default();
    (decided.step.line, decided.step.bytes) = (block.last_line, block.end);
    let (now, reader) = (importer.clock.now(), Arc::clone(&accounts));
    let read = tokio::task::spawn_blocking(move || {
        let (mut users, mut refused) = (Vec::with_capacity(block.lines.len()), Vec::new());
        for line in block.lines {
            let read = panics::catch("import", || {
                fail_point!("import.read_line");
                reader.read(&line, now)
            });
            match read.unwrap_or_else(|_| Err(vec![Mistake::whole("processing-failed", NOT_PROCESSED)])) {
                Ok(user) => users.push((line.number, user)),
                Err(errors) => refused.push(RefusedLine { line: line.number, errors }),
            }
        }
        (users, refused)
    });
    let (users, refused) = read.await.expect("the task is not aborted, and a panic outside of a line ends the process");
    decided.step.refused = refused;
    let lines: Vec<u64> = users.iter().map(|(line, _)| *line).collect();
    let users: Vec<UserRecord> = users.into_iter().map(|(_, user)| user).collect();
    if users.is_empty() {
        return Ok(decided);
    }
    if dry_run {
        let held = TestResult::by(importer.store.bulk.key_holders(&users.iter().collect::<Vec<_>>()).await?);
        for (line, user) in lines.into_iter().zip(&users) {
            match held.judge(&accounts, line, user) {
                // Unless an earlier line has the same: that is seen in the order of the lines.
                Verdict::Free => {
                    decided.step.imported += 1;
                    decided.keys.push((line, keys_of(user)));
                }
                Verdict::Already => decided.step.already += 1,
                Verdict::Refused(errors) => decided.step.refused.push(RefusedLine { line, errors }),
            }
        }
        return Ok(decided);
    }
    let mut left: Vec<usize> = (0..users.len()).collect();
    // Twice: whoever had a key may have gone in between.
    for last in [false, true] {
        let batch: Vec<UserRecord> = left.iter().map(|at| users[*at].clone()).collect();
        let taken = with_patience(|| importer.store.bulk.insert(&batch)).await?;
        decided.step.imported += (batch.len() - taken.len()) as u64;
        left = taken.into_iter().filter_map(|place| left.get(place).copied()).collect();
        if left.is_empty() {
            break;
        }
        // An address or username that was kept for its owner is free once its time is over.
        with_patience(|| importer.store.users.release_expired_reservations(now)).await?;
        let doubtful: Vec<&UserRecord> = left.iter().map(|at| &users[*at]).collect();
        let held = TestResult::by(with_patience(|| importer.store.bulk.key_holders(&doubtful)).await?);
        left.retain(|at| match held.judge(&accounts, lines[*at], &users[*at]) {
            Verdict::Already => {
                decided.step.already += 1;
                false
            }
            Verdict::Refused(errors) => {
                decided.step.refused.push(RefusedLine { line: lines[*at], errors });
                false
            }
            Verdict::Free if last => {
                let mistake = Mistake::whole("conflict", "Somebody registered and left while this line was imported.");
                decided.step.refused.push(RefusedLine { line: lines[*at], errors: vec![mistake] });
                false
            }
            Verdict::Free => true,
        });
        if left.is_empty() {
            break;
        }
    }
    admit(&importer, &users).await?;
    Ok(decided)
}

/// Who was imported as an admin is put into the list of admins.
async fn admit(importer: &Importer, users: &[UserRecord]) -> Result<(), ImportError> {
    for user in users.iter().filter(|user| user.is_admin()) {
        with_patience(|| importer.store.admins.ensure_listed(user.id.into())).await?;
    }
    Ok(())
}

/// Tries again while the database is away: what was inserted before is recognised.
async fn with_patience<T, F: Future<Output = Result<T, StoreError>>>(attempt: impl Fn() -> F) -> Result<T, StoreError> {
    let mut tries = 0;
    loop {
        match attempt().await {
            Err(StoreError::Timeout | StoreError::Unavailable(_)) if tries < TRIES => {
                tokio::time::sleep(PAUSE * 2_u32.pow(tries)).await;
                tries += 1;
            }
            result => return result,
        }
    }
}

/// What is known about an account that could not be inserted.
enum Verdict {
    /// Nobody has its keys any more.
    Free,
    /// It is there, and this line made it.
    Already,
    Refused(Vec<Mistake>),
}

/// Those who have keys already, by what they have.
struct TestResult {
    ids: HashMap<Uuid, KeyHolder>,
    emails: HashMap<String, KeyHolder>,
    names: HashMap<String, KeyHolder>,
}

impl TestResult {
    fn by(holders: Vec<KeyHolder>) -> Self {
        let mut held = Self { ids: HashMap::new(), emails: HashMap::new(), names: HashMap::new() };
        for holder in holders {
            held.ids.insert(holder.id.into(), holder.clone());
            held.emails.extend(holder.email_keys.iter().map(|key| (key.clone(), holder.clone())));
            held.names.extend(holder.username_keys.iter().map(|key| (key.clone(), holder.clone())));
            held.names.insert(holder.username_key.clone(), holder);
        }
        held
    }

    fn judge(&self, accounts: &AccountReader, line: u64, user: &UserRecord) -> Verdict {
        let id = Uuid::from(user.id);
        if let Some(holder) = self.ids.get(&id) {
            // Nobody else makes an id of file and line, not even who deleted the account.
            let derived = id == accounts.derived_id(line, user.created_at.to_jiff());
            if derived || holder.imported.as_ref().is_some_and(|origin| accounts.made(line, origin)) {
                return Verdict::Already;
            }
        }
        let mut errors = Vec::new();
        let keys = [
            ("id", self.ids.get(&id)),
            ("email", user.email_keys.iter().find_map(|key| self.emails.get(key))),
            ("username", self.names.get(&user.username_key)),
        ];
        for (member, holder) in keys {
            errors.extend(holder.map(|holder| taken(accounts, member, holder)));
        }
        if errors.is_empty() { Verdict::Free } else { Verdict::Refused(errors) }
    }
}

fn taken(accounts: &AccountReader, member: &str, holder: &KeyHolder) -> Mistake {
    match &holder.imported {
        Some(from) if from.import == accounts.import => {
            Mistake::member(member, "duplicate-line", format!("Line {} of this file has the same.", from.line))
        }
        _ => {
            let code = match member {
                "email" => "email-taken",
                "username" => "username-taken",
                _ => "id-taken",
            };
            Mistake::member(member, code, "Another account has it.")
        }
    }
}
