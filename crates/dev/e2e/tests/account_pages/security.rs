//! Sessions, the second factor, the history, the export, the deletion, and step-up.
