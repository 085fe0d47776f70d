//! What users and tools read: pages, the OpenAPI document, the ops endpoint, and the commands.

mod commands;
mod documentation;
mod ops_endpoint;
mod pages;
mod start_page;
