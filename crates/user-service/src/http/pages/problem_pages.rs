//! `GET /problems/{slug}`: a page for each problem type that explains its meaning and what a client can do about it.

use actix_web::{
    HttpResponse,
    http::{Method, StatusCode},
    web,
};
use i18n::InvalidFile;
use serde::Serialize;

use super::layout::{LocalizedPages, PROBLEM, PROBLEMS, Pages};
use crate::{
    http::resource::Resource,
    problem::{Problem, ProblemType},
};

/// Registers `/problems` and `/problems/{slug}`.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .service(Resource::at("/problems").on(Method::GET, web::to(index)))
        .service(Resource::at("/problems/{slug}").on(Method::GET, web::to(page)));
}

#[derive(Serialize)]
struct IndexView {
    problems: Vec<IndexEntry>,
}

#[derive(Serialize)]
struct IndexEntry {
    slug: &'static str,
    status: u16,
    title: &'static str,
}

#[derive(Serialize)]
struct ProblemView {
    slug: &'static str,
    status: String,
    when: &'static str,
    remedy: &'static str,
    example: String,
}

async fn index(pages: LocalizedPages) -> HttpResponse {
    pages.in_english().response(StatusCode::OK, PROBLEMS, "Problem types", &index_view())
}

async fn page(slug: web::Path<String>, pages: LocalizedPages) -> Result<HttpResponse, Problem> {
    let problem_type = *ProblemType::ALL.iter().find(|it| it.slug() == *slug).ok_or(Problem::NotFound)?;
    Ok(pages.in_english().response(StatusCode::OK, PROBLEM, problem_type.title(), &view(problem_type)))
}

fn index_view() -> IndexView {
    let entry = |it: &ProblemType| IndexEntry { slug: it.slug(), status: it.status().as_u16(), title: it.title() };
    IndexView { problems: ProblemType::ALL.iter().map(entry).collect() }
}

fn view(problem_type: ProblemType) -> ProblemView {
    let example = serde_json::to_string_pretty(&problem_type.example().details());
    ProblemView {
        slug: problem_type.slug(),
        status: problem_type.status().to_string(),
        when: problem_type.when(),
        remedy: problem_type.remedy(),
        example: example.expect("strings and numbers always serialise"),
    }
}

/// Renders every page, to check the templates.
pub(super) fn check(pages: &Pages) -> Result<(), InvalidFile> {
    pages.check(PROBLEMS, &index_view())?;
    ProblemType::ALL.iter().try_for_each(|problem_type| pages.check(PROBLEM, &view(*problem_type)))
}

#[cfg(test)]
mod tests {
    use actix_web::{App, test};

    use super::*;
    use crate::http::{errors::not_found::not_found, pages::ServedPages};

    #[actix_web::test]
    async fn every_problem_type_has_its_page_and_the_index_lists_it() {
        let app = App::new()
            .app_data(web::Data::new(ServedPages::for_test(&branding::Branding::default())))
            .configure(configure);
        let app = test::init_service(app.default_service(web::to(not_found))).await;
        let get = async |path: &str| {
            let response = test::call_service(&app, test::TestRequest::get().uri(path).to_request()).await;
            (response.status().as_u16(), String::from_utf8(test::read_body(response).await.to_vec()).unwrap())
        };
        let (status, index) = get("/problems").await;
        assert_eq!(status, 200);
        assert_eq!(index.matches("<li>").count(), ProblemType::ALL.len());
        for problem_type in ProblemType::ALL {
            assert_eq!(problem_type.example().problem_type(), *problem_type);
            let address = format!("/problems/{}", problem_type.slug());
            assert!(index.contains(&format!("href=\"{address}\"")), "{address}");
            let (status, page) = get(&address).await;
            assert_eq!(status, 200, "{address}");
            assert!(page.contains(&format!("<h1>{}</h1>", problem_type.title())), "{page}");
            assert!(page.contains(&format!("HTTP {}", problem_type.status().as_u16())), "{page}");
            assert!(page.contains(&format!("&quot;type&quot;: &quot;{address}&quot;")), "{page}");
        }
        assert_eq!(get("/problems/no-such-thing").await.0, 404);
        assert_eq!(get("/problems/Internal").await.0, 404);
    }
}
