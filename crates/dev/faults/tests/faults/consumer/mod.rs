//! The consumer: killed, rebalanced, stopped, cut off from its database, poisoned, replayed.

mod killed;
mod mongodb_away;
mod poison;
mod rebalances;
mod replay;
mod stopped;
