//! Measures the effect of TCP_NODELAY: mails whose body and final dot are written separately, as lettre does, with
//! and without it (docs/adr/0002).
//!
//! ```sh
//! cargo run -p e2e --example smtp_nodelay
//! ```

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use local_stack::{dependencies::mail_catcher::MailCatcher, network::ports::Port};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

const MAILS: usize = 60;

#[tokio::main]
async fn main() -> Result<()> {
    let (smtp, http) = (Port::free()?, Port::free()?);
    let catcher = MailCatcher::start(smtp.number(), http.number()).await?;
    let mut report = String::from("from DATA to the reply to the dot, on loopback (median)\n");
    for (nodelay, name) in [(false, "without TCP_NODELAY"), (true, "with TCP_NODELAY")] {
        let mut times = measure(&catcher.smtp_address(), nodelay).await?;
        times.sort();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        report += &format!("{name:<22} {:>7.2} ms\n", median.as_secs_f64() * 1000.0);
    }
    print!("{report}");
    Ok(())
}

async fn measure(address: &str, nodelay: bool) -> Result<Vec<Duration>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(nodelay)?;
    let mut stream = BufReader::new(stream);
    expect(&mut stream, "220").await?;
    command(&mut stream, "HELO localhost", "250").await?;
    let body = "Subject: a mail\r\n\r\n".to_owned() + &"A line of a mail, of a usual length.\r\n".repeat(200);
    let mut times = Vec::with_capacity(MAILS);
    for _ in 0..MAILS {
        command(&mut stream, "MAIL FROM:<from@example.org>", "250").await?;
        command(&mut stream, "RCPT TO:<to@example.org>", "250").await?;
        let started = Instant::now();
        command(&mut stream, "DATA", "354").await?;
        stream.write_all(body.as_bytes()).await?;
        stream.flush().await?;
        stream.write_all(b".\r\n").await?;
        expect(&mut stream, "250").await?;
        times.push(started.elapsed());
    }
    Ok(times)
}

async fn command(stream: &mut BufReader<TcpStream>, command: &str, code: &str) -> Result<()> {
    stream.write_all(format!("{command}\r\n").as_bytes()).await?;
    expect(stream, code).await
}

async fn expect(stream: &mut BufReader<TcpStream>, code: &str) -> Result<()> {
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        ensure!(line.starts_with(code), "expected {code}, got {line:?}");
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(());
        }
    }
}
