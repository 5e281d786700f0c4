//! Log records, the same for the same seed: eight instances of four services send requests of 512.
//!
//! `message.rs` has the templates; `spans.rs` the tasks in which they are logged.
//!
//! Each record can be made without those before it, so that any number of connections share the work. A trace has five
//! records of each service; eight traces run at a time. A second has a thousand records, and the last one is now.

mod message;
mod spans;

use fastrand::Rng;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;

use crate::expected::Expected;

/// Records of a request.
pub const BATCH: u64 = 512;
/// Services, each with its part of the routes.
pub const SERVICES: [&str; 4] = ["gateway", "orders", "payments", "stock"];
/// Processes that log: two of each service.
const INSTANCES: u64 = 2 * SERVICES.len() as u64;
/// Requests in which each instance sends one.
const ROUND: u64 = INSTANCES * BATCH;
/// Between two records, in nanoseconds.
const STEP: u64 = 1_000_000;

/// Traces that run at a time, on one instance of each service.
const TRACES: u64 = 8;
/// Records that a service logs in a trace.
const OF_SERVICE: u64 = 5;
/// Records of an instance in which all of [`TRACES`] begin and end.
const BLOCK: u64 = TRACES * OF_SERVICE;
/// In one record of a million, and in one at least.
pub const RARE_WORD: &str = "xylophone";
const RARE: u64 = 1_000_000;
/// In an eighth of the records.
pub const COMMON_WORD: &str = "cache";

const INFO: i32 = 9;
const WARN: i32 = 13;
/// OpenTelemetry's number of this severity.
pub const ERROR: i32 = 17;

const CUSTOMERS: u64 = 200_000;

const ROUTES: [[&str; 5]; SERVICES.len()] = [
    ["/", "/login", "/basket/{id}", "/search", "/products/{id}"],
    [
        "/orders",
        "/orders/{id}",
        "/orders/{id}/items",
        "/orders/{id}/cancel",
        "/invoices/{id}",
    ],
    [
        "/payments",
        "/payments/{id}",
        "/payments/{id}/refund",
        "/cards/{id}/check",
        "/balances/{customer}",
    ],
    [
        "/stock/{sku}",
        "/stock/{sku}/reserve",
        "/stock/{sku}/release",
        "/warehouses/{id}",
        "/deliveries/{id}",
    ],
];

/// Makes the records of a run.
#[derive(Debug, Clone, Copy)]
pub struct Generator {
    seed: u64,
    records: u64,
    /// Of the first record, in nanoseconds since the Unix epoch.
    begin: u64,
    some_trace: [u8; 16],
}

/// A trace, by its number on one of the two instances of each service.
#[derive(Debug, Clone, Copy)]
struct Trace {
    instance: u64,
    number: u64,
}

impl Generator {
    /// At least so many records, as each instance sends whole requests; the last one is logged at `end`.
    pub fn new(seed: u64, records: u64, end: u64) -> Generator {
        let records = records.max(1).next_multiple_of(ROUND);
        let mut generator = Generator {
            seed,
            records,
            begin: end - records * STEP,
            some_trace: [0; 16],
        };
        let middle = records / INSTANCES / BLOCK / 2;
        let trace = Trace {
            instance: 0,
            number: middle * TRACES + TRACES / 2,
        };
        generator.some_trace = generator.part(trace, 0).trace_id;
        generator
    }

    /// All records.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// All requests.
    pub fn requests(&self) -> u64 {
        self.records / BATCH
    }

    /// The id of a trace in the middle, as hexadecimal digits.
    pub fn some_trace(&self) -> String {
        hex(self.some_trace)
    }

    /// A request, by its number; what is in it is added to `expected`.
    pub fn request(&self, number: u64, expected: &mut Expected) -> ExportLogsServiceRequest {
        let instance = number % INSTANCES;
        let service = (instance % SERVICES.len() as u64) as usize;
        let first = number / INSTANCES * BATCH;
        let mut order = Order::default();
        let log_records = (first..first + BATCH)
            .map(|n| {
                let trace = order.trace(self.seed, instance, n);
                self.record(instance, service, n, trace, expected)
            })
            .collect();
        ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                resource: resource(service, instance),
                scope_logs: vec![ScopeLogs {
                    scope: scope(service),
                    log_records,
                    ..ScopeLogs::default()
                }],
                ..ResourceLogs::default()
            }],
        }
    }

    /// The record of an instance with this number.
    fn record(
        &self,
        instance: u64,
        service: usize,
        n: u64,
        trace: Trace,
        expected: &mut Expected,
    ) -> LogRecord {
        let number = n * INSTANCES + instance;
        let part = self.part(trace, service);
        let mut random = random(self.seed, [1, number, 0]);
        let time = self.begin + number * STEP + random.u64(0..STEP);
        let (severity, name) = match random.u32(0..1000) {
            0..10 => (ERROR, "ERROR"),
            10..50 => (WARN, "WARN"),
            _ => (INFO, "INFO"),
        };
        let status = match severity {
            ERROR => pick(&mut random, &[500, 502, 503]),
            WARN => pick(&mut random, &[404, 409, 429]),
            _ => pick(&mut random, &[200, 200, 200, 201, 204]),
        };
        // Most take little time, few take much.
        let micros = 100 * 10f64.powf(1.0 + 3.0 * random.f64() * random.f64()) as u64;
        let mut message = message::message(&mut random, severity, &part, micros);
        if number % RARE == (RARE / 2).min(self.records / 2) {
            message.push_str("; ");
            message.push_str(RARE_WORD);
        }
        expected.add_record(SERVICES[service], part.route, severity, time, &message);
        if part.trace_id == self.some_trace {
            expected.trace.push(message.clone());
        }
        LogRecord {
            time_unix_nano: time,
            observed_time_unix_nano: time,
            severity_number: severity,
            severity_text: name.into(),
            attributes: vec![
                text("route", part.route),
                attribute("status", Value::IntValue(status)),
                attribute("duration_ms", Value::DoubleValue(micros as f64 / 1e3)),
                text("customer", &part.customer),
            ],
            body: Some(AnyValue {
                value: Some(Value::StringValue(message)),
            }),
            flags: 1,
            trace_id: part.trace_id.to_vec(),
            span_id: part.span_id.to_vec(),
            ..LogRecord::default()
        }
    }

    /// What a service does in a trace.
    fn part(&self, trace: Trace, service: usize) -> Part {
        let mut random = random(self.seed, [0, trace.instance, trace.number]);
        let trace_id = random.u128(1..).to_be_bytes();
        let customer = format!("c-{:06}", random.u64(0..CUSTOMERS));
        let order = 40_000_000 + random.u64(0..9_000_000);
        let euros = random.u64(5..500);
        let host = random.u64(1..13);
        let mut span_id = 0;
        let mut route = 0;
        for _ in 0..=service {
            span_id = random.u64(1..);
            // The first ones are asked for most.
            route = random.usize(0..5).min(random.usize(0..5));
        }
        Part {
            trace_id,
            span_id: span_id.to_be_bytes(),
            customer,
            order,
            euros,
            host,
            route: ROUTES[service][route],
        }
    }
}

/// What a service does in a trace.
struct Part {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    customer: String,
    order: u64,
    euros: u64,
    host: u64,
    route: &'static str,
}

/// In which order the traces of a block log, a block after the other.
#[derive(Default)]
struct Order {
    block: Option<u64>,
    traces: Vec<u64>,
}

impl Order {
    /// The trace of the record with this number, of this instance.
    fn trace(&mut self, seed: u64, instance: u64, n: u64) -> Trace {
        let block = n / BLOCK;
        if self.block != Some(block) {
            self.block = Some(block);
            self.traces = (0..BLOCK).map(|at| at / OF_SERVICE).collect();
            random(seed, [2, instance, block]).shuffle(&mut self.traces);
        }
        Trace {
            instance: instance / SERVICES.len() as u64,
            number: block * TRACES + self.traces[(n % BLOCK) as usize],
        }
    }
}

fn hex(id: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(id))
}

/// Numbers that are the same for the same seed and place.
fn random(seed: u64, place: [u64; 3]) -> Rng {
    let seed = place.into_iter().fold(seed, |seed, part| {
        Rng::with_seed(seed ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15)).u64(..)
    });
    Rng::with_seed(seed)
}

fn pick<T: Copy>(random: &mut Rng, from: &[T]) -> T {
    from[random.usize(0..from.len())]
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

fn scope(service: usize) -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: format!("shop.{}", SERVICES[service]),
        version: "0.9.1".into(),
        ..InstrumentationScope::default()
    })
}

fn resource(service: usize, instance: u64) -> Option<Resource> {
    Some(Resource {
        attributes: vec![
            text("service.name", SERVICES[service]),
            text("service.version", "1.4.2"),
            text("host.name", &format!("node{instance}.shop.example.org")),
            attribute("process.pid", Value::IntValue(4711 + instance as i64)),
            text("telemetry.sdk.name", "opentelemetry"),
            text("telemetry.sdk.language", "rust"),
        ],
        ..Resource::default()
    })
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    fn all(seed: u64) -> (u64, Vec<Vec<u8>>, Expected) {
        let generator = Generator::new(seed, 10_000, 1_800_000_000_000_000_000);
        let mut expected = Expected::default();
        let requests = 0..generator.requests();
        let requests =
            requests.map(|number| generator.request(number, &mut expected).encode_to_vec());
        (generator.records(), requests.collect(), expected)
    }

    #[test]
    fn records_are_the_same_for_a_seed_and_as_large_as_is_said() {
        let (records, requests, expected) = all(1);
        assert_eq!(records, 12_288);
        let bytes: usize = requests.iter().map(Vec::len).sum();
        assert!((330..360).contains(&(bytes as u64 / records)));
        assert_eq!(
            expected.by_service.values().copied().collect::<Vec<_>>(),
            [3072; 4]
        );
        assert_eq!(expected.trace.len(), 20);
        assert_eq!(expected.rare.len(), 1);
        assert_eq!(expected.newest.len(), 50);
        let errors: u64 = expected.errors_by_route.values().sum();
        assert!((60..200).contains(&errors));

        assert_eq!(all(1).1, requests);
        assert_ne!(all(2).1, requests);
    }
}
