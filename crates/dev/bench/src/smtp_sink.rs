//! A mail server that accepts and discards every mail, which is the minimal cost of a mail server. For each mail
//! it prints a line with the recipient and the time of acceptance, in nanoseconds of the machine's monotonic
//! clock.

use std::io::Write as _;

use anyhow::{Context as _, Result};
use rustix::time::{ClockId, clock_gettime};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    process::Child,
    sync::mpsc,
};

use crate::helper_process::{self, HelperProcess};

/// Returns the nanoseconds of a clock that all processes of this machine share.
pub(crate) fn monotonic_nanos() -> i128 {
    let now = clock_gettime(ClockId::Monotonic);
    i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec)
}

/// A mail that the sink accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AcceptedMail {
    pub(crate) recipient: String,
    pub(crate) at_nanos: i128,
}

/// The sink in its own process.
pub(crate) struct SmtpSink {
    child: Child,
    port: u16,
    accepted: mpsc::UnboundedReceiver<AcceptedMail>,
}

impl SmtpSink {
    pub(crate) async fn start() -> Result<Self> {
        let HelperProcess { child, port, mut output } = helper_process::start(&["smtp-sink", "--port", "0"]).await?;
        let (sender, accepted) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = output.next_line().await {
                let Some((recipient, at)) = line.split_once(' ') else { continue };
                let Ok(at_nanos) = at.parse() else { continue };
                if sender.send(AcceptedMail { recipient: recipient.to_owned(), at_nanos }).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, port, accepted })
    }

    pub(crate) fn pid(&self) -> Result<u32> {
        self.child.id().context("the sink has ended")
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn url(&self) -> String {
        format!("smtp://{}?tls=none", self.address())
    }

    /// Waits for the next mail that the sink accepts.
    pub(crate) async fn next(&mut self) -> Result<AcceptedMail> {
        self.accepted.recv().await.context("the sink has ended")
    }
}

/// Serves until the process is killed. The first line of its output is the port.
pub(crate) async fn serve(port: u16) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    print_line(&listener.local_addr()?.port().to_string());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            // A client may close its connection at any time.
            let _ = serve_connection(stream).await;
        });
    }
}

async fn serve_connection(stream: TcpStream) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let (mut read, mut line, mut recipient) = (BufReader::new(read), String::new(), String::new());
    write.write_all(b"220 sink\r\n").await?;
    loop {
        line.clear();
        if read.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let reply: &[u8] = match verb.as_str() {
            "EHLO" => b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
            "RCPT" => {
                recipient = between(&line, '<', '>').to_owned();
                b"250 ok\r\n"
            }
            "DATA" => {
                write.write_all(b"354 go on\r\n").await?;
                read_until_dot(&mut read, &mut line).await?;
                print_line(&format!("{recipient} {}", monotonic_nanos()));
                b"250 taken\r\n"
            }
            "QUIT" => {
                write.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => b"250 ok\r\n",
        };
        write.write_all(reply).await?;
    }
}

async fn read_until_dot(read: &mut (impl AsyncBufReadExt + Unpin), line: &mut String) -> std::io::Result<()> {
    loop {
        line.clear();
        if read.read_line(line).await? == 0 || line == ".\r\n" {
            return Ok(());
        }
    }
}

fn between(line: &str, open: char, close: char) -> &str {
    let inner = line.split_once(open).map_or("", |(_, rest)| rest);
    inner.split_once(close).map_or("", |(inner, _)| inner)
}

/// Writes a line in one write. A closed output is ignored.
fn print_line(line: &str) {
    let _ = std::io::stdout().lock().write_all(format!("{line}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_what_is_between_the_brackets() {
        assert_eq!(between("RCPT TO:<ada@example.org> NOTIFY=NEVER\r\n", '<', '>'), "ada@example.org");
        assert_eq!(between("RCPT TO:\r\n", '<', '>'), "");
    }
}
