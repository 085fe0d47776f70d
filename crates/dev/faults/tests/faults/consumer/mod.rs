//! Faults of the consumer: kills, rebalances, pauses, MongoDB outages, poison records and replays.

mod group_membership;
mod killed_before_commit;
mod mongodb_outage;
mod poison;
mod replay;
