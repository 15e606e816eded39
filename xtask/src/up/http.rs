//! As much HTTP as it takes to ask our own server on this machine.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context;

const TIMEOUT: Duration = Duration::from_secs(10);
/// Holds the status line's start; the rest is not read.
const HEAD_BYTES_MAX: usize = 64;

/// The status of `GET path`.
pub fn get(port: u16, path: &str) -> anyhow::Result<u16> {
    status(port, &format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"))
}

/// The status of `POST path` with a JSON body.
pub fn post_json(port: u16, path: &str, body: &str) -> anyhow::Result<u16> {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    status(port, &request)
}

fn status(port: u16, request: &str) -> anyhow::Result<u16> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    let mut buffer = [0_u8; HEAD_BYTES_MAX];
    while head.len() < HEAD_BYTES_MAX && !head.contains(&b'\n') {
        let read = stream.read(&mut buffer)?;
        anyhow::ensure!(read > 0, "the server closed the connection");
        head.extend_from_slice(&buffer[..read]);
    }
    parse_status(&head).with_context(|| format!("no status in {:?}", String::from_utf8_lossy(&head)))
}

fn parse_status(head: &[u8]) -> Option<u16> {
    let line = head.strip_prefix(b"HTTP/1.1 ")?;
    std::str::from_utf8(line.get(..3)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_status() {
        assert_eq!(parse_status(b"HTTP/1.1 200 OK\r\n"), Some(200));
        assert_eq!(parse_status(b"HTTP/1.1 503 Service Unavailable"), Some(503));
        assert_eq!(parse_status(b"SSH-2.0"), None);
        assert_eq!(parse_status(b"HTTP/1.1 2"), None);
    }
}
