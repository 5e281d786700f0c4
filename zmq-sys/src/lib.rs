//! Declarations of libzmq, as its `zmq.h` has them: those that the crate `zmq` 0.10 uses.
//!
//! `build.rs` compiles libzmq 4.3.5 with libsodium, which CURVE needs. The root `Cargo.toml` puts this crate in the
//! place of the one on crates.io by `[patch.crates-io]`: that has libzmq 4.3.4 without CURVE.

#![allow(non_camel_case_types, missing_docs)]

pub mod errno;

use libc::{c_char, c_int, c_long, c_short, c_void};
/// A file descriptor.
pub type RawFd = c_int;

macro_rules! constants {
    ($($name:ident = $value:literal,)*) => {
        $(pub const $name: u32 = $value;)*
    };
}

constants! {
    // Of a context.
    ZMQ_IO_THREADS = 1,
    // Kinds of sockets.
    ZMQ_PAIR = 0,
    ZMQ_PUB = 1,
    ZMQ_SUB = 2,
    ZMQ_REQ = 3,
    ZMQ_REP = 4,
    ZMQ_DEALER = 5,
    ZMQ_ROUTER = 6,
    ZMQ_PULL = 7,
    ZMQ_PUSH = 8,
    ZMQ_XPUB = 9,
    ZMQ_XSUB = 10,
    ZMQ_STREAM = 11,
    // Options of sockets.
    ZMQ_AFFINITY = 4,
    ZMQ_ROUTING_ID = 5,
    ZMQ_SUBSCRIBE = 6,
    ZMQ_UNSUBSCRIBE = 7,
    ZMQ_RATE = 8,
    ZMQ_RECOVERY_IVL = 9,
    ZMQ_SNDBUF = 11,
    ZMQ_RCVBUF = 12,
    ZMQ_RCVMORE = 13,
    ZMQ_FD = 14,
    ZMQ_EVENTS = 15,
    ZMQ_TYPE = 16,
    ZMQ_LINGER = 17,
    ZMQ_RECONNECT_IVL = 18,
    ZMQ_BACKLOG = 19,
    ZMQ_RECONNECT_IVL_MAX = 21,
    ZMQ_MAXMSGSIZE = 22,
    ZMQ_SNDHWM = 23,
    ZMQ_RCVHWM = 24,
    ZMQ_MULTICAST_HOPS = 25,
    ZMQ_RCVTIMEO = 27,
    ZMQ_SNDTIMEO = 28,
    ZMQ_LAST_ENDPOINT = 32,
    ZMQ_ROUTER_MANDATORY = 33,
    ZMQ_TCP_KEEPALIVE = 34,
    ZMQ_TCP_KEEPALIVE_CNT = 35,
    ZMQ_TCP_KEEPALIVE_IDLE = 36,
    ZMQ_TCP_KEEPALIVE_INTVL = 37,
    ZMQ_IMMEDIATE = 39,
    ZMQ_XPUB_VERBOSE = 40,
    ZMQ_IPV6 = 42,
    ZMQ_MECHANISM = 43,
    ZMQ_PLAIN_SERVER = 44,
    ZMQ_PLAIN_USERNAME = 45,
    ZMQ_PLAIN_PASSWORD = 46,
    ZMQ_CURVE_SERVER = 47,
    ZMQ_CURVE_PUBLICKEY = 48,
    ZMQ_CURVE_SECRETKEY = 49,
    ZMQ_CURVE_SERVERKEY = 50,
    ZMQ_PROBE_ROUTER = 51,
    ZMQ_REQ_CORRELATE = 52,
    ZMQ_REQ_RELAXED = 53,
    ZMQ_CONFLATE = 54,
    ZMQ_ZAP_DOMAIN = 55,
    ZMQ_ROUTER_HANDOVER = 56,
    ZMQ_TOS = 57,
    ZMQ_GSSAPI_SERVER = 62,
    ZMQ_GSSAPI_PRINCIPAL = 63,
    ZMQ_GSSAPI_SERVICE_PRINCIPAL = 64,
    ZMQ_GSSAPI_PLAINTEXT = 65,
    ZMQ_HANDSHAKE_IVL = 66,
    ZMQ_SOCKS_PROXY = 68,
    ZMQ_XPUB_WELCOME_MSG = 72,
    ZMQ_HEARTBEAT_IVL = 75,
    ZMQ_HEARTBEAT_TTL = 76,
    ZMQ_HEARTBEAT_TIMEOUT = 77,
    ZMQ_CONNECT_TIMEOUT = 79,
    // Flags of messages.
    ZMQ_MORE = 1,
    ZMQ_DONTWAIT = 1,
    ZMQ_SNDMORE = 2,
    // Mechanisms.
    ZMQ_NULL = 0,
    ZMQ_PLAIN = 1,
    ZMQ_CURVE = 2,
    ZMQ_GSSAPI = 3,
    // Events of a monitor.
    ZMQ_EVENT_CONNECTED = 0x0001,
    ZMQ_EVENT_CONNECT_DELAYED = 0x0002,
    ZMQ_EVENT_CONNECT_RETRIED = 0x0004,
    ZMQ_EVENT_LISTENING = 0x0008,
    ZMQ_EVENT_BIND_FAILED = 0x0010,
    ZMQ_EVENT_ACCEPTED = 0x0020,
    ZMQ_EVENT_ACCEPT_FAILED = 0x0040,
    ZMQ_EVENT_CLOSED = 0x0080,
    ZMQ_EVENT_CLOSE_FAILED = 0x0100,
    ZMQ_EVENT_DISCONNECTED = 0x0200,
    ZMQ_EVENT_MONITOR_STOPPED = 0x0400,
    ZMQ_EVENT_ALL = 0xFFFF,
    ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL = 0x0800,
    ZMQ_EVENT_HANDSHAKE_SUCCEEDED = 0x1000,
    ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL = 0x2000,
    ZMQ_EVENT_HANDSHAKE_FAILED_AUTH = 0x4000,
    // What to wait for.
    ZMQ_POLLIN = 1,
    ZMQ_POLLOUT = 2,
    ZMQ_POLLERR = 4,
}

/// A message; libzmq alone knows what is in it.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub struct zmq_msg_t {
    _opaque: [u8; 64],
}

impl Default for zmq_msg_t {
    fn default() -> zmq_msg_t {
        zmq_msg_t { _opaque: [0; 64] }
    }
}

/// Frees the data of a message that was made without a copy.
pub type zmq_free_fn = Option<unsafe extern "C" fn(data: *mut c_void, hint: *mut c_void)>;

/// A socket or a file descriptor to wait for.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct zmq_pollitem_t {
    pub socket: *mut c_void,
    pub fd: RawFd,
    pub events: c_short,
    pub revents: c_short,
}

unsafe extern "C" {
    pub fn zmq_errno() -> c_int;
    pub fn zmq_strerror(errnum: c_int) -> *const c_char;
    pub fn zmq_version(major: *mut c_int, minor: *mut c_int, patch: *mut c_int);
    pub fn zmq_has(capability: *const c_char) -> c_int;

    pub fn zmq_ctx_new() -> *mut c_void;
    pub fn zmq_ctx_term(context: *mut c_void) -> c_int;
    pub fn zmq_ctx_set(context: *mut c_void, option: c_int, value: c_int) -> c_int;
    pub fn zmq_ctx_get(context: *mut c_void, option: c_int) -> c_int;

    pub fn zmq_msg_init(message: *mut zmq_msg_t) -> c_int;
    pub fn zmq_msg_init_size(message: *mut zmq_msg_t, size: usize) -> c_int;
    pub fn zmq_msg_init_data(
        message: *mut zmq_msg_t,
        data: *mut c_void,
        size: usize,
        free: zmq_free_fn,
        hint: *mut c_void,
    ) -> c_int;
    pub fn zmq_msg_send(message: *mut zmq_msg_t, socket: *mut c_void, flags: c_int) -> c_int;
    pub fn zmq_msg_recv(message: *mut zmq_msg_t, socket: *mut c_void, flags: c_int) -> c_int;
    pub fn zmq_msg_close(message: *mut zmq_msg_t) -> c_int;
    pub fn zmq_msg_data(message: *mut zmq_msg_t) -> *mut c_void;
    pub fn zmq_msg_size(message: *const zmq_msg_t) -> usize;
    pub fn zmq_msg_more(message: *const zmq_msg_t) -> c_int;
    pub fn zmq_msg_gets(message: *const zmq_msg_t, property: *const c_char) -> *const c_char;

    pub fn zmq_socket(context: *mut c_void, kind: c_int) -> *mut c_void;
    pub fn zmq_close(socket: *mut c_void) -> c_int;
    pub fn zmq_setsockopt(
        socket: *mut c_void,
        option: c_int,
        value: *const c_void,
        size: usize,
    ) -> c_int;
    pub fn zmq_getsockopt(
        socket: *mut c_void,
        option: c_int,
        value: *mut c_void,
        size: *mut usize,
    ) -> c_int;
    pub fn zmq_bind(socket: *mut c_void, address: *const c_char) -> c_int;
    pub fn zmq_unbind(socket: *mut c_void, address: *const c_char) -> c_int;
    pub fn zmq_connect(socket: *mut c_void, address: *const c_char) -> c_int;
    pub fn zmq_disconnect(socket: *mut c_void, address: *const c_char) -> c_int;
    pub fn zmq_recv(socket: *mut c_void, buffer: *mut c_void, size: usize, flags: c_int) -> c_int;
    pub fn zmq_socket_monitor(socket: *mut c_void, address: *const c_char, events: c_int) -> c_int;

    pub fn zmq_poll(items: *mut zmq_pollitem_t, count: c_int, timeout: c_long) -> c_int;
    pub fn zmq_proxy(front: *mut c_void, back: *mut c_void, capture: *mut c_void) -> c_int;
    pub fn zmq_proxy_steerable(
        front: *mut c_void,
        back: *mut c_void,
        capture: *mut c_void,
        control: *mut c_void,
    ) -> c_int;

    pub fn zmq_z85_encode(text: *mut c_char, data: *const u8, size: usize) -> *mut c_char;
    pub fn zmq_z85_decode(data: *mut u8, text: *const c_char) -> *mut u8;
    pub fn zmq_curve_keypair(public: *mut c_char, secret: *mut c_char) -> c_int;
    pub fn zmq_curve_public(public: *mut c_char, secret: *const c_char) -> c_int;
}
