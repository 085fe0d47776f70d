//! `/account/sessions`: lists the sessions of the user, in browsers and applications, and ends one or all others.

use actix_web::{Error, HttpResponse, http::StatusCode, web};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    form_problem::FormProblem,
    home::Done,
    local_time::LocalTime,
    requests::{MemberForm, MemberRequest, redirect},
    sign_out::NoFields,
    view::{AccountView, Block, EntryView, FormView, HiddenView, LinkView},
};
use crate::{
    domain::{Cursor, Page},
    http::{
        extractors::{
            paging::{PageRequest, encode_cursor},
            parameters::Query,
        },
        pages::texts::security::SessionsTexts,
    },
    problem::Problem,
    usecase::{self, ListedSession},
};

const PATH: &str = "/account/sessions";
const OTHERS_PATH: &str = "/account/sessions/others";
/// The number of sessions on the page that is shown after a refused form.
const PAGE_SIZE: u32 = 20;

/// The form that ends one session.
#[derive(Deserialize)]
pub(in crate::http) struct SessionForm {
    #[serde(default)]
    session: String,
}

/// Shows a page of the list.
pub(in crate::http) async fn show_sessions(
    request: MemberRequest,
    done: web::Query<Done>,
    query: Query,
) -> Result<HttpResponse, Error> {
    // A cursor is not typed by people: the list begins again.
    let Ok(page) = PageRequest::<Cursor>::from_query(&query) else { return Ok(redirect(PATH)) };
    let is_first = page.after.is_none();
    let listed = usecase::list_sessions(&request.visitor.accounts, &request.caller, page.limit, page.after).await?;
    let texts = texts(&request);
    let status = match () {
        () if done.is("ended") => Some(&*texts.ended),
        () if done.is("others-ended") => Some(&*texts.ended_others),
        () => None,
    };
    let view = AccountView { status: status.map(Into::into), ..view(&request, listed, is_first, None) };
    Ok(request.page(StatusCode::OK, &texts.title, view))
}

/// Ends one session. If it has already ended, that is no error for the reader.
pub(in crate::http) async fn end_session(
    MemberForm { request, form }: MemberForm<SessionForm>,
) -> Result<HttpResponse, Error> {
    let visitor = &request.visitor;
    let ended = match Uuid::parse_str(&form.session) {
        Ok(id) => usecase::end_session(&visitor.accounts, request.caller.clone(), id, visitor.origin.clone()).await,
        Err(_) => Err(Problem::NotFound),
    };
    match ended {
        Ok(()) | Err(Problem::NotFound) => Ok(redirect("/account/sessions?done=ended")),
        Err(problem) => refuse(&request, problem).await,
    }
}

/// Ends all sessions but this one.
pub(in crate::http) async fn end_others(
    MemberForm { request, .. }: MemberForm<NoFields>,
) -> Result<HttpResponse, Error> {
    let visitor = &request.visitor;
    let ended = usecase::end_other_sessions(&visitor.accounts, request.caller.clone(), visitor.origin.clone());
    match ended.await {
        Ok(()) => Ok(redirect("/account/sessions?done=others-ended")),
        Err(problem) => refuse(&request, problem).await,
    }
}

/// Leads from the address of the form to the list.
pub(in crate::http) async fn lead_to_sessions(_: MemberRequest) -> HttpResponse {
    redirect(PATH)
}

fn texts(request: &MemberRequest) -> &SessionsTexts {
    &request.visitor.pages.catalogue.texts.security.sessions
}

async fn refuse(request: &MemberRequest, problem: Problem) -> Result<HttpResponse, Error> {
    let problem = request.problem(problem)?;
    let listed = usecase::list_sessions(&request.visitor.accounts, &request.caller, PAGE_SIZE, None).await?;
    let view = view(request, listed, true, Some(&problem));
    Ok(request.refused(&problem, &texts(request).title, view))
}

fn view<'a>(
    request: &'a MemberRequest,
    listed: Page<ListedSession>,
    is_first: bool,
    problem: Option<&'a FormProblem>,
) -> AccountView<'a> {
    let texts = texts(request);
    let times = LocalTime::new(request);
    let next = listed.next.as_ref().map(|next| LinkView {
        path: format!("{PATH}?cursor={}", encode_cursor(next)).into(),
        text: &texts.more,
        value: None,
    });
    // The other pages of the list have other sessions only.
    let has_others = !is_first || listed.items.iter().any(|session| !session.current);
    let items = listed.items.into_iter().map(|session| entry(request, &times, session)).collect();
    let mut blocks = vec![Block::Entries { heading: None, items }];
    if let Some(next) = next {
        blocks.push(Block::Links { heading: None, items: vec![next] });
    }
    if has_others {
        blocks.push(Block::Form(FormView { is_destructive: true, ..request.form(OTHERS_PATH, &texts.end_others) }));
    }
    AccountView {
        error: problem.and_then(FormProblem::general).map(Into::into),
        text: Some((&*texts.text).into()),
        blocks,
        ..AccountView::default()
    }
}

fn entry<'a>(request: &'a MemberRequest, times: &LocalTime<'_>, session: ListedSession) -> EntryView<'a> {
    let (texts, language) = (texts(request), &request.visitor.pages.catalogue.language);
    let address = session.address.as_deref().map(|address| texts.address.with(language, address));
    let since = texts.since.with(language, &times.format(session.created_at));
    let used = texts.used.with(language, &times.format(session.last_used_at));
    let form = FormView {
        hidden: vec![HiddenView { name: "session", value: session.id.to_string().into() }],
        ..request.form(PATH, &texts.end)
    };
    EntryView {
        title: session.device.map_or_else(|| (&*texts.unknown).into(), Into::into),
        lines: [Some(since), Some(used), address].into_iter().flatten().map(Into::into).collect(),
        mark: session.current.then_some(&*texts.current),
        // This session ends by signing out.
        form: (!session.current).then_some(form),
    }
}
