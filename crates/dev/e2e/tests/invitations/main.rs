//! Accounts that an administrator creates: with a password, or by an invitation.

mod acceptance;
mod creation;
mod mails;
mod resending;
mod steps;
