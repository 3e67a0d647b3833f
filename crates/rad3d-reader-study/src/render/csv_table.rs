//! `analysis.csv`: one row a number, for spreadsheets.

use rad3d_metrics::Estimate;

use crate::analysis::{Analysis, Kind};
use crate::error::{ReaderStudyError, Result};

const HEADER: [&str; 11] = [
    "kind", "scale", "subject", "other", "n", "value", "low", "high", "p", "p_holm", "method",
];

/// Rows `kind, scale, subject, other, n, value, low, high, p, p_holm, method`, where `kind` is
/// `mean`, `difference`, `signed-rank`, `kappa-inter`, `kappa-intra`, `error`, `rank`, `best`,
/// `higher`, `equal` or `lower`. Empty where something is undefined or does not apply.
///
/// # Errors
/// None but those of memory.
pub fn csv(analysis: &Analysis) -> Result<String> {
    let failed = |error: Failure| ReaderStudyError::output("analysis.csv", error);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let write = |writer: &mut csv::Writer<Vec<u8>>, row: [String; HEADER.len()]| {
        writer
            .write_record(row)
            .map_err(|error| failed(Box::new(error)))
    };
    write(&mut writer, HEADER.map(str::to_owned))?;
    for row in rows(analysis) {
        write(&mut writer, row)?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| failed(error.to_string().into()))?;
    String::from_utf8(bytes).map_err(|error| failed(Box::new(error)))
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn rows(analysis: &Analysis) -> Vec<[String; HEADER.len()]> {
    let mut rows = Vec::new();
    let mut add = |kind: &str,
                   [scale, subject, other]: [&str; 3],
                   n: usize,
                   numbers: [Option<f64>; 5],
                   method: &str| {
        let [value, low, high, p, p_holm] =
            numbers.map(|number| number.map(|number| number.to_string()).unwrap_or_default());
        let [kind, scale, subject, other, method] =
            [kind, scale, subject, other, method].map(str::to_owned);
        rows.push([
            kind,
            scale,
            subject,
            other,
            n.to_string(),
            value,
            low,
            high,
            p,
            p_holm,
            method,
        ]);
    };
    for one in &analysis.means {
        let numbers = with_p(one.mean, None, None);
        add(
            "mean",
            [one.scale, &one.system, ""],
            one.ratings,
            numbers,
            "",
        );
    }
    for one in &analysis.comparisons {
        let names = [one.scale, &one.system, &one.other];
        let p = (Some(one.p_bootstrap), Some(one.p_bootstrap_holm));
        add(
            "difference",
            names,
            one.cases,
            with_p(Some(one.difference), p.0, p.1),
            "bootstrap",
        );
        let test = one.wilcoxon;
        let numbers = [
            Some(test.rank_sum),
            None,
            None,
            Some(test.p),
            Some(one.p_wilcoxon_holm),
        ];
        let method = format!("{:?}", test.method).to_lowercase();
        add("signed-rank", names, test.differences, numbers, &method);
    }
    for one in &analysis.agreement {
        let kind = match one.kind {
            Kind::Inter => "kappa-inter",
            Kind::Intra => "kappa-intra",
        };
        let readers = one.readers.as_deref().unwrap_or_default();
        let name = |at: usize| readers.get(at).map_or("", String::as_str);
        let subject = if readers.is_empty() { "mean" } else { name(0) };
        add(
            kind,
            [one.scale, subject, name(1)],
            one.pairs,
            with_p(one.kappa, None, None),
            "",
        );
    }
    for one in &analysis.errors {
        let share = one.interval.map(|_| one.count as f64 / one.readings as f64);
        let [low, high] = [0, 1].map(|end| one.interval.map(|ends| ends[end]));
        let numbers = [share, low, high, None, None];
        add(
            "error",
            ["", &one.system, one.error],
            one.readings,
            numbers,
            "wilson",
        );
    }
    for one in &analysis.ranks {
        let names = ["overall", one.system.as_str(), ""];
        add(
            "rank",
            names,
            one.readings,
            [one.mean_rank, None, None, None, None],
            "",
        );
        add(
            "best",
            names,
            one.readings,
            [one.best, None, None, None, None],
            "",
        );
    }
    for one in &analysis.preferences {
        let all = one.higher + one.equal + one.lower;
        for (kind, count) in [
            ("higher", one.higher),
            ("equal", one.equal),
            ("lower", one.lower),
        ] {
            let numbers = [Some(count as f64), None, None, None, None];
            add(kind, ["overall", &one.system, &one.other], all, numbers, "");
        }
    }
    rows
}

fn with_p(estimate: Option<Estimate>, p: Option<f64>, p_holm: Option<f64>) -> [Option<f64>; 5] {
    let part = |take: fn(&Estimate) -> f64| estimate.as_ref().map(take);
    [
        part(|one| one.value),
        part(|one| one.low),
        part(|one| one.high),
        p,
        p_holm,
    ]
}
