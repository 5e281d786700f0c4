//! One of the three services of a shop; start each in a terminal of its own:
//!
//! ```sh
//! cargo run --release --bin shop -- --listen 127.0.0.1:8003 payment
//! cargo run --release --bin shop -- --listen 127.0.0.1:8002 orders --payment http://127.0.0.1:8003
//! cargo run --release --bin shop -- --listen 127.0.0.1:8001 gateway --orders http://127.0.0.1:8002
//! ```

use std::error::Error;

use clap::Parser;
use distlog_examples::{listen, shop::Role};

#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: String,
    /// The session receiver of distlogd.
    #[arg(long, default_value = "tcp://127.0.0.1:5011")]
    distlogd: String,
    #[command(subcommand)]
    role: Role,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Arguments {
        listen,
        distlogd,
        role,
    } = Arguments::parse();
    let _guard = listen::log_to(&distlogd, role.name())?;
    listen::serve(role.name(), &listen, role.app()).await?;
    Ok(())
}
