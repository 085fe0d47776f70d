//! What the services take to be there: memory, time to start, and space on disk.

mod memory;
mod size;
mod start;

use anyhow::Result;

use crate::{environment::Environment, report::Findings};

pub(super) async fn measure(environment: &Environment) -> Result<Findings> {
    let mut rows = memory::rows(environment).await?;
    rows.extend(start::rows(environment).await?);
    rows.extend(size::rows()?);
    Ok(rows.into())
}
