//! The email service: account events become mails, each sent exactly once as far as SMTP allows.
//!
//! ```text
//! topic ─▶ ingest ─▶ ledger (MongoDB) ─▶ sender ─▶ mail server
//!            │                             │
//!          plan                     renderer, mailer
//! ```
//!
//! | module | its question |
//! |---|---|
//! | [`plan`] | which mails does an event cause? |
//! | [`ingest`] | when does a record count as read? |
//! | [`ledger`] | which state is a mail in, and which sender holds it? |
//! | [`sender`] | what happens between the claim of a mail and its outcome? |
//! | [`mailer`] | how do we speak SMTP, and what does a reply mean? |
//! | [`renderer`] | what does a mail say? |
//! | [`app`] | how do the parts work together? |

pub mod app;
mod bson_date;
pub mod commands;
pub mod config;
pub mod ingest;
pub mod ledger;
pub mod ledger_gauges;
pub mod mailer;
pub mod metrics;
pub mod plan;
pub mod renderer;
pub mod sender;
