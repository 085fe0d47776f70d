//! The fault matrix: each fault is injected into real processes or real protocol peers, and the checker judges
//! the recorded history. A test's name begins with the number of its fault.

mod consumer;
mod kafka;
mod mail_fixture;
mod mongodb;
mod panics;
mod raw_record;
mod setup;
mod smtp;
mod user_service;
