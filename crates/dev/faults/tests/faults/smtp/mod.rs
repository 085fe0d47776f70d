//! Mail servers and senders: silent, late, refusing, killed, and lied to.

mod hostile;
mod killed;
mod late;
mod replies;
mod silent;
mod stopped;
