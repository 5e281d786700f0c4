//! The tour: a real daemon, three real services, and the tree of each request.
//!
//! ```sh
//! cargo run --release -p distlog-examples --bin tour
//! ```
//!
//! It starts `distlogd` and the three services of the shop as processes of their own (this program again, with other
//! arguments), orders something every few seconds and draws the tree of each request as the daemon has it. Every third
//! card is declined, deep inside, and after the first three each second card's bank takes its time, so that one sees
//! the tree grow on the daemon's page. Ctrl-C ends all; with `--once` it ends after three requests.

use std::error::Error;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use distlog_examples::listen;
use distlog_examples::shop::{Order, Role};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};

/// Shows distlog: a daemon, three services, and the tree of each request.
#[derive(Parser)]
struct Arguments {
    /// End after three requests.
    #[arg(long)]
    once: bool,
    /// Open no browser.
    #[arg(long)]
    no_browser: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What this program is when the tour starts it again.
#[derive(Subcommand)]
enum Part {
    /// A service of the shop.
    #[command(hide = true)]
    Service {
        #[arg(long)]
        distlogd: String,
        #[command(subcommand)]
        role: Role,
    },
    /// The daemon itself: all its commands.
    #[command(hide = true, disable_help_flag = true)]
    Distlogd {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How long anything may take before the tour gives up.
const PATIENCE: Duration = Duration::from_secs(20);
const BETWEEN_REQUESTS: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(Part::Distlogd { arguments }) = arguments.part {
        let name = OsString::from("distlogd");
        return distlogd::cli::main_from([name].into_iter().chain(arguments), |daemon| daemon);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let done = runtime.block_on(async {
        match arguments.part {
            Some(Part::Service { distlogd, role }) => service(&distlogd, role).await,
            _ => tour(&arguments).await,
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}

fn failed(error: &dyn Error) -> ExitCode {
    eprintln!("tour: {error}");
    ExitCode::FAILURE
}

async fn service(distlogd: &str, role: Role) -> Result<()> {
    let _guard = listen::log_to(distlogd, role.name())?;
    listen::serve(role.name(), "127.0.0.1:0", role.app()).await?;
    Ok(())
}

async fn tour(arguments: &Arguments) -> Result<()> {
    let once = arguments.once;
    let folder = std::env::temp_dir().join(format!("distlog-tour-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let parts = Parts::start(&folder).await?;
    println!("distlogd and three services run: gateway → orders → payment.\n");
    let mut stopped = std::pin::pin!(listen::stopped());
    for number in 1.. {
        let shown = async {
            let id = parts.order(number).await?;
            let tree = parts.tree(&id).await?;
            println!("{tree}");
            Ok::<_, Box<dyn Error>>(id)
        };
        let id = tokio::select! {
            shown = shown => shown?,
            () = &mut stopped => break,
        };
        // The third one is declined.
        if number == 3 {
            let page = format!("{}/task/{id}", parts.daemon);
            parts.say(&folder, &page, once);
            if !once && !arguments.no_browser && std::io::stdout().is_terminal() {
                // Without a browser the address is enough.
                let _ = open::that_detached(&page);
            }
            if once {
                break;
            }
        }
        if number >= 3 {
            tokio::select! {
                () = tokio::time::sleep(BETWEEN_REQUESTS) => {}
                () = &mut stopped => break,
            }
        }
    }
    parts.stop().await
}

/// The processes of the tour.
struct Parts {
    children: Vec<Child>,
    http: reqwest::Client,
    /// Address of the daemon's HTTP receiver.
    daemon: String,
    /// Address of the gateway.
    gateway: String,
}

impl Parts {
    async fn start(folder: &Path) -> Result<Parts> {
        let config = "\
listen: { push: off, session: 'tcp://127.0.0.1:0', otlp_grpc: off, otlp_http: off, http: '127.0.0.1:0' }
processors:
  everything: { file: { path: all.jsonl } }
rules:
  - to: [everything]
";
        std::fs::write(folder.join("distlogd.yaml"), config)?;
        let mut daemon = again(&["distlogd", "--config", "distlogd.yaml"])?;
        let mut daemon = daemon.current_dir(folder).stderr(Stdio::piped()).spawn()?;
        let said = until(daemon.stderr.take(), "ready")
            .await
            .map_err(|why| format!("distlogd did not start: {why}"))?;
        let address = |receiver: &str| {
            let line = said
                .iter()
                .find_map(|line| line.trim().strip_prefix(receiver));
            line.map(|rest| rest.trim().to_owned()).ok_or(format!(
                "distlogd did not say where its {receiver} receiver is"
            ))
        };
        let (session, http) = (address("session ")?, address("http ")?);
        let mut children = vec![daemon];
        let payment = start_service(&mut children, &session, &["payment"]).await?;
        let orders =
            start_service(&mut children, &session, &["orders", "--payment", &payment]).await?;
        let gateway =
            start_service(&mut children, &session, &["gateway", "--orders", &orders]).await?;
        Ok(Parts {
            children,
            http: reqwest::Client::new(),
            daemon: http,
            gateway,
        })
    }

    /// Orders something; gives the id of the request's task.
    async fn order(&self, number: u32) -> Result<String> {
        let declined = is_declined(number);
        let order = Order {
            id: number,
            user: if declined { "mallory" } else { "leo" }.into(),
            items: ["tea", "pot", "cups"]
                .iter()
                .take(number.min(3) as usize)
                .map(|item| (*item).into())
                .collect(),
            card: match number {
                _ if declined => "4000000000000002",
                ..=3 => "4111111111111111",
                _ if number.is_multiple_of(2) => "4000000000000036",
                _ => "4111111111111111",
            }
            .into(),
        };
        let response = self
            .http
            .post(format!("{}/order", self.gateway))
            .json(&order)
            .send()
            .await?;
        if let Some(id) = response.headers().get("x-task-id") {
            return Ok(id.to_str()?.to_owned());
        }
        Ok(response.error_for_status()?.text().await?)
    }

    /// The tree of a task, once all its parts have ended.
    async fn tree(&self, id: &str) -> Result<String> {
        let trace = id.split('/').next().unwrap_or(id);
        let url = format!("{}/api/v1/tasks/{trace}", self.daemon);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let response = self.http.get(&url).send().await?;
            let known: Option<Value> = if response.status().is_success() {
                Some(response.json().await?)
            } else {
                None
            };
            if known.is_some_and(|tree| is_whole(&tree)) {
                let color = std::io::stdout().is_terminal();
                return Ok(self
                    .http
                    .get(format!("{url}?format=text&color={color}"))
                    .send()
                    .await?
                    .text()
                    .await?);
            }
            if Instant::now() > deadline {
                return Err(format!("the tree of {id} did not become whole").into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn say(&self, folder: &Path, page: &str, once: bool) {
        let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("tour"));
        let program = program.display();
        println!("the page   {page}");
        println!("the store  {}", folder.join("distlog-data").display());
        println!("the file   {}", folder.join("all.jsonl").display());
        println!("the tail   {program} distlogd tail --url {}", self.daemon);
        println!(
            "a tree     {program} distlogd tree --url {} ID",
            self.daemon
        );
        if !once {
            println!(
                "\nAnother order comes every {} seconds; Ctrl-C ends the tour.\n",
                BETWEEN_REQUESTS.as_secs()
            );
        }
    }

    /// Ends the services first, so that the daemon hears their last words.
    async fn stop(mut self) -> Result<()> {
        while let Some(mut child) = self.children.pop() {
            if let Some(pid) = child.id() {
                let _ = Command::new("kill").arg(pid.to_string()).status().await;
            }
            match tokio::time::timeout(PATIENCE, child.wait()).await {
                Ok(status) if status.as_ref().is_ok_and(|status| status.success()) => {}
                Ok(status) => {
                    return Err(format!("a part of the tour ended with {}", status?).into());
                }
                Err(_) => return Err("a part of the tour did not end".into()),
            }
        }
        Ok(())
    }
}

/// Every third card is declined.
fn is_declined(number: u32) -> bool {
    number.is_multiple_of(3)
}

/// Whether every task of a tree has ended, in all three services.
fn is_whole(tree: &Value) -> bool {
    let text = tree.to_string();
    let ended =
        !text.contains("\"outcome\":\"running\"") && !text.contains("\"outcome\":\"unknown\"");
    ended
        && ["gateway", "orders", "payment"]
            .iter()
            .all(|service| text.contains(&format!("\"service\":\"{service}\"")))
}

/// This program again.
fn again(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    // Ctrl-C in a terminal reaches all processes of the group: the tour alone is to end the others, in order.
    command.process_group(0);
    Ok(command)
}

async fn start_service(children: &mut Vec<Child>, session: &str, role: &[&str]) -> Result<String> {
    let mut command = again(&["service", "--distlogd", session])?;
    let mut child = command.args(role).stdout(Stdio::piped()).spawn()?;
    let said = until(child.stdout.take(), "listens on")
        .await
        .map_err(|why| format!("{} did not start: {why}", role[0]))?;
    children.push(child);
    let address = said.last().and_then(|line| line.rsplit(' ').next());
    Ok(address
        .ok_or("a service did not say where it listens")?
        .to_owned())
}

/// The lines that a process prints, up to one with the given words. What it prints later is passed on to ours.
async fn until<R: AsyncRead + Unpin + Send + 'static>(
    output: Option<R>,
    words: &str,
) -> Result<Vec<String>> {
    let mut lines = BufReader::new(output.ok_or("its output is not there")?).lines();
    let mut said = Vec::new();
    let wait = async {
        while let Some(line) = lines.next_line().await? {
            let found = line.contains(words);
            said.push(line);
            if found {
                return Ok(());
            }
        }
        Err(format!("it ended, saying {}", said.join("\n")).into())
    };
    let waited: Result<()> = tokio::time::timeout(PATIENCE, wait).await?;
    waited?;
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            if line.contains("WARN") || line.contains("ERROR") {
                eprintln!("{line}");
            }
        }
    });
    Ok(said)
}
