//! A portal whose target takes its time before the first answer.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// Starts a portal in front of a target on 127.0.0.1, and returns its port. It holds the first answer of every
/// connection back for `delay`, and nothing else.
pub fn start(target: u16, delay: Duration) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind 127.0.0.1:0");
    let port = listener.local_addr().expect("the bound address").port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.expect("accept");
            let server = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).expect("the target");
            thread::spawn(move || relay(client, server, delay));
        }
    });
    port
}

fn relay(client: TcpStream, mut server: TcpStream, delay: Duration) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        // The first end of stream ends both.
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let mut client = client;
    let mut first = [0; 16 * 1024];
    let count = server.read(&mut first)?;
    thread::sleep(delay);
    client.write_all(&first[..count])?;
    io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Write)
}
