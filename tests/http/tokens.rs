//! Where there are tokens, nobody learns anything under `/api` without one.

use crate::schema::Document;
use crate::server::{Server, api};
use crate::stores::{Store, account};

#[tokio::test]
async fn everything_under_api_asks_for_a_token_and_the_document_never_does() {
    let store = Store::sqlite().await;
    store.insert("accounts", &account("acc-1", "o")).await;
    let server = Server::with(&["right"], None, api(Some(store.queries()))).await;
    let mut document = Document::of(&server).await;
    for (method, path) in document.operations() {
        let guarded = path.starts_with("/api/") || path.starts_with("/chaos/");
        let answer = server.ask(&method, &path.replace("{id}", "acc-1")).await;
        assert_eq!(answer.status == 401, guarded, "{path}: {}", answer.status);
        document.check(&method, &path, &answer);
    }
    for path in ["/api", "/api/", "/api/v1", "/api/v1/nothing", "/api/v1/accounts/acc-1/nothing", "/api/v2/accounts"] {
        assert_eq!(server.get(path).await.status, 401, "{path}: nobody learns what is there");
        let answer = server.ask_as("Bearer right", "GET", path).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (404, Some("ROUTE_NOT_FOUND")), "{path}");
        assert!(answer.json()["detail"].as_str().unwrap().ends_with(path), "{}", answer.body);
    }
    assert_eq!(server.ask("POST", "/api/v1/accounts").await.status, 401);
    let answer = server.ask_as("Bearer right", "POST", "/api/v1/accounts").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (405, Some("METHOD_NOT_ALLOWED")));
    assert_eq!(server.ask_as("Bearer right", "GET", "/api/v1/accounts/acc-1").await.status, 200);
    assert_eq!(server.ask_as("Bearer wrong", "GET", "/api/v1/accounts/acc-1").await.status, 401);
}
