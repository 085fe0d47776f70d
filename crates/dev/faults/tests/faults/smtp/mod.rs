//! Mail servers and senders: silent, late, refusing, killed, and lied to.

mod hostile_text;
mod killed_sender;
mod late_replies;
mod reply_classification;
mod stopped_sender;
mod unresponsive_server;
