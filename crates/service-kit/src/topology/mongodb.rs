//! What `hello` and the driver show of MongoDB. Neither needs a privilege.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mongodb::{
    Client,
    bson::{Bson, Document, doc},
    options::{ConnectionString, SelectionCriteria},
};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use tokio::time::sleep;

use super::{Report, findings::Finding};
use crate::{config::MongoConfig, mongo::with_deadline};

/// The deadline of one `hello`.
const DEADLINE: Duration = Duration::from_secs(5);
/// How often a member must be missed before it counts as unavailable, and the pause in between. A driver that has
/// just started finds one member after the other.
const LOOKS: usize = 3;
const PAUSE: Duration = Duration::from_secs(2);

/// The members that a majority needs to survive the loss of one.
const MIN_MEMBERS: usize = 3;

/// What is seen of a MongoDB deployment.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "topology", rename_all = "kebab-case", rename_all_fields = "camelCase")]
enum Deployment {
    /// One server without replication.
    Standalone,
    /// A replica set.
    ReplicaSet {
        name: String,
        /// The number of members that can become the primary. Each has data and a vote.
        voting_members: usize,
        /// The number of members with priority 0. Each has data; `hello` does not tell whether it votes.
        passive_members: usize,
        /// The number of members that vote and have no data.
        arbiters: usize,
        /// The members with data that the driver cannot use, as `host:port`.
        unavailable: Vec<String>,
    },
    /// A sharded cluster. Its `mongos` does not show the members of the shards.
    Sharded,
}

/// Asks any member of the deployment what it is part of.
///
/// # Errors
/// Returns an error if no member answers in time.
pub(super) async fn look(client: &Client, direct: bool) -> anyhow::Result<Report> {
    let mut available = BTreeSet::new();
    for _ in 1..LOOKS {
        let deployment = look_once(client, direct, &mut available).await?;
        if !matches!(&deployment, Deployment::ReplicaSet { unavailable, .. } if !unavailable.is_empty()) {
            return deployment.report();
        }
        sleep(PAUSE).await;
    }
    look_once(client, direct, &mut available).await?.report()
}

/// Adds the members that the driver can use to `available`.
async fn look_once(client: &Client, direct: bool, available: &mut BTreeSet<String>) -> anyhow::Result<Deployment> {
    // The driver offers every member with data that it can use now.
    let offered = Arc::new(Mutex::new(BTreeSet::new()));
    let any = SelectionCriteria::Predicate(Arc::new({
        let offered = Arc::clone(&offered);
        move |server| {
            offered.lock().unwrap_or_else(PoisonError::into_inner).insert(server.address().to_string());
            true
        }
    }));
    let admin = client.database("admin");
    let hello = with_deadline(DEADLINE, admin.run_command(doc! { "hello": 1 }).selection_criteria(any)).await?;
    available.append(&mut offered.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Deployment::new(&hello, (!direct).then_some(&*available)))
}

/// Returns whether the URI asks for a connection to one member, so that the driver does not know the others.
pub(super) fn is_direct(config: &MongoConfig) -> bool {
    ConnectionString::parse(config.uri.expose_secret()).is_ok_and(|uri| uri.direct_connection == Some(true))
}

impl Deployment {
    /// Reads the answer to `hello`. `available` has the members that the driver can use, if it knows all of them.
    fn new(hello: &Document, available: Option<&BTreeSet<String>>) -> Self {
        if hello.get_str("msg").is_ok_and(|it| it == "isdbgrid") {
            return Self::Sharded;
        }
        let Ok(name) = hello.get_str("setName") else { return Self::Standalone };
        let [hosts, passives, arbiters] = ["hosts", "passives", "arbiters"].map(|list| members(hello, list));
        let is_missing =
            |member: &&String| available.is_some_and(|available| !available.contains(&member.to_lowercase()));
        Self::ReplicaSet {
            name: name.to_owned(),
            voting_members: hosts.len(),
            passive_members: passives.len(),
            arbiters: arbiters.len(),
            unavailable: hosts.iter().chain(&passives).filter(is_missing).cloned().collect(),
        }
    }

    fn findings(&self) -> Vec<Finding> {
        match self {
            Self::Standalone => vec![Finding::MongodbStandalone],
            Self::Sharded => vec![Finding::MongodbMembersUnknown],
            Self::ReplicaSet { voting_members, passive_members, arbiters, unavailable, .. } => [
                (voting_members + passive_members < MIN_MEMBERS, Finding::MongodbFewMembers),
                (*arbiters > 0, Finding::MongodbArbiter),
                (!unavailable.is_empty(), Finding::MongodbMemberUnavailable),
            ]
            .into_iter()
            .filter_map(|(found, finding)| found.then_some(finding))
            .collect(),
        }
    }

    fn has_several_nodes(&self) -> bool {
        match self {
            Self::Standalone => false,
            Self::Sharded => true,
            Self::ReplicaSet { voting_members, passive_members, arbiters, .. } => {
                voting_members + passive_members + arbiters > 1
            }
        }
    }

    fn report(&self) -> anyhow::Result<Report> {
        Report::new(self, self.findings(), self.has_several_nodes())
    }
}

fn members(hello: &Document, list: &str) -> Vec<String> {
    let members = hello.get_array(list).map(Vec::as_slice).unwrap_or_default();
    members.iter().filter_map(Bson::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Finding::{
        MongodbArbiter, MongodbFewMembers, MongodbMemberUnavailable, MongodbMembersUnknown, MongodbStandalone,
    };

    fn set(hosts: &[&str], passives: &[&str], arbiters: &[&str]) -> Document {
        let list = |members: &[&str]| members.iter().map(|member| Bson::from(*member)).collect::<Vec<_>>();
        let mut hello = doc! { "setName": "rs0", "hosts": list(hosts), "primary": hosts[0] };
        for (name, members) in [("passives", passives), ("arbiters", arbiters)] {
            if !members.is_empty() {
                hello.insert(name, list(members));
            }
        }
        hello
    }

    /// Judges a deployment whose members are all available.
    fn judge(hello: &Document) -> (Vec<Finding>, bool) {
        let deployment = Deployment::new(hello, None);
        (deployment.findings(), deployment.has_several_nodes())
    }

    #[test]
    fn a_server_without_replication_is_a_standalone() {
        assert_eq!(judge(&doc! { "isWritablePrimary": true }), (vec![MongodbStandalone], false));
    }

    #[test]
    fn three_members_with_data_have_no_finding() {
        assert_eq!(judge(&set(&["a:1", "b:1", "c:1"], &[], &[])), (vec![], true));
        assert_eq!(judge(&set(&["a:1", "b:1"], &["c:1"], &[])), (vec![], true));
    }

    #[test]
    fn fewer_than_three_members_with_data_are_few() {
        assert_eq!(judge(&set(&["a:1", "b:1"], &[], &[])), (vec![MongodbFewMembers], true));
        assert_eq!(judge(&set(&["a:1"], &[], &[])), (vec![MongodbFewMembers], false));
    }

    #[test]
    fn an_arbiter_is_found_and_does_not_count_as_a_member_with_data() {
        assert_eq!(judge(&set(&["a:1", "b:1"], &[], &["c:1"])), (vec![MongodbFewMembers, MongodbArbiter], true));
        assert_eq!(judge(&set(&["a:1", "b:1", "c:1"], &[], &["d:1"])), (vec![MongodbArbiter], true));
    }

    #[test]
    fn a_sharded_cluster_does_not_show_its_members() {
        assert_eq!(judge(&doc! { "msg": "isdbgrid" }), (vec![MongodbMembersUnknown], true));
    }

    #[test]
    fn a_member_that_the_driver_cannot_use_is_unavailable() {
        let hello = set(&["Db-1:27017", "db-2:27017", "db-3:27017"], &["db-4:27017"], &["db-5:27017"]);
        let available = ["db-1:27017", "db-3:27017", "db-4:27017"].map(str::to_owned).into();
        let deployment = Deployment::new(&hello, Some(&available));
        assert_eq!(deployment.findings(), [MongodbArbiter, MongodbMemberUnavailable]);
        assert_eq!(
            serde_json::to_value(&deployment).unwrap(),
            serde_json::json!({
                "topology": "replica-set", "name": "rs0", "votingMembers": 3, "passiveMembers": 1, "arbiters": 1,
                "unavailable": ["db-2:27017"]
            })
        );
    }

    #[test]
    fn a_direct_connection_is_recognized() {
        for (uri, direct) in [
            ("mongodb://a:1/?directConnection=true", true),
            ("mongodb://a:1/?directConnection=false", false),
            ("mongodb://a:1,b:1/?replicaSet=rs0", false),
        ] {
            let config =
                MongoConfig { uri: uri.to_owned().into(), database: String::new(), operation_timeout: DEADLINE };
            assert_eq!(is_direct(&config), direct, "{uri}");
        }
    }
}
