//! Samples memory, file descriptors and threads of every process once a second, from `/proc`.

use std::{fs, sync::Arc, time::Duration};

use faults::checker::ProcessSample;
use service_kit::Clock;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::deployment::{Deployment, ServiceKind};

const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// Samples all processes until `stop` is cancelled.
pub(crate) async fn sample_processes(deployment: Arc<Deployment>, stop: CancellationToken) -> Vec<ProcessSample> {
    let (clock, mut samples, mut ticks) = (Clock::system(), Vec::new(), interval(SAMPLE_INTERVAL));
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        for (kind, name) in [(ServiceKind::User, "user-service"), (ServiceKind::Email, "email-service")] {
            for (n, service) in deployment.services(kind).iter().enumerate() {
                // A replica that a fault currently locks is skipped.
                let Ok(service) = service.try_lock() else { continue };
                let process = format!("{name} {}", n + 1);
                samples.extend(sample(service.pid(), process, &clock));
            }
        }
    }
    samples
}

fn sample(pid: u32, process: String, clock: &Clock) -> Option<ProcessSample> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let number = |name: &str| -> Option<u64> {
        let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
        rest.trim_start_matches(':').split_whitespace().next()?.parse().ok()
    };
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
    Some(ProcessSample {
        at: clock.now(),
        process,
        resident: number("VmRSS")? * 1024,
        descriptors: u64::try_from(descriptors).ok()?,
        threads: number("Threads")?,
    })
}
