//! Sends one command to a MongoDB server in its wire protocol (OP_MSG), for readiness checks and set-up.

use std::{net::SocketAddrV4, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use bson::Document;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const OP_MSG: i32 = 2013;
const HEADER: usize = 16;
/// The server's limit for the size of a message.
const MAX_MESSAGE_BYTES: usize = 48_000_000;

/// Runs `command` against the `admin` database of the server at `address` and returns the reply.
///
/// # Errors
/// Returns an error if no MongoDB server answers within `deadline`, or if the reply is not `ok`.
pub async fn command(address: SocketAddrV4, mut command: Document, deadline: Duration) -> Result<Document> {
    command.insert("$db", "admin");
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&encode_message(&command)?).await?;
        read_reply(&mut stream).await
    };
    let reply = tokio::time::timeout(deadline, exchange)
        .await
        .with_context(|| format!("MongoDB at {address} did not answer within {deadline:?}"))??;
    let ok = reply.get("ok").is_some_and(|ok| ok.as_f64() == Some(1.0) || ok.as_i32() == Some(1));
    ensure!(ok, "MongoDB at {address} refused: {}", reply.get_str("errmsg").unwrap_or("no reason given"));
    Ok(reply)
}

fn encode_message(command: &Document) -> Result<Vec<u8>> {
    let body = command.to_vec()?;
    let length = i32::try_from(HEADER + 4 + 1 + body.len())?;
    let mut bytes = Vec::with_capacity(HEADER + 5 + body.len());
    for field in [length, 1, 0, OP_MSG, 0] {
        bytes.extend_from_slice(&field.to_le_bytes());
    }
    // Section kind 0: one document.
    bytes.push(0);
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

async fn read_reply(stream: &mut TcpStream) -> Result<Document> {
    let mut header = [0_u8; HEADER];
    stream.read_exact(&mut header).await?;
    let field = |at: usize| i32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let length = usize::try_from(field(0))?;
    ensure!(
        field(12) == OP_MSG && (HEADER + 5..MAX_MESSAGE_BYTES).contains(&length),
        "the server does not speak MongoDB's protocol"
    );
    let mut rest = vec![0_u8; length - HEADER];
    stream.read_exact(&mut rest).await?;
    match rest.get(4) {
        Some(0) => Ok(Document::from_reader(&rest[5..])?),
        _ => bail!("the reply has an unexpected section kind"),
    }
}
