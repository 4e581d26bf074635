//! Many streams at once: each whole and in order, and no more of them than the budget allows.

use std::sync::Arc;

use keyward_gateway::{Budget, Config};
use keyward_testing::client::{Client, RawAnswer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Barrier,
    task::JoinSet,
};

use crate::support::Running;

const STREAMS: usize = 200;
const EVENTS: usize = 20;

fn event(number: usize) -> String {
    format!("{{\"number\":{number}}}")
}

/// Sends the first event, waits until every stream has come so far, and sends the rest.
async fn deliver(mut stream: TcpStream, all_open: Arc<Barrier>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let begin =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(begin.as_bytes()).await.unwrap();
    for number in 0..EVENTS {
        let event = format!("data: {}\n\n", event(number));
        let chunk = format!("{:x}\r\n{event}\r\n", event.len());
        stream.write_all(chunk.as_bytes()).await.unwrap();
        if number == 0 {
            all_open.wait().await;
        }
        tokio::task::yield_now().await;
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_open_streams_deliver_every_event_in_order() {
    // Four sockets for each stream are in this process.
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    let provider = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", provider.local_addr().unwrap());
    let providing = tokio::spawn(async move {
        let all_open = Arc::new(Barrier::new(STREAMS));
        let mut streams = JoinSet::new();
        for _ in 0..STREAMS {
            let (stream, _) = provider.accept().await.unwrap();
            streams.spawn(deliver(stream, Arc::clone(&all_open)));
        }
        streams.join_all().await;
    });
    let mut config = Config::default();
    config.listen.max_connections = Some(STREAMS);
    config.listen.max_connections_per_address = Some(STREAMS);
    config.memory_budget = Some(Budget::from_bytes(1024 * 1024 * 1024));
    let (running, _) = Running::at(&base_url, config).await;
    let request = running.head("GET", "openai/files/1/content", "");
    let mut clients = JoinSet::new();
    for _ in 0..STREAMS {
        let (address, request) = (running.addr, request.clone());
        clients.spawn(async move {
            let mut client = Client::connect(address).await.unwrap();
            client.exchange(request.as_bytes()).await.unwrap()
        });
    }
    let wanted: Vec<String> = (0..EVENTS).map(event).collect();
    let answers: Vec<RawAnswer> = clients.join_all().await;
    assert_eq!(answers.len(), STREAMS);
    for answer in &answers {
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.sse_data(), wanted);
    }
    providing.await.unwrap();
    running.stop().await;
}
