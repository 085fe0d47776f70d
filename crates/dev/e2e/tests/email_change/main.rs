//! Another e-mail address: asked for, confirmed, taken back, and given free, through both services.

mod confirmation;
mod requests;
mod reservations;
mod undo;
