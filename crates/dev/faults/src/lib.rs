//! What the faults share: clients that write down what they asked and were answered, and
//! the collecting of everything else that a [`checker::History`] is made of.
//!
//! A fault test makes a [`Run`], lets its [`Client`]s work while it does harm, heals, and
//! calls [`judge`].

pub mod checker;

mod client;
mod collect;
mod recorder;
mod run;
mod settle;

pub use client::Client;
pub use collect::collect;
pub use recorder::Recorder;
pub use run::{Run, judge};
pub use settle::{settle, try_settle};
