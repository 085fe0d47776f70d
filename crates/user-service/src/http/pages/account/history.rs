//! `/account/history`: the audit log of the account in pages, newest first.

use actix_web::{Error, HttpResponse, http::StatusCode};

use super::{
    local_time::LocalTime,
    requests::{MemberRequest, redirect},
    view::{AccountView, Block, EntryView, LinkView},
};
use crate::{
    domain::{Cursor, device_name},
    http::{
        extractors::{
            paging::{PageRequest, encode_cursor},
            parameters::Query,
        },
        pages::texts::security::HistoryTexts,
    },
    outbox::Actor,
    usecase::{self, AuditLogEntry},
};

const PATH: &str = "/account/history";

/// Shows a page of the log.
pub(in crate::http) async fn show_history(request: MemberRequest, query: Query) -> Result<HttpResponse, Error> {
    // A cursor is not typed by people: the log begins again.
    let Ok(page) = PageRequest::<Cursor>::from_query(&query) else { return Ok(redirect(PATH)) };
    let is_first = page.after.is_none();
    let user = &request.caller.user;
    let found = usecase::own_audit_log(&request.visitor.accounts, user, page.limit, page.after).await?;

    let all = &request.visitor.pages.catalogue.texts;
    let texts = &all.security.history;
    let times = LocalTime::new(&request);
    let entries: Vec<_> = found.items.into_iter().map(|it| entry(texts, &request, &times, it)).collect();
    let mut blocks = vec![if entries.is_empty() {
        Block::Text { heading: None, text: (&*texts.none).into() }
    } else {
        Block::Entries { heading: None, items: entries }
    }];
    let newest = (!is_first).then(|| LinkView { path: PATH.into(), text: &texts.newest, value: None });
    let older = found.next.as_ref().map(|next| LinkView {
        path: format!("{PATH}?cursor={}", encode_cursor(next)).into(),
        text: &texts.older,
        value: None,
    });
    let links: Vec<_> = [newest, older].into_iter().flatten().collect();
    if !links.is_empty() {
        blocks.push(Block::Links { heading: None, items: links });
    }
    if user.timezone.is_none() {
        let profile = LinkView { path: "/account/profile".into(), text: &all.settings.home.profile, value: None };
        blocks.push(Block::Text { heading: None, text: (&*texts.utc).into() });
        blocks.push(Block::Links { heading: None, items: vec![profile] });
    }
    let view = AccountView { text: Some((&*texts.text).into()), blocks, ..AccountView::default() };
    Ok(request.page(StatusCode::OK, &texts.title, view))
}

fn entry<'a>(
    texts: &'a HistoryTexts,
    request: &MemberRequest,
    times: &LocalTime<'_>,
    entry: AuditLogEntry,
) -> EntryView<'a> {
    let language = &request.visitor.pages.catalogue.language;
    let title = texts.kinds.of(&entry.kind).map(Into::into);
    let origin = entry.origin;
    let actor = match origin.actor {
        Actor::User => None,
        Actor::Admin(_) => Some(&texts.by_admin),
        Actor::Client(_) => Some(&texts.by_client),
        Actor::Operator => Some(&texts.by_operator),
        Actor::System => Some(&texts.by_system),
    };
    let lines = [
        Some(times.format(entry.at).into()),
        actor.map(|text| (&**text).into()),
        origin.client.as_deref().and_then(device_name).map(Into::into),
        origin
            .address
            .map(|it| request.visitor.pages.catalogue.texts.security.sessions.address.with(language, &it).into()),
        origin.reason.map(|it| texts.reason.with(language, &it).into()),
        entry.target.map(|it| texts.target.with(language, &it.to_string()).into()),
    ];
    EntryView {
        title: title.unwrap_or_else(|| texts.other.with(language, &entry.kind).into()),
        lines: lines.into_iter().flatten().collect(),
        ..EntryView::default()
    }
}
