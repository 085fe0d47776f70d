//! Tests of the reports: log, details, metric.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use serde_json::json;

use super::*;
use crate::telemetry::logged_lines;
use Finding::{MongodbArbiter, MongodbMembersUnknown, MongodbStandalone};

fn reporter() -> (Reporter, Health, Registry) {
    let (health, registry) = (Health::new(), Registry::new());
    let topology = Topology::register(&registry, "test_topology_finding", health.clone()).unwrap();
    (topology.reporter("mongodb", findings::MONGODB), health, registry)
}

fn report(findings: &[Finding], several_nodes: bool) -> Report {
    Report::new(&json!({ "topology": "some" }), findings.to_vec(), several_nodes).unwrap()
}

/// Returns the level and the finding of each line that the reports write.
fn logged(reporter: &mut Reporter, reports: Vec<Report>) -> Vec<(String, String)> {
    let lines = logged_lines(|| reports.into_iter().for_each(|report| reporter.report(report)));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    lines.iter().map(|line| (text(&line["level"]), text(&line["finding"]))).collect()
}

fn gauge(registry: &Registry, finding: Finding) -> Option<f64> {
    let family = registry.gather().into_iter().find(|family| family.name() == "test_topology_finding")?;
    let metric = family.get_metric().iter().find(|metric| metric.get_label()[0].value() == finding.slug())?;
    Some(metric.get_gauge().get_value())
}

fn line(level: &str, finding: &str) -> (String, String) {
    (level.to_owned(), finding.to_owned())
}

#[test]
fn a_finding_is_logged_when_it_appears_and_when_it_has_gone() {
    let (mut reporter, ..) = reporter();
    let reports = vec![
        report(&[MongodbArbiter], true),
        report(&[MongodbArbiter], true),
        report(&[], true),
        report(&[], true),
        report(&[MongodbArbiter], true),
    ];
    let expected = [line("WARN", "mongodb-arbiter"), line("INFO", "mongodb-arbiter"), line("WARN", "mongodb-arbiter")];
    assert_eq!(logged(&mut reporter, reports), expected);
}

#[test]
fn a_single_node_and_what_cannot_be_seen_are_no_warnings() {
    let (mut first, ..) = reporter();
    assert_eq!(logged(&mut first, vec![report(&[MongodbStandalone], false)]), [line("INFO", "mongodb-standalone")]);
    let (mut second, ..) = reporter();
    let unknown = vec![report(&[MongodbMembersUnknown], true)];
    assert_eq!(logged(&mut second, unknown), [line("INFO", "mongodb-members-unknown")]);
}

#[test]
fn a_topology_without_a_finding_is_logged_once() {
    let (mut reporter, ..) = reporter();
    assert_eq!(logged(&mut reporter, vec![report(&[], true), report(&[], true)]), [line("INFO", "")]);
}

#[test]
fn details_and_metric_follow_every_report() {
    let (mut reporter, health, registry) = reporter();
    assert_eq!(gauge(&registry, MongodbArbiter), None);
    assert!(health.report().details.is_empty());
    for (findings, expected) in [(vec![MongodbArbiter], 1.0), (vec![], 0.0)] {
        let slugs: Vec<&str> = findings.iter().map(|finding: &Finding| finding.slug()).collect();
        reporter.report(report(&findings, true));
        assert_eq!(gauge(&registry, MongodbArbiter), Some(expected));
        assert_eq!(gauge(&registry, MongodbStandalone), Some(0.0));
        assert_eq!(health.report().details["mongodb"], json!({ "topology": "some", "findings": slugs }));
    }
}

#[tokio::test]
async fn a_look_that_fails_is_repeated_and_a_stop_ends_the_watch_at_once() {
    let (reporter, health, _) = reporter();
    let (stop, looks) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
    let look = || {
        let number = looks.fetch_add(1, Ordering::Relaxed);
        async move {
            anyhow::ensure!(number > 0, "nothing answers");
            Ok(report(&[MongodbStandalone], false))
        }
    };
    let stop_when_seen = async {
        while health.report().details.is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
        stop.cancel();
        Instant::now()
    };
    let both = async { tokio::join!(watch(reporter, look, stop.clone()), stop_when_seen) };
    let ((), stopped) = tokio::time::timeout(Duration::from_secs(10), both).await.expect("the second look succeeds");
    assert!(stopped.elapsed() < Duration::from_secs(1), "{:?}", stopped.elapsed());
    assert_eq!(looks.load(Ordering::Relaxed), 2);
}
