//! The only place that touches files, programs and the network. It knows nothing of models.

pub mod answer;
pub mod atomic;
pub mod cancel;
pub mod digest;
pub mod dir;
pub mod ended;
pub mod environment;
pub mod files;
pub mod http;
pub mod in_use;
pub mod kept_log;
pub mod link;
pub mod lock;
pub mod log;
pub mod map;
pub mod memory;
pub mod positioned;
pub mod process;
pub mod reason;
pub mod retry;
pub mod secret;
pub mod sha256;
pub mod space;
pub mod stamp;
pub mod stream;
pub mod swap;
