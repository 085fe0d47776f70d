//! Ports, HTTP requests and TCP connections on the loopback interface, and a private network of namespaces.

pub mod http;
pub mod node_network;
pub mod ports;
pub mod tcp_proxy;
