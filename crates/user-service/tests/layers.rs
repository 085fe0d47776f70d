//! Checks the layers of the crate: each layer imports only layers to its right.
//!
//! `http -> usecase -> problem -> {tokens, keys, relay} -> outbox -> store -> {hashing, domain}`

use std::path::Path;

use test_support::{Layer, assert_layers};

/// A layer, and the layers that it may import besides itself.
const LAYERS: &[Layer] = &[
    ("domain", &[]),
    ("breached_passwords", &["domain"]),
    ("hashing", &["domain"]),
    ("store", &["domain", "hashing"]),
    ("keys", &["domain", "store"]),
    ("metrics", &["store"]),
    ("tokens", &["domain", "keys"]),
    ("outbox", &["domain", "store"]),
    ("relay", &["domain", "metrics", "outbox", "store"]),
    ("problem", &["domain", "hashing", "keys", "store"]),
    (
        "usecase",
        &[
            "breached_passwords",
            "config",
            "domain",
            "hashing",
            "keys",
            "metrics",
            "outbox",
            "problem",
            "relay",
            "store",
            "tokens",
        ],
    ),
    ("http", &["domain", "keys", "outbox", "problem", "usecase"]),
    ("housekeeping", &["problem", "usecase"]),
    ("config", &["domain", "hashing"]),
    ("commands", &["app", "config", "domain", "http", "keys", "outbox", "problem", "store", "usecase"]),
];

#[test]
fn each_layer_imports_only_what_is_to_its_right_and_every_module_is_a_layer_or_the_app() {
    assert_layers(Path::new(env!("CARGO_MANIFEST_DIR")), LAYERS, &["app"]);
}
