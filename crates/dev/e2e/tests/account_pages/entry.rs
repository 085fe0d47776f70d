//! Registration, the mailed links, forgotten passwords, and errors.
