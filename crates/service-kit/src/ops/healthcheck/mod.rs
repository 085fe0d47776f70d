//! The `healthcheck` command asks the ops endpoint of this machine whether the service is ready,
//! so that a container image needs no HTTP client.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::config::OpsConfig;

/// The deadline of the whole check, from the name lookup to the last byte.
const DEADLINE: Duration = Duration::from_secs(2);
/// The maximum size of a response. `/readyz` is far smaller; a server that sends more is not the
/// ops endpoint.
const MAX_RESPONSE: u64 = 16 * 1024;

/// Requests `/readyz`, on loopback if the configured host is unspecified. Succeeds if the service
/// is ready or degraded.
///
/// # Errors
/// Returns a sentence for the operator if the service is unavailable, unreachable, or does not
/// answer within two seconds.
pub async fn healthcheck(config: &OpsConfig) -> Result<(), String> {
    let host = reachable_host(&config.host);
    let address = format!("{host}:{}", config.port);
    match timeout(DEADLINE, get_readyz(&host, config.port)).await {
        Err(_) => Err(format!("{address} gave no answer within {DEADLINE:?}")),
        Ok(Err(error)) => Err(format!("{address}: {error}")),
        Ok(Ok((200, _))) => Ok(()),
        Ok(Ok((status, body))) => Err(format!("{address} answered {status}: {body}")),
    }
}

fn reachable_host(host: &str) -> String {
    match host.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(ip)) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
        Ok(IpAddr::V6(ip)) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.to_string(),
        Ok(ip) => ip.to_string(),
        Err(_) => host.to_owned(),
    }
}

async fn get_readyz(host: &str, port: u16) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect((host, port)).await?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    let mut bytes = Vec::new();
    stream.take(MAX_RESPONSE).read_to_end(&mut bytes).await?;
    let text = String::from_utf8_lossy(&bytes);
    let status = text
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3))
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| io::Error::other("the answer is not HTTP"))?;
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.to_owned()))
}

#[cfg(test)]
mod tests;
