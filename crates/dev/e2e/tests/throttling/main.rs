//! Rate limits: they stop attackers without locking the owner out, and do not reveal which accounts exist.

mod budgets;
mod client_address;
mod codes;
mod logins;
mod password_changes;
mod quotas;
mod requests;
