//! A server that runs out of file descriptors. It has a process of its own, since that limit is the process's.

use counterfoil_tls::{AcceptLimits, Acceptor, Reason};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::channel;
use tokio_stream::StreamExt;

#[tokio::test]
async fn a_server_without_descriptors_rests_and_goes_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (refuse, mut refused) = channel(64);
    let limits =
        AcceptLimits { handshake_timeout: Duration::from_secs(5), connections_max: 8, handshakes_max: 8 };
    let mut acceptor = Acceptor::plain(listener, limits, move |refusal| refuse.try_send(refusal).unwrap());
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"?").await.unwrap();

    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(3), ..before }).unwrap();
    let refusal = tokio::select! {
        refusal = refused.recv() => refusal.unwrap(),
        _ = acceptor.next() => panic!("there was no descriptor for it"),
    };
    setrlimit(Resource::Nofile, before).unwrap();
    assert_eq!(refusal.reason, Reason::System);
    let connection = acceptor.next().await.unwrap().unwrap();
    assert_eq!(connection.peer().address, client.local_addr().unwrap());
    assert!(refused.try_recv().is_err(), "it rested, instead of asking over and over");
}
