//! The server: HTTP/1, one request a connection, each within its bounds of size and time.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use planb_model::secret::Secret;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::board::Board;
use crate::error::{SHORTEST_TOKEN, WebError};
use crate::guard::Names;
use crate::routes::Routes;

/// The bytes of a request's head.
const HEAD: usize = 16 << 10;

/// The fields of a request's head.
const FIELDS: usize = 64;

/// How to serve.
#[derive(Debug, Clone)]
pub struct Options {
    /// The address and port.
    pub listen: SocketAddr,
    /// What a trigger has to bring. None: there are no triggers.
    pub token: Option<Secret>,
    /// Names under which the server is reached, beside `localhost` and addresses. On loopback others are refused; if
    /// there are any, elsewhere too.
    pub hosts: Vec<String>,
    /// Bounds of time.
    pub limits: Limits,
}

impl Options {
    /// Without triggers and further names. The settings have the usual address.
    pub fn new(listen: SocketAddr) -> Self {
        Self { listen, token: None, hosts: Vec::new(), limits: Limits::default() }
    }
}

/// Bounds of time and number.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For a request's head to arrive.
    pub head: Duration,
    /// For the board to answer. Whoever asks for health is told that it did not.
    pub board: Duration,
    /// For a whole connection.
    pub connection: Duration,
    /// For what is under way when the server stops.
    pub stop: Duration,
    /// Connections at once; more wait.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            board: Duration::from_secs(5),
            connection: Duration::from_secs(30),
            stop: Duration::from_secs(5),
            connections: 128,
        }
    }
}

/// A server that listens and does not answer yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    routes: Arc<Routes>,
    limits: Limits,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Whether a token can be one.
///
/// # Errors
/// [`WebError::Token`].
pub fn fit_token(token: &Secret) -> Result<(), WebError> {
    let visible = token.expose().bytes().all(|byte| byte.is_ascii_graphic());
    if visible && token.expose().len() >= SHORTEST_TOKEN { Ok(()) } else { Err(WebError::Token) }
}

impl Server {
    /// Listens.
    ///
    /// # Errors
    /// [`WebError`].
    pub async fn bind(options: Options, board: Arc<dyn Board>) -> Result<Self, WebError> {
        options.token.as_ref().map_or(Ok(()), fit_token)?;
        let failed = |source| WebError::Listen { address: options.listen, source };
        let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let names = Names::new(address.ip().is_loopback(), &options.hosts);
        let routes = Arc::new(Routes::new(board, names, options.token, options.limits.board));
        Ok(Self { listener, address, routes, limits: options.limits })
    }

    /// Where it listens; the port that was got where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop`, then lets what is under way end.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let mut stop = pin!(stop);
        let slots = Arc::new(Semaphore::new(self.limits.connections.max(1)));
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let accepted = async {
                // A slot before the connection: those beyond wait in the system's queue.
                let slot = Arc::clone(&slots).acquire_owned().await;
                (slot, self.listener.accept().await)
            };
            let (slot, accepted) = tokio::select! {
                () = &mut stop => break,
                both = accepted => both,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (routes, limits) = (Arc::clone(&self.routes), self.limits);
                    connections.spawn(async move {
                        let _slot = slot;
                        serve(stream, &routes, limits).await;
                    });
                }
                Err(error) => {
                    // Out of file descriptors, mostly. Asking again at once would only burn time.
                    tracing::warn!("cannot take a connection: {error}");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
        drop(self.listener);
        let ended = async { while connections.join_next().await.is_some() {} };
        let _ = timeout(self.limits.stop, ended).await;
    }
}

async fn serve(stream: TcpStream, routes: &Arc<Routes>, limits: Limits) {
    let service = service_fn(|request| {
        let routes = Arc::clone(routes);
        async move { Ok::<_, Infallible>(routes.answer(request).await) }
    });
    // A page is one request, a probe too: without keeping connections there are none to be held open.
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(HEAD)
        .max_headers(FIELDS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(limits.connection, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!("a connection ended early: {error}"),
        Err(_) => tracing::debug!("a connection was ended after {} s", limits.connection.as_secs()),
    }
}
