//! What histories call whoever runs a command: `operator <login>@<host>`.

use std::{env, fs, os::unix::fs::MetadataExt as _};

const LONGEST: usize = 64;

/// The name of whoever runs this process, for a history. It is what the environment says, so
/// it helps to remember and proves nothing.
pub(super) fn name() -> String {
    let variables = ["SUDO_USER", "LOGNAME", "USER"].into_iter();
    let login = variables.filter_map(|name| env::var(name).ok()).find(|login| !login.is_empty());
    let login = login.unwrap_or_else(|| {
        // A container has no logins.
        fs::metadata("/proc/self").map_or_else(|_| "unknown".to_owned(), |process| format!("uid-{}", process.uid()))
    });
    called(&login, &fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default())
}

fn called(login: &str, host: &str) -> String {
    let plain = |text: &str| -> String { text.trim().chars().filter(char::is_ascii_graphic).take(LONGEST).collect() };
    format!("operator {}@{}", plain(login), plain(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        assert_eq!(called("ada", "mail-1\n"), "operator ada@mail-1");
        assert_eq!(called("a d\u{1b}[2Ja", "h"), "operator ad[2Ja@h");
        assert!(called(&"x".repeat(9_000), &"y".repeat(9_000)).len() < 150);
    }

    #[test]
    fn somebody_runs_this() {
        assert!(name().starts_with("operator ") && name().contains('@'));
    }
}
