//! Workers that repeat a step and keep their state from one step to the next.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use tokio::task::JoinSet;

/// Runs each worker step by step until the time is over; a step that ends later does not count. Returns the steps
/// per second of all workers together, and the workers in their final state.
///
/// # Errors
/// Returns the first error of a step.
pub(crate) async fn steps_per_second<W, F>(
    workers: Vec<W>,
    length: Duration,
    step: impl Fn(W) -> F + Send + Sync + 'static,
) -> Result<(f64, Vec<W>)>
where
    W: Send + 'static,
    F: Future<Output = Result<W>> + Send,
{
    let step = Arc::new(step);
    let end = Instant::now() + length;
    let mut running = JoinSet::new();
    for mut worker in workers {
        let step = Arc::clone(&step);
        running.spawn(async move {
            let mut done = 0_u32;
            while Instant::now() < end {
                worker = step(worker).await?;
                done += u32::from(Instant::now() < end);
            }
            anyhow::Ok((worker, done))
        });
    }
    let (mut workers, mut steps) = (Vec::new(), 0);
    while let Some(one) = running.join_next().await {
        let (worker, done) = one??;
        workers.push(worker);
        steps += done;
    }
    Ok((f64::from(steps) / length.as_secs_f64(), workers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_worker_keeps_its_state_from_step_to_step() {
        let step = async |worker: u32| {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(worker + 1)
        };
        let (rate, workers) = steps_per_second(vec![0_u32; 2], Duration::from_millis(500), step).await.unwrap();
        assert_eq!(workers.len(), 2);
        let (taken, counted): (u32, _) = (workers.iter().sum(), (rate * 0.5).round() as u32);
        assert!(taken > 0);
        // The last step of each worker may have ended too late.
        assert!(counted <= taken && taken - counted <= 2, "{counted} of {taken}");
    }

    #[tokio::test]
    async fn a_failing_step_ends_all_workers() {
        let step = async |_: u32| anyhow::bail!("the step failed");
        assert!(steps_per_second(vec![0_u32; 2], Duration::from_secs(60), step).await.is_err());
    }
}
