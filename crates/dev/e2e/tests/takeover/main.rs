//! The owner of the mailbox owns the account: a thief changes what they like, and the links in
//! the notices bring the account back.

mod orders;
mod steps;
mod undo_links;
mod unverified_accounts;
