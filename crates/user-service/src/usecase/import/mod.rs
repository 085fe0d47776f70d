//! Imports users from a file: lines of our own format, or the export of another system. Each record becomes an account,
//! inserted together with its event. Records are processed in blocks of up to 1000, several blocks concurrently.
//!
//! No record is imported twice: the id of an account is derived from the file and the number of the record, so a
//! repeated insert finds its id taken. The progress is stored after each block, so an import that was killed continues
//! there. Where usernames are made from addresses, the records before that place are read again, because a username
//! depends on those of the earlier records.

mod block;
mod derived_username;
mod duplicate_check;
mod formats;
mod json_members;
mod line_to_account;
#[cfg(test)]
mod property_tests;
mod records;
mod times;

use std::{io, io::Read, num::NonZero, sync::Arc, thread};

use futures_util::StreamExt;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use self::{
    block::{BlockResult, ReadBlock},
    derived_username::AssignedUsernames,
    duplicate_check::DuplicateCheck,
    line_to_account::AccountReader,
};
use service_kit::{Clock, Ids, fail_point, mongo::StoreError};

use crate::{
    domain::AttributeRules,
    hashing::{HashImporter, HashingSettings, InvalidSetting},
    store::{ImportCheckpoint, Store},
};

use super::invitation::Invitations;

pub use self::{
    formats::{
        Auth0Hashes, ExportFormat, FirebaseParameters, InvalidHashConfig, InvalidHashFile, LeftBehind, MemberPath,
        parse_firebase_hash_config,
    },
    json_members::LineError,
    records::Records,
};

/// The dependencies of an import.
pub struct Importer {
    pub store: Store,
    pub hashes: HashImporter,
    pub attributes: Arc<AttributeRules>,
    pub clock: Clock,
    pub ids: Ids,
    /// Needed for an import with [`Import::invite`].
    pub invitations: Option<Invitations>,
}

impl Importer {
    /// Creates an importer that accepts foreign hashes within the bounds of `settings`.
    ///
    /// # Errors
    /// Returns an error if the bounds for foreign hashes are invalid.
    pub fn new(
        store: Store,
        settings: &HashingSettings,
        attributes: AttributeRules,
        clock: Clock,
        ids: Ids,
    ) -> Result<Self, InvalidSetting> {
        Ok(Self {
            store,
            hashes: HashImporter::new(settings)?,
            attributes: Arc::new(attributes),
            clock,
            ids,
            invitations: None,
        })
    }
}

/// The options of an import.
pub struct Import {
    /// The [id](ExportFormat::import_id) of the import; a new id for input that cannot be read twice.
    pub id: String,
    pub format: ExportFormat,
    /// The member of the export that has the username.
    pub username: Option<MemberPath>,
    /// The size in bytes; 0 if it is unknown.
    pub size: u64,
    /// Whether everything is checked and nothing is written.
    pub dry_run: bool,
    /// Whether each imported user gets a welcome mail.
    pub welcome: bool,
    /// Whether each active user without a usable hash gets an invitation, and no welcome mail.
    pub invite: bool,
    /// Whether records with the role `admin` are allowed.
    pub admins: bool,
    /// Whether a file whose import was finished is processed again.
    pub repeat_finished: bool,
}

impl Import {
    /// Creates an import with the defaults.
    #[must_use]
    pub fn new(id: String, format: ExportFormat) -> Self {
        Self {
            id,
            format,
            username: None,
            size: 0,
            dry_run: false,
            welcome: false,
            invite: false,
            admins: false,
            repeat_finished: false,
        }
    }

    /// Returns whether a user without a username gets one from the address. Then the file is read from its beginning
    /// even if a part of it was imported before.
    #[must_use]
    pub fn derives_usernames(&self) -> bool {
        !self.format.is_own() || self.username.is_some()
    }
}

/// A record that did not become an account, with all of its errors.
#[derive(Debug, Clone)]
pub struct RefusedLine {
    /// The number of the record, starting at 1.
    pub line: u64,
    pub errors: Vec<LineError>,
}

/// The result of the next records.
#[derive(Debug, Default)]
pub struct ImportStep {
    /// The number of the last of these records, and the size of the file up to its end in bytes.
    pub line: u64,
    pub bytes: u64,
    /// The number of new accounts, and of accounts that an earlier run of this import has created.
    pub imported: u64,
    pub already_imported: u64,
    /// The number of new accounts with a username that was made from the address.
    pub derived_usernames: u64,
    /// The number of new accounts with an invitation.
    pub invited: u64,
    /// The number of new accounts without a password, which need a password reset.
    pub without_password: u64,
    /// The number of records that are no users, such as deleted ones.
    pub skipped: u64,
    /// The number of records that have each of the things in [`LeftBehind`].
    pub left_behind: [u64; LeftBehind::KINDS],
    pub refused: Vec<RefusedLine>,
}

/// The progress of an import before this run.
#[derive(Debug, Clone)]
pub enum ImportProgress {
    /// The import starts, or continues after this many lines and bytes.
    At { line: u64, bytes: u64 },
    /// An earlier run has reached the end of the file.
    Finished { at: Timestamp, imported: u64, refused: u64 },
}

/// The reason why an import failed. The same command continues it.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("the file cannot be read")]
    Read(#[source] io::Error),
    #[error("the import was started {0} --welcome; continue it in the same way")]
    OtherWelcome(&'static str),
    #[error("the import was started {0} --invite; continue it in the same way")]
    OtherInvite(&'static str),
    #[error("the file has changed while it was being read")]
    FileChanged,
    #[error("the report cannot be written")]
    Report(#[source] io::Error),
    #[error("the database is unavailable; run the same command again to continue")]
    Store(#[from] StoreError),
}

/// Returns the id of the import of a file, which is half of its SHA-256, and the size of the file in bytes.
///
/// # Errors
/// Returns an error if the file cannot be read.
pub fn fingerprint(mut file: impl Read) -> io::Result<(String, u64)> {
    let (mut digest, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 256 * 1024]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                digest.update(&buffer[..read]);
                size += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok((hex::encode(&digest.finalize()[..16]), size))
}

/// An import that was started.
pub struct RunningImport {
    importer: Arc<Importer>,
    reader: Arc<AccountReader>,
    record: ImportCheckpoint,
}

/// Reads the stored progress of the file, and stores its start if there is none.
///
/// # Errors
/// Returns [`ImportError::OtherWelcome`] or [`ImportError::OtherInvite`], or an error if the database is unavailable.
pub async fn begin_import(
    mut importer: Importer,
    import: Import,
) -> Result<(RunningImport, ImportProgress), ImportError> {
    let size = i64::try_from(import.size).unwrap_or(i64::MAX);
    let new = ImportCheckpoint::new(import.id.clone(), size, (import.welcome, import.invite), importer.clock.now());
    let bulk = &importer.store.bulk;
    let mut record = match import.dry_run {
        // A dry run checks the whole file, even if a part of it was imported before.
        true => match bulk.find_import(&import.id).await? {
            Some(existing) => ImportCheckpoint { started_at: existing.started_at, ..new },
            None => new,
        },
        false => bulk.begin_import(&new).await?,
    };
    let mut progress = ImportProgress::At { line: to_u64(record.lines), bytes: to_u64(record.bytes) };
    if let Some(at) = record.finished_at {
        let (imported, refused) = (to_u64(record.imported), to_u64(record.refused));
        progress = ImportProgress::Finished { at: at.to_jiff(), imported, refused };
        if import.repeat_finished {
            let mails = (import.welcome, import.invite);
            record = ImportCheckpoint::new(record.id.clone(), size, mails, record.started_at.to_jiff());
            progress = ImportProgress::At { line: 0, bytes: 0 };
        }
    }
    if matches!(progress, ImportProgress::At { .. }) {
        let started = |with: bool| if with { "with" } else { "without" };
        if record.welcome != import.welcome {
            return Err(ImportError::OtherWelcome(started(record.welcome)));
        }
        if record.invite != import.invite {
            return Err(ImportError::OtherInvite(started(record.invite)));
        }
    }
    let reader = AccountReader {
        hashes: importer.hashes.clone(),
        attributes: Arc::clone(&importer.attributes),
        ids: importer.ids.clone(),
        invitations: importer.invitations.take(),
        import,
        started_at: record.started_at.to_jiff(),
    };
    Ok((RunningImport { importer: Arc::new(importer), reader: Arc::new(reader), record }, progress))
}

impl RunningImport {
    /// Imports the remaining records. `records` is at the beginning of the file if
    /// [usernames are derived](Import::derives_usernames), and otherwise where [`ImportProgress::At`] says. `on_step` is
    /// called for each step in the order of the records, before the progress of the step is stored.
    ///
    /// # Errors
    /// Returns [`ImportError`].
    pub async fn run(
        mut self,
        records: Records,
        mut on_step: impl FnMut(&ImportStep) -> io::Result<()>,
    ) -> Result<(), ImportError> {
        let mut blocks = records.read();
        let blocks = futures_util::stream::poll_fn(move |context| blocks.poll_recv(context));
        let (importer, reader, dry_run) = (&self.importer, &self.reader, self.reader.import.dry_run);
        let read = blocks.map(|block| {
            let (reader, now) = (Arc::clone(reader), importer.clock.now());
            async move {
                let block = block.map_err(ImportError::Read)?;
                let read = tokio::task::spawn_blocking(move || block::read_block(&reader, block, now));
                Ok::<_, ImportError>(
                    read.await.expect("the task is not aborted, and a panic outside of a record ends the process"),
                )
            }
        });
        // The results keep the order of the file, although blocks are processed concurrently.
        let mut assigned = AssignedUsernames::default();
        let (done, derives) = (to_u64(self.record.lines), self.reader.import.derives_usernames());
        let results = read.buffered(concurrency()).map(|block| {
            let block = block.map(|mut block: ReadBlock| {
                if derives {
                    block.assign_usernames(&mut assigned);
                    block.forget_up_to(done);
                }
                block
            });
            let (importer, reader) = (Arc::clone(importer), Arc::clone(reader));
            #[expect(
                clippy::disallowed_methods,
                reason = "the command waits for its blocks; a killed import is continued"
            )]
            let task = tokio::spawn(async move { block::insert_block(&importer, &reader, block?).await });
            async move { task.await.expect("the task is not aborted, and its panic ends the process") }
        });
        let mut results = results.buffered(concurrency());
        let mut duplicates = DuplicateCheck::default();
        let unit = reader.import.format.unit();
        while let Some(results) = results.next().await {
            let BlockResult { mut step, keys } = results?;
            if derives && step.line <= done && step.bytes <= to_u64(self.record.bytes) {
                continue;
            }
            for (line, keys) in keys {
                if let Some(errors) = duplicates.check_and_remember(line, unit, keys) {
                    step.imported -= 1;
                    step.refused.push(RefusedLine { line, errors });
                }
            }
            step.refused.sort_by_key(|refused| refused.line);
            fail_point!("import.after_batch");
            on_step(&step).map_err(ImportError::Report)?;
            update_record(&mut self.record, &step);
            if !dry_run {
                self.record.updated_at = importer.clock.now().into();
                importer.store.bulk.save_import(&self.record).await?;
            }
        }
        drop(results);
        if self.reader.import.size != 0 && to_u64(self.record.bytes) != self.reader.import.size {
            return Err(ImportError::FileChanged);
        }
        if !dry_run {
            self.record.finished_at = Some(self.importer.clock.now().into());
            self.importer.store.bulk.save_import(&self.record).await?;
        }
        Ok(())
    }
}

fn update_record(record: &mut ImportCheckpoint, step: &ImportStep) {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    record.lines = number(step.line);
    record.bytes = number(step.bytes);
    record.imported += number(step.imported + step.already_imported);
    record.refused += number(step.refused.len() as u64);
}

/// Returns the number of concurrent blocks. Each one uses one core to read its lines and then waits for the database.
fn concurrency() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get).clamp(2, 16) + 2
}

fn to_u64(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}
