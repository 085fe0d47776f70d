//! Load of all flows on all replicas: clients that live through one account after the other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use test_support::wait_for;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    accounts::{Account, Target},
    system::System,
};

const CLIENTS: u64 = 6;
/// How long a phase may take on a busy machine.
const PHASE_DEADLINE: Duration = Duration::from_secs(120);

/// The running clients.
pub(crate) struct Load {
    clients: JoinSet<()>,
    stop: CancellationToken,
    /// The number of accounts that were lived through, from the registration to the end.
    lives: Arc<AtomicU64>,
}

impl Load {
    /// Starts the clients.
    pub(crate) fn start(system: &Arc<System>) -> Self {
        let mut load = Self { clients: JoinSet::new(), stop: CancellationToken::new(), lives: Arc::default() };
        for number in 0..CLIENTS {
            let (system, stop, lives) = (Arc::clone(system), load.stop.clone(), Arc::clone(&load.lives));
            load.clients.spawn(async move {
                for life in 0_u64.. {
                    if stop.is_cancelled() {
                        break;
                    }
                    live(&system, &format!("c{number}n{life}"), life % 2 == 0).await;
                    lives.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        load
    }

    /// Lets every client live through a whole account.
    ///
    /// # Panics
    /// Panics if a client got an unexpected response, or no progress is made.
    pub(crate) async fn run_phase(&mut self) {
        // A client may be in the middle of an account, so each lives through one and the rest of another.
        let until = self.lives.load(Ordering::Relaxed) + 2 * CLIENTS;
        wait_for(PHASE_DEADLINE, "the clients to live through some accounts", async || {
            if let Some(ended) = self.clients.try_join_next() {
                ended.expect("every response is as it must be");
            }
            (self.lives.load(Ordering::Relaxed) >= until).then_some(())
        })
        .await;
    }

    /// Lets every client finish its account, and returns the number of accounts.
    ///
    /// # Panics
    /// Panics if a client got an unexpected response.
    pub(crate) async fn finish(mut self) -> u64 {
        self.stop.cancel();
        while let Some(ended) = self.clients.join_next().await {
            ended.expect("every response is as it must be");
        }
        self.lives.load(Ordering::Relaxed)
    }
}

/// Lives through one account. Every request goes to the next replica, so each flow crosses releases where two run.
async fn live(system: &Arc<System>, name: &str, undoes_email_change: bool) {
    let mut account = Account::register(system, name, Target::Any).await;
    account.verify_email().await;
    account.login().await;
    account.update_profile("Ada").await;
    account.refresh().await;
    account.read().await;
    account.change_password("p").await;
    account.refresh().await;
    account.enable_totp(Target::Any).await;
    account.logout().await;
    account.login_with_second_factor(Target::Any).await;
    account.refresh().await;
    account.disable_totp().await;
    account.reset_password("r", Target::Any).await;
    account.login().await;
    let old = account.change_email(&format!("{name}m"), Target::Any).await;
    if undoes_email_change {
        account.undo_email_change(old, "u").await;
        account.login().await;
    }
    account.update_profile("Ada Lovelace").await;
    account.read().await;
    account.delete().await;
}
