//! An endpoint: its part of the document, and its handler.

use actix_web::{Route, http::Method};
use serde_json::Value;
use utoipa::openapi::{
    HttpMethod, OpenApi, PathItem,
    extensions::Extensions,
    path::{Operation, Paths},
};

/// The extension that gives a DELETE with a body a second path, for POST.
const POST_ALIAS: &str = "x-post-alias";

/// Returns the route to a handler. Each worker thread has its own.
pub(in crate::http) type Handler = fn() -> Route;

/// An endpoint of the API.
pub(in crate::http) struct Endpoint {
    /// The document of only this endpoint.
    pub(super) document: OpenApi,
    pub(in crate::http) handler: Handler,
}

impl Endpoint {
    /// Creates an endpoint from its document, and adds the alias that the document names.
    pub(in crate::http) fn new(mut document: OpenApi, handler: Handler) -> Self {
        add_post_alias(&mut document.paths);
        Self { document, handler }
    }

    /// Returns path and method of each operation: one, or two if the endpoint has an alias.
    pub(in crate::http) fn operations(&self) -> impl Iterator<Item = (&str, Method)> {
        self.document.paths.paths.iter().flat_map(|(path, item)| {
            let operations = [
                (Method::GET, &item.get),
                (Method::POST, &item.post),
                (Method::PUT, &item.put),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ];
            operations
                .into_iter()
                .filter(|(_, operation)| operation.is_some())
                .map(|(method, _)| (path.as_str(), method))
        })
    }
}

/// Adds the POST that does the same as a DELETE with a body, if its operation has [`POST_ALIAS`].
fn add_post_alias(paths: &mut Paths) {
    let Some((path, PathItem { delete: Some(delete), .. })) = paths.paths.iter_mut().next() else { return };
    let Some(Value::String(alias)) = take_extension(delete, POST_ALIAS) else { return };
    let summary = delete.summary.as_deref().unwrap_or_default();
    let first_sentence = summary.split_once('.').map_or(summary, |(sentence, _)| sentence);
    let mut post = delete.clone();
    post.operation_id = delete.operation_id.as_ref().map(|id| format!("{id}ByPost"));
    post.summary = Some(format!("{first_sentence}, like `DELETE {path}`."));
    post.description = Some(
        "For clients behind a proxy that drops the body of a DELETE (RFC 9110 defines no meaning for it).".to_owned(),
    );
    paths.paths.insert(alias, PathItem::new(HttpMethod::Post, post));
}

/// Removes an extension, which only instructs this module, and returns its value.
pub(super) fn take_extension(operation: &mut Operation, name: &str) -> Option<Value> {
    let extensions = operation.extensions.as_mut()?;
    let value = extensions.remove(name);
    operation.extensions.take_if(|extensions| *extensions == Extensions::default());
    value
}
