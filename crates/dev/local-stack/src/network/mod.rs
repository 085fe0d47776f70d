//! Ports, HTTP requests and TCP connections on the loopback interface.

pub mod http;
pub mod ports;
pub mod tcp_proxy;
