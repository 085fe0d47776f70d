//! The right order: the email service first going forward, and last going back.

use std::{collections::BTreeMap, sync::Arc};

use e2e::{commands::stdout_of, offsets};
use faults::{assert_promises_kept, checker::History};
use test_support::{DEADLINE, wait_for};
use uuid::Uuid;

use crate::{
    accounts::{Account, Target},
    load::Load,
    system::{IDLE_DEADLINE, Release, System},
};

/// The kinds of mail that the previous release does not know.
const NEW_TEMPLATES: &str = "recovery-codes-renewed,change-undone,invitation,registration-attempted,new-sign-in";
/// The kinds of mail whose rows the previous release cannot read if they have an undo link.
const TEMPLATES_WITH_NEW_LINKS: &str = "password-changed,totp-enabled";
/// The states of a mail that a sender may still claim.
const OPEN_STATES: &str = "queued,preparing,data";

/// A run of both releases under load, with accounts that log in once, at its beginning.
struct Rollout {
    system: Arc<System>,
    load: Load,
    residents: Vec<Account>,
}

impl Rollout {
    async fn start(name: &str) -> Self {
        let system = Arc::new(System::start(name, Release::Previous, Release::Previous).await);
        let mut residents = Vec::new();
        for number in 0..3 {
            let mut resident = Account::register(&system, &format!("resident{number}"), Target::Any).await;
            resident.login().await;
            residents.push(resident);
        }
        let load = Load::start(&system);
        let mut rollout = Self { system, load, residents };
        rollout.run_phase("previous release alone").await;
        rollout
    }

    /// Lets the load go on, and then uses the sessions that exist since the beginning.
    async fn run_phase(&mut self, name: &str) {
        self.system.take_served();
        self.load.run_phase().await;
        for resident in &mut self.residents {
            // Four turns, so that each replica accepts an access token and a refresh token of the other one.
            for _ in 0..4 {
                resident.read().await;
                resident.refresh().await;
            }
        }
        let served = self.system.take_served();
        assert!(served.iter().all(|count| *count > 0), "{name}: a replica got no request: {served:?}");
        println!("upgrade: {name}: {served:?} requests to the replicas of the user service");
    }

    /// Checks that what one release of the user service has begun, the other one completes.
    async fn check_that_releases_continue_each_other(&self, name: &str) {
        let apis: Vec<_> = self.system.users.iter().map(|replica| Target::Fixed(replica.api.clone())).collect();
        let [one, other] = apis.as_slice() else { panic!("there are two replicas") };
        for (number, (begins, completes)) in [(one, other), (other, one)].into_iter().enumerate() {
            let name = format!("{name}{number}");
            let mut account = Account::register(&self.system, &name, begins.clone()).await;
            account.target = completes.clone();
            account.verify_email().await;
            account.target = begins.clone();
            account.login().await;
            for (target, profile) in [(completes, "One"), (begins, "Two"), (completes, "Three")] {
                account.target = target.clone();
                account.read().await;
                account.update_profile(profile).await;
                account.refresh().await;
            }
            account.target = begins.clone();
            account.enable_totp(completes.clone()).await;
            account.logout().await;
            account.login_with_second_factor(completes.clone()).await;
            account.target = completes.clone();
            account.disable_totp().await;
            account.target = begins.clone();
            account.reset_password("r", completes.clone()).await;
            account.login().await;
            let old = account.change_email(&format!("{name}m"), completes.clone()).await;
            account.undo_email_change(old, "u").await;
            account.target = completes.clone();
            account.login().await;
            account.target = begins.clone();
            account.delete().await;
        }
    }

    /// Uses what only the present release can do, so that its events, mails and fields are there when it is rolled back.
    /// Returns an account that has them.
    async fn use_new_features(&self) -> Account {
        let mut account = Account::register(&self.system, "newcomer", Target::Any).await;
        account.verify_email().await;
        account.login().await;
        account.enable_totp(Target::Any).await;
        account.reauthenticate(true).await;
        account.renew_recovery_codes().await;
        account.disable_totp().await;
        account.change_password("stolen").await;
        account.undo_password_change("mine").await;
        account.login().await;
        account.login_from_new_device().await;
        account.reauthenticate(false).await;
        let mut disowned = Account::register(&self.system, "disowned", Target::Any).await;
        disowned.disown().await;
        account
    }

    /// Invites two people; one accepts at once. Returns the administrator, and address and account of the other one.
    async fn invite(&self) -> (Account, String, Uuid) {
        let mut root = Account::register(&self.system, "root", Target::Any).await;
        let spec = self.system.user_spec(1).await;
        let _ = stdout_of(&spec.command(&["grant-role", &root.person.email, "admin"]).await, 0);
        root.login().await;
        let [now, later] = ["invited", "invitedlater"].map(|name| self.system.run.world.address(name));
        let id = root.invite(&now).await;
        root.accept_invitation_of(&now, id, "accepted-now").await;
        let id = root.invite(&later).await;
        (root, later, id)
    }

    /// Waits for what must be done before the last replica of the present user service is gone: no event that the
    /// previous release does not know waits for its publication.
    async fn wait_until_events_are_published(&self) {
        let spec = self.system.user_spec(1).await;
        wait_for(DEADLINE, "no event that the previous release does not know in `events list`", async || {
            let listed = stdout_of(&spec.command(&["events", "list", "--json"]).await, 0);
            let new = [
                "user.recovery_codes_renewed.v1",
                "user.change_undone.v1",
                "user.disowned.v1",
                "user.new_sign_in.v1",
                "user.invited.v1",
                "user.invitation_accepted.v1",
            ];
            (!new.iter().any(|event_type| listed.contains(event_type))).then_some(())
        })
        .await;
    }

    /// Waits for what must be done before the email service is rolled back: the events of the present user service are
    /// read, and no mail waits that the previous release cannot read.
    async fn wait_until_mails_are_sent(&self) {
        offsets::wait_until_read_so_far(&self.system.run.world, DEADLINE).await;
        let spec = self.system.email_spec(0).await;
        for templates in [NEW_TEMPLATES, TEMPLATES_WITH_NEW_LINKS] {
            wait_for(DEADLINE, &format!("no open mail of {templates}"), async || {
                let list = ["mail", "list", "--state", OPEN_STATES, "--template", templates, "--json"];
                stdout_of(&spec.command(&list).await, 0).trim().is_empty().then_some(())
            })
            .await;
        }
    }

    async fn finish(self) -> History {
        let Self { system, load, mut residents } = self;
        let lives = load.finish().await;
        for resident in &mut residents {
            resident.refresh().await;
            resident.read().await;
        }
        let history = assert_promises_kept(&system.run, IDLE_DEADLINE).await;
        let mut states: BTreeMap<&str, usize> = BTreeMap::new();
        for mail in &history.mails {
            *states.entry(&mail.state).or_default() += 1;
        }
        println!(
            "upgrade: {lives} accounts, {} requests, {} records, mails {states:?}, {} dead letters: nothing lost, nothing doubled",
            history.operations.len(),
            history.records.len(),
            history.dead_letters.len(),
        );
        history
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: run by scripts/nightly"]
async fn an_upgrade_and_a_rollback_in_the_right_order_lose_and_double_nothing_under_load() {
    let mut rollout = Rollout::start("rolling").await;
    let system = Arc::clone(&rollout.system);

    system.replace_email_service(0, Release::Present).await;
    rollout.run_phase("one email service of the present release").await;
    system.replace_email_service(1, Release::Present).await;
    rollout.run_phase("both email services of the present release").await;
    system.replace_user_service(0, Release::Present).await;
    rollout.run_phase("one user service of the present release").await;
    rollout.check_that_releases_continue_each_other("forward").await;
    system.replace_user_service(1, Release::Present).await;
    let mut newcomer = rollout.use_new_features().await;
    let (mut root, invited, invited_id) = rollout.invite().await;
    rollout.run_phase("present release alone").await;

    system.replace_user_service(0, Release::Previous).await;
    rollout.run_phase("back: one user service of the previous release").await;
    rollout.check_that_releases_continue_each_other("back").await;
    rollout.wait_until_events_are_published().await;
    system.replace_user_service(1, Release::Previous).await;
    rollout.run_phase("back: both user services of the previous release").await;
    rollout.wait_until_mails_are_sent().await;
    system.replace_email_service(0, Release::Previous).await;
    rollout.run_phase("back: one email service of the previous release").await;
    system.replace_email_service(1, Release::Previous).await;
    rollout.run_phase("previous release alone again").await;
    // An account with fields of the newer release goes on.
    newcomer.read().await;
    newcomer.refresh().await;
    newcomer.update_profile("After the rollback").await;
    root.read_other(invited_id).await;

    for number in 0..2 {
        system.replace_email_service(number, Release::Present).await;
    }
    for number in 0..2 {
        system.replace_user_service(number, Release::Present).await;
    }
    rollout.run_phase("present release alone again").await;
    newcomer.read().await;
    newcomer.delete().await;
    // The invitation has waited.
    root.accept_invitation_of(&invited, invited_id, "accepted-later").await;

    let history = rollout.finish().await;
    assert!(history.dead_letters.is_empty(), "{:?}", history.dead_letters);
    assert!(history.mails.iter().all(|mail| mail.state == "sent"), "every mail was sent");
    for template in NEW_TEMPLATES.split(',').take(3) {
        assert!(history.mails.iter().any(|mail| mail.template == template), "no mail of {template}");
    }
}
