//! What the services see of the topology of MongoDB and Kafka: the details of `/readyz`, the metric, the log.

use e2e::start::start_both_services;
use serde_json::{Value, json};
use test_support::{
    DEADLINE, IsolatedMongod, IsolatedReplicaSet, Service, Stack, World, create_topic_with_settings, report_skipped,
    wait_for,
};

/// Waits until the service has seen the dependency, and returns what `/readyz` says about it.
async fn details(service: &Service, dependency: &str) -> Value {
    wait_for(DEADLINE, &format!("details of {dependency}"), async || {
        let (_, body) = service.readiness().await?;
        body["details"].get(dependency).cloned()
    })
    .await
}

/// Returns the level of each line of the log about this finding.
fn logged_levels(service: &Service, finding: &str) -> Vec<String> {
    let lines = service.log();
    let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let about = lines.filter(|line| line["finding"] == finding);
    about.map(|line| line["level"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_and_one_broker_are_found_by_both_services_and_are_no_warning() {
    let (world, users, emails, _api) = start_both_services("topology").await;
    let mut kafka = json!({ "brokers": 1, "partitions": 12, "replication": 1, "findings": ["kafka-single-broker"] });
    if !world.stack().is_embedded() {
        kafka["minInsyncReplicas"] = 1.into();
        kafka["uncleanLeaderElection"] = false.into();
        kafka["partitionsBelowMinInsync"] = 0.into();
    }
    for (service, metric) in [(&users, "user_service_topology_finding"), (&emails, "email_topology_finding")] {
        let mongodb = details(service, "mongodb").await;
        assert_eq!(mongodb, json!({ "topology": "standalone", "findings": ["mongodb-standalone"] }));
        assert_eq!(details(service, "kafka").await, kafka);
        for finding in ["mongodb-standalone", "kafka-single-broker"] {
            assert_eq!(service.metric(metric, &format!("finding=\"{finding}\"")).await, 1.0, "{metric} {finding}");
            assert_eq!(logged_levels(service, finding), ["INFO"], "{finding}");
        }
        assert_eq!(service.metric(metric, "").await, 2.0, "{metric} has no other finding");
        let (status, body) = service.readiness().await.expect("the service answers");
        assert_eq!((status, &body["status"]), (200, &json!("ready")), "findings change no status");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mongodb_is_seen_when_it_comes_up_after_the_service() {
    let stack = Stack::from_env();
    let mut mongod = IsolatedMongod::start_replica_set(&stack, "seen-later").await;
    let world = World::new(&stack, "seenlater").await.on_mongodb(mongod.uri());
    mongod.take_down().await;
    let service = world.user_service().start_until_live().await;
    // What does not depend on MongoDB is seen without it.
    let _ = details(&service, "kafka").await;
    let (_, body) = service.readiness().await.expect("the service answers");
    assert_eq!(body["details"].get("mongodb"), None, "{body}");

    mongod.bring_up().await;
    let expected = json!({
        "topology": "replica-set", "name": "rs0", "votingMembers": 1, "passiveMembers": 0, "arbiters": 0,
        "unavailable": [], "findings": ["mongodb-few-members"]
    });
    assert_eq!(details(&service, "mongodb").await, expected);
    assert_eq!(logged_levels(&service, "mongodb-few-members"), ["INFO"], "a single node is no warning");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_set_of_three_has_no_finding_unless_members_are_away() {
    let stack = Stack::from_env();
    let mut members = IsolatedReplicaSet::start(&stack, "topology").await;
    let world = World::new(&stack, "members").await.on_mongodb(members.uri());
    let spec = world.user_service();
    let service = spec.clone().start().await;
    let seen = details(&service, "mongodb").await;
    let expected = json!({
        "topology": "replica-set", "name": "rs0", "votingMembers": 3, "passiveMembers": 0, "arbiters": 0,
        "unavailable": [], "findings": []
    });
    assert_eq!(seen, expected);

    members.pause_secondaries();
    let service = spec.replica().start_until_live().await;
    let seen = details(&service, "mongodb").await;
    assert_eq!(seen["findings"], json!(["mongodb-member-unavailable"]), "{seen}");
    assert_eq!(seen["unavailable"].as_array().map(Vec::len), Some(2), "{seen}");
    assert_eq!(logged_levels(&service, "mongodb-member-unavailable"), ["WARN"]);
    members.resume_secondaries();
}

#[tokio::test(flavor = "multi_thread")]
async fn weak_settings_of_the_topic_are_found() {
    let stack = Stack::from_env();
    if stack.is_embedded() {
        return report_skipped("weak_settings_of_the_topic_are_found", "the embedded broker has no settings of topics");
    }
    let world = World::without_topic(&stack, "weak");
    let settings = [("unclean.leader.election.enable", "true"), ("min.insync.replicas", "2")];
    create_topic_with_settings(world.brokers(), world.topic(), 12, &settings).await;
    // With one replica no record is accepted, which does not keep the services from starting.
    let (users, emails, _api) = world.start_both().await;
    for service in [&users, &emails] {
        let seen = details(service, "kafka").await;
        let expected = json!({
            "brokers": 1, "partitions": 12, "replication": 1, "minInsyncReplicas": 2, "uncleanLeaderElection": true,
            "partitionsBelowMinInsync": 12,
            "findings": [
                "kafka-single-broker", "kafka-min-insync-equals-replication", "kafka-unclean-leader-election",
                "kafka-partitions-below-min-insync"
            ]
        });
        assert_eq!(seen, expected);
        assert_eq!(logged_levels(service, "kafka-unclean-leader-election"), ["INFO"], "a single node is no warning");
    }
}
