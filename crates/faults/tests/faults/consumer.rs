//! The consumer: killed, stopped, rebalanced, poisoned, replayed.
