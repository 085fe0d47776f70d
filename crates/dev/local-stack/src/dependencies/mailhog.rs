//! One MailHog: takes every mail, shows it, delivers none.

use std::{path::PathBuf, time::Duration};

use anyhow::Result;

use super::readiness;
use crate::{
    process::child::{Child, ChildSpec, Output},
    wait_for::try_wait_for,
};

const READY_DEADLINE: Duration = Duration::from_secs(20);

/// How to run it.
#[derive(Debug, Clone)]
pub struct MailHogSpec {
    /// The program.
    pub program: PathBuf,
    /// The SMTP port on 127.0.0.1.
    pub smtp_port: u16,
    /// The port of API and page on 127.0.0.1.
    pub http_port: u16,
    /// Its log file.
    pub log: PathBuf,
}

/// A running MailHog. It keeps its mails in memory.
#[derive(Debug)]
pub struct MailHog {
    spec: MailHogSpec,
    child: Child,
}

impl MailHog {
    /// Starts it and waits until it greets and answers its API.
    ///
    /// # Errors
    /// When it does not start, with the end of its log.
    pub async fn start(spec: MailHogSpec) -> Result<Self> {
        let child = launch(&spec)?;
        let mut mailhog = Self { spec, child };
        mailhog.wait_until_ready().await?;
        Ok(mailhog)
    }

    /// Starts it again on the same ports, after a stop or kill; empty.
    ///
    /// # Errors
    /// As [`MailHog::start`].
    pub async fn restart(&mut self) -> Result<()> {
        self.child = launch(&self.spec)?;
        self.wait_until_ready().await
    }

    /// The process, for signals.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Stops it.
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
