//! The SMTP server of the mail catcher (RFC 5321). It accepts every mail within limits on size, line length, idle time
//! and connections.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, bail, ensure};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::TcpListener,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::store::{Envelope, MailStore};

const MAX_CONNECTIONS: usize = 256;
const MAX_RECIPIENTS: usize = 100;
/// The maximum size of a mail, which the SIZE extension advertises.
const MAX_MAIL_BYTES: usize = 16 * 1024 * 1024;
/// The maximum length of a line. RFC 5321 requires 512 bytes for commands and 1000 for text, but some programs send
/// longer headers.
const MAX_LINE_BYTES: u64 = 64 * 1024;
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// Accepts connections until `stop` is cancelled.
pub(super) async fn serve(listener: TcpListener, store: Arc<MailStore>, stop: CancellationToken) {
    let sessions = TaskTracker::new();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let Ok((stream, _)) = accepted else { continue };
        if sessions.len() >= MAX_CONNECTIONS {
            continue;
        }
        let _ = stream.set_nodelay(true);
        let (read, write) = stream.into_split();
        let mut session = Session::new(BufReader::new(read), write, Arc::clone(&store));
        let stop = stop.clone();
        sessions.spawn(async move {
            // An error means that the client has closed the connection or sent garbage; the session ends either way.
            let _ = stop.run_until_cancelled(session.run()).await;
        });
    }
}

struct Session<R, W> {
    read: R,
    write: W,
    store: Arc<MailStore>,
    helo: String,
    from: Option<String>,
    to: Vec<String>,
}

impl<R: AsyncBufRead + Unpin, W: AsyncWrite + Unpin> Session<R, W> {
    fn new(read: R, write: W, store: Arc<MailStore>) -> Self {
        Self { read, write, store, helo: String::new(), from: None, to: Vec::new() }
    }

    async fn run(&mut self) -> Result<()> {
        self.reply("220 mail-catcher ESMTP").await?;
        loop {
            let line = self.read_line().await?;
            let line = String::from_utf8_lossy(&line).into_owned();
            let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" => self.greet(argument, true).await?,
                "HELO" => self.greet(argument, false).await?,
                "MAIL" => self.mail(argument).await?,
                "RCPT" => self.recipient(argument).await?,
                "DATA" => self.data().await?,
                "RSET" => {
                    self.reset();
                    self.reply("250 2.0.0 reset").await?;
                }
                "NOOP" => self.reply("250 2.0.0 ok").await?,
                "VRFY" => self.reply("252 2.1.5 cannot verify, but will accept").await?,
                "QUIT" => return self.reply("221 2.0.0 bye").await,
                // A web page can send an HTTP request whose body contains commands. Its first line ends the session.
                _ if self.helo.is_empty() => {
                    return self.reply("421 4.5.1 unknown command before EHLO; this is a mail server").await;
                }
                _ => self.reply("500 5.5.1 unknown command").await?,
            }
        }
    }

    async fn greet(&mut self, name: &str, extended: bool) -> Result<()> {
        if name.trim().is_empty() {
            return self.reply("501 5.5.4 host name required").await;
        }
        self.reset();
        self.helo = name.trim().to_owned();
        if !extended {
            return self.reply("250 mail-catcher").await;
        }
        let extensions = format!(
            "250-mail-catcher\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE {MAX_MAIL_BYTES}"
        );
        self.reply(&extensions).await
    }

    async fn mail(&mut self, argument: &str) -> Result<()> {
        if self.helo.is_empty() {
            return self.reply("503 5.5.1 send EHLO first").await;
        }
        if self.from.is_some() {
            return self.reply("503 5.5.1 sender already specified").await;
        }
        let Some((address, parameters)) = parse_path(argument, "FROM:") else {
            return self.reply("501 5.5.4 MAIL FROM:<address>").await;
        };
        let size =
            parameters.split_whitespace().find_map(|p| p.to_ascii_uppercase().strip_prefix("SIZE=")?.parse().ok());
        if size.is_some_and(|size: usize| size > MAX_MAIL_BYTES) {
            return self.reply("552 5.3.4 too large").await;
        }
        self.from = Some(address);
        self.reply("250 2.1.0 sender ok").await
    }

    async fn recipient(&mut self, argument: &str) -> Result<()> {
        if self.from.is_none() {
            return self.reply("503 5.5.1 send MAIL first").await;
        }
        if self.to.len() >= MAX_RECIPIENTS {
            return self.reply("452 4.5.3 too many recipients").await;
        }
        match parse_path(argument, "TO:") {
            Some((address, _)) if !address.is_empty() => {
                self.to.push(address);
                self.reply("250 2.1.5 recipient ok").await
            }
            _ => self.reply("501 5.5.4 RCPT TO:<address>").await,
        }
    }

    async fn data(&mut self) -> Result<()> {
        let (Some(from), false) = (self.from.clone(), self.to.is_empty()) else {
            return self.reply("503 5.5.1 send MAIL and RCPT first").await;
        };
        self.reply("354 end the mail with a dot on a line by itself").await?;
        match self.read_body().await? {
            None => self.reply("552 5.3.4 too large").await?,
            Some(data) => {
                let id = self.store.add(Envelope { helo: self.helo.clone(), from, to: self.to.clone() }, data);
                self.reply(&format!("250 2.0.0 accepted as {id}")).await?;
            }
        }
        self.reset();
        Ok(())
    }

    /// Reads the mail up to the final dot. Returns `None` if it exceeds the maximum size.
    async fn read_body(&mut self) -> Result<Option<Vec<u8>>> {
        let mut data = Vec::new();
        let mut fits = true;
        loop {
            let line = self.read_line().await?;
            let text = match line.strip_prefix(b".") {
                Some(b"") => return Ok(fits.then_some(data)),
                Some(unstuffed) => unstuffed,
                None => &line,
            };
            fits &= data.len() + text.len() + 2 <= MAX_MAIL_BYTES;
            if fits {
                data.extend_from_slice(text);
                data.extend_from_slice(b"\r\n");
            }
        }
    }

    /// Reads one line and returns it without the line break.
    async fn read_line(&mut self) -> Result<Vec<u8>> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.read).take(MAX_LINE_BYTES);
        let read = tokio::time::timeout(IDLE_TIMEOUT, bounded.read_until(b'\n', &mut line)).await??;
        ensure!(read > 0, "the client has closed the connection");
        if line.pop() != Some(b'\n') {
            bail!("the line is too long or has no line break");
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(line)
    }

    async fn reply(&mut self, text: &str) -> Result<()> {
        self.write.write_all(format!("{text}\r\n").as_bytes()).await?;
        Ok(())
    }

    fn reset(&mut self) {
        self.from = None;
        self.to.clear();
    }
}

/// Parses `FROM:<address> parameters` into the address and the parameters. The keyword may be in any case, and a space
/// may follow it.
fn parse_path(argument: &str, keyword: &str) -> Option<(String, String)> {
    let argument = argument.trim_start();
    let rest = argument
        .get(..keyword.len())
        .filter(|start| start.eq_ignore_ascii_case(keyword))
        .map(|_| &argument[keyword.len()..])?;
    let (address, parameters) = rest.trim_start().strip_prefix('<')?.split_once('>')?;
    Some((address.to_owned(), parameters.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn session(input: &str) -> (Vec<String>, Arc<MailStore>) {
        let store = Arc::new(MailStore::default());
        let mut output = Vec::new();
        let mut session = Session::new(BufReader::new(input.as_bytes()), &mut output, Arc::clone(&store));
        let _ = session.run().await;
        let codes = String::from_utf8(output).unwrap().lines().map(|line| line[..4].trim_end().to_owned()).collect();
        (codes, store)
    }

    #[tokio::test]
    async fn a_complete_session_stores_the_mail_with_its_dots_unstuffed() {
        let (codes, store) = session(
            "EHLO client\r\nMAIL FROM:<a@example.test> BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<jürgen@example.test>\r\n\
             DATA\r\nSubject: hi\r\n\r\n..dotted\r\nlast\r\n.\r\nQUIT\r\n",
        )
        .await;
        assert_eq!(codes, ["220", "250-", "250-", "250-", "250-", "250", "250", "250", "354", "250", "221"]);
        let mail = &store.all()[0];
        assert_eq!(
            (mail.envelope.from.as_str(), mail.envelope.to.as_slice()),
            ("a@example.test", &["jürgen@example.test".to_owned()][..])
        );
        assert_eq!(mail.data, b"Subject: hi\r\n\r\n.dotted\r\nlast\r\n");
        assert_eq!(mail.envelope.helo, "client");
    }

    #[tokio::test]
    async fn commands_out_of_order_are_refused_and_rset_clears_the_envelope() {
        let (codes, store) = session(
            "MAIL FROM:<a@example.test>\r\nHELO c\r\nRCPT TO:<b@example.test>\r\nMAIL FROM:<a@example.test>\r\n\
             DATA\r\nRSET\r\nRCPT TO:<b@example.test>\r\nMAIL a\r\nNONSENSE\r\nNOOP\r\n",
        )
        .await;
        assert_eq!(codes, ["220", "503", "250", "503", "250", "503", "250", "503", "501", "500", "250"]);
        assert!(store.all().is_empty());
    }

    #[tokio::test]
    async fn an_http_request_with_commands_in_its_body_stores_no_mail() {
        let commands = "EHLO c\r\nMAIL FROM:<a@example.test>\r\nRCPT TO:<b@example.test>\r\nDATA\r\nhi\r\n.\r\n";
        let head = "POST / HTTP/1.1\r\nHost: 127.0.0.1:1025\r\nContent-Type: text/plain;charset=UTF-8\r\n\r\n";
        for input in [format!("{head}{commands}"), format!("\r\n{commands}"), format!("\u{16}\u{3}\u{1}\n{commands}")] {
            let (codes, store) = session(&input).await;
            assert_eq!(codes, ["220", "421"], "{input}");
            assert!(store.all().is_empty());
        }
        assert_eq!(session(commands).await.1.all().len(), 1);
    }

    #[tokio::test]
    async fn a_mail_above_the_maximum_size_is_refused_and_the_session_continues() {
        let line = format!("{}\r\n", "x".repeat(60_000));
        let input = format!(
            "HELO c\r\nMAIL FROM:<a@example.test> SIZE=99999999999\r\nMAIL FROM:<a@example.test>\r\n\
             RCPT TO:<b@example.test>\r\nDATA\r\n{}.\r\nNOOP\r\n",
            line.repeat(300)
        );
        let (codes, store) = session(&input).await;
        assert_eq!(codes, ["220", "250", "552", "250", "250", "354", "552", "250"]);
        assert!(store.all().is_empty());
    }
}
