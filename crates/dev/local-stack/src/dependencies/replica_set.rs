//! A replica set of MongoDB whose members a test can kill, stop, isolate and restart.
//!
//! All settings are MongoDB's defaults: an election timeout of 10 s, equal priorities, and the implicit write concern
//! `majority`. All operations take `&self`, so one task can disturb a member while others observe the set. Members are
//! numbered from 0.

/// The role of a member, as it states itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberRole {
    Primary,
    Secondary,
    /// It recovers, rolls back, or has just started.
    Other,
    /// It did not answer within a second.
    Unreachable,
}

/// A new primary.
#[derive(Debug, Clone, Copy)]
pub struct NewPrimary {
    /// The index of the member.
    pub member: usize,
    /// The time from the call until the member was seen as the primary.
    pub took: Duration,
}

/// A running replica set of three members.
#[derive(Debug)]
pub struct ReplicaSet { /* .. */ }

impl ReplicaSet {
    /// Returns the number of members.
    pub fn len(&self) -> usize;
    /// Returns the connection string, which names every member and the replica set.
    pub fn uri(&self) -> String;
    /// Returns a connection string for one member, whatever its role.
    pub fn direct_uri(&self, member: usize) -> String;
    /// Returns the directory of a member's data.
    pub fn data(&self, member: usize) -> &Path;
    /// Returns the log file of a member.
    pub fn log(&self, member: usize) -> &Path;

    /// Returns the role of every member, as it states itself. An isolated primary calls itself primary for up to 10 s.
    pub async fn roles(&self) -> Vec<MemberRole>;
    /// Returns the primary, or `None`. If two members call themselves primary, the one of the later election counts.
    pub async fn primary(&self) -> Option<usize>;
    /// Waits until there is a primary.
    pub async fn wait_for_primary(&self, deadline: Duration) -> Result<NewPrimary>;
    /// Waits until another member than `former` is the primary.
    pub async fn wait_for_new_primary(&self, former: usize, deadline: Duration) -> Result<NewPrimary>;
    /// Waits until a member is a secondary, and returns the time that took.
    pub async fn wait_for_secondary(&self, member: usize, deadline: Duration) -> Result<Duration>;
    /// Waits until one member is the primary and all others are secondaries, and returns the time that took.
    pub async fn wait_until_complete(&self, deadline: Duration) -> Result<Duration>;
    /// Returns the rollback id of a member, which each rollback increases (`replSetGetRBID`).
    pub async fn rollback_id(&self, member: usize) -> Result<i32>;

    /// Sends SIGKILL to a member and waits until the process has ended.
    pub async fn kill(&self, member: usize);
    /// Sends SIGSTOP to a member, so that its connections hang.
    pub async fn pause(&self, member: usize);
    /// Sends SIGCONT to a member.
    pub async fn resume(&self, member: usize);
    /// Shuts a member down as an operator does: a primary hands over to an up-to-date secondary first.
    pub async fn shut_down(&self, member: usize) -> Result<()>;
    /// Starts a member again after it was killed or shut down, and waits until it is a secondary or the primary.
    pub async fn restart(&self, member: usize) -> Result<()>;
    /// Starts a member again and does not wait.
    pub async fn relaunch(&self, member: usize) -> Result<()>;
    /// Returns whether the process of a member runs.
    pub async fn is_running(&self, member: usize) -> bool;
    /// Makes the primary step down: for `period` it does not stand for election. Returns its index.
    pub async fn step_down(&self, period: Duration) -> Result<usize>;
    /// Isolates a member. Packets vanish, connections stay open and hang.
    pub async fn isolate(&self, member: usize, isolation: Isolation) -> Result<()>;
    /// Ends the isolation of a member.
    pub async fn heal(&self, member: usize) -> Result<()>;
    /// Ends every disturbance: heals, resumes and restarts all members, and waits until the set is complete.
    pub async fn recover(&self, deadline: Duration) -> Result<Duration>;
}
