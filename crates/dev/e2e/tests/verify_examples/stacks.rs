//! The list of stacks, and a stack that runs.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use e2e::gateways::{Gateway, GatewayProgram, Upstream};
use local_stack::process::child::{Child, ChildSpec, Output};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Api, Port, wait_for};

use crate::issuer::{Issuer, User};

/// The time in which a stack starts. A JVM takes long on a busy machine.
const START_DEADLINE: Duration = Duration::from_secs(120);

/// One line of the list that `scripts/verify-examples` writes.
#[derive(Debug, Clone)]
pub(crate) struct StackSpec {
    pub(crate) name: String,
    pub(crate) versions: String,
    algorithms: Vec<String>,
    directory: String,
    /// Empty: a gateway, which [`Gateway::start`] starts with the configuration of the example.
    command: Vec<String>,
}

/// Reads the list: name, versions, algorithms, directory and command of each stack, separated by tabs.
pub(crate) fn read_list(file: &Path) -> Vec<StackSpec> {
    let text = fs::read_to_string(file).expect("scripts/verify-examples writes the list");
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    text.lines()
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let [name, versions, algorithms, directory, command] = fields[..] else { panic!("not a stack: {line}") };
            StackSpec {
                name: name.to_owned(),
                versions: versions.to_owned(),
                algorithms: words(algorithms),
                directory: directory.to_owned(),
                command: words(command),
            }
        })
        .collect()
}

/// What answers the requests to a stack. Dropping it ends its processes.
enum Running {
    Program { _process: Child, _port: Port },
    Gateway { _gateway: Gateway, _upstream: Upstream },
}

/// A stack that runs.
pub(crate) struct RunningStack {
    knows_algorithm: bool,
    api: Api,
    _running: Running,
}

impl RunningStack {
    /// Starts a stack on a free port and waits until it responds.
    ///
    /// # Panics
    /// Panics with the end of its log if it does not start.
    pub(crate) async fn start(spec: &StackSpec, algorithm: &str, issuer: &Issuer) -> Self {
        let log = issuer.world.logs().join(format!("{}.log", spec.name));
        let (api, running) = match spec.command.split_first() {
            Some((program, arguments)) => start_program(spec, program, arguments, issuer, log).await,
            None => start_gateway(&spec.name, issuer, &log).await,
        };
        let knows_algorithm = spec.algorithms.iter().any(|known| known == algorithm);
        Self { knows_algorithm, api, _running: running }
    }

    /// Returns whether the stack can verify the tokens of this run.
    pub(crate) fn knows_algorithm(&self) -> bool {
        self.knows_algorithm
    }

    /// Checks that the stack accepts a token, and says whose it is. The error is the response.
    pub(crate) async fn accepts(&self, user: &User) -> Result<(), String> {
        let (status, body) = self.me(Some(&user.token)).await?;
        let expected = json!({ "sub": user.id, "roles": user.roles });
        let same = serde_json::from_str::<Value>(&body).is_ok_and(|body| body == expected);
        if status == 200 && same { Ok(()) } else { Err(format!("{status} {body}")) }
    }

    /// Checks that the stack refuses a token, or a request without one. The error is the response.
    pub(crate) async fn refuses(&self, token: Option<&str>) -> Result<(), String> {
        let (status, body) = self.me(token).await?;
        if status == 401 { Ok(()) } else { Err(format!("{status} {body}")) }
    }

    async fn me(&self, token: Option<&str>) -> Result<(u16, String), String> {
        let api = token.map_or_else(|| self.api.clone(), |token| self.api.with_token(token));
        let response = api.try_send(api.request(Method::GET, "/me")).await.map_err(|error| format!("{error:#}"))?;
        Ok((response.status, response.text))
    }
}

async fn start_program(
    spec: &StackSpec,
    program: &str,
    arguments: &[String],
    issuer: &Issuer,
    log: PathBuf,
) -> (Api, Running) {
    let port = Port::free().expect("a port is free");
    let mut process = ChildSpec::new(&spec.name, program, Output::File(log))
        .args(arguments)
        .directory(&spec.directory)
        .env("ISSUER", issuer.service.base_url())
        .env("AUDIENCE", "user-service")
        .env("PORT", port.number().to_string())
        .start()
        .unwrap_or_else(|error| panic!("{error:#}"));
    let api = Api::new(format!("http://127.0.0.1:{}", port.number()));
    wait_for(START_DEADLINE, &format!("{} responds", spec.name), async || {
        process.ensure_running().unwrap_or_else(|error| panic!("{error:#}"));
        api.try_send(api.request(Method::GET, "/me")).await.ok()
    })
    .await;
    (api, Running::Program { _process: process, _port: port })
}

async fn start_gateway(name: &str, issuer: &Issuer, log: &Path) -> (Api, Running) {
    let program = match name {
        "nginx" => GatewayProgram::Nginx,
        "caddy" => GatewayProgram::Caddy,
        other => panic!("{other} has no command and is no gateway"),
    };
    let upstream = Upstream::start();
    let gateway = Gateway::start(program, &issuer.service, &upstream, log).await;
    let gateway = gateway.unwrap_or_else(|| panic!("{name} is not here, but scripts/verify-examples has fetched it"));
    (gateway.api(), Running::Gateway { _gateway: gateway, _upstream: upstream })
}
