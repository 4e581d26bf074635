//! Uploads that an upstream answers before it has read them end with the answer, and so do their streams.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, channel::Channel};
use keyward_forward::Config;
use tokio::sync::mpsc;

use super::{
    raw::{CANCEL, DATA, HEADERS, RST_STREAM, RawServer, SETTINGS},
    trusting,
};
use crate::support::{DEADLINE, Gateway, text};

type Uploading = Gateway<Channel<Bytes>>;

fn to(server: &RawServer) -> Uploading {
    Gateway::with(&server.origin, Config::default(), trusting(&server.pem))
}

fn upload(body: Channel<Bytes>) -> Request<Channel<Bytes>> {
    Request::post("/").body(body).unwrap()
}

/// What came of a stream, as its number and the reason of its reset.
type Resets = mpsc::UnboundedReceiver<(u32, u32)>;

#[derive(Clone, Copy)]
enum Answers {
    /// Whole, at the head of a request.
    AtOnce,
    /// Whole, when a stream's first window is full. It makes room for no more.
    WhenFull,
    /// At the head, and not to the end.
    InPart,
}

/// An upstream that takes one stream at a time and reads on after its answer.
async fn hasty(answers: Answers) -> (RawServer, Resets) {
    const MAX_CONCURRENT_STREAMS: [u8; 6] = [0, 3, 0, 0, 0, 1];
    const FIRST_WINDOW: usize = 65_535;
    let (say, resets) = mpsc::unbounded_channel();
    let server = RawServer::start(move |mut peer| {
        let say = say.clone();
        async move {
            peer.write(SETTINGS, 0, 0, &MAX_CONCURRENT_STREAMS).await;
            let mut seen = 0;
            while let Some(frame) = peer.next().await {
                match (frame.kind, answers) {
                    (HEADERS, Answers::AtOnce) => peer.answer(frame.stream, "early").await,
                    (HEADERS, Answers::InPart) => peer.begin(frame.stream, "begun").await,
                    (DATA, Answers::WhenFull) => {
                        seen += frame.payload.len();
                        if seen == FIRST_WINDOW {
                            peer.answer(frame.stream, "early").await;
                        }
                    }
                    (RST_STREAM, _) => {
                        let reason = frame.payload.try_into().unwrap();
                        say.send((frame.stream, u32::from_be_bytes(reason)))
                            .unwrap();
                    }
                    _ => {}
                }
            }
        }
    })
    .await;
    (server, resets)
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, what).await.unwrap()
}

#[tokio::test]
async fn an_upload_that_pauses_ends_with_the_answer_and_frees_its_stream() {
    let (server, mut resets) = hasty(Answers::AtOnce).await;
    let gateway = to(&server);
    for round in 0..3 {
        let (client, body) = Channel::new(1);
        let answer = within(gateway.send(upload(body))).await.unwrap();
        assert_eq!(text(answer).await, "early");
        let stream = 1 + 2 * round;
        assert_eq!(within(resets.recv()).await, Some((stream, CANCEL)));
        drop(client);
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn an_upload_that_waits_for_room_ends_with_the_answer() {
    let (server, mut resets) = hasty(Answers::WhenFull).await;
    let gateway = to(&server);
    let (mut client, body) = Channel::<Bytes>::new(1);
    let sending = tokio::spawn(async move {
        let piece = Bytes::from_static(&[b'x'; 16 * 1024]);
        while client.send_data(piece.clone()).await.is_ok() {}
    });
    let answer = within(gateway.send(upload(body))).await.unwrap();
    assert_eq!(text(answer).await, "early");
    assert_eq!(within(resets.recv()).await, Some((1, CANCEL)));
    within(sending).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_is_dropped_takes_the_upload_along() {
    let (server, mut resets) = hasty(Answers::InPart).await;
    let gateway = to(&server);
    let (client, body) = Channel::new(1);
    let mut answer = within(gateway.send(upload(body)))
        .await
        .unwrap()
        .into_body();
    let begun = within(answer.frame()).await.unwrap().unwrap();
    assert_eq!(begun.into_data().unwrap(), "begun");
    drop(answer);
    assert_eq!(within(resets.recv()).await, Some((1, CANCEL)));
    drop(client);
}
