//! Writes records into the topic that cannot be processed.

use e2e::event_publisher::EventPublisher;
use events::Event;
use test_support::Producer;

use crate::deployment::{Deployment, Servers};

/// Publishes one of the [`crate::schedule::POISON_KINDS`] kinds of poison records. `nth` makes its key unique.
pub(crate) async fn publish(deployment: &Deployment, kind: usize, nth: usize) {
    let (world, recorder) = (&deployment.run.world, &deployment.run.recorder);
    // Holding the lock ensures that a killed broker has been restarted. A cluster may refuse the record.
    let _broker = match &deployment.servers {
        Servers::Single { kafka, .. } => Some(kafka.lock().await),
        Servers::Cluster(_) => None,
    };
    let publisher = EventPublisher::new(world);
    let address = |name: &str| world.address(&format!("{name}{nth}"));
    let event = publisher.welcome(&address("poison"));
    let mut key = event.envelope.key();
    let mut headers = headers_of(&event);
    let mut value = Some(event.payload.to_json().into_bytes());
    match kind {
        0 => value = Some(b"this is not JSON".to_vec()),
        1 => headers.retain(|(name, _)| *name != "ce_id"),
        2 => set(&mut headers, "ce_type", "user.registered.v9"),
        3 => value = None,
        4 => value = Some(vec![b' '; 300 * 1024]),
        // The subject is not the user of the key.
        5 => set(&mut headers, "ce_subject", "00000000-0000-4000-8000-000000000000"),
        // The token was sealed for another recipient.
        _ => {
            let other = publisher.welcome(&address("victim"));
            let moved = publisher.welcome_with_token_of(&address("thief"), &other);
            (key, headers) = (moved.envelope.key(), headers_of(&moved));
            value = Some(moved.payload.to_json().into_bytes());
        }
    }
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    recorder.mark_foreign_key(key.as_bytes());
    let producer = Producer::new(world.brokers());
    let produced = producer.try_produce(world.topic(), None, Some(key.as_bytes()), value.as_deref(), &headers).await;
    if let Err(error) = produced {
        println!("a poison record whose publication is unknown: {error}");
    }
}

fn headers_of(event: &Event) -> Vec<(&'static str, String)> {
    event.envelope.headers()
}

fn set(headers: &mut [(&'static str, String)], wanted: &str, value: &str) {
    for (_, old) in headers.iter_mut().filter(|(name, _)| *name == wanted) {
        value.clone_into(old);
    }
}
