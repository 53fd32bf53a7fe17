//! A browser at the management listener: it keeps its cookie, and says where its pages are from.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

pub struct Browser {
    to: SocketAddr,
    cookie: Option<String>,
}

impl Browser {
    pub fn new(to: SocketAddr) -> Browser {
        Browser { to, cookie: None }
    }

    /// Status and JSON of what came back.
    pub fn ask(&mut self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let mut stream = TcpStream::connect(self.to).expect("the management listener");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
        let cookie = self.cookie.as_ref().map(|cookie| format!("Cookie: {cookie}\r\n"));
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n\
             Sec-Fetch-Site: same-origin\r\nX-Radiusd: 1\r\n{cookie}Connection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}",
            host = self.to,
            cookie = cookie.unwrap_or_default(),
            length = body.len(),
        );
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let set = head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        if let Some(set) = set {
            self.cookie = set.split(';').next().map(str::to_owned);
        }
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    /// The JSON of an answer that must have this status.
    #[track_caller]
    pub fn does(&mut self, status: u16, method: &str, path: &str, body: Option<Value>) -> Value {
        let (code, answer) = self.ask(method, path, body.as_ref());
        assert_eq!(code, status, "{method} {path}: {answer:#}");
        answer
    }
}
