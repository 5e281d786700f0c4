//! What records say.

use fastrand::Rng;

use super::{ERROR, Part, WARN};

/// A template, with values: most are those of the trace.
pub(super) fn message(random: &mut Rng, severity: i32, part: &Part, micros: u64) -> String {
    let Part {
        customer,
        order,
        euros,
        host,
        route,
        ..
    } = part;
    let ms = micros as f64 / 1e3;
    let items = random.u32(1..20);
    match (severity, random.u32(0..8)) {
        (ERROR, 0..4) => format!(
            "{route} failed for customer {customer}: the connection to db{host}.shop.example.org:5432 was closed by \
             its peer after {ms} ms; this was attempt {items} of 20, and nothing was written to the table orders"
        ),
        (ERROR, _) => format!(
            "order {order} of customer {customer} cannot be paid: the service of the bank answered with status 402 \
             after {ms} ms; nothing was booked, and the customer is asked for another card"
        ),
        (WARN, 0..4) => format!(
            "{route} is slow: it took {ms} ms for customer {customer} with {items} items; the pool of connections to \
             db{host}.shop.example.org had none that was free, and callers waited for one"
        ),
        (WARN, _) => format!(
            "order {order} was changed by somebody else while customer {customer} looked at it; it is read again from \
             db{host}.shop.example.org and changed once more, attempt {items} of 20"
        ),
        (_, 0) => format!(
            "no entry in the cache for key customer:{customer}:basket; it is read from db{host}.shop.example.org, \
             which gave {items} rows in {ms} ms, and is kept for 300 seconds for those who ask for it next"
        ),
        (_, 1) => format!(
            "order {order} of customer {customer} is accepted: {items} items for {euros} EUR, paid by card; it will be \
             packed in warehouse {host} within a day, and the customer gets a message when it leaves"
        ),
        (_, 2) => format!(
            "customer {customer} is known by the token of the session; the rights are read from \
             db{host}.shop.example.org in {ms} ms: may buy, may return, may comment, may see invoices of the last ten years"
        ),
        (_, 3) => format!(
            "reserved {items} pieces in warehouse {host} for order {order}; the customer has 30 minutes to pay for \
             them, then the pieces are given back to the shelf and the order is cancelled with a message"
        ),
        (_, 4) => format!(
            "query of {route} on db{host}.shop.example.org took {ms} ms and gave {items} rows: SELECT id, state, \
             amount, changed FROM orders WHERE customer = $1 AND state <> $2 ORDER BY changed DESC LIMIT 20"
        ),
        (_, 5) => format!(
            "payment of {euros} EUR for order {order} is booked; the service of the bank answered within {ms} ms at \
             the first attempt, and a receipt goes to customer {customer} by mail as soon as the day is closed"
        ),
        (_, 6) => format!(
            "message about order {order} is published to topic shop.orders, partition {host}; {items} messages of this \
             producer wait to be confirmed by the broker, the oldest one for {ms} ms now"
        ),
        _ => format!(
            "{route} answered customer {customer} in {ms} ms: {items} items, compressed with gzip; the client is a \
             browser that has the first part of the list already and took only what came after it"
        ),
    }
}
