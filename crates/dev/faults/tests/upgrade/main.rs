//! Upgrade and rollback: the previous release beside the present one, with the same database, topic and consumer
//! group. `docs/UPGRADE.md` describes the order. `scripts/released build` builds the previous release.

mod accounts;
mod algorithm;
mod attempts;
mod load;
mod rolling;
mod system;
mod wrong_order;
