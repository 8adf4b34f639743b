//! A door in front of a server that can be shut, so that the server seems to go down and come back, and can lead to another
//! server then.

use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

pub(super) struct Relay {
    place: SocketAddr,
    /// Where it leads when it is opened.
    pub(super) target: SocketAddr,
    door: Door,
}

enum Door {
    /// Connections are refused; the port stays ours.
    Shut(Option<TcpSocket>),
    /// Connections are taken and nothing is answered.
    Silent(Option<TcpListener>),
    Open(AbortHandle),
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Relay {
    /// A door in front of `target` that is shut.
    pub(super) fn shut(target: SocketAddr) -> Self {
        let socket = bound((Ipv4Addr::LOCALHOST, 0).into());
        Self { place: socket.local_addr().unwrap(), target, door: Door::Shut(Some(socket)) }
    }

    /// `url` with the relay's place in the server's stead.
    pub(super) fn before(url: &str) -> (Self, String) {
        let relay = Self::shut(place(url));
        let mut url = url::Url::parse(url).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(relay.place.port())).unwrap();
        (relay, url.into())
    }

    pub(super) fn open(&mut self) {
        let (listener, target) = (self.listener(), self.target);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                connections.spawn(async move {
                    let mut server = TcpStream::connect(target).await.unwrap();
                    drop(copy_bidirectional(&mut client, &mut server).await);
                });
            }
        });
        self.door = Door::Open(task.abort_handle());
    }

    pub(super) fn silence(&mut self) {
        self.door = Door::Silent(Some(self.listener()));
    }

    /// Shuts the door and breaks every connection through it.
    pub(super) async fn close(&mut self) {
        self.leave();
        // The listener is gone once the task has been dropped, which is when the port can be had again.
        while TcpStream::connect(self.place).await.is_ok() {
            tokio::task::yield_now().await;
        }
        self.door = Door::Shut(Some(bound(self.place)));
    }

    fn leave(&mut self) {
        if let Door::Open(task) = &self.door {
            task.abort();
        }
        self.door = Door::Shut(None);
    }

    fn listener(&mut self) -> TcpListener {
        match &mut self.door {
            Door::Shut(socket) => socket.take().unwrap().listen(16).unwrap(),
            Door::Silent(listener) => listener.take().unwrap(),
            Door::Open(_) => panic!("the door is open"),
        }
    }
}

/// Where the server of `url` listens.
pub(super) fn place(url: &str) -> SocketAddr {
    let url = url::Url::parse(url).unwrap();
    let host = url.host_str().unwrap().replace("localhost", "127.0.0.1");
    format!("{host}:{}", url.port().unwrap()).parse().unwrap()
}

fn bound(place: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(place).unwrap();
    socket
}
