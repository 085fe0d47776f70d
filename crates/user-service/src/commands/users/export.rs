//! `users export`: writes all users as JSON lines.

use std::{
    fs::{self, OpenOptions},
    io::{self, BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use anyhow::Context as _;
use serde_json::json;

use super::progress_bar;
use crate::{
    store::Store,
    usecase::{self, ExportSummary},
};

/// Exports to a new file or to standard output. If the export fails, the file is removed.
pub(super) async fn run(store: &Store, out: Option<&Path>, with_hashes: bool, json: bool) -> anyhow::Result<()> {
    let bar = progress_bar(None);
    let on_progress = |users: u64| {
        bar.set_message(format!("{users} users"));
        bar.tick();
    };
    let exported = match out {
        None => {
            let mut out = BufWriter::new(io::stdout());
            usecase::export_users(&store.bulk, with_hashes, &mut out, on_progress).await
        }
        Some(path) => {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let mut out = BufWriter::new(file.with_context(|| format!("{} cannot be written", path.display()))?);
            let exported = usecase::export_users(&store.bulk, with_hashes, &mut out, on_progress).await;
            let synced = exported
                .and_then(|exported| out.get_ref().sync_all().map(|()| exported).map_err(usecase::ExportError::Write));
            if synced.is_err() {
                let _ = fs::remove_file(path);
            }
            synced
        }
    };
    bar.finish_and_clear();
    let exported = exported?;
    print_summary(exported, out, with_hashes, json)
}

/// Prints the numbers. Standard output is for the users, unless they are written to a file.
fn print_summary(exported: ExportSummary, out: Option<&Path>, with_hashes: bool, json: bool) -> anyhow::Result<()> {
    let ExportSummary { users, second_factors } = exported;
    if json {
        let summary = json!({ "users": users, "secondFactors": second_factors, "hashes": with_hashes });
        match out {
            Some(_) => writeln!(io::stdout(), "{summary}")?,
            None => writeln!(io::stderr(), "{summary}")?,
        }
        return Ok(());
    }
    eprintln!("{users} users exported");
    if second_factors > 0 {
        eprintln!("{second_factors} of them have a second factor, which is not exported");
    }
    Ok(())
}
