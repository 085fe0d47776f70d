//! The consumer: killed, rebalanced, stopped, cut off from its database, poisoned, replayed.

mod group_membership;
mod killed_before_commit;
mod mongodb_outage;
mod poison;
mod replay;
