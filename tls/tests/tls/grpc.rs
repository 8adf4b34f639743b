//! The crate between a gRPC server and its clients, as the services use it.

use crate::authority::{Authority, CLIENT, ENDED, Folder, SERVER};
use crate::door::{LIMITS, LONG};
use counterfoil_tls::{Acceptor, Dialer, Name, Peer, Refusal, Rule, Rules};
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Endpoint, Server};
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

fn rules() -> Rules {
    let rule =
        Rule { identity: CLIENT.to_owned(), tenant: "shop".to_owned(), services: vec!["cart".to_owned()] };
    Rules::new(&[rule], "tls.rules").unwrap()
}

/// Serves whoever has a rule.
async fn serve(authority: &Authority, tasks: &mut JoinSet<()>) -> SocketAddr {
    serve_and(authority, tasks, |refusal| panic!("{refusal:?}")).await
}

async fn serve_and(
    authority: &Authority,
    tasks: &mut JoinSet<()>,
    report: impl Fn(Refusal) + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let watched = authority.member(&[SERVER]).watched();
    let acceptor = Acceptor::new(listener, watched, LIMITS, report);
    let rules = rules();
    let check = move |request: Request<()>| {
        let peer = request.extensions().get::<Peer>().ok_or_else(|| Status::unauthenticated("nobody"))?;
        let grant = rules.allow(peer).ok_or_else(|| Status::permission_denied("no rule"))?;
        if grant.service("cart") { Ok(request) } else { Err(Status::permission_denied("not this service")) }
    };
    let (_, health) = tonic_health::server::health_reporter();
    let server = Server::builder().add_service(InterceptedService::new(health, check));
    tasks.spawn(async move { server.serve_with_incoming(acceptor).await.unwrap() });
    address
}

async fn ask(authority: &Authority, name: &str, address: SocketAddr) -> Result<(), Status> {
    ask_with(dialer(&authority.member(&[name]), address)).await
}

fn dialer(client: &Folder, address: SocketAddr) -> Dialer {
    let server = Name::parse(SERVER).unwrap();
    Dialer::new("127.0.0.1", address.port(), server, client.watched(), LONG).unwrap()
}

async fn ask_with(dialer: Dialer) -> Result<(), Status> {
    let endpoint = Endpoint::from_static("http://comparator.shop:7400");
    let channel = endpoint.connect_with_connector(dialer).await.unwrap();
    let request = HealthCheckRequest { service: String::new() };
    HealthClient::new(channel).check(request).await.map(drop)
}

#[tokio::test]
async fn a_request_is_answered_by_the_rule_of_its_peer() {
    let authority = Authority::new("ours");
    let mut tasks = JoinSet::new();
    let address = serve(&authority, &mut tasks).await;
    assert!(ask(&authority, CLIENT, address).await.is_ok());
    let refused = ask(&authority, "spiffe://shop/stock", address).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_client_is_told_that_its_certificate_was_refused_and_forgets_it_when_it_begins_anew() {
    let authority = Authority::new("ours");
    let mut tasks = JoinSet::new();
    let address = serve_and(&authority, &mut tasks, drop).await;
    let ended = Folder::new(&authority.issue(&[CLIENT], ENDED), &authority.pem());
    let dialer = dialer(&ended, address);
    assert!(ask_with(dialer.clone()).await.is_err());
    let refusal = dialer.refusal().unwrap();
    assert!(refusal.contains("Expired"), "{refusal}");
    assert_eq!(dialer.anew().refusal(), None);
}
