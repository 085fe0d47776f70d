//! Administration of other accounts, through both services as real processes.

mod accounts;
mod audit_rows;
mod roles;
mod search;
mod search_cost;
