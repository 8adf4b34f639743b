//! Log lines on stderr.

use crate::{LogFormat, TelemetryError, Written};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Installs the subscriber, unless the process has one.
pub(crate) fn install(written: &Written) -> Result<(), TelemetryError> {
    let filter = EnvFilter::builder().parse(&written.log).map_err(TelemetryError::Log)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // The builder's own default honours NO_COLOR; it is overruled only where nobody sees colours.
    let builder = if std::io::stderr().is_terminal() { builder } else { builder.with_ansi(false) };
    let installed = match written.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    if installed.is_err() {
        tracing::debug!("logs were installed before; their settings stay");
    }
    Ok(())
}
