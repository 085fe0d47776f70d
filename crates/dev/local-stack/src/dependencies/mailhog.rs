//! Runs MailHog, which accepts and shows every mail and delivers none.

use std::{path::PathBuf, time::Duration};

use anyhow::Result;

use super::{
    readiness,
    server::{Server, ServerSpec},
};
use crate::{
    process::child::{Child, ChildSpec, Output},
    wait_for::try_wait_for,
};

const READY_DEADLINE: Duration = Duration::from_secs(20);

/// How to run MailHog.
#[derive(Debug, Clone)]
pub struct MailHogSpec {
    /// The path of the program.
    pub program: PathBuf,
    /// The SMTP port on 127.0.0.1.
    pub smtp_port: u16,
    /// The port of the API and the web page on 127.0.0.1.
    pub http_port: u16,
    /// The log file.
    pub log: PathBuf,
}

/// A running MailHog. It keeps mails in memory.
pub type MailHog = Server<MailHogSpec>;

impl ServerSpec for MailHogSpec {
    const STOP_DEADLINE: Duration = Duration::from_secs(3);

    async fn launch(&self) -> Result<Child> {
        let http = format!("127.0.0.1:{}", self.http_port);
        ChildSpec::new("MailHog", &self.program, Output::File(self.log.clone()))
            .args(["-smtp-bind-addr", &format!("127.0.0.1:{}", self.smtp_port)])
            .args(["-api-bind-addr", &http, "-ui-bind-addr", &http, "-storage", "memory"])
            .start()
    }

    /// Waits until its SMTP server and its web page answer.
    async fn wait_until_ready(&self, child: &mut Child) -> Result<()> {
        try_wait_for(READY_DEADLINE, "MailHog", async || {
            child.ensure_running()?;
            let ready =
                readiness::is_smtp_ready(self.smtp_port).await && readiness::is_http_ready(self.http_port).await;
            Ok(ready.then_some(()))
        })
        .await
    }
}
