//! `preview --serve`: the page in the browser. It follows the changes of the brand's folder.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
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
use branding::Branding;
use i18n::InvalidFile;
use parking_lot::RwLock;
use service_kit::{
    Health, Lifecycle, Stage,
    cli::print_result,
    http_server::{self, guard_body, set_socket_options},
};
use tokio::{task::spawn_blocking, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    MailSource,
    page::{PreviewPage, ServedPage},
};

/// The time between two looks at the folder.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

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
    page: ServedPage,
    /// The HTML of each mail, by its path.
    mails: BTreeMap<String, String>,
}

type Present = RwLock<Arc<Shown>>;

/// What is in the folder of the brand.
type Folder = Result<Branding, InvalidFile>;

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
    let source = Arc::new(source);
    let seen = read(Arc::clone(&source)).await?;
    let present = Arc::new(RwLock::new(Arc::new(load(Arc::clone(&source), seen.clone()).await?)));

    let lifecycle = Lifecycle::new();
    lifecycle.watch_signals()?;
    serve(listener, Arc::clone(&present), &lifecycle)?;
    if source.branding.directory.is_some() {
        lifecycle.spawn(Stage::Support, "brand-watch", |stop| watch(source, seen, present, stop));
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
async fn watch(source: Arc<MailSource>, mut seen: Folder, present: Arc<Present>, stop: CancellationToken) {
    while stop.run_until_cancelled(sleep(LOOK_INTERVAL)).await.is_some() {
        match look(&source, &mut seen).await {
            Ok(Some(shown)) => *present.write() = Arc::new(shown),
            Ok(None) => {}
            Err(error) => eprintln!("error: {error:#}"),
        }
    }
}

/// Returns what is to be shown, if the folder has changed.
async fn look(source: &Arc<MailSource>, seen: &mut Folder) -> anyhow::Result<Option<Shown>> {
    let now = read(Arc::clone(source)).await?;
    if now == *seen {
        return Ok(None);
    }
    *seen = now.clone();
    load(Arc::clone(source), now).await.map(Some)
}

/// Reads the folder.
async fn read(source: Arc<MailSource>) -> anyhow::Result<Folder> {
    Ok(spawn_blocking(move || source.read()).await?)
}

/// Renders all mails, or the page that says why they cannot be rendered.
async fn load(source: Arc<MailSource>, folder: Folder) -> anyhow::Result<Shown> {
    let render = move || {
        let renderer = folder.map_err(anyhow::Error::new).and_then(|branding| source.renderer_with(&branding));
        match renderer.and_then(|renderer| Ok(PreviewPage::new(&renderer)?)) {
            Ok(page) => Shown::of_mails(page),
            Err(error) => Shown::of_problem(&format!("{error:#}")),
        }
    };
    spawn_blocking(render).await?
}

impl Shown {
    fn of_mails(mut page: PreviewPage) -> anyhow::Result<Self> {
        let served = page.served()?;
        Ok(Self { page: served, mails: page.into_mails().map(|mail| (mail.path, mail.html)).collect() })
    }

    fn of_problem(problem: &str) -> anyhow::Result<Self> {
        Ok(Self { page: ServedPage::of_problem(problem)?, mails: BTreeMap::new() })
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
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(present.read().page.version.clone())
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
    match shown.mails.get(request.path()) {
        Some(html) => HttpResponse::Ok()
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
