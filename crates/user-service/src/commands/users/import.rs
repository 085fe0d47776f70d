//! `users import`: calls the use case and prints its result.

use std::{
    fs::File,
    io::{self, Read, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use mongodb::Database;
use serde_json::json;
use service_kit::{
    Clock, Ids,
    cli::{UsageError, print_line},
    mongo,
};

use super::{progress_bar, report::RefusedLineReport};
use crate::{
    app,
    config::Config,
    store::{self, Store},
    usecase::{self, Import, ImportProgress, Importer},
};

/// The arguments of `users import`.
#[derive(clap::Args)]
pub(in crate::commands) struct ImportArgs {
    /// Import this file; `-` is standard input, whose import cannot be continued
    file: PathBuf,
    /// Check everything, including conflicts with existing accounts, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Send a welcome mail to each imported user
    #[arg(long)]
    welcome: bool,
    /// Allow lines with the role `admin`
    #[arg(long)]
    admins: bool,
    /// Process a file again whose import was finished: existing accounts stay unchanged, refused lines are tried
    /// again, and deleted accounts are created again
    #[arg(long)]
    again: bool,
    /// Write one JSON object for each refused line to this file: its number and all of its errors
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// The numbers of the final message.
#[derive(Default)]
struct ImportSummary {
    after: u64,
    line: u64,
    imported: u64,
    already_imported: u64,
    refused: u64,
}

pub(super) async fn run(
    config: &Config,
    database: &Database,
    store: Store,
    args: ImportArgs,
    json: bool,
) -> anyhow::Result<()> {
    config.validate()?;
    let mut file = open_input(&args.file)?;
    let (clock, ids) = (Clock::system(), Ids::random());
    let (id, size) = match &file {
        Some(file) => usecase::fingerprint(file).with_context(|| cannot_read(&args.file))?,
        None => (ids.v4().simple().to_string(), 0),
    };
    if !args.dry_run {
        let unique = mongo::ensure_indexes(database, &store::unique_indexes()).await;
        unique.context("the unique indexes cannot be created")?;
    }
    let import = Import {
        id: id.clone(),
        size,
        dry_run: args.dry_run,
        welcome: args.welcome,
        admins: args.admins,
        repeat_finished: args.again,
    };
    let attributes = app::attribute_rules(config)?;
    let importer = Importer::new(store, &config.hashing.settings(), attributes, clock.clone(), ids)?;
    let started = clock.now();
    let (running, progress) = usecase::begin_import(importer, import).await?;
    let (after, bytes) = match progress {
        ImportProgress::At { line, bytes } => (line, bytes),
        ImportProgress::Finished { at, imported, refused } => return print_finished(json, &id, at, imported, refused),
    };
    let mut report = match &args.report {
        Some(path) => {
            RefusedLineReport::file(path, after).with_context(|| format!("{} cannot be written", path.display()))?
        }
        None if json => RefusedLineReport::Json,
        None => RefusedLineReport::Screen { shown: 0 },
    };
    if let Some(file) = &mut file {
        file.seek(SeekFrom::Start(bytes)).with_context(|| cannot_read(&args.file))?;
    }
    let bar = progress_bar(file.as_ref().map(|_| size));
    let source: Box<dyn Read + Send> = match file {
        Some(file) => Box::new(file),
        None => Box::new(io::stdin()),
    };
    let mut summary = ImportSummary { after, line: after, ..ImportSummary::default() };
    let ended = running
        .run(source, |step| {
            report.write(&step.refused, &bar)?;
            summary.line = step.line;
            summary.imported += step.imported;
            summary.already_imported += step.already_imported;
            summary.refused += step.refused.len() as u64;
            bar.set_position(step.bytes);
            bar.set_message(format!("{} lines, {} refused", step.line, summary.refused));
            Ok(())
        })
        .await;
    bar.finish_and_clear();
    let seconds = clock.now().duration_since(started).as_secs_f64();
    let printed = print_line(summary.render(args.dry_run, json, &id, seconds));
    ended?;
    printed?;
    if summary.refused > 0 {
        bail!("{} of {} lines refused", summary.refused, summary.line - summary.after);
    }
    Ok(())
}

fn open_input(path: &Path) -> anyhow::Result<Option<File>> {
    if path == Path::new("-") {
        return Ok(None);
    }
    let file = File::open(path).and_then(|file| file.metadata().map(|data| (file, data.is_file())));
    match file {
        Ok((file, true)) => Ok(Some(file)),
        Ok(_) => Err(UsageError(format!("{} is not a file; use `-` for a pipe", path.display())).into()),
        Err(error) => Err(UsageError(format!("{}: {error}", cannot_read(path))).into()),
    }
}

fn cannot_read(path: &Path) -> String {
    format!("{} cannot be read", path.display())
}

fn print_finished(json: bool, id: &str, at: jiff::Timestamp, imported: u64, refused: u64) -> anyhow::Result<()> {
    if json {
        let line = json!({ "import": id, "finishedAt": at, "alreadyImported": imported, "alreadyRefused": refused });
        print_line(line)?;
    } else {
        print_line(format_args!(
            "the import of this file was finished at {at}: {imported} accounts, {refused} lines refused"
        ))?;
        print_line("nothing was done; use --again to process the file again")?;
    }
    if refused > 0 {
        bail!("{refused} lines were refused by the finished import");
    }
    Ok(())
}

impl ImportSummary {
    fn render(&self, dry_run: bool, json: bool, id: &str, seconds: f64) -> String {
        let Self { after, line, imported, already_imported, refused } = self;
        if json {
            return json!({
                "import": id,
                "dryRun": dry_run,
                "continuedAfterLine": after,
                "lastLine": line,
                "imported": imported,
                "alreadyImported": already_imported,
                "refused": refused,
                "seconds": (seconds * 1000.0).round() / 1000.0,
            })
            .to_string();
        }
        let mut text = String::new();
        if *after > 0 {
            text += &format!("continued after line {after}; ");
        }
        text += if dry_run { "dry run: " } else { "" };
        text += &format!("{imported} imported, {refused} refused");
        if *already_imported > 0 {
            text += &format!(", {already_imported} were there already");
        }
        text + &format!(" ({line} lines, {seconds:.1} s)")
    }
}
