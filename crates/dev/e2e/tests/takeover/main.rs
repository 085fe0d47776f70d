//! The owner of the mailbox owns the account: a thief changes everything, and the links in the notices give the
//! account back to its owner.

mod orders;
mod steps;
mod undo_links;
mod unverified_accounts;
