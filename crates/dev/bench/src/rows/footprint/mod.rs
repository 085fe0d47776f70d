//! The footprint of the services: memory, start time, and size on disk.

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
