//! As much of HTTP as a probe and a scraper need.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Status and body of an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    /// Such as 200.
    pub status: u16,
    /// As text.
    pub body: String,
}

/// GET `path` from the loopback; `None` when nobody answers, in time, in HTTP.
pub fn get(port: u16, path: &str) -> Option<Response> {
    ask("GET", port, path)
}

/// The same with POST, and an empty body.
pub fn post(port: u16, path: &str) -> Option<Response> {
    ask("POST", port, path)
}

fn ask(method: &str, port: u16, path: &str) -> Option<Response> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), TIMEOUT).ok()?;
    stream.set_read_timeout(Some(TIMEOUT)).ok()?;
    // HTTP/1.0 asks for a body that ends with the connection: no chunks to put together.
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some(Response { status, body: body.to_owned() })
}
