//! The Grafana dashboards in `deploy/dashboards`: overview, map, source and store. They are written here, where the names of
//! metrics are checked, and generated as the JSON that Grafana takes.

mod pages;

use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Grafana's grid is so many units wide.
const GRID_WIDTH: usize = 24;

/// The height of a panel in units of the grid, but for that of a row of single numbers.
const PANEL_HEIGHT: usize = 8;

/// The height of a panel with single numbers.
const STAT_HEIGHT: usize = 4;

/// Version of the form of dashboards: that of Grafana 10 and later.
const SCHEMA_VERSION: u32 = 39;

/// A page of panels.
pub struct Dashboard {
    /// What its address in Grafana ends in, and the name of its file.
    pub name: &'static str,
    title: &'static str,
    /// Labels whose value a reader chooses, each with the metric that has them.
    variables: &'static [(&'static str, &'static str)],
    rows: &'static [Row],
}

/// Panels side by side, as wide as each other.
struct Row(&'static [Panel]);

/// One question, answered by series.
struct Panel {
    title: &'static str,
    /// What the panel tells, and what to look for.
    about: &'static str,
    kind: Kind,
    unit: Unit,
    /// Expressions, each with the legend of its series.
    queries: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The present value, large.
    Stat,
    /// Values over time.
    Lines,
    /// Values over time that add up.
    Stacked,
}

#[derive(Clone, Copy)]
enum Unit {
    Count,
    PerSecond,
    Share,
    Seconds,
    Bytes,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Count => "short",
            Self::PerSecond => "cps",
            Self::Share => "percentunit",
            Self::Seconds => "s",
            Self::Bytes => "bytes",
        }
    }
}

/// All of them.
#[must_use]
pub fn all() -> [&'static Dashboard; 4] {
    [&pages::OVERVIEW, &pages::MAP, &pages::SOURCE, &pages::STORE]
}

impl Dashboard {
    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../deploy/dashboards/{}.json", self.name))
    }

    /// The expressions of its panels, as they stand there: `$map` and the like are not filled in.
    pub fn expressions(&self) -> impl Iterator<Item = &'static str> {
        self.rows
            .iter()
            .flat_map(|row| row.0)
            .flat_map(|panel| panel.queries)
            .map(|(expression, _)| *expression)
    }

    /// The dashboard as Grafana imports it.
    ///
    /// # Panics
    ///
    /// Never: it is made of texts and numbers.
    #[must_use]
    pub fn json(&self) -> String {
        let dashboard = json!({
            "uid": format!("counterfoil-{}", self.name),
            "title": format!("Counterfoil / {}", self.title),
            "tags": ["counterfoil"],
            "schemaVersion": SCHEMA_VERSION,
            "editable": false,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": { "from": "now-3h", "to": "now" },
            "links": [{ "type": "dashboards", "tags": ["counterfoil"], "asDropdown": false, "keepTime": true, "includeVars": true }],
            "templating": { "list": self.variables() },
            "panels": self.panels(),
        });
        serde_json::to_string_pretty(&dashboard).expect("texts and numbers are JSON") + "\n"
    }

    fn variables(&self) -> Vec<Value> {
        let source = json!({ "name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus" });
        let labels = self.variables.iter().map(|(label, metric)| {
            json!({
                "name": label, "label": label, "type": "query", "datasource": datasource(),
                "query": format!("label_values({metric}, {label})"),
                "refresh": 2, "sort": 1, "multi": true, "includeAll": true, "allValue": ".*",
            })
        });
        std::iter::once(source).chain(labels).collect()
    }

    fn panels(&self) -> Vec<Value> {
        let (mut panels, mut y) = (Vec::new(), 0);
        for Row(row) in self.rows {
            let width = GRID_WIDTH / row.len().max(1);
            let height = row.iter().map(Panel::height).max().unwrap_or_default();
            for (panel, x) in row.iter().zip((0..).step_by(width)) {
                let place = json!({ "x": x, "y": y, "w": width, "h": height });
                panels.push(panel.json(panels.len() + 1, &place));
            }
            y += height;
        }
        panels
    }
}

impl Panel {
    fn height(&self) -> usize {
        if self.kind == Kind::Stat { STAT_HEIGHT } else { PANEL_HEIGHT }
    }

    fn json(&self, id: usize, place: &Value) -> Value {
        let target = |((expression, legend), name): (&(&str, &str), char)| json!({ "refId": name.to_string(), "expr": expression, "legendFormat": legend, "datasource": datasource(), "range": true });
        let (kind, custom) = match self.kind {
            Kind::Stat => ("stat", json!({})),
            Kind::Lines => ("timeseries", json!({ "fillOpacity": 5, "showPoints": "never" })),
            Kind::Stacked => (
                "timeseries",
                json!({ "fillOpacity": 40, "showPoints": "never", "stacking": { "mode": "normal" } }),
            ),
        };
        json!({
            "id": id,
            "type": kind,
            "title": self.title,
            "description": self.about,
            "datasource": datasource(),
            "gridPos": place,
            "fieldConfig": { "defaults": { "unit": self.unit.name(), "min": 0, "custom": custom }, "overrides": [] },
            "targets": self.queries.iter().zip('A'..).map(target).collect::<Vec<_>>(),
        })
    }
}

/// The Prometheus that the reader chose.
fn datasource() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}
