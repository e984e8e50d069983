//! Ports that stay ours while their owner is down.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};

/// The first port the system hands out by itself, where it does not say.
const EPHEMERAL_DEFAULT: u16 = 32_768;

/// A port on the loopback that nobody listens on.
///
/// It lies below the range from which the system gives ports to outgoing connections: a client that calls a broker
/// while it is down could otherwise be given the broker's own port, connect to itself and keep it from coming back.
///
/// # Panics
/// When no port is free.
pub fn free() -> u16 {
    let ephemeral = first_ephemeral();
    (0..1_000)
        .map(|_| rand::random_range(ephemeral / 2..ephemeral))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a free port on the loopback")
}

fn first_ephemeral() -> u16 {
    fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok())
        .filter(|first| *first > 20_000)
        .unwrap_or(EPHEMERAL_DEFAULT)
}
