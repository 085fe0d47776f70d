//! Reports refused lines to a file or to the screen.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::usecase::RefusedLine;

/// The maximum number of lines on the screen; further lines are only counted.
const MAX_SHOWN: u64 = 20;

pub(super) enum RefusedLineReport {
    /// A file with one JSON object per line.
    File(BufWriter<File>),
    /// The same on standard output.
    Json,
    /// The first lines as sentences on standard error.
    Screen { shown: u64 },
}

impl RefusedLineReport {
    /// Opens a report in a file with mode 0600. If the import continues after line `last_done`, the entries of the
    /// lines up to that one are kept.
    pub(super) fn file(path: &Path, last_done: u64) -> io::Result<Self> {
        let kept = if last_done > 0 { lines_up_to(path, last_done)? } else { Vec::new() };
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        let mut file = BufWriter::new(file);
        for line in kept {
            writeln!(file, "{line}")?;
        }
        file.flush()?;
        Ok(Self::File(file))
    }

    /// Writes the refused lines. A file contains them when this returns.
    pub(super) fn write(&mut self, refused: &[RefusedLine], bar: &ProgressBar) -> io::Result<()> {
        match self {
            Self::File(file) => {
                for line in refused {
                    writeln!(file, "{}", json_object(line))?;
                }
                file.flush()
            }
            Self::Json => {
                let mut out = io::stdout().lock();
                refused.iter().try_for_each(|line| writeln!(out, "{}", json_object(line)))
            }
            Self::Screen { shown } => {
                for line in refused {
                    *shown += 1;
                    if *shown <= MAX_SHOWN {
                        bar.suspend(|| sentences(line).iter().for_each(|sentence| eprintln!("{sentence}")));
                    } else if *shown == MAX_SHOWN + 1 {
                        bar.suspend(|| eprintln!("… more lines are refused; --report FILE reports all of them"));
                    }
                }
                Ok(())
            }
        }
    }
}

fn json_object(refused: &RefusedLine) -> Value {
    json!({ "line": refused.line, "errors": refused.errors })
}

/// Returns the sentences for the screen. The name of a member may be any text, so control characters are escaped.
fn sentences(refused: &RefusedLine) -> Vec<String> {
    let sentence = |error: &crate::usecase::LineError| {
        format!("line {}: {}: {}", refused.line, error.pointer.escape_debug(), error.detail)
    };
    refused.errors.iter().map(sentence).collect()
}

fn lines_up_to(path: &Path, last_done: u64) -> io::Result<Vec<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let number = |line: &str| serde_json::from_str::<Value>(line).ok()?["line"].as_u64();
    let lines = BufReader::new(file).lines();
    lines.filter(|line| line.as_ref().map_or(true, |line| number(line).is_some_and(|line| line <= last_done))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usecase::LineError;

    fn refused(line: u64) -> RefusedLine {
        let error =
            LineError { pointer: "#/email".into(), code: "email-taken", detail: "Another account has it.".into() };
        RefusedLine { line, errors: vec![error] }
    }

    #[test]
    fn a_continued_report_contains_each_line_once() {
        let path = std::env::temp_dir().join(format!("import-report-{}", std::process::id()));
        let bar = ProgressBar::hidden();
        let mut first = RefusedLineReport::file(&path, 0).unwrap();
        first.write(&[refused(3), refused(9)], &bar).unwrap();
        drop(first);
        // Line 9 was reported, and the import was killed before its progress was stored.
        let mut second = RefusedLineReport::file(&path, 5).unwrap();
        second.write(&[refused(9)], &bar).unwrap();
        drop(second);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.iter().map(|line| line["line"].as_u64().unwrap()).collect::<Vec<_>>(), [3, 9]);
        assert_eq!(lines[0]["errors"][0]["code"], "email-taken");
        drop(RefusedLineReport::file(&path, 0).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_member_name_cannot_send_control_characters_to_the_terminal() {
        let mut line = refused(1);
        line.errors[0].pointer = "#/\u{1b}[2J".into();
        assert_eq!(sentences(&line), ["line 1: #/\\u{1b}[2J: Another account has it."]);
    }
}
