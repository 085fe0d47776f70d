//! A client for each HTTP worker.
//!
//! The driver's connections belong to the runtime on which their client was made: an answer
//! of the server wakes a thread of that runtime. Each worker of actix-web has a runtime of
//! its own, on one thread. With a client of its own the thread that an answer wakes is the
//! one that waits for it; otherwise each operation costs two changes of threads more.

use std::{
    cell::Cell,
    ops::Deref,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use mongodb::{
    Client, Collection, Database,
    options::{ClientOptions, CollectionOptions},
};

use super::client::{MongoConfigError, options};
use crate::config::MongoConfig;

/// Workers beyond this number share the client of the process.
const MAX_WORKERS: usize = 64;

/// This thread as a worker: its number, and its client.
#[derive(Clone, Copy)]
struct Worker {
    number: usize,
    client: &'static Client,
}

thread_local! {
    static WORKER: Cell<Option<Worker>> = const { Cell::new(None) };
}

/// How workers get clients like that of the process.
#[derive(Clone)]
pub struct WorkerClients {
    options: Arc<ClientOptions>,
    next: Arc<AtomicUsize>,
}

impl WorkerClients {
    /// Of the same configuration as [`super::client`].
    ///
    /// # Errors
    /// The same.
    pub async fn new(config: &MongoConfig, app_name: &str) -> Result<Self, MongoConfigError> {
        Ok(Self { options: Arc::new(options(config, app_name).await?), next: Arc::default() })
    }

    /// From now on this thread, whose runtime must be running, uses a client of its own. A
    /// second call changes nothing.
    pub fn register_worker(&self) {
        if WORKER.get().is_some() {
            return;
        }
        match Client::with_options((*self.options).clone()) {
            Ok(client) => {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                // Never dropped: the driver would have to be on a runtime then.
                WORKER.set(Some(Worker { number, client: Box::leak(Box::new(client)) }));
            }
            Err(error) => tracing::error!(%error, "a worker has no MongoDB client of its own: it uses the process's"),
        }
    }
}

/// A collection through the client of the thread that asks.
#[derive(Clone)]
pub struct WorkerCollection<T: Send + Sync> {
    process_collection: Collection<T>,
    options: CollectionOptions,
    worker_collections: Arc<[OnceLock<Collection<T>>]>,
}

impl<T: Send + Sync> WorkerCollection<T> {
    /// `database` through the client of the process.
    #[must_use]
    pub fn new(database: &Database, name: &str, options: CollectionOptions) -> Self {
        let process_collection = database.collection_with_options(name, options.clone());
        Self { process_collection, options, worker_collections: (0..MAX_WORKERS).map(|_| OnceLock::new()).collect() }
    }
}

impl<T: Send + Sync> Deref for WorkerCollection<T> {
    type Target = Collection<T>;

    fn deref(&self) -> &Collection<T> {
        let Some(worker) = WORKER.get() else { return &self.process_collection };
        let Some(collection) = self.worker_collections.get(worker.number) else { return &self.process_collection };
        collection.get_or_init(|| {
            let namespace = self.process_collection.namespace();
            let database = worker.client.database(&namespace.db);
            database.collection_with_options(&namespace.coll, self.options.clone())
        })
    }
}
