//! The size on disk of the delivered program and of its image.

use std::{
    cmp::Reverse,
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    report::{Goal, Row},
    sampling::Sample,
};

const PROGRAM_GOAL: f64 = 20.0;
const IMAGE_GOAL: f64 = 30.0;
const LARGEST: usize = 4;
/// The only large file that the Dockerfile copies in addition to the program and its libraries.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

pub(super) fn rows() -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for service in ["user-service", "email-service"] {
        let binary = std::env::current_exe()?.with_file_name(service);
        let program = stripped_bytes(&binary)?;
        let parts = sections(&binary)?;
        rows.push(
            row(format!("program of {service}"), program, PROGRAM_GOAL)
                .note(format!("release, stripped; MB of its largest sections: {parts}")),
        );
        rows.push(match image_bytes(service) {
            Some(bytes) => {
                row(format!("image of {service}"), bytes, IMAGE_GOAL).note(format!("docker image `{service}`"))
            }
            None => {
                let files = files_beside(&binary)?;
                row(format!("files of {service}'s image"), program + bytes_of(&files)?, IMAGE_GOAL).note(format!(
                    "no image `{service}` here, so not measured: the program and what the Dockerfile copies beside it, \
                     {} files of this machine",
                    files.len()
                ))
            }
        });
    }
    Ok(rows)
}

fn row(measure: String, bytes: u64, goal: f64) -> Row {
    Row::value(measure, "MB", Sample::from_rounds(&[bytes as f64 / 1e6]), Goal::AtMost(goal))
}

/// Returns the largest sections that are loaded, as reported by binutils' `size`: `.text 16.2, .rodata 5.6`.
fn sections(binary: &Path) -> Result<String> {
    let told = Command::new("size").arg("-A").arg(binary).output().context("size")?;
    let mut sections: Vec<(String, u64)> = String::from_utf8(told.stdout)?.lines().filter_map(loaded).collect();
    sections.sort_by_key(|(_, bytes)| Reverse(*bytes));
    let texts = sections.iter().take(LARGEST).map(|(name, bytes)| format!("{name} {:.1}", *bytes as f64 / 1e6));
    Ok(texts.collect::<Vec<_>>().join(", "))
}

/// Parses a section from a line `name size address`. A section that is not loaded has address 0.
fn loaded(line: &str) -> Option<(String, u64)> {
    let mut words = line.split_ascii_whitespace();
    let (name, bytes, address) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
    (name.starts_with('.') && address != "0").then(|| (name.to_owned(), bytes))
}

/// Returns the size of the program without symbols, as it is delivered. The benchmark's build keeps them for profiles.
fn stripped_bytes(binary: &Path) -> Result<u64> {
    let stripped = binary.with_extension("stripped");
    let ended = Command::new("strip").arg("-o").args([&stripped, binary]).status().context("strip")?;
    ensure!(ended.success(), "strip {}: {ended}", binary.display());
    let bytes = fs::metadata(&stripped)?.len();
    fs::remove_file(&stripped)?;
    Ok(bytes)
}

/// Returns the size of an image on this machine; `None` without the image or without Docker.
fn image_bytes(name: &str) -> Option<u64> {
    let output = Command::new("docker").args(["image", "inspect", "--format", "{{.Size}}", name]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().parse().ok())?
}

fn files_beside(binary: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(binary).output().context("ldd")?;
    ensure!(output.status.success(), "ldd {}: {}", binary.display(), output.status);
    let mut files = libraries(&String::from_utf8_lossy(&output.stdout));
    files.insert(CERTIFICATES.into());
    Ok(files.into_iter().filter(|file| file.is_file()).collect())
}

/// Returns the paths in the output of `ldd`.
fn libraries(printed: &str) -> BTreeSet<PathBuf> {
    printed.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

fn bytes_of(files: &[PathBuf]) -> Result<u64> {
    files.iter().map(|file| Ok(fs::metadata(file)?.len())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_the_paths_that_ldd_names() {
        let printed = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f1e)\n\
                       \t/lib64/ld-linux-x86-64.so.2 (0x00007f1f)\n";
        let expected = ["/lib/x86_64-linux-gnu/libm.so.6", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from);
        assert_eq!(libraries(printed), BTreeSet::from(expected));
        assert_eq!(libraries("\tstatically linked\n"), BTreeSet::new());
    }
}
