//! Faults of mail servers and senders: silence, late replies, refusals, kills, pauses and hostile text.

mod hostile_text;
mod killed_sender;
mod late_replies;
mod reply_classification;
mod stopped_sender;
mod unresponsive_server;
