//! A replica set of MongoDB whose members a test can kill, stop, isolate and restart.
//!
//! Its settings are MongoDB's defaults: an election timeout of 10 s, equal priorities, and the implicit write concern
//! `majority`. All operations take `&self`, so one task can disturb a member while others observe the set. Members are
//! numbered from 0; the first one is the first primary.

use std::{
    net::SocketAddrV4,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use bson::{doc, oid::ObjectId};
use futures_util::future::join_all;
use tokio::sync::Mutex;

use super::{
    links::{Isolation, MemberLinks},
    mongo_wire,
    mongod::{Mongod, MongodSpec, has_role},
    takeover::{Takeover, wait_for_takeover},
};
use crate::wait_for::try_wait_for;

/// How long a member may take to answer a question about its role.
const ANSWER_DEADLINE: Duration = Duration::from_secs(1);
/// How long a command may take that waits for other members.
const COMMAND_DEADLINE: Duration = Duration::from_secs(30);
const START_DEADLINE: Duration = Duration::from_secs(60);
/// By default a member gives other members and its clients 15 s each.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(40);

/// The role of a member, as it states itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberRole {
    /// It accepts writes. An isolated primary keeps this role for up to 10 s.
    Primary,
    /// It follows a primary, or waits for one.
    Secondary,
    /// It starts, recovers or rolls back.
    Other,
    /// It did not answer within a second.
    Unreachable,
}

/// A running replica set.
#[derive(Debug)]
pub struct ReplicaSet {
    name: String,
    members: Vec<Member>,
    links: MemberLinks,
}

#[derive(Debug)]
struct Member {
    spec: MongodSpec,
    server: Mutex<Mongod>,
}

impl ReplicaSet {
    /// Starts a new replica set and waits until it is complete. Every spec names the replica set.
    ///
    /// # Errors
    /// Returns an error if a member does not start, or if the members do not form a replica set.
    pub(super) async fn start(specs: Vec<MongodSpec>, links: MemberLinks) -> Result<Self> {
        let name = specs[0].replica_set.clone().context("a member has no replica set name")?;
        let servers = Mongod::start_replica_set(specs.clone()).await?;
        let member = |(spec, server)| Member { spec, server: Mutex::new(server) };
        Ok(Self { name, members: specs.into_iter().zip(servers).map(member).collect(), links })
    }

    /// Returns the number of members.
    #[must_use]
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// Returns the connection string, which names every member and the replica set.
    #[must_use]
    pub fn uri(&self) -> String {
        let hosts: Vec<String> = self.members.iter().map(|member| member.spec.address().to_string()).collect();
        format!("mongodb://{}/?replicaSet={}", hosts.join(","), self.name)
    }

    /// Returns a connection string for one member, whatever its role.
    #[must_use]
    pub fn direct_uri(&self, member: usize) -> String {
        format!("mongodb://{}/?directConnection=true", self.address(member))
    }

    /// Returns the log file of a member.
    #[must_use]
    pub fn log(&self, member: usize) -> &Path {
        &self.members[member].spec.files.log
    }

    /// Returns the process id of a member.
    pub async fn pid(&self, member: usize) -> u32 {
        self.members[member].server.lock().await.child().pid()
    }

    /// Returns the role of every member.
    pub async fn roles(&self) -> Vec<MemberRole> {
        self.ask_all()
            .await
            .into_iter()
            .map(|state| state.map_or(MemberRole::Unreachable, |state| state.role))
            .collect()
    }

    /// Returns the primary, or `None`. If two members call themselves primary, the one of the later election counts.
    pub async fn primary(&self) -> Option<usize> {
        latest_primary(&self.ask_all().await).map(|(member, _)| member)
    }

    /// Waits until there is a primary.
    ///
    /// # Errors
    /// Returns an error if there is none within `deadline`.
    pub async fn wait_for_primary(&self, deadline: Duration) -> Result<Takeover> {
        self.wait_for_primary_among(deadline, |_| true).await
    }

    /// Waits until another member than `former` is the primary.
    ///
    /// # Errors
    /// Returns an error if there is none within `deadline`.
    pub async fn wait_for_new_primary(&self, former: usize, deadline: Duration) -> Result<Takeover> {
        self.wait_for_primary_among(deadline, |member| member != former).await
    }

    async fn wait_for_primary_among(&self, deadline: Duration, accepts: impl Fn(usize) -> bool) -> Result<Takeover> {
        let candidates: Vec<usize> = (0..self.size()).filter(|member| accepts(*member)).collect();
        let claim = async |member: usize| {
            let state = ask(self.address(member)).await?;
            (state.role == MemberRole::Primary).then_some(member)
        };
        wait_for_takeover(deadline, "a primary", &candidates, claim, async || self.primary().await).await
    }

    /// Waits until a member is a secondary that has written operations of the primary's term, so it has rolled back what
    /// it had accepted alone. Returns the time that it took.
    ///
    /// # Errors
    /// Returns an error if it is not within `deadline`.
    pub async fn wait_for_secondary(&self, member: usize, deadline: Duration) -> Result<Duration> {
        self.wait_for_secondaries(&[member], deadline).await
    }

    /// Waits until one member is the primary and all others are secondaries as in [`ReplicaSet::wait_for_secondary`].
    /// Returns the time that it took.
    ///
    /// # Errors
    /// Returns an error if they are not within `deadline`.
    pub async fn wait_until_complete(&self, deadline: Duration) -> Result<Duration> {
        let all: Vec<usize> = (0..self.size()).collect();
        self.wait_for_secondaries(&all, deadline).await
    }

    /// Waits until there is a primary, and these members, except the primary, follow it.
    async fn wait_for_secondaries(&self, members: &[usize], deadline: Duration) -> Result<Duration> {
        let start = Instant::now();
        try_wait_for(deadline, "a primary with its secondaries", async || {
            let states = self.ask_all().await;
            let Some((primary, term)) = latest_primary(&states) else { return Ok(None) };
            let follows = |member: &usize| {
                let state = states[*member];
                state.is_some_and(|state| state.role == MemberRole::Secondary && state.term == term)
            };
            Ok(members.iter().filter(|member| **member != primary).all(follows).then_some(()))
        })
        .await?;
        Ok(start.elapsed())
    }

    /// Returns the rollback id of a member. Each rollback increases it (`replSetGetRBID`).
    ///
    /// # Errors
    /// Returns an error if the member does not answer.
    pub async fn rollback_id(&self, member: usize) -> Result<i32> {
        let reply = mongo_wire::command(self.address(member), doc! { "replSetGetRBID": 1 }, ANSWER_DEADLINE).await?;
        Ok(reply.get_i32("rbid")?)
    }

    /// Sends SIGKILL to a member and waits until its process has ended.
    pub async fn kill(&self, member: usize) {
        self.members[member].server.lock().await.child().kill().await;
    }

    /// Sends SIGSTOP to a member, so that its connections hang.
    pub async fn pause(&self, member: usize) {
        self.members[member].server.lock().await.child().pause();
    }

    /// Sends SIGCONT to a member.
    pub async fn resume(&self, member: usize) {
        self.members[member].server.lock().await.child().resume();
    }

    /// Shuts a member down as an operator does (SIGTERM): a primary first hands over to a secondary that has all of its
    /// writes. Every member then refuses new operations for a while before it ends. Returns the time that it took.
    ///
    /// # Errors
    /// Returns an error if it has not ended within 40 s. It is killed then.
    pub async fn shut_down(&self, member: usize) -> Result<Duration> {
        let start = Instant::now();
        let ended = self.members[member].server.lock().await.child().stop(SHUTDOWN_DEADLINE).await;
        ensure!(ended.is_some(), "member {member} did not shut down within {SHUTDOWN_DEADLINE:?}");
        Ok(start.elapsed())
    }

    /// Starts a member again after it was killed or shut down, and waits until it is a secondary or the primary.
    ///
    /// # Errors
    /// Returns an error if it does not start within a minute.
    pub async fn restart(&self, member: usize) -> Result<()> {
        self.relaunch(member).await?;
        try_wait_for(START_DEADLINE, "a restarted member", async || {
            self.members[member].server.lock().await.child().ensure_running()?;
            let role = ask(self.address(member)).await.map(|state| state.role);
            Ok(matches!(role, Some(MemberRole::Primary | MemberRole::Secondary)).then_some(()))
        })
        .await
    }

    /// Starts a member again after it was killed or shut down, and does not wait.
    ///
    /// # Errors
    /// Returns an error if the process cannot be started.
    pub async fn relaunch(&self, member: usize) -> Result<()> {
        self.members[member].server.lock().await.relaunch().await
    }

    /// Returns whether the process of a member runs.
    pub async fn is_running(&self, member: usize) -> bool {
        self.members[member].server.lock().await.child().exit_status().is_none()
    }

    /// Makes the primary step down. For `period`, at least 1 s, it does not stand for election. Returns its index.
    ///
    /// # Errors
    /// Returns an error if there is no primary, or if no secondary has all of its writes within `period`.
    pub async fn step_down(&self, period: Duration) -> Result<usize> {
        let primary = self.primary().await.context("there is no primary that could step down")?;
        let seconds = i32::try_from(period.as_secs().max(1))?;
        // The default of the second period is 10 s, and it may not be longer than the first one.
        let command = doc! { "replSetStepDown": seconds, "secondaryCatchUpPeriodSecs": seconds.min(10) };
        mongo_wire::command(self.address(primary), command, COMMAND_DEADLINE).await?;
        Ok(primary)
    }

    /// Isolates a member. Packets vanish, so connections stay open and hang.
    ///
    /// # Errors
    /// Returns an error if no link can be cut on this machine.
    pub fn isolate(&self, member: usize, isolation: Isolation) -> Result<()> {
        self.links.isolate(member, isolation)
    }

    /// Ends the isolation of a member.
    ///
    /// # Errors
    /// Returns an error if no link can be cut on this machine.
    pub fn heal(&self, member: usize) -> Result<()> {
        self.links.heal(member)
    }

    /// Ends every disturbance: heals and resumes all members, starts those that do not run, and waits until the set is
    /// complete. Returns the time that it took.
    ///
    /// # Errors
    /// Returns an error if the set is not complete within `deadline`.
    pub async fn recover(&self, deadline: Duration) -> Result<Duration> {
        let start = Instant::now();
        self.links.heal_all()?;
        for member in 0..self.size() {
            self.resume(member).await;
            if !self.is_running(member).await {
                self.relaunch(member).await?;
            }
        }
        self.wait_until_complete(deadline).await?;
        Ok(start.elapsed())
    }

    fn address(&self, member: usize) -> SocketAddrV4 {
        self.members[member].spec.address()
    }

    /// Returns the state of each member, or `None` if it does not answer.
    async fn ask_all(&self) -> Vec<Option<MemberState>> {
        join_all(self.members.iter().map(|member| ask(member.spec.address()))).await
    }
}

/// What a member states about itself.
#[derive(Debug, Clone, Copy)]
struct MemberState {
    role: MemberRole,
    /// The id of the election that a primary has won, which begins with the term.
    election: Option<ObjectId>,
    /// The term of its last write.
    term: Option<i64>,
}

async fn ask(address: SocketAddrV4) -> Option<MemberState> {
    let hello = mongo_wire::command(address, doc! { "hello": 1 }, ANSWER_DEADLINE).await.ok()?;
    let role = match &hello {
        hello if has_role(hello, "isWritablePrimary") => MemberRole::Primary,
        hello if has_role(hello, "secondary") => MemberRole::Secondary,
        _ => MemberRole::Other,
    };
    let last_write = hello.get_document("lastWrite").and_then(|write| write.get_document("opTime"));
    let term = last_write.and_then(|time| time.get_i64("t")).ok();
    Some(MemberState { role, election: hello.get_object_id("electionId").ok(), term })
}

/// Returns the primary of the latest election, with the term of its last write.
fn latest_primary(states: &[Option<MemberState>]) -> Option<(usize, Option<i64>)> {
    let primaries = states.iter().enumerate().filter_map(|(member, state)| {
        let state = state.filter(|state| state.role == MemberRole::Primary)?;
        Some((state.election, member, state.term))
    });
    primaries.max().map(|(_, member, term)| (member, term))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_primary_of_the_latest_election_counts() {
        let state = |role, term: u8| {
            let election = Some(ObjectId::from_bytes([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, term]));
            Some(MemberState { role, election, term: Some(i64::from(term)) })
        };
        let (old, new) = (state(MemberRole::Primary, 1), state(MemberRole::Primary, 2));
        assert_eq!(latest_primary(&[None, new, old]), Some((1, Some(2))));
        assert_eq!(latest_primary(&[state(MemberRole::Secondary, 2), None, None]), None);
    }
}
