//! MongoDB: away, stopped, slow, full.
