//! `GET /api/v1/openapi.json`: the description of the API, made of the endpoints that the router has.

use std::sync::OnceLock;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::endpoint::{Ask, Content, Endpoint, JSON, Verb};
use super::params::Known;
use super::problem::{self, PROBLEM, Problem};
use super::{
    changes, delete, diff, levels, lists, names, records, reload, stats, status, tail, tasks,
};
use crate::access::Needs;

/// All that is described.
pub(super) const ENDPOINTS: &[Endpoint] = &[
    records::RECORDS,
    delete::DELETE,
    stats::STATS,
    lists::TASKS,
    tasks::TREE,
    lists::PROBLEMS,
    diff::DIFF,
    tail::TAIL,
    changes::CHANGES,
    status::STATUS,
    names::NAMES,
    levels::GET,
    levels::PUT,
    levels::DELETE,
    reload::RELOAD,
    OPENAPI,
];

const OPENAPI: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/api/v1/openapi.json",
    needs: Needs::Read,
    name: "describe",
    title: "Read this description",
    about: "The description of the API, by OpenAPI 3.1.",
    params: &[],
    headers: &[],
    contents: &[Content {
        status: StatusCode::OK,
        media_type: JSON,
        about: "The description.",
        schema: |_| schemars::json_schema!({ "type": "object", "required": ["openapi", "paths"] }),
    }],
    problems: &[],
    answer: |ask| Box::pin(openapi(ask)),
};

/// Problems that every path has.
const PROBLEMS: [StatusCode; 13] = [
    StatusCode::BAD_REQUEST,
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::NOT_ACCEPTABLE,
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::URI_TOO_LONG,
    StatusCode::MISDIRECTED_REQUEST,
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    StatusCode::INTERNAL_SERVER_ERROR,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::PAYLOAD_TOO_LARGE,
];

/// The name of the way to say who one is.
const TOKEN: &str = "token";

/// How long clients may keep the description, which changes with the program alone.
const CACHE: HeaderValue = HeaderValue::from_static("max-age=600");

async fn openapi(_: Ask) -> Result<Response, Problem> {
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    let text = TEXT.get_or_init(|| description().to_string().into());
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(JSON)),
        (header::CACHE_CONTROL, CACHE),
    ];
    Ok((headers, text.clone()).into_response())
}

fn description() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.for_serialize().into_generator();
    let problem = generator.subschema_for::<problem::Fields>();
    let mut paths = json!({});
    for endpoint in ENDPOINTS {
        let operation = operation(endpoint, &mut generator);
        paths[endpoint.path][endpoint.verb.name()] = operation;
    }
    let all = PROBLEMS
        .iter()
        .chain(ENDPOINTS.iter().flat_map(|one| one.problems));
    let responses: Map<String, Value> = all
        .map(|status| {
            (
                problem_name(*status),
                problem_answer(*status, &json!(problem)),
            )
        })
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "distlogd",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What distlogd stores: log records and tasks of distributed programs. Lists answer in \
                            pages: `next` is the cursor of the next one, null at the end. Times are `1h`, `2d` (so \
                            long ago), `now` or RFC 3339. Errors are problems by RFC 9457.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "responses": responses,
            "securitySchemes": { TOKEN: {
                "type": "http",
                "scheme": "bearer",
                "description": "A token that `distlogd token new` made, where the daemon asks for one (`tokens:`). What \
                                it must be allowed to stands at each operation: read or admin. One that reads some \
                                services only gets what these stored; what cannot be limited so is refused.",
            } },
        },
    })
}

fn operation(endpoint: &Endpoint, generator: &mut SchemaGenerator) -> Value {
    let mut responses = json!({});
    for content in endpoint.contents {
        let mut schema: Value = (content.schema)(generator).into();
        if schema["type"] == "string" {
            schema["description"] = content.about.into();
        }
        let response = &mut responses[content.status.as_str()];
        let about = response["description"].as_str();
        let about = about.map_or(content.about.to_owned(), |known| {
            format!("{known} {}", content.about)
        });
        response["description"] = about.into();
        response["headers"] = json!({
            "Cache-Control": {
                "description": "`no-store`, unless it changes with the program alone.",
                "schema": { "type": "string" },
            },
        });
        let essence = content.media_type.split(';').next().unwrap_or_default();
        response["content"][essence] = json!({ "schema": schema });
    }
    for status in PROBLEMS.iter().chain(endpoint.problems) {
        let reference = format!("#/components/responses/{}", problem_name(*status));
        responses[status.as_str()] = json!({ "$ref": reference });
    }
    let is_in_path = |name: &str| endpoint.path.contains(&format!("{{{name}}}"));
    let place = |name: &str| if is_in_path(name) { "path" } else { "query" };
    let parameters: Vec<Value> = described(endpoint.params, place)
        .chain(described(endpoint.headers, |_| "header"))
        .collect();
    let right: Vec<&str> = endpoint
        .needs
        .right()
        .iter()
        .map(|right| right.name())
        .collect();
    json!({
        "operationId": endpoint.name,
        "summary": endpoint.title,
        "description": endpoint.about,
        "parameters": parameters,
        "responses": responses,
        // Without `tokens:` none is needed.
        "security": [{}, { TOKEN: right }],
    })
}

fn described(params: Known, place: impl Fn(&str) -> &'static str) -> impl Iterator<Item = Value> {
    params.iter().map(move |param| {
        json!({
            "name": param.name(),
            "in": place(param.name()),
            "required": param.is_required(),
            "description": param.about(),
            "schema": param.schema(),
        })
    })
}

fn problem_name(status: StatusCode) -> String {
    let reason = status.canonical_reason().unwrap_or_default();
    reason.split(' ').collect()
}

fn problem_answer(status: StatusCode, schema: &Value) -> Value {
    let mut answer = json!({
        "description": status.canonical_reason(),
        "content": { PROBLEM: { "schema": schema } },
    });
    if problem::comes_again(status) {
        answer["headers"] = json!({
            "Retry-After": {
                "description": "Seconds after which it may be asked again.",
                "required": true,
                "schema": { "type": "integer", "minimum": 0 },
            },
        });
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_has_each_path_of_the_router_and_no_other() {
        let described = description();
        let paths = described["paths"].as_object().unwrap();
        let operations = paths.values().map(|path| path.as_object().unwrap().len());
        assert_eq!(operations.sum::<usize>(), ENDPOINTS.len());
        for endpoint in ENDPOINTS {
            let operation = &paths[endpoint.path][endpoint.verb.name()];
            assert_eq!(operation["operationId"], endpoint.name);
            let parameters = operation["parameters"].as_array().unwrap();
            assert_eq!(
                parameters.len(),
                endpoint.params.len() + endpoint.headers.len()
            );
            for parameter in parameters {
                assert!(
                    parameter["description"].as_str().unwrap().ends_with('.'),
                    "{parameter}"
                );
                assert!(parameter["schema"].is_object(), "{parameter}");
            }
            let rights = endpoint.needs.right().map(|right| right.name());
            assert_eq!(operation["security"][1][TOKEN][0].as_str(), rights);
            for content in endpoint.contents {
                let response = &operation["responses"][content.status.as_str()];
                assert!(response["content"].is_object(), "{}", endpoint.path);
            }
        }
    }

    #[test]
    fn what_is_referred_to_is_there() {
        fn references(value: &Value, all: &mut Vec<String>) {
            match value {
                Value::Object(map) => {
                    for (key, value) in map {
                        match value {
                            Value::String(text) if key == "$ref" => all.push(text.clone()),
                            value => references(value, all),
                        }
                    }
                }
                Value::Array(list) => list.iter().for_each(|value| references(value, all)),
                _ => {}
            }
        }
        let described = description();
        let mut all = Vec::new();
        references(&described, &mut all);
        assert!(all.len() > 50);
        for reference in all {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(described.pointer(pointer).is_some(), "{reference}");
        }
    }
}
