//! `preview --serve`: the page in the browser. It follows the changes of the brand's folder.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use actix_web::{
    App, Error, HttpResponse, HttpServer,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{self, HeaderMap, HeaderName},
    middleware::{DefaultHeaders, Next, from_fn},
    web::{self, Data},
};
use anyhow::Context as _;
use parking_lot::RwLock;
use service_kit::{
    Health, Lifecycle, Stage,
    cli::print_result,
    http_server::{self, guard_body, set_socket_options},
};
use sha2::{Digest as _, Sha256};
use tokio::{task::spawn_blocking, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    MailSource,
    page::{PreviewPage, ServedPage},
};

/// The time between two looks at the folder.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// A folder with more files or levels is not a brand: the rest is not watched.
const MAX_WATCHED_FILES: usize = 1000;
const MAX_WATCHED_LEVELS: usize = 4;

/// The time a client may take for each part of a request, and to read an answer.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(5);
const STOP_DEADLINE: Duration = Duration::from_secs(3);

/// The content security policy of the page: its own parts, and nothing from elsewhere.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self'; \
     form-action 'none'; base-uri 'none'; frame-ancestors 'none'";
/// The content security policy of a mail: no scripts, no forms, no requests, and an origin of its own.
const MAIL_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; \
     base-uri 'none'; frame-ancestors 'self'";

/// The names of this machine, besides the addresses of the loopback network.
const LOCAL_HOST: &str = "localhost";

/// What the server shows at present.
struct Shown {
    version: String,
    page: ServedPage,
    /// The HTML of each mail, by its path.
    mails: Vec<(String, String)>,
}

type Present = RwLock<Arc<Shown>>;

/// Whether only requests for this machine are answered.
#[derive(Clone, Copy)]
struct OnlyLocal(bool);

/// Serves the page until the first SIGINT or SIGTERM.
///
/// # Errors
/// Returns an error if the address cannot be used, or the server fails. An invalid brand is shown, not returned.
pub(super) async fn run(address: &str, source: MailSource, json: bool) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    let address = listener.local_addr()?;
    let directory = source.branding.directory.clone();
    let seen = fingerprint(directory.as_deref());
    let source = Arc::new(source);
    let present = Arc::new(RwLock::new(Arc::new(load(Arc::clone(&source)).await?)));

    let lifecycle = Lifecycle::new();
    lifecycle.watch_signals()?;
    serve(listener, Arc::clone(&present), &lifecycle)?;
    if let Some(directory) = directory {
        lifecycle.spawn(Stage::Support, "brand-watch", |stop| watch(directory, seen, source, present, stop));
    }
    let url = format!("http://{address}/");
    let note = if address.ip().is_loopback() { "" } else { " (other machines can reach it, too)" };
    print_result(
        json,
        &serde_json::json!({ "url": url }),
        format_args!("{url}{note} shows the mails; Ctrl-C ends it"),
    )?;
    lifecycle.run(&Health::new(), STOP_DEADLINE).await
}

/// Looks at the folder until `stop`, and shows what has changed.
async fn watch(
    directory: PathBuf,
    mut seen: Vec<WatchedFile>,
    source: Arc<MailSource>,
    present: Arc<Present>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(LOOK_INTERVAL) => {}
        }
        let looked_at = directory.clone();
        let Ok(now) = spawn_blocking(move || fingerprint(Some(&looked_at))).await else { continue };
        if now == seen {
            continue;
        }
        seen = now;
        match load(Arc::clone(&source)).await {
            Ok(shown) => *present.write() = Arc::new(shown),
            Err(error) => eprintln!("error: {error:#}"),
        }
    }
}

/// Renders all mails, or the page that says why they cannot be rendered.
async fn load(source: Arc<MailSource>) -> anyhow::Result<Shown> {
    let render = move || match source.renderer().and_then(|renderer| Ok(PreviewPage::new(&renderer)?)) {
        Ok(page) => Shown::of_mails(page),
        Err(error) => Shown::of_problem(&format!("{error:#}")),
    };
    spawn_blocking(render).await?
}

impl Shown {
    fn of_mails(mut page: PreviewPage) -> anyhow::Result<Self> {
        let version = version(page.document()?.as_bytes());
        let served = page.served(&version)?;
        let mails = page.mails().map(|mail| (mail.path.clone(), mail.html.clone())).collect();
        Ok(Self { version, page: served, mails })
    }

    fn of_problem(problem: &str) -> anyhow::Result<Self> {
        let version = version(problem.as_bytes());
        Ok(Self { page: ServedPage::of_problem(problem, &version)?, version, mails: Vec::new() })
    }
}

/// Returns what identifies this content.
fn version(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

/// A file of the folder, and what changes with its content.
#[derive(Debug, PartialEq, Eq)]
struct WatchedFile {
    path: PathBuf,
    /// Length, change time and inode, or why they cannot be read.
    state: Result<(u64, i64, i64, u64), io::ErrorKind>,
}

/// Returns the state of all files below the folder. Symbolic links are followed.
fn fingerprint(directory: Option<&Path>) -> Vec<WatchedFile> {
    let mut files = Vec::new();
    if let Some(directory) = directory {
        add_files(directory, MAX_WATCHED_LEVELS, &mut files);
    }
    files
}

fn add_files(path: &Path, levels: usize, files: &mut Vec<WatchedFile>) {
    if files.len() >= MAX_WATCHED_FILES {
        return;
    }
    let metadata = fs::metadata(path);
    let state = metadata.as_ref().map(|found| (found.len(), found.mtime(), found.mtime_nsec(), found.ino()));
    files.push(WatchedFile { path: path.to_owned(), state: state.map_err(io::Error::kind) });
    if levels > 0 && metadata.is_ok_and(|found| found.is_dir()) {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            add_files(&path, levels - 1, files);
        }
    }
}

fn serve(listener: TcpListener, present: Arc<Present>, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let only_local = OnlyLocal(listener.local_addr()?.ip().is_loopback());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::from(Arc::clone(&present)))
            .app_data(Data::new(only_local))
            .wrap(from_fn(|request, next| guard_body(CLIENT_TIMEOUT, request, next)))
            .wrap(from_fn(refuse_other_hosts))
            .wrap(security_headers())
            .configure(routes)
    })
    .workers(1)
    .client_request_timeout(CLIENT_TIMEOUT)
    .keep_alive(CLIENT_TIMEOUT)
    .on_connect(set_socket_options(CLIENT_TIMEOUT))
    .disable_signals()
    .shutdown_timeout(1)
    .listen(listener)?
    .run();
    http_server::spawn(server, lifecycle);
    Ok(())
}

/// Returns the headers of every response. A mail has a policy of its own.
fn security_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((header::CONTENT_SECURITY_POLICY, PAGE_POLICY))
        .add((header::CACHE_CONTROL, "no-store"))
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((header::REFERRER_POLICY, "no-referrer"))
        .add((HeaderName::from_static("cross-origin-resource-policy"), "same-origin"))
        .add((HeaderName::from_static("cross-origin-opener-policy"), "same-origin"))
}

fn routes(app: &mut web::ServiceConfig) {
    app.route("/", web::get().to(page))
        .route("/version", web::get().to(version_text))
        .route("/page.css", web::get().to(styles))
        .route("/page.js", web::get().to(script))
        .route("/mails/{mail}/{language}", web::get().to(mail));
}

async fn page(present: Data<Present>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(present.read().page.html.clone())
}

async fn version_text(present: Data<Present>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(present.read().version.clone())
}

async fn styles(present: Data<Present>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/css; charset=utf-8").body(present.read().page.styles.clone())
}

async fn script() -> HttpResponse {
    let script = include_str!("../../../templates/preview/page.js");
    HttpResponse::Ok().content_type("text/javascript; charset=utf-8").body(script)
}

async fn mail(present: Data<Present>, request: actix_web::HttpRequest) -> HttpResponse {
    let shown = Arc::clone(&present.read());
    match shown.mails.iter().find(|(path, _)| path == request.path()) {
        Some((_, html)) => HttpResponse::Ok()
            .content_type("text/html; charset=utf-8")
            .insert_header((header::CONTENT_SECURITY_POLICY, MAIL_POLICY))
            .body(html.clone()),
        None => HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body("There is no such mail.\n"),
    }
}

/// Responds with 403 to a request for another host, if the server listens on a loopback address: a page whose own host
/// name resolves to this address (DNS rebinding) has the same origin as this server for the browser.
async fn refuse_other_hosts(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let only_local = request.app_data::<Data<OnlyLocal>>().is_none_or(|only| only.0);
    if !only_local || is_for_this_machine(request.headers()) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let refusal = HttpResponse::Forbidden()
        .content_type("text/plain; charset=utf-8")
        .body("This server responds only to requests for localhost or a loopback address.\n");
    Ok(request.into_response(refusal).map_into_right_body())
}

fn is_for_this_machine(headers: &HeaderMap) -> bool {
    let is_local = |host: &header::HeaderValue| {
        let Ok(host) = host.to_str() else { return false };
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        name.eq_ignore_ascii_case(LOCAL_HOST)
            || format!("{name}:80").parse::<SocketAddr>().is_ok_and(|address| address.ip().is_loopback())
    };
    headers.contains_key(header::HOST) && headers.get_all(header::HOST).all(is_local)
}
