//! The layers of the crate: each file imports only what is to its right.
//!
//! `consumer -> reader -> {batch, client} -> {decide, offsets} -> handler -> {lag, record}`

use std::path::Path;

use test_support::{Layer, assert_layers};

/// Each layer, and the layers that it may import besides itself.
const LAYERS: &[Layer] = &[
    ("record", &[]),
    ("lag", &[]),
    ("offsets", &[]),
    ("settings", &[]),
    ("handler", &["lag", "record"]),
    ("newest", &["handler", "record"]),
    ("decide", &["handler", "record"]),
    ("client", &["handler", "lag", "offsets"]),
    ("batch", &["decide", "handler", "record"]),
    ("reader", &["batch", "client", "handler", "lag", "offsets", "record"]),
    ("consumer", &["batch", "client", "handler", "reader", "settings"]),
];

#[test]
fn each_file_imports_only_what_is_to_its_right() {
    assert_layers(Path::new(env!("CARGO_MANIFEST_DIR")), LAYERS, &[]);
}
