//! Runs MailHog, which accepts and shows every mail and delivers none.

use std::{path::PathBuf, time::Duration};

use anyhow::Result;

use super::readiness;
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
#[derive(Debug)]
pub struct MailHog {
    spec: MailHogSpec,
    child: Child,
}

impl MailHog {
    /// Starts MailHog and waits until its SMTP server and its web page answer.
    ///
    /// # Errors
    /// Returns an error if it does not start, with the end of its log.
    pub async fn start(spec: MailHogSpec) -> Result<Self> {
        let child = launch(&spec)?;
        let mut mailhog = Self { spec, child };
        mailhog.wait_until_ready().await?;
        Ok(mailhog)
    }

    /// Starts it again on the same ports, without mails, after it was stopped or killed.
    ///
    /// # Errors
    /// Returns an error under the conditions of [`MailHog::start`].
    pub async fn restart(&mut self) -> Result<()> {
        self.child = launch(&self.spec)?;
        self.wait_until_ready().await
    }

    /// Returns the child process, for signals.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Shuts it down cleanly, and kills it after three seconds.
    pub async fn stop(&mut self) {
        self.child.stop(Duration::from_secs(3)).await;
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let Self { spec, child } = self;
        try_wait_for(READY_DEADLINE, "MailHog", async || {
            child.ensure_running()?;
            Ok((readiness::is_smtp_ready(spec.smtp_port).await && readiness::is_http_ready(spec.http_port).await)
                .then_some(()))
        })
        .await
    }
}

fn launch(spec: &MailHogSpec) -> Result<Child> {
    let http = format!("127.0.0.1:{}", spec.http_port);
    ChildSpec::new("MailHog", &spec.program, Output::File(spec.log.clone()))
        .args(["-smtp-bind-addr", &format!("127.0.0.1:{}", spec.smtp_port)])
        .args(["-api-bind-addr", &http, "-ui-bind-addr", &http, "-storage", "memory"])
        .start()
}
