//! The account home, the profile, the email address and the password.
