//! `GET /problems/{slug}`: a page for each problem type that explains its meaning and what a client can do about it.

use actix_web::{
    HttpResponse,
    http::{Method, StatusCode},
    web,
};

use super::layout::{Escaped, Page};
use crate::http::{extractors::language::Language, resource::Resource};
use crate::problem::{Problem, ProblemType};

/// Registers `/problems` and `/problems/{slug}`.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .service(Resource::at("/problems").on(Method::GET, web::to(index)))
        .service(Resource::at("/problems/{slug}").on(Method::GET, web::to(page)));
}

async fn index() -> HttpResponse {
    let items: String = ProblemType::ALL
        .iter()
        .map(|it| {
            let (slug, status, title) = (it.slug(), it.status().as_u16(), Escaped(it.title()));
            format!("<li><a href=\"/problems/{slug}\"><code>{slug}</code></a> <span class=\"soft\">{status}</span> {title}</li>\n")
        })
        .collect();
    let body = format!(
        "<p>The body of every error response is <code>application/problem+json</code> (RFC 9457). \
         Its <code>type</code> is one of these:</p>\n<ul>\n{items}</ul>"
    );
    english("Problem types", body)
}

async fn page(slug: web::Path<String>) -> Result<HttpResponse, Problem> {
    let problem_type = ProblemType::ALL.iter().find(|it| it.slug() == *slug).ok_or(Problem::NotFound)?;
    let sample = serde_json::to_string_pretty(&problem_type.example().details()).map_err(Problem::internal)?;
    let status = problem_type.status();
    let body = format!(
        "<p class=\"soft\"><code>{slug}</code> · HTTP {status}</p>\n\
         <h2>When it happens</h2>\n<p>{when}</p>\n\
         <h2>What to do</h2>\n<p>{remedy}</p>\n\
         <h2>Example</h2>\n<pre><code>{sample}</code></pre>\n\
         <p><a href=\"/problems\">All problem types</a></p>",
        slug = problem_type.slug(),
        when = Escaped(problem_type.when()),
        remedy = Escaped(problem_type.remedy()),
        sample = Escaped(&sample),
    );
    Ok(english(problem_type.title(), body))
}

fn english(title: &str, body: String) -> HttpResponse {
    Page { status: StatusCode::OK, language: Language::English, title, body }.into_response()
}

/// The explanation of a problem type.
#[cfg(test)]
mod tests {
    use actix_web::{App, test};

    use super::*;
    use crate::http::errors::not_found::not_found;

    #[actix_web::test]
    async fn every_problem_type_has_its_page_and_the_index_lists_it() {
        let app = test::init_service(App::new().configure(configure).default_service(web::to(not_found))).await;
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
            assert!(page.contains(&Escaped(problem_type.title()).to_string()), "{page}");
            assert!(page.contains(&format!("HTTP {}", problem_type.status().as_u16())), "{page}");
            assert!(page.contains(&format!("&quot;type&quot;: &quot;{address}&quot;")), "{page}");
        }
        assert_eq!(get("/problems/no-such-thing").await.0, 404);
        assert_eq!(get("/problems/Internal").await.0, 404);
    }
}
