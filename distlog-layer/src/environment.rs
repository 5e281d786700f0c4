//! What the environment says where the builder says nothing: `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` as
//! [OpenTelemetry's SDKs](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/) read them,
//! and `DISTLOG_ENDPOINT`.

use distlog_client::Endpoints;
use distlog_client::internal_log::log;
use distlog_proto::Environment;
use percent_encoding::percent_decode_str;

use crate::settings::Settings;

const SERVICE_NAME: &str = "service.name";
const ENVIRONMENT_NAME: &str = "deployment.environment.name";
/// Where a daemon on this machine listens.
const DEFAULT_ENDPOINT: &str = "tcp://127.0.0.1:5011";

/// A variable; an empty one counts as none.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.trim().is_empty())
}

/// Fills in what the builder left open. `environment`: what the builder said. Of attributes with one name those of the
/// builder win.
pub(crate) fn fill(
    settings: &mut Settings,
    environment: Option<Environment>,
    variable: impl Fn(&str) -> Option<String>,
) {
    let mut resource = variable("OTEL_RESOURCE_ATTRIBUTES")
        .map(|text| attributes(&text))
        .transpose()
        .unwrap_or_else(|fault| {
            log(format_args!(
                "OTEL_RESOURCE_ATTRIBUTES is ignored: {fault}; expected key=value,key=value, percent-encoded"
            ));
            None
        })
        .unwrap_or_default();
    resource.append(&mut settings.resource);
    let last = |name: &str| {
        let values = resource.iter().rev();
        values
            .into_iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
    };
    if settings.service.is_empty() {
        settings.service = variable("OTEL_SERVICE_NAME")
            .or_else(|| last(SERVICE_NAME))
            .unwrap_or_default();
    }
    settings.environment = environment
        .or_else(|| named(&last(ENVIRONMENT_NAME)?))
        .unwrap_or_default();
    resource.retain(|(key, _)| key != SERVICE_NAME);
    settings.resource = resource;
}

/// The environment that a name means, as the daemon understands it in OTLP.
fn named(environment: &str) -> Option<Environment> {
    match environment {
        "test" => Some(Environment::Test),
        "staging" => Some(Environment::Staging),
        "production" | "prod" => Some(Environment::Production),
        _ => None,
    }
}

/// Where `DISTLOG_ENDPOINT` says that daemons are, separated by commas; else on this machine.
pub(crate) fn endpoints(variable: impl Fn(&str) -> Option<String>) -> Endpoints {
    let text = variable("DISTLOG_ENDPOINT").unwrap_or_else(|| DEFAULT_ENDPOINT.into());
    let addresses = text
        .split(',')
        .map(str::trim)
        .filter(|address| !address.is_empty());
    Endpoints::from(addresses.collect::<Vec<_>>())
}

/// `key=value,key=value`; both percent-encoded. One that cannot be read spoils all, as the specification has it.
fn attributes(text: &str) -> Result<Vec<(String, String)>, String> {
    let decode = |part: &str| {
        let decoded = percent_decode_str(part.trim()).decode_utf8();
        decoded
            .map(|text| text.into_owned())
            .map_err(|_| format!("`{part}` is not UTF-8"))
    };
    let members = text.split(',').filter(|member| !member.trim().is_empty());
    members
        .map(|member| match member.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => Ok((decode(key)?, decode(value)?)),
            _ => Err(format!("`{}` is no key=value", member.trim())),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder;

    fn filled(
        build: impl FnOnce(crate::Builder) -> crate::Builder,
        env: &[(&str, &str)],
    ) -> Settings {
        build(builder()).settings_with(|name| {
            let found = env.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_fills_in_what_the_builder_leaves_open() {
        let env = [
            ("OTEL_SERVICE_NAME", "shop"),
            (
                "OTEL_RESOURCE_ATTRIBUTES",
                "service.name=other, deployment.environment.name=staging,team=a%2Cb%20c,team=d%3D,",
            ),
        ];
        let settings = filled(|b| b.resource("zone", "eu"), &env);
        assert_eq!(settings.service, "shop");
        assert_eq!(settings.environment, Environment::Staging);
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            settings.resource,
            [
                pair("deployment.environment.name", "staging"),
                pair("team", "a,b c"),
                pair("team", "d="),
                pair("zone", "eu"),
            ]
        );
        let settings = filled(
            |b| b.service("till").environment(Environment::Production),
            &env,
        );
        assert_eq!(settings.service, "till");
        assert_eq!(settings.environment, Environment::Production);
        assert_eq!(filled(|b| b, &env[1..]).service, "other");
        let settings = filled(|b| b.resource("service.name", "own"), &env[1..]);
        assert_eq!(settings.service, "own", "what the builder says wins");
        let wrong = [
            ("OTEL_RESOURCE_ATTRIBUTES", "a=1,b"),
            ("OTEL_SERVICE_NAME", "shop"),
        ];
        let settings = filled(|b| b, &wrong);
        assert_eq!(
            (settings.service.as_str(), settings.resource.len()),
            ("shop", 0)
        );
    }

    #[test]
    fn daemons_are_where_the_environment_says() {
        let at = |text: Option<&str>| {
            let addresses = endpoints(|_| text.map(str::to_owned));
            addresses.iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(at(None), [DEFAULT_ENDPOINT]);
        assert_eq!(at(Some("tcp://a:1, tcp://b:2")), ["tcp://a:1", "tcp://b:2"]);
    }
}
