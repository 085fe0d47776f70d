//! `users import`: calls the use case and prints its result.

use std::{
    fs::{self, File},
    io::{self, Read, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use mongodb::Database;
use serde_json::{Map, Value, json};
use service_kit::{
    Clock, Ids,
    cli::{UsageError, print_line},
    mongo,
};
use zeroize::Zeroizing;

use super::{progress_bar, report::RefusedLineReport};
use crate::{
    app,
    config::Config,
    store::{self, Store},
    usecase::{
        self, Auth0Hashes, ExportFormat, FirebaseParameters, Import, ImportProgress, ImportStep, Importer, LeftBehind,
        MemberPath, Records,
    },
};

/// The arguments of `users import`.
#[derive(clap::Args)]
pub(in crate::commands) struct ImportArgs {
    /// Import this file; `-` is standard input, whose import cannot be continued
    file: PathBuf,
    /// Check everything, including conflicts with existing accounts, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Read the export of this system, as docs/IMPORT.md says
    #[arg(long, value_enum, default_value_t = FormatArg::Ndjson)]
    format: FormatArg,
    /// Take the usernames from this member, a name or a JSON Pointer; a user without it gets one from the address
    #[arg(long, value_name = "MEMBER")]
    username: Option<String>,
    /// Read the parameters of Firebase's hashes from this file: the text that the console shows, or JSON
    #[arg(long, value_name = "FILE")]
    firebase_hash_config: Option<PathBuf>,
    /// Read the hashes from this file, which Auth0's support provides
    #[arg(long, value_name = "FILE")]
    hashes: Option<PathBuf>,
    /// Send a welcome mail to each imported user
    #[arg(long)]
    welcome: bool,
    /// Send an invitation to each active user without a usable hash, and to them no welcome mail
    #[arg(long)]
    invite: bool,
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

/// The systems whose exports are read.
#[derive(Clone, Copy, clap::ValueEnum)]
enum FormatArg {
    Ndjson,
    Firebase,
    Auth0,
    Keycloak,
    Supabase,
    Wordpress,
}

/// The numbers of the final message.
#[derive(Default)]
struct ImportSummary {
    unit: &'static str,
    after: u64,
    line: u64,
    imported: u64,
    already_imported: u64,
    derived_usernames: u64,
    invited: u64,
    without_password: u64,
    skipped: u64,
    left_behind: [u64; LeftBehind::KINDS],
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
    let format = args.format()?;
    let username = args.username.as_deref().map(MemberPath::parse);
    let mut file = open_input(&args.file)?;
    let (clock, ids) = (Clock::system(), Ids::random());
    let (id, size) = match &file {
        Some(file) => usecase::fingerprint(file).with_context(|| cannot_read(&args.file))?,
        None => (ids.v4().simple().to_string(), 0),
    };
    let import = Import {
        size,
        dry_run: args.dry_run,
        welcome: args.welcome,
        invite: args.invite,
        admins: args.admins,
        repeat_finished: args.again,
        ..Import::new(format.import_id(id, username.as_ref()), format)
    };
    let import = Import { username, ..import };
    // The export of another system is read from its beginning.
    let opened = match import.derives_usernames() {
        true => {
            if let Some(file) = &mut file {
                file.rewind().with_context(|| cannot_read(&args.file))?;
            }
            let source = source(file.take());
            Some(import.format.open(source).with_context(|| cannot_read(&args.file))?.map_err(UsageError)?)
        }
        false => None,
    };
    if !args.dry_run {
        let unique = mongo::ensure_indexes(database, &store::unique_indexes()).await;
        unique.context("the unique indexes cannot be created")?;
    }
    let attributes = app::attribute_rules(config)?;
    let invitations = args.invite.then(|| app::invitations(config, &ids)).transpose()?;
    let importer = Importer::new(store, &config.hashing.settings(), attributes, clock.clone(), ids)?;
    let importer = Importer { invitations, ..importer };
    let started = clock.now();
    let (id, unit) = (import.id.clone(), import.format.unit());
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
    let records = match opened {
        Some(records) => records,
        None => {
            if let Some(file) = &mut file {
                file.seek(SeekFrom::Start(bytes)).with_context(|| cannot_read(&args.file))?;
            }
            Records::lines(source(file), after, bytes)
        }
    };
    let bar = progress_bar((size > 0).then_some(size));
    let mut summary = ImportSummary { unit, after, line: after, ..ImportSummary::default() };
    let ended = running
        .run(records, |step| {
            report.write(&step.refused, &bar)?;
            summary.add(step);
            bar.set_position(step.bytes);
            bar.set_message(format!("{} {unit}s, {} refused", step.line, summary.refused));
            Ok(())
        })
        .await;
    bar.finish_and_clear();
    let seconds = clock.now().duration_since(started).as_secs_f64();
    let printed = print_line(summary.render(args.dry_run, json, &id, seconds));
    ended?;
    printed?;
    if summary.refused > 0 {
        bail!("{} of {} {unit}s refused", summary.refused, summary.line - summary.after);
    }
    Ok(())
}

impl ImportArgs {
    /// Returns the format, with the contents of the files that belong to it.
    fn format(&self) -> anyhow::Result<ExportFormat> {
        let only_for = |option: &str, format: &str| UsageError(format!("{option} needs --format {format}"));
        if self.firebase_hash_config.is_some() && !matches!(self.format, FormatArg::Firebase) {
            return Err(only_for("--firebase-hash-config", "firebase").into());
        }
        if self.hashes.is_some() && !matches!(self.format, FormatArg::Auth0) {
            return Err(only_for("--hashes", "auth0").into());
        }
        Ok(match self.format {
            FormatArg::Ndjson => ExportFormat::Ndjson,
            FormatArg::Firebase => {
                let parameters = self.firebase_hash_config.as_deref().map(read_firebase_hash_config);
                ExportFormat::Firebase(parameters.transpose()?)
            }
            FormatArg::Auth0 => ExportFormat::Auth0(self.hashes.as_deref().map(open_hashes).transpose()?),
            FormatArg::Keycloak => ExportFormat::Keycloak,
            FormatArg::Supabase => ExportFormat::Supabase,
            FormatArg::Wordpress => ExportFormat::Wordpress,
        })
    }
}

fn read_firebase_hash_config(path: &Path) -> anyhow::Result<FirebaseParameters> {
    let text = fs::read_to_string(path).map_err(|error| UsageError(format!("{}: {error}", cannot_read(path))))?;
    let text = Zeroizing::new(text);
    let unusable = |error| UsageError(format!("{} is not the hash configuration of Firebase: {error}", path.display()));
    Ok(usecase::parse_firebase_hash_config(&text).map_err(unusable)?)
}

fn open_hashes(path: &Path) -> anyhow::Result<Auth0Hashes> {
    let file = File::open(path).map_err(|error| UsageError(format!("{}: {error}", cannot_read(path))))?;
    let unusable =
        |error| UsageError(format!("{} is not the export of password hashes of Auth0: {error}", path.display()));
    Ok(Auth0Hashes::open(file).map_err(unusable)?)
}

fn source(file: Option<File>) -> Box<dyn Read + Send> {
    match file {
        Some(file) => Box::new(file),
        None => Box::new(io::stdin()),
    }
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
    fn add(&mut self, step: &ImportStep) {
        self.line = step.line;
        self.imported += step.imported;
        self.already_imported += step.already_imported;
        self.derived_usernames += step.derived_usernames;
        self.invited += step.invited;
        self.without_password += step.without_password;
        self.skipped += step.skipped;
        self.refused += step.refused.len() as u64;
        self.left_behind.iter_mut().zip(step.left_behind).for_each(|(sum, number)| *sum += number);
    }

    fn render(&self, dry_run: bool, json: bool, id: &str, seconds: f64) -> String {
        let Self { unit, after, line, imported, already_imported, skipped, refused, .. } = self;
        let left = self.left_behind.iter().enumerate().filter(|(_, number)| **number > 0);
        let left = left.map(|(kind, number)| (LeftBehind::names(kind), *number));
        if json {
            let left: Map<String, Value> = left.map(|((name, _), number)| (name.to_owned(), number.into())).collect();
            return json!({
                "import": id,
                "dryRun": dry_run,
                "continuedAfterLine": after,
                "lastLine": line,
                "imported": imported,
                "alreadyImported": already_imported,
                "refused": refused,
                "skipped": skipped,
                "derivedUsernames": self.derived_usernames,
                "invited": self.invited,
                "withoutPassword": self.without_password,
                "leftBehind": left,
                "seconds": (seconds * 1000.0).round() / 1000.0,
            })
            .to_string();
        }
        let mut text = String::new();
        if *after > 0 {
            text += &format!("continued after {unit} {after}; ");
        }
        text += if dry_run { "dry run: " } else { "" };
        text += &format!("{imported} imported, {refused} refused");
        if *already_imported > 0 {
            text += &format!(", {already_imported} were there already");
        }
        if *skipped > 0 {
            text += &format!(", {skipped} skipped");
        }
        text += &format!(" ({line} {unit}s, {seconds:.1} s)");
        for (number, what) in [
            (self.derived_usernames, "have a username that was made from the address"),
            (self.invited, "are invited"),
            (self.without_password, "cannot sign in before a password reset"),
        ] {
            if number > 0 {
                text += &format!("\n{number} of the imported users {what}");
            }
        }
        for ((_, what), number) in left {
            text += &format!("\nleft behind: {what} ({number} {unit}s)");
        }
        text
    }
}
