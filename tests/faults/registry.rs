//! Registries that stumble, say no, or are no registries. Engines take those on 127.0.0.0/8 without TLS.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::rig::Rig;

/// A registry that answers every question alike; its address, and how often an image was asked for.
fn registry(answer: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut question = [0; 4096];
            let length = stream.read(&mut question).unwrap_or_default();
            let question = String::from_utf8_lossy(&question[..length]).into_owned();
            let ping = question.starts_with("GET /v2/ ");
            count.fetch_add(
                usize::from(question.contains("/manifests/")),
                Ordering::SeqCst,
            );
            let answer = if ping { "200 OK\r\n\r\n{}" } else { answer };
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {head}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
            );
            if question.starts_with("GET") {
                let _ = stream.write_all(body.as_bytes());
            }
        }
    });
    (host, asked)
}

/// An `up` with an image of such a registry: what it gave, how often it was asked, how long it took.
fn up(test: &str, answer: &'static str) -> (String, usize, Duration) {
    let (host, asked) = registry(answer);
    let rig = Rig::with(
        test,
        &format!("services: {{app: {{image: '{host}/app:1'}}}}\n"),
    );
    let begun = Instant::now();
    let shown = rig.stack.sandbox.show("up");
    (shown, asked.load(Ordering::SeqCst), begun.elapsed())
}

#[test]
fn a_registry_that_is_busy_is_asked_four_times() {
    let busy = "429 Too Many Requests\r\n\r\n{\"errors\":[{\"code\":\"TOOMANYREQUESTS\",\"message\":\"slow down\"}]}";
    for (test, answer, why) in [
        (
            "busy",
            busy,
            "the registry says that there are too many requests; again in ",
        ),
        (
            "failing",
            "503 Service Unavailable\r\n\r\nbusy",
            "the registry failed; again in ",
        ),
    ] {
        let (shown, asked, took) = up(test, answer);
        assert!(shown.starts_with("exit 3\n"), "{shown}");
        assert_eq!(shown.matches(why).count(), 3, "{shown}");
        assert!(shown.contains("(4 of 4)"), "{shown}");
        assert!(asked >= 4, "{asked}: {shown}");
        assert!(took < Duration::from_secs(20), "{took:?}: {shown}");
    }
}

#[test]
fn a_registry_that_says_no_is_asked_once() {
    for (test, answer, codes) in [
        (
            "denied",
            "403 Forbidden\r\n\r\n{\"errors\":[{\"code\":\"DENIED\",\"message\":\"requested access to the resource is denied\"}]}",
            &["exit 3\n"][..],
        ),
        (
            "unknown",
            "404 Not Found\r\n\r\n{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest unknown\"}]}",
            &["exit 1\n"],
        ),
        (
            "portal",
            "200 OK\r\n\r\n<html>Welcome! Please log in.</html>",
            // containerd's store takes it for a manifest, and says that what it names is not found.
            &["exit 3\n", "exit 1\n"],
        ),
    ] {
        let (shown, _, took) = up(test, answer);
        assert!(codes.iter().any(|code| shown.starts_with(code)), "{shown}");
        assert!(!shown.contains("again in"), "{shown}");
        assert!(took < Duration::from_secs(5), "{took:?}: {shown}");
    }
}
