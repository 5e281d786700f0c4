//! Who may ask, before any handler sees a request or a byte of its body: the host and the page (`listen/origin.rs`),
//! the token, and what the token may.
//!
//! What each path needs is said where it is routed ([`Paths`]). A request of a token that is limited to services goes
//! to a router of its own, which has nothing but a store of these services: no handler can forget it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use http_body::Body as _;
use tower_service::Service as _;

use super::Api;
use super::page;
use super::problem::Problem;
use super::server;
use super::sign_in::SignIn;
use super::while_held::WhileHeld;
use crate::access::{Denied, Needs, OpenSession, Services, Token, Tokens, bearer};
use crate::listen::Guard;
use crate::self_telemetry::RejectedInput;

/// The name of the server in counters.
const HTTP: &str = "http";
/// Routers of limited tokens that are kept.
const MAX_LIMITED: usize = 64;

/// Paths, and what each needs.
#[derive(Default)]
pub(super) struct Paths {
    router: Router<Api>,
    needs: HashMap<String, Vec<(Method, Needs)>>,
}

impl Paths {
    /// Routes a path, which needs so much.
    pub(super) fn add(
        mut self,
        method: Method,
        path: &str,
        needs: Needs,
        handler: MethodRouter<Api>,
    ) -> Paths {
        let known = self.needs.entry(path.to_owned()).or_default();
        known.push((method, needs));
        self.router = self.router.route(path, handler);
        self
    }

    /// As [`Paths::add`], of `GET`.
    pub(super) fn get(self, path: &str, needs: Needs, handler: MethodRouter<Api>) -> Paths {
        self.add(Method::GET, path, needs, handler)
    }

    pub(super) fn into_router(self) -> Router<Api> {
        self.router
    }

    pub(super) fn into_needs(self) -> RouteNeeds {
        RouteNeeds(self.needs)
    }
}

/// What each path needs.
pub(super) struct RouteNeeds(HashMap<String, Vec<(Method, Needs)>>);

impl RouteNeeds {
    /// What a request needs. A path that declares nothing needs the most. An unknown one needs nothing: its answer is
    /// 404.
    fn of(&self, request: &Request) -> Needs {
        let Some(path) = request.extensions().get::<MatchedPath>() else {
            return Needs::Nothing;
        };
        let method = match request.method() {
            &Method::HEAD => &Method::GET,
            method => method,
        };
        let known = self.0.get(path.as_str());
        let known = || known.into_iter().flatten();
        let found = known().find(|(of, _)| of == method);
        // Who may ask there is told which methods there are.
        let least = || known().map(|(_, needs)| *needs).min();
        let needs = found.map(|(_, needs)| *needs).or_else(least);
        needs.unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn each(&self) -> impl Iterator<Item = (&str, &Method, Needs)> {
        self.0.iter().flat_map(|(path, known)| {
            let known = known.iter();
            known.map(move |(method, needs)| (path.as_str(), method, *needs))
        })
    }
}

/// Makes the router of a token that is limited to some services.
pub(super) type LimitedFn = Box<dyn Fn(&Services) -> Router + Send + Sync>;

/// Who is let in. Clones are the same.
#[derive(Clone)]
pub(super) struct Admission(Arc<Inner>);

struct Inner {
    guard: Guard,
    needs: RouteNeeds,
    rejected: Arc<RejectedInput>,
    /// `None`: nobody is asked who he is.
    tokens: Option<ByToken>,
}

/// Where tokens are asked for.
struct ByToken {
    tokens: Tokens,
    sign_in: SignIn,
    limit: LimitedFn,
    limited: Mutex<HashMap<Services, Router>>,
}

impl ByToken {
    fn limited(&self, services: &Services) -> Router {
        let mut known = self.limited.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_LIMITED && !known.contains_key(services) {
            known.clear();
        }
        let new = || (self.limit)(services);
        known.entry(services.clone()).or_insert_with(new).clone()
    }
}

/// Who asks, and may.
enum Caller {
    /// With a token in the header.
    Token(Tokens, Arc<Token>),
    /// From a browser where somebody is signed in.
    Session(OpenSession),
}

impl Caller {
    fn token(&self) -> &Arc<Token> {
        match self {
            Caller::Token(_, token) => token,
            Caller::Session(session) => &session.token,
        }
    }

    /// Whether the same request would still be let in.
    fn holds(&self) -> bool {
        match self {
            Caller::Token(tokens, token) => tokens.holds(token),
            Caller::Session(session) => session.holds(),
        }
    }
}

/// Who asks from a browser: an extension of a request that came with a session.
#[derive(Clone)]
pub(super) struct SignedIn(pub(super) Arc<Token>);

impl Admission {
    /// Everybody whose page and host are right.
    pub(super) fn open(guard: Guard, needs: RouteNeeds, rejected: Arc<RejectedInput>) -> Admission {
        Admission(Arc::new(Inner {
            guard,
            needs,
            rejected,
            tokens: None,
        }))
    }

    /// Of these, those with a token that may do what is needed.
    pub(super) fn by_token(
        (guard, needs, rejected): (Guard, RouteNeeds, Arc<RejectedInput>),
        tokens: Tokens,
        sign_in: SignIn,
        limit: LimitedFn,
    ) -> Admission {
        Admission(Arc::new(Inner {
            guard,
            needs,
            rejected,
            tokens: Some(ByToken {
                tokens,
                sign_in,
                limit,
                limited: Mutex::default(),
            }),
        }))
    }

    async fn answer(&self, request: Request, next: Next) -> Result<Response, Problem> {
        let inner = &self.0;
        let admitted = inner.guard.answer(&request);
        if let Some(answer) = admitted? {
            return Ok(answer);
        }
        server::check_head(&request)?;
        let Some(by_token) = &inner.tokens else {
            return Ok(next.run(request).await);
        };
        if by_token.sign_in.has(request.uri().path()) {
            return self.signs_in(&by_token.sign_in, request).await;
        }
        match inner.needs.of(&request) {
            Needs::Nothing => Ok(next.run(request).await),
            needs => self.known(by_token, needs, request, next).await,
        }
    }

    async fn signs_in(&self, sign_in: &SignIn, request: Request) -> Result<Response, Problem> {
        let peer = peer(&request);
        let (answer, refused) = sign_in.answer(&self.0.guard, peer, request).await?;
        if let Some(reason) = refused {
            let (peer, why) = (peer.map(|peer| peer.to_string()), "an attempt to sign in");
            self.0.rejected.report(HTTP, reason, peer.as_deref(), why);
        }
        Ok(answer)
    }

    /// Answers somebody who is known, and may do what is needed.
    async fn known(
        &self,
        by_token: &ByToken,
        needs: Needs,
        mut request: Request,
        next: Next,
    ) -> Result<Response, Problem> {
        let headers = request.headers();
        let caller = match bearer(headers) {
            Ok(Some(secret)) => {
                let token = by_token.tokens.check(secret, needs);
                token.map(|token| Caller::Token(by_token.tokens.clone(), token))
            }
            Ok(None) => match by_token.sign_in.session(headers) {
                Some(found) => found.and_then(|session| {
                    let may = session.token.check(needs);
                    may.map(|()| Caller::Session(session))
                }),
                None => Err(Denied::Missing),
            },
            Err(denied) => Err(denied),
        };
        let caller = match caller {
            Ok(caller) => caller,
            // A browser is shown where to say who one is.
            Err(denied)
                if denied.is_unauthenticated()
                    && request.method() == Method::GET
                    && page::is_wanted(headers)
                    && page::is_path(request.extensions().get::<MatchedPath>()) =>
            {
                return Ok(by_token.sign_in.redirect(request.uri()));
            }
            Err(denied) => return Ok(self.refuse(&denied, &request)),
        };
        if let Caller::Session(session) = &caller {
            // The browser sends the cookie with whatever page asks.
            self.0.guard.own_page(&request)?;
            let token = Arc::clone(&session.token);
            request.extensions_mut().insert(SignedIn(token));
        }
        let response = match &caller.token().services {
            None => next.run(request).await,
            Some(services) => {
                // It is routed once more: what the first time found is forgotten.
                let who = request.extensions_mut().remove::<SignedIn>();
                request.extensions_mut().clear();
                who.map(|who| request.extensions_mut().insert(who));
                let answered = by_token.limited(services).call(request).await;
                answered.unwrap_or_else(|never| match never {})
            }
        };
        // Other answers were made while the token held.
        if response.body().size_hint().exact().is_some() {
            return Ok(response);
        }
        Ok(response.map(|body| Body::new(WhileHeld::new(body, move || caller.holds()))))
    }

    fn refuse(&self, denied: &Denied, request: &Request) -> Response {
        let peer = peer(request).map(|peer| peer.to_string());
        let rejected = &self.0.rejected;
        rejected.report(HTTP, denied.reason(), peer.as_deref(), denied);
        let status = if denied.is_unauthenticated() {
            StatusCode::UNAUTHORIZED
        } else {
            StatusCode::FORBIDDEN
        };
        let mut response = Problem::new(status, denied).into_response();
        let challenge = HeaderValue::from_static(denied.challenge());
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        response
    }
}

fn peer(request: &Request) -> Option<IpAddr> {
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>();
    address.map(|ConnectInfo(address)| address.ip())
}

/// Lets a request in, or says why not, and adds what every answer has.
pub(super) async fn admit(
    State(admission): State<Admission>,
    request: Request,
    next: Next,
) -> Response {
    let answered = admission.answer(request, next).await;
    let mut response = answered.unwrap_or_else(Problem::into_response);
    finish(response.headers_mut());
    response
}

fn finish(headers: &mut HeaderMap) {
    // No browser takes JSON for a script or a page.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Records come and go, and say what is nobody else's business.
    let live = HeaderValue::from_static("no-store");
    headers.entry(CACHE_CONTROL).or_insert(live);
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use axum::middleware::from_fn_with_state;
    use axum::routing::{get, post};
    use bytes::Bytes;
    use http_body::Frame;

    use super::*;
    use crate::self_telemetry::Metrics;

    /// Whoever reads it fails.
    struct Untouchable;

    impl http_body::Body for Untouchable {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
            panic!("a body is read of somebody who was refused");
        }
    }

    const ZERO: &str = "distlog_0";

    fn app() -> (Router, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.yaml");
        let secrets = [
            ("reads", "read"),
            ("sends", "ingest"),
            ("all", "ingest, read, admin"),
        ];
        let lines = secrets.map(|(name, may)| {
            let hash = crate::access::Hash::of(&format!("{ZERO}{name}"));
            format!("- {{ name: {name}, hash: '{hash}', may: [{may}] }}\n")
        });
        std::fs::write(&path, lines.concat()).unwrap();
        let tokens = Tokens::open(&path).unwrap();
        let needs = [
            ("/reads", Needs::Read),
            ("/all", Needs::ReadAll),
            ("/deletes", Needs::Admin),
        ];
        let needs = needs.map(|(path, needs)| {
            (
                path.to_owned(),
                vec![(Method::GET, needs), (Method::POST, needs)],
            )
        });
        let mut needs = HashMap::from(needs);
        needs.insert("/gets".to_owned(), vec![(Method::GET, Needs::Read)]);
        let guard = Guard::new("http", &"127.0.0.1:5080".into());
        let rejected = Arc::new(RejectedInput::new(Metrics::default()));
        let sign_in = SignIn::new(tokens.clone(), "5080", false);
        let before = (guard, RouteNeeds(needs), rejected);
        let limit = Box::new(|_: &Services| Router::new());
        let admission = Admission::by_token(before, tokens, sign_in, limit);
        let read = |body: Bytes| async move { body };
        let app = Router::new()
            .route("/reads", get(|| async {}).post(read))
            .route("/gets", get(|| async {}))
            .route("/all", post(read))
            .route("/deletes", post(read))
            .route("/forgotten", post(read))
            .layer(from_fn_with_state(admission, admit));
        (app, folder)
    }

    async fn status(app: &Router, path: &str, headers: &[(&str, &str)], body: Body) -> u16 {
        let mut request = http::Request::post(path).header("host", "localhost:5080");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answered = app.clone().call(request.body(body).unwrap()).await;
        answered.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn of_who_may_not_ask_no_body_is_read() {
        let (app, _folder) = app();
        let token = |name: &str| format!("Bearer {ZERO}{name}");
        for (path, authorization, expected) in [
            ("/reads", None, 401),
            ("/reads", Some(token("other")), 401),
            ("/reads", Some("Basic YTpi".to_owned()), 401),
            ("/reads", Some(token("sends")), 403),
            ("/deletes", Some(token("reads")), 403),
            // Another method of a path needs what the path does.
            ("/gets", None, 401),
            ("/gets", Some(token("sends")), 403),
            ("/gets", Some(token("reads")), 405),
            // Of it nothing is said.
            ("/forgotten", None, 401),
            ("/forgotten", Some(token("reads")), 403),
        ] {
            let authorization = authorization.iter();
            let headers: Vec<_> = authorization
                .map(|value| ("authorization", &**value))
                .collect();
            let body = Body::new(Untouchable);
            assert_eq!(
                status(&app, path, &headers, body).await,
                expected,
                "{path} {headers:?}"
            );
        }
        let evil = [
            ("authorization", &*token("all")),
            ("origin", "https://evil.example"),
        ];
        assert_eq!(
            status(&app, "/reads", &evil, Body::new(Untouchable)).await,
            403
        );
        for (path, name) in [
            ("/reads", "reads"),
            ("/deletes", "all"),
            ("/forgotten", "all"),
        ] {
            let headers = [("authorization", &*token(name))];
            assert_eq!(
                status(&app, path, &headers, Body::from("a")).await,
                200,
                "{path}"
            );
        }
    }

    #[tokio::test]
    async fn a_cookie_is_of_use_to_the_own_page_alone() {
        let (app, _folder) = app();
        let own = ("sec-fetch-site", "same-origin");
        let form = Body::from(format!("token={ZERO}all&to=%2Ffind%3Fq%3Da"));
        let request = http::Request::post("/sign-in")
            .header("host", "localhost:5080")
            .header(own.0, own.1);
        let answer = app.clone().call(request.body(form).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 303);
        assert_eq!(answer.headers()["location"], "/find?q=a");
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        assert!(
            cookie.starts_with("distlogd_5080=") && !cookie.contains(&format!("{ZERO}all")),
            "{cookie}"
        );
        for part in ["Path=/", "HttpOnly", "SameSite=Strict", "Max-Age=604800"] {
            assert!(cookie.split("; ").any(|known| known == part), "{cookie}");
        }
        let cookie = cookie.split(';').next().unwrap();
        // Other programs of this host have cookies, too.
        let cookies = format!("name=Jürgen; {cookie}; a");
        let signed = ("cookie", &*cookies);
        assert_eq!(
            status(&app, "/deletes", &[signed, own], Body::from("a")).await,
            200
        );
        let other_port = ("origin", "http://localhost:3000");
        for other in [
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "none"),
            other_port,
        ] {
            let body = Body::new(Untouchable);
            assert_eq!(
                status(&app, "/deletes", &[signed, other], body).await,
                403,
                "{other:?}"
            );
            let body = Body::new(Untouchable);
            assert_eq!(
                status(&app, "/sign-in", &[other], body).await,
                403,
                "{other:?}"
            );
        }
        assert_eq!(
            status(&app, "/sign-out", &[signed, own], Body::empty()).await,
            303
        );
        let body = Body::new(Untouchable);
        assert_eq!(status(&app, "/deletes", &[signed, own], body).await, 401);
    }
}
