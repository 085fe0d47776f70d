//! A minimal SMTP client: one connection, one command after the other.

use anyhow::{Result, ensure};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// An open connection to a mail server.
pub(crate) struct SmtpClient {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
}

impl SmtpClient {
    pub(crate) async fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (read, write) = stream.into_split();
        let mut smtp = Self { read: BufReader::new(read), write };
        smtp.reply("220").await?;
        smtp.command("EHLO bench\r\n", "250").await?;
        Ok(smtp)
    }

    /// Sends one mail, preceded by the RSET that tests the connection.
    pub(crate) async fn send_mail(&mut self, to: &str, body: &str) -> Result<()> {
        self.command("RSET\r\n", "250").await?;
        self.command("MAIL FROM:<no-reply@example.org> BODY=8BITMIME\r\n", "250").await?;
        self.command(&format!("RCPT TO:<{to}>\r\n"), "250").await?;
        self.command("DATA\r\n", "354").await?;
        self.command(&format!("{body}\r\n.\r\n"), "250").await
    }

    async fn command(&mut self, text: &str, expected: &str) -> Result<()> {
        self.write.write_all(text.as_bytes()).await?;
        self.reply(expected).await
    }

    async fn reply(&mut self, expected: &str) -> Result<()> {
        let mut line = String::new();
        loop {
            line.clear();
            ensure!(self.read.read_line(&mut line).await? > 0, "the mail server closed the connection");
            ensure!(line.starts_with(expected), "expected {expected}, got: {line}");
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    }
}
