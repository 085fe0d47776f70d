//! One loop for writes behind the answer: it gathers the items of a bounded queue into batches.
//!
//! The first batch after a pause is handled at once. The next ones gather for [`GATHER_TIME`], or until they are large.
//! An empty queue costs nothing: the loop sleeps without a timer.

use std::{pin::pin, time::Duration};

use tokio::{sync::mpsc, time::timeout};

use crate::panics;

/// How long the next batch gathers after the one before was handled.
pub const GATHER_TIME: Duration = Duration::from_millis(50);
/// The maximum number of items in a batch.
pub const MAX_BATCH: usize = 256;
/// The size from which on a batch is handled without gathering longer.
const LARGE_BATCH: usize = 64;

/// Handles the batches of a queue.
pub trait BatchHandler {
    /// An item of the queue.
    type Item: Send + Sync;
    /// The label of the metric of caught panics.
    const PLACE: &'static str;

    /// Handles a batch. It retries by itself, and may be repeated: after a panic, each item is handled alone.
    fn handle(&self, batch: &[Self::Item]) -> impl Future<Output = ()> + Send;

    /// Reports an item that causes a panic, and was not handled.
    fn lost(&self, item: &Self::Item);
}

/// Handles the items of `queue` in batches, in their order, until every sender is gone or `close` has ended, and the
/// queue is empty. When `close` ends, the queue takes no more items, and nothing gathers longer. Pass
/// [`std::future::pending`] if the senders end by themselves.
///
/// One batch is handled at a time, so a slow handler fills the queue, whose capacity is the bound.
pub async fn process<H: BatchHandler>(queue: mpsc::Receiver<H::Item>, close: impl Future<Output = ()>, handler: H) {
    process_gathered(queue, close, GATHER_TIME, &handler).await;
}

async fn process_gathered<H: BatchHandler>(
    mut queue: mpsc::Receiver<H::Item>,
    close: impl Future<Output = ()>,
    gather_time: Duration,
    handler: &H,
) {
    let mut close = pin!(close);
    let mut is_closed = false;
    let mut batch = Vec::with_capacity(MAX_BATCH);
    // Adds waiting items to the batch, or waits for the first one. Returns false after the last one.
    let mut receive = async |batch: &mut Vec<H::Item>| {
        loop {
            tokio::select! {
                biased;
                () = &mut close, if !is_closed => {
                    is_closed = true;
                    queue.close();
                }
                added = queue.recv_many(batch, MAX_BATCH - batch.len()) => return added > 0,
            }
        }
    };
    loop {
        if batch.is_empty() && !receive(&mut batch).await {
            return;
        }
        handle_batch(handler, &batch).await;
        batch.clear();
        let gather = async { while batch.len() < LARGE_BATCH && receive(&mut batch).await {} };
        let _ = timeout(gather_time, gather).await;
    }
}

async fn handle_batch<H: BatchHandler>(handler: &H, batch: &[H::Item]) {
    if panics::catch_future(H::PLACE, handler.handle(batch)).await.is_ok() {
        return;
    }
    for item in batch {
        if panics::catch_future(H::PLACE, handler.handle(std::slice::from_ref(item))).await.is_err() {
            handler.lost(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, ready},
        sync::Mutex,
    };

    use futures_util::poll;
    use tokio::sync::oneshot;

    use super::*;

    /// A time that no test waits for.
    const NEVER: Duration = Duration::from_secs(3600);
    const SHORT: Duration = Duration::from_millis(5);

    /// An item that causes a panic.
    const POISON: usize = usize::MAX;

    /// The batches that were handled, and the items that were lost.
    #[derive(Default)]
    struct Handled {
        batches: Mutex<Vec<Vec<usize>>>,
        lost: Mutex<Vec<usize>>,
    }

    impl Handled {
        fn take(&self) -> Vec<Vec<usize>> {
            std::mem::take(&mut self.batches.lock().unwrap())
        }
    }

    impl BatchHandler for Handled {
        type Item = usize;
        const PLACE: &'static str = "test";

        async fn handle(&self, batch: &[usize]) {
            assert!(!batch.contains(&POISON), "in this test");
            self.batches.lock().unwrap().push(batch.to_vec());
        }

        fn lost(&self, item: &usize) {
            self.lost.lock().unwrap().push(*item);
        }
    }

    fn numbers(count: usize) -> Vec<usize> {
        (0..count).collect()
    }

    #[tokio::test]
    async fn the_first_item_is_handled_at_once_and_the_next_ones_gather() {
        let (sender, queue) = mpsc::channel(1_000);
        let handled = Handled::default();
        let mut run = pin!(process_gathered(queue, pending(), NEVER, &handled));
        sender.send(7).await.unwrap();
        assert!(poll!(&mut run).is_pending());
        assert_eq!(handled.take(), [[7]]);
        for item in 0..LARGE_BATCH - 1 {
            sender.send(item).await.unwrap();
            assert!(poll!(&mut run).is_pending());
        }
        assert!(handled.take().is_empty());
        sender.send(LARGE_BATCH - 1).await.unwrap();
        assert!(poll!(&mut run).is_pending());
        assert_eq!(handled.take(), [numbers(LARGE_BATCH)]);
    }

    #[tokio::test]
    async fn gathered_items_are_handled_together_after_the_time_and_the_next_one_after_a_pause_at_once() {
        let (sender, queue) = mpsc::channel(1_000);
        let handled = Handled::default();
        let mut run = pin!(process_gathered(queue, pending(), SHORT, &handled));
        for first in [10, 20] {
            sender.send(first).await.unwrap();
            assert!(poll!(&mut run).is_pending());
            assert_eq!(handled.take(), [[first]]);
            sender.send(first + 1).await.unwrap();
            sender.send(first + 2).await.unwrap();
            tokio::time::sleep(2 * SHORT).await;
            assert!(poll!(&mut run).is_pending());
            assert_eq!(handled.take(), [[first + 1, first + 2]]);
            tokio::time::sleep(2 * SHORT).await;
            assert!(poll!(&mut run).is_pending());
        }
    }

    #[tokio::test]
    async fn a_batch_has_a_largest_size() {
        let (sender, queue) = mpsc::channel(1_000);
        let handled = Handled::default();
        for item in 0..MAX_BATCH + 1 {
            sender.send(item).await.unwrap();
        }
        drop(sender);
        process_gathered(queue, pending(), NEVER, &handled).await;
        assert_eq!(handled.take(), [numbers(MAX_BATCH), vec![MAX_BATCH]]);
    }

    #[tokio::test]
    async fn the_end_of_the_senders_ends_the_gathering_and_then_the_loop() {
        let (sender, queue) = mpsc::channel(1_000);
        let handled = Handled::default();
        let mut run = pin!(process_gathered(queue, pending(), NEVER, &handled));
        sender.send(1).await.unwrap();
        assert!(poll!(&mut run).is_pending());
        sender.send(2).await.unwrap();
        assert!(poll!(&mut run).is_pending());
        drop(sender);
        run.await;
        assert_eq!(handled.take(), [[1], [2]]);
    }

    #[tokio::test]
    async fn a_closed_queue_takes_nothing_and_is_emptied_without_gathering() {
        let (sender, queue) = mpsc::channel(1_000);
        let (close, closed) = oneshot::channel::<()>();
        let handled = Handled::default();
        let close_queue = async { drop(closed.await) };
        let mut run = pin!(process_gathered(queue, close_queue, NEVER, &handled));
        sender.send(1).await.unwrap();
        assert!(poll!(&mut run).is_pending());
        sender.send(2).await.unwrap();
        drop(close);
        // A sender is left.
        run.await;
        assert_eq!(handled.take(), [[1], [2]]);
        assert!(sender.send(3).await.is_err());
    }

    #[tokio::test]
    async fn a_panic_costs_only_the_item_that_causes_it() {
        let (sender, queue) = mpsc::channel(1_000);
        let handled = Handled::default();
        for item in [1, POISON, 3] {
            sender.send(item).await.unwrap();
        }
        process_gathered(queue, ready(()), NEVER, &handled).await;
        assert_eq!((handled.take(), handled.lost.into_inner().unwrap()), (vec![vec![1], vec![3]], vec![POISON]));
    }
}
