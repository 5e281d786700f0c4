//! [`layer`]: the layer of `tracing-opentelemetry`, and before it one that sees everything first.

use std::sync::OnceLock;

use distlog_proto::{CallerSpan, ExternalSpanState};
use opentelemetry::trace::Tracer;
use tracing_core::dispatcher::WeakDispatch;
use tracing_core::span::{Attributes, Id};
use tracing_core::{Dispatch, Subscriber};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Registry};

use super::external_span::{Told, external_span};
use super::tracer;

/// The layer `otel`, however it is configured, with `tracer`, in a form that distlog can stand beside: see [the
/// module](super). It takes filters (`.with_filter(…)`) as every layer does.
pub fn layer<S, N, T>(otel: OpenTelemetryLayer<S, N>, tracer: T) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    N: Tracer + Send + Sync + 'static,
    N::Span: Send + Sync,
    T: Tracer + Send + Sync + 'static,
    T::Span: Send + Sync + 'static,
{
    // The inner of two layers is called first.
    Early::default().and_then(otel.with_tracer(tracer::Tracer(tracer)))
}

/// What must be done before the layer of OpenTelemetry does its part.
#[derive(Default)]
struct Early {
    dispatch: OnceLock<WeakDispatch>,
}

impl Early {
    /// Runs `work` with the Registry.
    fn with<T>(&self, work: impl FnOnce(&Registry, &Dispatch) -> Option<T>) -> Option<T> {
        let dispatch = self.dispatch.get()?.upgrade()?;
        work(dispatch.downcast_ref()?, &dispatch)
    }

    /// The layer of OpenTelemetry may now start a span: not without its caller, if distlog knows one.
    fn start(&self, id: &Id) {
        self.with(|registry, dispatch| {
            registry.span(id)?.extensions().get::<CallerSpan>()?;
            Some(external_span(id, dispatch))
        });
    }
}

impl<S: Subscriber> Layer<S> for Early {
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        let _ = self.dispatch.set(dispatch.downgrade());
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        if let Some(parent) = attributes.parent() {
            self.start(parent);
        }
    }

    fn on_enter(&self, id: &Id, _: Context<'_, S>) {
        self.start(id);
    }

    fn on_follows_from(&self, _: &Id, follows: &Id, _: Context<'_, S>) {
        self.start(follows);
    }

    /// What the layer of OpenTelemetry forgets now, distlog may ask for next.
    fn on_close(&self, id: Id, _: Context<'_, S>) {
        self.with(|registry, dispatch| {
            if registry.span(&id)?.extensions().get::<Told>().is_some() {
                return None;
            }
            if let ExternalSpanState::Known(span) = external_span(&id, dispatch) {
                registry.span(&id)?.extensions_mut().replace(span);
            }
            Some(())
        });
    }
}
