//! One connection to the scripted SMTP server.

use std::time::{Duration, SystemTime};

use anyhow::{Result, bail, ensure};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};
use tokio_util::sync::CancellationToken;

use super::{Act, Delivery, Phase, Shared, SmtpSession, SmtpTransaction, Step};
use crate::mailbox::ReceivedMail;

/// A forgotten connection ends after this.
const LIFETIME: Duration = Duration::from_secs(600);

pub(super) async fn serve(listener: TcpListener, shared: Shared, extensions: Vec<String>, stop: CancellationToken) {
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let Ok((stream, _)) = accepted else { continue };
        let number = {
            let mut state = shared.state();
            state.sessions.push(SmtpSession::default());
            state.sessions.len() - 1
        };
        let (shared, extensions, stop) = (shared.clone(), extensions.clone(), stop.clone());
        tokio::spawn(async move {
            let mut session = Session::new(stream, shared.clone(), number, extensions);
            // An error is the end of the connection, which is written down in any case.
            let _ = stop.run_until_cancelled(tokio::time::timeout(LIFETIME, session.run())).await;
            shared.state().sessions[number].ended = true;
        });
    }
}

struct Session {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
    shared: Shared,
    number: usize,
    extensions: Vec<String>,
    from: String,
    to: Vec<String>,
}

impl Session {
    fn new(stream: TcpStream, shared: Shared, number: usize, extensions: Vec<String>) -> Self {
        let _ = stream.set_nodelay(true);
        let (read, write) = stream.into_split();
        Self { read: BufReader::new(read), write, shared, number, extensions, from: String::new(), to: Vec::new() }
    }

    async fn run(&mut self) -> Result<()> {
        self.answer(Phase::Greeting, "", "220 scripted ESMTP").await?;
        loop {
            let line = self.line().await?;
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" | "HELO" => self.hello(&line).await?,
                "AUTH" => self.auth(&line).await?,
                "MAIL" => {
                    self.from = path(&line);
                    self.to.clear();
                    let transaction = SmtpTransaction { session: self.number, ..SmtpTransaction::default() };
                    self.shared.state().transactions.push(transaction);
                    self.answer(Phase::Mail, &line, "250 2.1.0 ok").await?;
                }
                "RCPT" => self.recipient(&line).await?,
                "DATA" => self.data(&line).await?,
                "RSET" => {
                    self.to.clear();
                    self.answer(Phase::Rset, &line, "250 2.0.0 ok").await?;
                }
                "NOOP" => drop(self.answer(Phase::Noop, &line, "250 2.0.0 ok").await?),
                "QUIT" => {
                    self.answer(Phase::Quit, &line, "221 2.0.0 bye").await?;
                    return Ok(());
                }
                _ => self.write.write_all(b"500 5.5.1 unknown command\r\n").await?,
            }
        }
    }

    async fn hello(&mut self, line: &str) -> Result<()> {
        let mut all = vec!["scripted".to_owned(), "8BITMIME".to_owned(), "SMTPUTF8".to_owned()];
        all.extend(self.extensions.iter().cloned());
        let last = all.len() - 1;
        let lines: Vec<String> =
            all.iter().enumerate().map(|(n, word)| format!("250{}{word}", if n == last { ' ' } else { '-' })).collect();
        self.answer(Phase::Ehlo, line, &lines.join("\r\n")).await?;
        Ok(())
    }

    async fn auth(&mut self, line: &str) -> Result<()> {
        // `AUTH PLAIN` alone asks for a challenge first; the credentials are not written down.
        if line.split_whitespace().count() < 3 {
            self.write.write_all(b"334 \r\n").await?;
            self.line().await?;
        }
        self.answer(Phase::Auth, "AUTH", "235 2.7.0 ok").await?;
        Ok(())
    }

    async fn recipient(&mut self, line: &str) -> Result<()> {
        self.to.push(path(line));
        self.shared.in_transaction(self.number, |ours| ours.to.push(path(line)));
        let accepted = self.answer(Phase::Rcpt, line, "250 2.1.5 ok").await?.starts_with('2');
        if !accepted {
            self.to.pop();
        }
        Ok(())
    }

    async fn data(&mut self, line: &str) -> Result<()> {
        let reply = self.answer(Phase::Data, line, "354 go on").await?;
        if !reply.starts_with("354") {
            return Ok(());
        }
        let mut data = String::new();
        let mut first = true;
        loop {
            let Ok(line) = self.line().await else {
                self.write_down(Phase::Body, format!("{} bytes, then the client was gone", data.len()), None);
                bail!("the client has hung up within the mail");
            };
            if std::mem::take(&mut first) {
                self.begin_body().await?;
            }
            if line == "." {
                break;
            }
            data.push_str(line.strip_prefix('.').unwrap_or(&line));
            data.push_str("\r\n");
        }
        self.write_down(Phase::Body, format!("{} bytes", data.len()), None);
        self.dot(&data).await
    }

    /// A rule for the body lets the connection hang, drop or wait at its first line.
    async fn begin_body(&mut self) -> Result<()> {
        match self.shared.act(Phase::Body, &self.to) {
            None => Ok(()),
            Some(Act::Delay(delay)) => {
                tokio::time::sleep(delay).await;
                Ok(())
            }
            Some(Act::Reply(reply)) => Ok(self.write.write_all(format!("{reply}\r\n").as_bytes()).await?),
            Some(act) => {
                self.write_down(Phase::Body, "begun".to_owned(), None);
                self.misbehave(&act).await
            }
        }
    }

    async fn dot(&mut self, data: &str) -> Result<()> {
        let mail = ReceivedMail::parse(&self.from, self.to.clone(), data);
        self.shared.in_transaction(self.number, |ours| {
            ours.message_id = Some(mail.header("Message-ID")).filter(|id| !id.is_empty());
            ours.dot_at = Some(now());
        });
        let place = {
            let mut state = self.shared.state();
            state.deliveries.push(Delivery { session: self.number, mail, reply: None });
            state.deliveries.len() - 1
        };
        let reply = self.answer(Phase::Dot, ".", "250 2.0.0 taken").await?;
        self.shared.in_transaction(self.number, |ours| ours.reply = Some(reply.clone()));
        self.shared.state().deliveries[place].reply = Some(reply);
        self.to.clear();
        Ok(())
    }

    /// Answers as the rules say, or as usual, and writes it down. Returns the answer's first line.
    async fn answer(&mut self, phase: Phase, line: &str, usual: &str) -> Result<String> {
        let reply = match self.shared.act(phase, &self.to) {
            None => usual.to_owned(),
            Some(Act::Reply(reply)) => reply,
            Some(Act::Delay(delay)) => {
                tokio::time::sleep(delay).await;
                usual.to_owned()
            }
            Some(act) => {
                self.write_down(phase, line.to_owned(), None);
                self.misbehave(&act).await?;
                bail!("the connection was to end");
            }
        };
        let first = reply.lines().next().unwrap_or_default().to_owned();
        // Before it is sent: who has seen the answer finds it in the transcript.
        self.write_down(phase, line.to_owned(), Some(first.clone()));
        self.write.write_all(format!("{reply}\r\n").as_bytes()).await?;
        Ok(first)
    }

    async fn misbehave(&mut self, act: &Act) -> Result<()> {
        if *act == Act::Hang {
            // Until the client goes; what it still says is read and ignored.
            let mut ignored = [0_u8; 4096];
            while self.read.read(&mut ignored).await? > 0 {}
        }
        bail!("the connection ends here")
    }

    fn write_down(&self, phase: Phase, line: String, reply: Option<String>) {
        self.shared.state().sessions[self.number].steps.push(Step { phase, line, reply });
    }

    async fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        let read = self.read.read_until(b'\n', &mut line).await?;
        ensure!(read > 0 && line.ends_with(b"\n"), "the client has hung up");
        Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
    }
}

#[expect(clippy::disallowed_methods, reason = "a peer of the services has the host's clock")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// The address between the angle brackets.
fn path(line: &str) -> String {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map(|(address, _)| address.to_owned()).unwrap_or_default()
}
