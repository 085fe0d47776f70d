//! Gateways that ask the user service about each request, as the examples configure them, and an upstream behind them.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, web};
use local_stack::process::child::{Child, ChildSpec, Output};
use serde_json::json;
use tempfile::TempDir;
use test_support::{Api, DEADLINE, Port, Service, wait_for};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../examples/verify");

/// A program that protects an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayProgram {
    /// nginx with `auth_request`.
    Nginx,
    /// Caddy with `forward_auth`.
    Caddy,
}

impl GatewayProgram {
    fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
        }
    }

    /// Returns the program: from PATH, from where Debian installs it, or fetched by `scripts/gateways`.
    fn find(self) -> Option<PathBuf> {
        let path = env::var_os("PATH").unwrap_or_default();
        let fetched = PathBuf::from(env::var_os("LOCAL_STACK_PARTS").unwrap_or_default()).join(self.name());
        let directories = env::split_paths(&path).chain([
            PathBuf::from("/usr/sbin"),
            fetched.join("usr/sbin"),
            fetched.join("usr/bin"),
        ]);
        directories.map(|directory| directory.join(self.name())).find(|program| program.is_file())
    }
}

/// A running gateway with the configuration of its example. Dropping it ends the gateway.
#[derive(Debug)]
pub struct Gateway {
    process: Child,
    port: Port,
    _directory: TempDir,
}

impl Gateway {
    /// Starts a gateway in front of an upstream. Returns `None` if the program is not there; the test is then skipped.
    ///
    /// # Panics
    /// Panics if the gateway does not start.
    pub async fn start(program: GatewayProgram, service: &Service, upstream: &Upstream, log: &Path) -> Option<Self> {
        let path = program.find()?;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let port = Port::free().expect("a free port");
        let spec = ChildSpec::new(program.name(), path, Output::File(log.to_owned())).directory(directory.path());
        let spec = match program {
            GatewayProgram::Nginx => {
                let configuration = nginx_configuration(service.http_port(), port.number(), upstream.port());
                fs::write(directory.path().join("nginx.conf"), configuration).expect("the directory is writable");
                spec.arg("-p").arg(directory.path()).args(["-c", "nginx.conf", "-g", "daemon off;"])
            }
            GatewayProgram::Caddy => spec
                .args(["run", "--config", &format!("{EXAMPLES}/caddy/Caddyfile")])
                .env("ISSUER", service.base_url())
                .env("PORT", port.number().to_string())
                .env("UPSTREAM", format!("127.0.0.1:{}", upstream.port()))
                .env("HOME", directory.path())
                .env("XDG_CONFIG_HOME", directory.path())
                .env("XDG_DATA_HOME", directory.path()),
        };
        let process = spec.start().unwrap_or_else(|error| panic!("{error:#}"));
        let mut gateway = Self { process, port, _directory: directory };
        let api = gateway.api();
        wait_for(DEADLINE, program.name(), async || {
            gateway.process.ensure_running().unwrap_or_else(|error| panic!("{error:#}"));
            api.try_send(api.request(reqwest::Method::GET, "/me")).await.ok()
        })
        .await;
        Some(gateway)
    }

    /// Returns a client of the gateway, without an access token.
    #[must_use]
    pub fn api(&self) -> Api {
        Api::new(format!("http://127.0.0.1:{}", self.port.number()))
    }
}

/// Returns the example's configuration of nginx, which reads no variables, with these ports.
fn nginx_configuration(issuer: u16, port: u16, upstream: u16) -> String {
    let mut configuration =
        fs::read_to_string(format!("{EXAMPLES}/nginx/nginx.conf")).expect("the example can be read");
    for (place, value) in [
        ("server 127.0.0.1:3000;", format!("server 127.0.0.1:{issuer};")),
        ("listen 8080;", format!("listen 127.0.0.1:{port};")),
        ("proxy_pass http://127.0.0.1:9000;", format!("proxy_pass http://127.0.0.1:{upstream};")),
    ] {
        assert_eq!(configuration.matches(place).count(), 1, "{place}");
        configuration = configuration.replace(place, &value);
    }
    configuration
}

/// The header fields of a request that reached an upstream, as names and values.
pub type ReceivedHeaders = Vec<(String, String)>;

/// A server that trusts the `X-User-*` headers of its requests. `/me`, with any method, is 200 with
/// `{"sub": …, "roles": […]}`, and 401 without `X-User-Id`. Dropping it ends the server.
#[derive(Debug)]
pub struct Upstream {
    handle: ServerHandle,
    port: Port,
    received: Arc<Mutex<Vec<ReceivedHeaders>>>,
}

impl Upstream {
    /// Starts the server on a free port.
    ///
    /// # Panics
    /// Panics if it cannot be started.
    #[must_use]
    pub fn start() -> Self {
        let port = Port::free().expect("a free port");
        let received = Arc::<Mutex<Vec<ReceivedHeaders>>>::default();
        let data = web::Data::from(Arc::clone(&received));
        let server = HttpServer::new(move || App::new().app_data(data.clone()).route("/me", web::to(me)))
            .workers(1)
            .disable_signals()
            .bind(("127.0.0.1", port.number()))
            .expect("the port is free")
            .run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { handle, port, received }
    }

    fn port(&self) -> u16 {
        self.port.number()
    }

    /// Returns the requests since the last call.
    #[must_use]
    pub fn take_received(&self) -> Vec<ReceivedHeaders> {
        std::mem::take(&mut *self.received.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

async fn me(request: HttpRequest, received: web::Data<Mutex<Vec<ReceivedHeaders>>>) -> HttpResponse {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers = request.headers().iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect();
    received.lock().unwrap_or_else(PoisonError::into_inner).push(headers);
    let header = |name: &str| request.headers().get(name).map(|value| text(value.as_bytes()));
    let Some(sub) = header("x-user-id") else { return HttpResponse::Unauthorized().finish() };
    let roles = header("x-user-roles").unwrap_or_default();
    let roles: Vec<&str> = roles.split(',').filter(|role| !role.is_empty()).collect();
    HttpResponse::Ok().json(json!({ "sub": sub, "roles": roles }))
}
