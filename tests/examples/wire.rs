//! A wire between a client and the daemon that can be cut: every connection through it breaks, new ones work again.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

pub(crate) struct Wire {
    /// What the client connects to.
    pub(crate) address: SocketAddr,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Wire {
    /// A wire to `daemon`. Its thread lives as long as the test's process.
    pub(crate) fn to(daemon: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let open = Arc::<Mutex<Vec<TcpStream>>>::default();
        let connections = Arc::clone(&open);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(daemon).unwrap());
                connections.lock().unwrap().extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                pass_on(&client, &server);
                pass_on(&server, &client);
            }
        });
        Self { address, open }
    }

    /// Breaks the connections; gives how many there were.
    pub(crate) fn cut(&self) -> usize {
        let open = std::mem::take(&mut *self.open.lock().unwrap());
        // One that its owner has closed already cannot be closed again.
        open.iter().for_each(|end| drop(end.shutdown(Shutdown::Both)));
        open.len() / 2
    }
}

/// Copies one direction until either end closes.
fn pass_on(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    thread::spawn(move || {
        // A cut connection ends this with an error, which is what was wanted.
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
}
