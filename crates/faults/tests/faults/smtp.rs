//! Mail servers and senders: silent, late, refusing, killed.
