//! A MongoDB client for each HTTP worker.
//!
//! The driver's connections belong to the runtime on which their client was created: an answer of
//! the server wakes a thread of that runtime. Each worker of actix-web has its own runtime on one
//! thread. With its own client, the thread that an answer wakes is the thread that waits for it;
//! otherwise each operation costs two more thread switches.

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

/// The maximum number of workers with their own collections. Further workers use the client of the
/// process.
const MAX_WORKERS: usize = 64;

/// The worker that runs on the current thread.
#[derive(Clone, Copy)]
struct Worker {
    number: usize,
    client: &'static Client,
}

thread_local! {
    static WORKER: Cell<Option<Worker>> = const { Cell::new(None) };
}

/// A factory of clients for workers, with the configuration of the client of the process.
#[derive(Clone)]
pub struct WorkerClients {
    options: Arc<ClientOptions>,
    next: Arc<AtomicUsize>,
}

impl WorkerClients {
    /// Creates the factory, with the same configuration as [`super::client`].
    ///
    /// # Errors
    /// Returns the same errors as [`super::client`].
    pub async fn new(config: &MongoConfig, app_name: &str) -> Result<Self, MongoConfigError> {
        Ok(Self { options: Arc::new(options(config, app_name).await?), next: Arc::default() })
    }

    /// Registers the current thread as a worker with its own client. Its runtime must be running. A
    /// second call has no effect.
    pub fn register_worker(&self) {
        if WORKER.get().is_some() {
            return;
        }
        match Client::with_options((*self.options).clone()) {
            Ok(client) => {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                // The client is never dropped: the driver would need a running runtime for that.
                WORKER.set(Some(Worker { number, client: Box::leak(Box::new(client)) }));
            }
            Err(error) => {
                tracing::error!(%error, "a worker has no MongoDB client of its own and uses the client of the process");
            }
        }
    }
}

/// A collection that is accessed through the client of the current worker, or through the client
/// of the process if the current thread is not a worker.
#[derive(Clone)]
pub struct WorkerCollection<T: Send + Sync> {
    process_collection: Collection<T>,
    options: CollectionOptions,
    worker_collections: Arc<[OnceLock<Collection<T>>]>,
}

impl<T: Send + Sync> WorkerCollection<T> {
    /// Creates the collection `name` of `database`, which belongs to the client of the process.
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
