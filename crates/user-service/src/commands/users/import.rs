//! `users import`: from the command line to the use case, and its account of what happened.

use std::{
    fs::File,
    io::{self, Read, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use mongodb::Database;
use serde_json::json;
use service_kit::{Clock, Ids, cli::UsageError, mongo};

use super::{progress, report::Report};
use crate::{
    app,
    config::Config,
    store::{self, Store},
    usecase::{self, Import, Importer, Progress},
};

/// What was typed.
pub(super) struct Wanted {
    pub(super) file: PathBuf,
    pub(super) dry_run: bool,
    pub(super) welcome: bool,
    pub(super) admins: bool,
    pub(super) again: bool,
    pub(super) report: Option<PathBuf>,
    pub(super) json: bool,
}

/// What happened, of which the last words are made.
#[derive(Default)]
struct Tally {
    after: u64,
    line: u64,
    imported: u64,
    already: u64,
    refused: u64,
}

pub(super) async fn run(config: &Config, database: &Database, store: Store, wanted: Wanted) -> anyhow::Result<()> {
    config.validate()?;
    let mut file = open(&wanted.file)?;
    let (clock, ids) = (Clock::system(), Ids::random());
    let (id, size) = match &file {
        Some(file) => usecase::fingerprint(file).with_context(|| cannot_read(&wanted.file))?,
        None => (ids.v4().simple().to_string(), 0),
    };
    if !wanted.dry_run {
        let unique = mongo::ensure_indexes(database, &store::unique_indexes()).await;
        unique.context("the indexes that keep accounts apart are not there")?;
    }
    let import = Import {
        id: id.clone(),
        size,
        dry_run: wanted.dry_run,
        welcome: wanted.welcome,
        admins: wanted.admins,
        again: wanted.again,
    };
    let attributes = app::attribute_rules(config)?;
    let importer = Importer::new(store, &config.hashing.settings(), attributes, clock.clone(), ids)?;
    let started = clock.now();
    let (running, standing) = usecase::begin_import(importer, import).await?;
    let (after, bytes) = match standing {
        Progress::At { line, bytes } => (line, bytes),
        Progress::Finished { at, imported, refused } => return finished(&wanted, &id, at, imported, refused),
    };
    let mut report = match &wanted.report {
        Some(path) => Report::file(path, after).with_context(|| format!("{} is not written", path.display()))?,
        None if wanted.json => Report::Json,
        None => Report::Screen { shown: 0 },
    };
    if let Some(file) = &mut file {
        file.seek(SeekFrom::Start(bytes)).with_context(|| cannot_read(&wanted.file))?;
    }
    let bar = progress(file.as_ref().map(|_| size));
    let source: Box<dyn Read + Send> = match file {
        Some(file) => Box::new(file),
        None => Box::new(io::stdin()),
    };
    let mut tally = Tally { after, line: after, ..Tally::default() };
    let ended = running
        .run(source, |step| {
            report.tell(&step.refused, &bar)?;
            tally.line = step.line;
            tally.imported += step.imported;
            tally.already += step.already;
            tally.refused += step.refused.len() as u64;
            bar.set_position(step.bytes);
            bar.set_message(format!("{} lines, {} refused", step.line, tally.refused));
            Ok(())
        })
        .await;
    bar.finish_and_clear();
    let seconds = clock.now().duration_since(started).as_secs_f64();
    println!("{}", tally.words(&wanted, &id, seconds));
    ended?;
    if tally.refused > 0 {
        bail!("{} of {} lines refused", tally.refused, tally.line - tally.after);
    }
    Ok(())
}

fn open(path: &Path) -> anyhow::Result<Option<File>> {
    if path == Path::new("-") {
        return Ok(None);
    }
    let file = File::open(path).and_then(|file| file.metadata().map(|data| (file, data.is_file())));
    match file {
        Ok((file, true)) => Ok(Some(file)),
        Ok(_) => Err(UsageError(format!("{} is no file; use `-` for a pipe", path.display())).into()),
        Err(error) => Err(UsageError(format!("{}: {error}", cannot_read(path))).into()),
    }
}

fn cannot_read(path: &Path) -> String {
    format!("{} cannot be read", path.display())
}

fn finished(wanted: &Wanted, id: &str, at: jiff::Timestamp, imported: u64, refused: u64) -> anyhow::Result<()> {
    if wanted.json {
        let already = json!({ "import": id, "finishedAt": at, "alreadyImported": imported, "alreadyRefused": refused });
        println!("{already}");
    } else {
        println!("this file was imported before, until {at}: {imported} accounts, {refused} lines refused");
        println!("nothing is done; --again goes through it once more");
    }
    if refused > 0 {
        bail!("{refused} lines were refused then");
    }
    Ok(())
}

impl Tally {
    fn words(&self, wanted: &Wanted, id: &str, seconds: f64) -> String {
        let Self { after, line, imported, already, refused } = self;
        if wanted.json {
            return json!({
                "import": id,
                "dryRun": wanted.dry_run,
                "continuedAfterLine": after,
                "lastLine": line,
                "imported": imported,
                "alreadyImported": already,
                "refused": refused,
                "seconds": (seconds * 1000.0).round() / 1000.0,
            })
            .to_string();
        }
        let mut words = String::new();
        if *after > 0 {
            words += &format!("continued after line {after}; ");
        }
        words += if wanted.dry_run { "dry run: " } else { "" };
        words += &format!("{imported} imported, {refused} refused");
        if *already > 0 {
            words += &format!(", {already} were there already");
        }
        words + &format!(" ({line} lines, {seconds:.1} s)")
    }
}
