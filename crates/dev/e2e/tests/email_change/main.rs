//! Changes of the email address: requested, confirmed, undone and released, through both services.

mod confirmation;
mod requests;
mod reservations;
mod undo;
