//! The layers of the crate: each layer imports only what is to its right.
//!
//! `ingest -> {plan, ledger, sender}`, `sender -> {ledger, renderer, mailer}`

use std::path::Path;

use test_support::{Layer, assert_layers};

/// Each layer, and the layers that it may import besides itself.
const LAYERS: &[Layer] = &[
    ("bson_date", &[]),
    ("plan", &["bson_date"]),
    ("ledger", &["bson_date", "plan"]),
    ("renderer", &["plan"]),
    ("metrics", &["ledger", "plan"]),
    ("mailer", &["metrics"]),
    ("ledger_gauges", &["ledger", "metrics"]),
    ("config", &["mailer"]),
    ("sender", &["ledger", "mailer", "metrics", "renderer"]),
    ("ingest", &["ledger", "metrics", "plan", "sender"]),
    ("commands", &["app", "config", "ingest", "ledger", "mailer", "metrics", "plan", "renderer"]),
];

#[test]
fn each_layer_imports_only_what_is_to_its_right_and_every_module_is_a_layer_or_the_app() {
    assert_layers(Path::new(env!("CARGO_MANIFEST_DIR")), LAYERS, &["app"]);
}
