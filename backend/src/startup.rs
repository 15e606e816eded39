//! Wires the stages together: database, writer, jobs, servers; and takes them apart in the order
//! that loses no acknowledged span.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server as ActixServer, ServerHandle};
use actix_web::middleware::{Compress, from_fn};
use actix_web::{App, HttpServer, web};
use anyhow::Context;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::{Router, TcpIncoming};
use utoipa_actix_web::AppExt;

use crate::collect::Collector;
use crate::collect::receive::{
    Receiver, jaeger_grpc, jaeger_http, otlp_grpc, otlp_http, otlp_logs_grpc, otlp_logs_http, zipkin_http,
};
use crate::collect::redact::Redaction;
use crate::collect::sample::{self, Sampling};
use crate::collect::stages::Stages;
use crate::config::{Config, Listen};
use crate::identity::Identity;
use crate::query::Query;
use crate::store::embedded::{EmbeddedPostgres, Supervised};
use crate::store::{self, Store};
use crate::telemetry;
use crate::web::{routes, trace_requests};

/// Requests that are under way when the server stops get this long.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(15);

/// A gRPC client that vanished never says goodbye.
const CONNECTIONS_TIMEOUT: Duration = Duration::from_secs(5);

const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Idle gRPC connections are asked this often whether they are still there.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// Threads that serve HTTP. The work is in the database and in blocking pools.
const HTTP_WORKERS: usize = 2;

/// One place handles signals, and it is not an HTTP server. (A macro because the type of an
/// `HttpServer` cannot be written down.)
macro_rules! run {
    ($server:expr, $listener:expr) => {
        $server
            .workers(HTTP_WORKERS)
            .disable_signals()
            .shutdown_timeout(SHUTDOWN_TIMEOUT.as_secs())
            .listen($listener)?
            .run()
    };
}

/// A running server.
pub struct Server {
    /// Where the browser and the API are.
    pub http: SocketAddr,
    /// Where OTLP/gRPC is received.
    pub otlp_grpc: Option<SocketAddr>,
    /// Where OTLP/HTTP is received besides `http`.
    pub otlp_http: Option<SocketAddr>,
    /// Where Zipkin's format is received besides `http`.
    pub zipkin: Option<SocketAddr>,
    /// Where Jaeger's Thrift is received besides `http`.
    pub jaeger_http: Option<SocketAddr>,
    /// Where Jaeger's gRPC is received.
    pub jaeger_grpc: Option<SocketAddr>,
    /// Where clients with a Jaeger remote sampler ask, besides `http`.
    pub jaeger_sampling: Option<SocketAddr>,
    /// The database.
    pub store: Store,
    stop: CancellationToken,
    http_servers: Vec<(ServerHandle, JoinHandle<std::io::Result<()>>)>,
    tasks: Vec<JoinHandle<()>>,
    sampling: watch::Receiver<Arc<Sampling>>,
    stages: Stages,
    embedded: Option<Supervised>,
}

impl Server {
    /// Starts everything. When it returns, the sockets are open. On a database without people it
    /// creates the account `admin` first, if a password for it is given.
    ///
    /// # Errors
    /// If the database or a socket cannot be had; nothing is left running then.
    pub async fn start(config: &Config, admin_password: Option<&str>) -> anyhow::Result<Self> {
        // Sockets first: a second server on the same ports should not touch the database.
        let sockets = Sockets::bind(config)?;
        let mut embedded = None;
        let options = if let Some(url) = &config.storage.database_url {
            store::parse_url(url)?
        } else {
            embedded.insert(EmbeddedPostgres::start(&config.storage.data_dir).await?).options()
        };
        match Self::start_on(config, admin_password, sockets, options).await {
            Ok(server) => Ok(Self { embedded: embedded.map(Supervised::new), ..server }),
            Err(error) => {
                if let Some(embedded) = embedded {
                    embedded.stop().await.context("stopping PostgreSQL after a failed start")?;
                }
                Err(error)
            }
        }
    }

    async fn start_on(
        config: &Config,
        admin_password: Option<&str>,
        sockets: Sockets,
        options: sqlx::postgres::PgConnectOptions,
    ) -> anyhow::Result<Self> {
        let roles = config.roles;
        let recorder = telemetry::recorder();
        let store = Store::open(options, &config.storage).await?.for_writers(config.writers());
        let identity = Identity::new(store.clone(), config).await?;
        if let Some(password) = admin_password
            && identity.create_first_admin(password).await.context("the password of the first account")?
        {
            tracing::info!("the first account is \"admin\" with the password that was given");
        }
        let query = Query::new(store.clone(), config);
        let (collector, entries) = Collector::new(config.ingest.memory_bytes_max);
        let redaction = Redaction::new(&config.redaction, &identity.server_secret("redaction").await?)?;
        let receiver = Receiver::new(collector.clone(), redaction, config);
        let stop = CancellationToken::new();
        let (sampling, sampling_reload) = sample::watch(&store, stop.clone()).await?;

        let stages = Stages::start(&store, &sampling, entries, config)?;
        let mut tasks =
            vec![tokio::spawn(telemetry::upkeep(recorder.clone(), stop.clone())), sampling_reload];
        if roles.jobs {
            let jobs = crate::jobs::run(store.clone(), config.storage.limits(), stop.clone());
            tasks.push(tokio::spawn(jobs));
        }
        let mut http_servers = Vec::new();

        let http = sockets.http.local_addr()?;
        let [otlp_grpc, otlp_http, zipkin, jaeger_http, jaeger_grpc, jaeger_sampling] =
            sockets.addresses()?;
        {
            let (store, identity, receiver) = (store.clone(), identity.clone(), receiver.clone());
            let sampling = sampling.clone();
            let server = HttpServer::new(move || {
                App::new()
                    .into_utoipa_app()
                    .map(|app| {
                        app.wrap(Compress::default())
                            .wrap(from_fn(trace_requests::trace_request))
                            .wrap(routes::security_headers())
                            .configure(routes::extractor_errors)
                            .app_data(web::Data::new(store.clone()))
                            .app_data(web::Data::new(identity.clone()))
                            .app_data(web::Data::new(query.clone()))
                            .app_data(web::Data::new(receiver.clone()))
                            .app_data(web::Data::new(collector.clone()))
                            .app_data(web::Data::new(sampling.clone()))
                            .app_data(web::Data::new(recorder.clone()))
                    })
                    .configure(|config| routes::documented(config, roles))
                    .into_app()
                    .configure(|config| routes::undocumented(config, roles))
            });
            http_servers.push(serve(run!(server, sockets.http)));
        }
        let ingest_http: [(_, fn(&mut web::ServiceConfig)); 3] = [
            (sockets.otlp_http, |config| {
                config.service(otlp_http::export_traces).service(otlp_logs_http::export_logs);
            }),
            (sockets.zipkin, |config| _ = config.service(zipkin_http::receive_zipkin)),
            (sockets.jaeger_http, |config| _ = config.service(jaeger_http::receive_jaeger)),
        ];
        for (listener, routes) in ingest_http {
            let Some(listener) = listener else { continue };
            let (identity, receiver) = (identity.clone(), receiver.clone());
            let server = HttpServer::new(move || {
                App::new()
                    .app_data(web::Data::new(identity.clone()))
                    .app_data(web::Data::new(receiver.clone()))
                    .configure(routes)
            });
            http_servers.push(serve(run!(server, listener)));
        }
        if let Some(listener) = sockets.jaeger_sampling {
            let (identity, sampling) = (identity.clone(), sampling.clone());
            let server = HttpServer::new(move || {
                App::new()
                    .app_data(web::Data::new(identity.clone()))
                    .app_data(web::Data::new(sampling.clone()))
                    .service(sample::jaeger_http::sampling_strategy)
            });
            http_servers.push(serve(run!(server, listener)));
        }
        if let Some(listener) = sockets.otlp_grpc {
            let services = grpc_server()
                .add_service(otlp_grpc::service(receiver.clone(), identity.clone()))
                .add_service(otlp_logs_grpc::service(receiver.clone(), identity.clone()));
            tasks.push(tokio::spawn(serve_grpc("OTLP/gRPC", listener, services, stop.clone())?));
        }
        if let Some(listener) = sockets.jaeger_grpc {
            let services = grpc_server().add_service(jaeger_grpc::service(receiver, identity));
            tasks.push(tokio::spawn(serve_grpc("Jaeger/gRPC", listener, services, stop.clone())?));
        }
        Ok(Self {
            http,
            otlp_grpc,
            otlp_http,
            zipkin,
            jaeger_http,
            jaeger_grpc,
            jaeger_sampling,
            store,
            stop,
            http_servers,
            tasks,
            sampling,
            stages,
            embedded: None,
        })
    }

    /// The process id of the private PostgreSQL's postmaster, if there is one.
    pub fn postgres_pid(&self) -> Option<i32> {
        self.embedded.as_ref().map(Supervised::pid)
    }

    /// Returns when the private PostgreSQL has ended by itself and cannot be started again, with
    /// words that say how; never if the database is somebody else's.
    pub async fn database_ended(&self) -> String {
        match &self.embedded {
            Some(embedded) => embedded.ended().await,
            None => std::future::pending().await,
        }
    }

    /// Returns when the writer has these sampling settings, or newer ones.
    pub async fn sampling_reaches(&self, version: i32) {
        let _ = self.sampling.clone().wait_for(|sampling| sampling.version >= version).await;
    }

    /// Returns when everything that is queued now in this server is in the database.
    pub async fn settled(&self) {
        self.stages.settled().await;
    }

    /// Stops receiving, answers what is under way, writes what is queued, then lets go of the
    /// database.
    /// Goes through all of it even if a part fails, and tells the first failure.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        let (handles, joins): (Vec<_>, Vec<_>) = self.http_servers.into_iter().unzip();
        futures::future::join_all(handles.iter().map(|handle| handle.stop(true))).await;
        let mut failures = Vec::new();
        for join in joins {
            let ended = join.await.context("an HTTP server").and_then(|ended| Ok(ended?));
            failures.extend(ended.err());
        }
        let tasks = futures::future::join_all(self.tasks);
        if tokio::time::timeout(CONNECTIONS_TIMEOUT, tasks).await.is_err() {
            tracing::warn!("a connection does not end; its requests are not answered any more");
        }
        // What is queued is written; nothing more is let in.
        failures.extend(self.stages.stop().await);
        if tokio::time::timeout(CLOSE_TIMEOUT, self.store.close()).await.is_err() {
            tracing::warn!("the database's connections do not close");
        }
        if let Some(embedded) = self.embedded {
            failures.extend(embedded.stop().await.context("stopping PostgreSQL").err());
        }
        failures.into_iter().next().map_or(Ok(()), Err)
    }
}

struct Sockets {
    http: TcpListener,
    otlp_grpc: Option<TcpListener>,
    otlp_http: Option<TcpListener>,
    zipkin: Option<TcpListener>,
    jaeger_http: Option<TcpListener>,
    jaeger_grpc: Option<TcpListener>,
    jaeger_sampling: Option<TcpListener>,
}

impl Sockets {
    fn bind(config: &Config) -> anyhow::Result<Self> {
        let listen = &config.listen;
        let ingest =
            |key, listen| bind_unless_off(key, if config.roles.receive { listen } else { Listen::Off });
        Ok(Self {
            http: bind("listen.http", listen.http)?,
            otlp_grpc: ingest("listen.otlp_grpc", listen.otlp_grpc)?,
            otlp_http: ingest("listen.otlp_http", listen.otlp_http)?,
            zipkin: ingest("listen.zipkin", listen.zipkin)?,
            jaeger_http: ingest("listen.jaeger_http", listen.jaeger_http)?,
            jaeger_grpc: ingest("listen.jaeger_grpc", listen.jaeger_grpc)?,
            jaeger_sampling: ingest("listen.jaeger_sampling", listen.jaeger_sampling)?,
        })
    }

    /// Where those besides `http` listen, in the order of the fields.
    fn addresses(&self) -> std::io::Result<[Option<SocketAddr>; 6]> {
        let address =
            |listener: &Option<TcpListener>| listener.as_ref().map(TcpListener::local_addr).transpose();
        Ok([
            address(&self.otlp_grpc)?,
            address(&self.otlp_http)?,
            address(&self.zipkin)?,
            address(&self.jaeger_http)?,
            address(&self.jaeger_grpc)?,
            address(&self.jaeger_sampling)?,
        ])
    }
}

fn bind_unless_off(key: &str, listen: Listen) -> anyhow::Result<Option<TcpListener>> {
    match listen {
        Listen::Off => Ok(None),
        Listen::On(address) => bind(key, address).map(Some),
    }
}

fn bind(key: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address)
        .with_context(|| format!("{key}: cannot listen on {address}; is another server running there?"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn serve(server: ActixServer) -> (ServerHandle, JoinHandle<std::io::Result<()>>) {
    (server.handle(), tokio::spawn(server))
}

fn grpc_server() -> tonic::transport::Server {
    tonic::transport::Server::builder().http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
}

fn serve_grpc(
    name: &'static str,
    listener: TcpListener,
    services: Router,
    stop: CancellationToken,
) -> anyhow::Result<impl Future<Output = ()>> {
    let incoming = TcpIncoming::from(tokio::net::TcpListener::from_std(listener)?).with_nodelay(Some(true));
    Ok(async move {
        let served = services.serve_with_incoming_shutdown(incoming, stop.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!("{name} ended: {error}");
        }
    })
}
