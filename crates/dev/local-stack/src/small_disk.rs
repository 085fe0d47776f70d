//! A file system of a few megabytes, to be filled: a tmpfs in a mount namespace of its own, which goes with
//! the process that holds it, however that ends.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    process::{
        child::{Child, ChildSpec, Output},
        log_file::tail,
    },
    wait_for::try_wait_for,
};

const MOUNT_DEADLINE: Duration = Duration::from_secs(10);
/// In the file system, while it is full.
const FILLER_FILE: &str = "filler";

/// A mounted file system. Dropping it takes it away, with everything on it.
#[derive(Debug)]
pub struct SmallDisk {
    namespace_process: Child,
    directory: PathBuf,
}

impl SmallDisk {
    /// Mounts one of so many megabytes on this directory, where only programs see it that are started through
    /// its [`SmallDisk::command_prefix`].
    ///
    /// # Errors
    /// When this machine does not allow it: it takes root, or user namespaces, and util-linux.
    pub async fn mount(directory: &Path, megabytes: u32, log: &Path) -> Result<Self> {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let mount = r#"mount -t tmpfs -o "size=$0m" tmpfs "$1" && echo mounted && exec sleep infinity"#;
        let mut namespace_process = ChildSpec::new("the small disk", "unshare", Output::File(log.to_owned()))
            .args(["--user", "--map-root-user", "--mount", "--", "/bin/sh", "-c", mount, &megabytes.to_string()])
            .arg(directory)
            .start()?;
        try_wait_for(MOUNT_DEADLINE, "the small disk", async || {
            if let Some(status) = namespace_process.exit_status() {
                bail!("it cannot be mounted ({status}): {}", tail(log, 3));
            }
            Ok((tail(log, 1) == "mounted").then_some(()))
        })
        .await?;
        Ok(Self { namespace_process, directory: directory.to_owned() })
    }

    /// The program and the arguments to start another program with, so that it sees the file system.
    #[must_use]
    pub fn command_prefix(&self) -> Vec<String> {
        let target = self.namespace_process.pid().to_string();
        ["nsenter", "--target", &target, "--user", "--mount", "--preserve-credentials", "--"]
            .map(str::to_owned)
            .to_vec()
    }

    /// Takes all space that is left.
    ///
    /// # Errors
    /// When it cannot be written for another reason than that.
    pub fn fill(&self) -> io::Result<()> {
        let mut filler = File::options().create(true).append(true).open(self.path_from_host(FILLER_FILE))?;
        // The last bytes too: what is written may be small.
        for size in [64 * 1024, 1] {
            let chunk = vec![0_u8; size];
            loop {
                match filler.write_all(&chunk) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Gives back what [`SmallDisk::fill`] took.
    ///
    /// # Errors
    /// When it was not full.
    pub fn free(&self) -> io::Result<()> {
        fs::remove_file(self.path_from_host(FILLER_FILE))
    }

    /// Another namespace's files, by way of a process in it.
    fn path_from_host(&self, file: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.namespace_process.pid()));
        root.join(self.directory.strip_prefix("/").unwrap_or(&self.directory)).join(file)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[tokio::test]
    async fn a_small_disk_takes_little_is_full_and_is_free_again() {
        let outside = tempfile::tempdir().unwrap();
        let (mount_point, log) = (outside.path().join("disk"), outside.path().join("log"));
        let disk = match SmallDisk::mount(&mount_point, 2, &log).await {
            Ok(disk) => disk,
            Err(error) => return eprintln!("SKIPPED a_small_disk_takes_little: {error:#}"),
        };
        let command_prefix = disk.command_prefix();
        let write = || {
            let mut inside = Command::new(&command_prefix[0]);
            inside
                .args(&command_prefix[1..])
                .args(["/bin/sh", "-c", r#"echo something > "$0/file""#])
                .arg(&mount_point);
            inside.status().unwrap().success()
        };
        assert!(write());
        disk.fill().unwrap();
        fs::remove_file(disk.path_from_host("file")).unwrap();
        disk.fill().unwrap();
        assert!(!write());
        disk.free().unwrap();
        assert!(write());
        assert!(!mount_point.join("file").exists(), "nobody else sees it");
    }
}
