//! A file system of a few megabytes that a test can fill: a tmpfs in its own mount namespace. The kernel removes it
//! when the process in the namespace ends.

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
/// The file that takes the space while the file system is full.
const FILLER_FILE: &str = "filler";

/// A mounted file system. Dropping it unmounts it and discards its files.
#[derive(Debug)]
pub struct SmallDisk {
    namespace_process: Child,
    directory: PathBuf,
}

impl SmallDisk {
    /// Mounts a file system of this size on `directory`. Only programs that are started with its
    /// [`SmallDisk::command_prefix`] see it.
    ///
    /// # Errors
    /// Returns an error if this machine does not allow the mount. It requires root or user namespaces, and util-linux.
    pub async fn mount(directory: &Path, megabytes: u32, log: &Path) -> Result<Self> {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let mount = r#"mount -t tmpfs -o "size=$0m" tmpfs "$1" && echo mounted && exec sleep infinity"#;
        let mut namespace_process = ChildSpec::new("the small disk", "unshare", Output::File(log.to_owned()))
            .args(["--user", "--map-root-user", "--mount", "--", "/bin/sh", "-c", mount, &megabytes.to_string()])
            .arg(directory)
            .start()?;
        try_wait_for(MOUNT_DEADLINE, "the small disk", async || {
            if let Some(status) = namespace_process.exit_status() {
                bail!("the file system cannot be mounted ({status}): {}", tail(log, 3));
            }
            Ok((tail(log, 1) == "mounted").then_some(()))
        })
        .await?;
        Ok(Self { namespace_process, directory: directory.to_owned() })
    }

    /// Returns the command and its arguments that start another program in the mount namespace.
    #[must_use]
    pub fn command_prefix(&self) -> Vec<String> {
        let target = self.namespace_process.pid().to_string();
        ["nsenter", "--target", &target, "--user", "--mount", "--preserve-credentials", "--"]
            .map(str::to_owned)
            .to_vec()
    }

    /// Fills the remaining space.
    ///
    /// # Errors
    /// Returns an error if a write fails for another reason than a full file system.
    pub fn fill(&self) -> io::Result<()> {
        let mut filler = File::options().create(true).append(true).open(self.path_from_host(FILLER_FILE))?;
        // Fill the last bytes too, because a later write may be small.
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

    /// Frees the space that [`SmallDisk::fill`] has taken.
    ///
    /// # Errors
    /// Returns an error if the file system was not filled.
    pub fn free(&self) -> io::Result<()> {
        fs::remove_file(self.path_from_host(FILLER_FILE))
    }

    /// Returns the path of a file in the mount namespace as seen from outside, through the process in the namespace.
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
    async fn a_small_disk_can_be_filled_and_freed_again() {
        let outside = tempfile::tempdir().unwrap();
        let (mount_point, log) = (outside.path().join("disk"), outside.path().join("log"));
        let disk = match SmallDisk::mount(&mount_point, 2, &log).await {
            Ok(disk) => disk,
            Err(error) => return eprintln!("SKIPPED a_small_disk_can_be_filled_and_freed_again: {error:#}"),
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
        assert!(!mount_point.join("file").exists(), "the file is not visible outside the namespace");
    }
}
