//! TCP ports on the loopback interface: reserves free ports, and finds the process that uses a port.

use std::{
    fmt, fs,
    net::{Ipv4Addr, TcpListener, UdpSocket},
    path::Path,
    sync::atomic::{AtomicU16, Ordering},
};

use anyhow::{Result, bail};

use crate::process::process_tree::process_ids;

/// The first port of the range. The range is below Linux's ephemeral ports, so that no outgoing connection takes a
/// port between its reservation and its use.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A free TCP port on the loopback interface, reserved for as long as this value lives.
///
/// The reservation is a UDP socket with the same number. It does not affect TCP, it ends with the process, and all
/// processes that reserve ports with this type see it.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _reservation: UdpSocket,
}

impl Port {
    /// Reserves a free port.
    ///
    /// # Errors
    /// Returns an error if all ports of the range are in use.
    pub fn free() -> Result<Self> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        // Each process starts at another port, so that processes seldom try the same one.
        let start = u16::try_from(u64::from(std::process::id()) * 97 % u64::from(COUNT)).unwrap_or(0);
        for _ in 0..COUNT {
            let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
            let number = FIRST + (start + step) % COUNT;
            if let Some(port) = Self::reserve(number) {
                return Ok(port);
            }
        }
        bail!("no free TCP port between {FIRST} and {}", FIRST + COUNT - 1)
    }

    /// Reserves this port, unless a process listens on it or has reserved it.
    #[must_use]
    pub fn reserve(number: u16) -> Option<Self> {
        let reservation = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        is_free(number).then_some(Self { number, _reservation: reservation })
    }

    /// Returns the port's number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// Returns whether a server could listen on this port of 127.0.0.1 now.
#[must_use]
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The process that listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortOwner {
    /// The process id.
    pub pid: u32,
    /// The command line, shortened.
    pub command: String,
}

impl fmt::Display for PortOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.command, self.pid)
    }
}

/// Returns the process that listens on `port`. `None` means that no process listens, or that this user may not inspect
/// the process.
#[must_use]
pub fn owner_of(port: u16) -> Option<PortOwner> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let sockets: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let pid = process_ids().into_iter().find(|pid| has_any_socket_open(*pid, &sockets))?;
    Some(PortOwner { pid, command: command_line_of(pid) })
}

/// Returns the inodes of the sockets that listen on `port`, from the text of `/proc/net/tcp`.
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let suffix = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
            (local.ends_with(&suffix) && *state == LISTEN).then(|| (*inode).to_owned())
        })
        .collect()
}

fn has_any_socket_open(pid: u32, sockets: &[String]) -> bool {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    entries.flatten().any(|entry| {
        fs::read_link(entry.path()).is_ok_and(|target| sockets.iter().any(|socket| target == Path::new(socket)))
    })
}

fn command_line_of(pid: u32) -> String {
    let raw = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&raw).replace('\0', " ");
    let line = line.trim();
    if line.is_empty() {
        return "a process".to_owned();
    }
    match line.char_indices().nth(80) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_reservations_are_never_the_same_port() {
        let ports: Vec<Port> = (0..50).map(|_| Port::free().unwrap()).collect();
        let mut numbers: Vec<u16> = ports.iter().map(Port::number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 50);
    }

    #[test]
    fn a_reserved_port_can_be_listened_on() {
        let port = Port::free().unwrap();
        TcpListener::bind((Ipv4Addr::LOCALHOST, port.number())).unwrap();
    }

    #[test]
    fn the_process_that_uses_a_port_is_named() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let owner = owner_of(port).expect("this process listens on the port");
        assert_eq!(owner.pid, std::process::id());
        assert!(owner.command.contains("local_stack"), "{owner}");
        assert!(!is_free(port));
    }

    #[test]
    fn a_free_port_has_no_owner() {
        let port = Port::free().unwrap();
        assert_eq!(owner_of(port.number()), None);
    }

    #[test]
    fn only_listening_sockets_on_the_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:6989 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1\n\
             1: 0100007F:6989 0100007F:1234 01 00000000:00000000 00:00000000 00000000     0        0 222 1\n\
             2: 0100007F:698A 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1\n";
        assert_eq!(listening_inodes(table, 0x6989), ["111"]);
    }
}
