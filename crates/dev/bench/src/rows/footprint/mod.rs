//! What the services take to be there: memory, time to start, and space on disk.

mod memory;
mod size;
mod start;

use anyhow::Result;

use crate::{context::Context, report::Findings};

pub(super) async fn measure(context: &Context) -> Result<Findings> {
    let mut rows = memory::rows(context).await?;
    rows.extend(start::rows(context).await?);
    rows.extend(size::rows()?);
    Ok(rows.into())
}
