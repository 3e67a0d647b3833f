//! `rad3d evaluate --references R --hypotheses H --out DIR`: scores of reports, with intervals.

mod green;

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

use rad3d_metrics::{
    Affinity, BertScore, BleuProgram, Bootstrap, Evaluation, Protocol, Punkt, ReportText,
    SavedScores, Settings, Subjects, TextLabeler, WordNet, align, read_bertscore_baseline,
    read_green, read_labels, read_radgraph, read_rate, read_reports, read_scores, render,
};
use rad3d_report::Labeler;
use rad3d_volume::write::AtomicFile;
use serde_json::json;

use self::green::GreenArgs;
use crate::exit::{Outcome, UsageError, of_metrics as usage};
use crate::run_report::{HashedInput, RunReport, sha256_of};
use crate::talk;
use crate::text_embedder::TextEmbedder;
use crate::text_labeler::ClassifierLabeler;

/// Score written reports against reference reports.
///
/// Both sides are CSV (id and report, or findings and impression), JSON lines or the JSON of the
/// VLM3D challenge, matched by id. DIR gets scores.json, scores.csv and report.html; a table goes
/// to stdout.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What radiologists wrote
    #[arg(long, value_name = "FILE")]
    references: PathBuf,

    /// What the system wrote
    #[arg(long, value_name = "FILE")]
    hypotheses: PathBuf,

    /// What another system wrote, to compare with
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,

    /// True labels, 0 or 1 a column; else they are read off the references
    #[arg(long, value_name = "CSV")]
    labels: Option<PathBuf>,

    /// Read labels off texts by this classifier (as in `rad3d label`), not by the built-in rules
    #[arg(long, value_name = "DIR")]
    classifier: Option<PathBuf>,

    /// The image classifier's probabilities, for ROC, calibration and how texts follow it
    #[arg(long, value_name = "CSV")]
    probabilities: Option<PathBuf>,

    /// Whose text, tokens and programs the scores follow
    #[arg(long, value_enum, default_value = "paper")]
    protocol: ProtocolName,

    /// BLEU of this program instead of the protocol's
    #[arg(long, value_enum)]
    bleu: Option<BleuName>,

    /// Folder nltk_data, or with WordNet 3.0 alone: METEOR's synonyms and sentences
    #[arg(long, value_name = "DIR")]
    nltk_data: Option<PathBuf>,

    #[command(flatten)]
    bertscore: BertScoreArgs,

    #[command(flatten)]
    green: GreenArgs,

    #[command(flatten)]
    saved: SavedArgs,

    /// How often the reports are drawn again for the intervals
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = resamples)]
    resamples: usize,

    /// Where the draws start
    #[arg(long, value_name = "N", default_value_t = 20_240_613)]
    seed: u64,

    /// Folder for the results
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
}

/// BERTScore's encoder.
#[derive(Debug, clap::Args)]
struct BertScoreArgs {
    /// BERTScore with this encoder: Hugging Face folder of a BERT, RoBERTa or DistilBERT
    #[arg(long, value_name = "DIR")]
    bertscore: Option<PathBuf>,

    /// Compare its states after this layer (default: as bert-score, where it names one)
    #[arg(long, value_name = "N", requires = "bertscore")]
    bertscore_layer: Option<usize>,

    /// Weigh tokens by how few references hold them
    #[arg(long, requires = "bertscore")]
    bertscore_idf: bool,

    /// Rescale by this file of bert-score's baselines
    #[arg(long, value_name = "CSV", requires = "bertscore")]
    bertscore_baseline: Option<PathBuf>,
}

/// What models that ran elsewhere made of the reports.
#[derive(Debug, clap::Args)]
struct SavedArgs {
    /// GREEN: completions of its language model, id and completion
    #[arg(long, value_name = "FILE")]
    green: Option<PathBuf>,

    /// F1-RadGraph: entities of both sides, id, reference and hypothesis
    #[arg(long, value_name = "FILE")]
    radgraph: Option<PathBuf>,

    /// RaTEScore: entities of both sides, id, ref_types, ref_emb, hyp_types and hyp_emb
    #[arg(long, value_name = "FILE")]
    rate: Option<PathBuf>,

    /// GREEN of the baseline
    #[arg(long, value_name = "FILE", requires = "baseline")]
    baseline_green: Option<PathBuf>,

    /// F1-RadGraph of the baseline
    #[arg(long, value_name = "FILE", requires = "baseline")]
    baseline_radgraph: Option<PathBuf>,

    /// RaTEScore of the baseline
    #[arg(long, value_name = "FILE", requires = "baseline")]
    baseline_rate: Option<PathBuf>,
}

impl SavedArgs {
    /// The files given, the system's and the baseline's.
    fn files(&self) -> [[Option<&Path>; 3]; 2] {
        let own = [&self.green, &self.radgraph, &self.rate];
        let baseline = [
            &self.baseline_green,
            &self.baseline_radgraph,
            &self.baseline_rate,
        ];
        [own, baseline].map(|files| files.map(Option::as_deref))
    }
}

const EXAMPLES: &str = "\
Examples:
  rad3d evaluate --references test.csv --hypotheses ours.csv --out scores/
  rad3d evaluate --references test.csv --hypotheses ours.csv --baseline theirs.csv --out scores/
  rad3d evaluate --references gt.json --hypotheses inferred.json --protocol vlm3d --out scores/
  rad3d evaluate --references test.csv --hypotheses ours.csv --bertscore roberta-large/ --out scores/
  rad3d evaluate --references test.csv --hypotheses ours.csv --green-model GREEN-RadLlama2-7b/ \\
      --green-prompt green_prompt.txt --out scores/";

/// The protocols by name.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum ProtocolName {
    /// RAD3D-Prefix: Hugging Face BLEU, rouge_score, NLTK METEOR
    Paper,
    /// VLM3D challenge: pycocoevalcap on untokenised text
    Vlm3d,
    /// CT2Rep: pycocoevalcap on cleaned findings
    Ct2rep,
}

/// The BLEU programs by name.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum BleuName {
    /// Hugging Face evaluate
    Hf,
    /// pycocoevalcap
    Coco,
    /// sacreBLEU
    Sacrebleu,
    /// NLTK corpus_bleu
    Nltk,
}

/// Enough resamples for a 2.5th percentile, few enough for memory.
fn resamples(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 100..=1_000_000) => Ok(count),
        _ => Err("expected 100 to 1000000".into()),
    }
}

/// Reads, scores, writes, reports.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let mut report = RunReport::start("evaluate");
    let settings = settings(args)?;
    let mut subjects = subjects(args, &settings).map_err(usage)?;
    let green = args.green.judge(&mut subjects, &args.out)?;
    let waiting = talk::spinner("scoring");
    let evaluation = Evaluation::of(&subjects, &settings).map_err(usage)?;
    waiting.finish_and_clear();
    let json = serde_json::to_string_pretty(&evaluation)?;
    let csv = render::csv(&evaluation)?;
    let html = render::html(&evaluation, &subjects)?;
    make_folder(&args.out)?;
    for (name, text) in [
        ("scores.json", &json),
        ("scores.csv", &csv),
        ("report.html", &html),
    ] {
        let mut file = AtomicFile::create(&args.out.join(name))?;
        let written = file.write_all(text.as_bytes());
        written.map_err(|error| file.fault(error))?;
        file.commit()?;
    }
    report.stop();
    for note in &evaluation.notes {
        talk::note(&format!("note: {note}"));
    }
    let table = table_of(&evaluation);
    std::io::stdout().lock().write_all(table.as_bytes())?;
    report.inputs = inputs(args)?;
    report.settings = json!({
        "references": args.references, "hypotheses": args.hypotheses, "baseline": args.baseline,
        "labels": args.labels, "probabilities": args.probabilities, "out": args.out,
        "protocol": evaluation.protocol, "nltk_data": args.nltk_data, "bertscore": args.bertscore.bertscore,
        "classifier": args.classifier, "green_model": args.green.green_model, "green_prompt": args.green.green_prompt,
        "bootstrap": evaluation.bootstrap,
    });
    report.result = json!({ "reports": evaluation.count, "corpus": evaluation.corpus });
    if let Some(runs) = green {
        report.result["green_completions"] = json!(runs);
    }
    report.write_beside(&args.out.join("scores.json"))?;
    let (out, seconds) = (args.out.display(), report.seconds());
    talk::note(&format!(
        "wrote {out}: {} reports in {seconds:.2} s",
        evaluation.count
    ));
    Ok(Outcome::Done)
}

fn make_folder(out: &Path) -> Result<(), UsageError> {
    std::fs::create_dir_all(out).map_err(|error| {
        let what = format!("{}: cannot be made a folder ({error})", out.display());
        UsageError::new(what, "give another folder with --out")
    })
}

fn settings(args: &Args) -> anyhow::Result<Settings> {
    let labeler = Labeler::ct_rate()
        .map_err(|error| UsageError::new(error.to_string(), error.hint.clone()))?;
    let (mut punkt, mut wordnet) = (Punkt::default(), None);
    if let Some(folder) = &args.nltk_data {
        wordnet = Some(WordNet::load(folder).map_err(usage)?);
        if folder.join("tokenizers/punkt_tab").is_dir() {
            punkt = Punkt::load(folder).map_err(usage)?;
        }
    }
    Ok(Settings {
        protocol: match args.protocol {
            ProtocolName::Paper => Protocol::Paper,
            ProtocolName::Vlm3d => Protocol::Vlm3d,
            ProtocolName::Ct2rep => Protocol::Ct2rep,
        },
        bleu: args.bleu.map(|name| match name {
            BleuName::Hf => BleuProgram::Hf,
            BleuName::Coco => BleuProgram::Coco,
            BleuName::Sacrebleu => BleuProgram::Sacrebleu,
            BleuName::Nltk => BleuProgram::Nltk,
        }),
        bootstrap: Bootstrap {
            seed: args.seed,
            resamples: args.resamples,
        },
        labeler,
        classifier: args.classifier.as_deref().map(classifier).transpose()?,
        punkt,
        wordnet,
        bertscore: bertscore(&args.bertscore)?,
    })
}

fn classifier(folder: &Path) -> anyhow::Result<Box<dyn TextLabeler + Send>> {
    Ok(Box::new(ClassifierLabeler::open(folder)?))
}

fn bertscore(args: &BertScoreArgs) -> anyhow::Result<Option<BertScore>> {
    let Some(folder) = &args.bertscore else {
        return Ok(None);
    };
    let embedder = TextEmbedder::open(folder, args.bertscore_layer)?;
    let baseline = args.bertscore_baseline.as_deref();
    let baseline = baseline.map(|path| read_bertscore_baseline(path, embedder.layer()));
    let baseline = baseline.transpose().map_err(usage)?;
    let bertscore = BertScore::new(Box::new(embedder));
    Ok(Some(
        bertscore
            .with_idf(args.bertscore_idf)
            .with_baseline(baseline),
    ))
}

/// What the files of other models' output give: of GREEN, RadGraph and RaTEScore.
fn saved(
    files: [Option<&Path>; 3],
    references: &[ReportText],
) -> rad3d_metrics::Result<SavedScores> {
    let [green, radgraph, rate] = files;
    let ratescore = |path| read_rate(path, references, Affinity::Long);
    Ok(SavedScores {
        green: green.map(|path| read_green(path, references)).transpose()?,
        radgraph: radgraph
            .map(|path| read_radgraph(path, references))
            .transpose()?,
        ratescore: rate.map(ratescore).transpose()?,
        green_by: None,
    })
}

/// Everything that is judged, in the order of the references.
fn subjects(args: &Args, settings: &Settings) -> rad3d_metrics::Result<Subjects> {
    let references = read_reports(&args.references)?;
    let labels = settings.labeler.labels();
    let other = |path: &Path| align(&references, read_reports(path)?, path);
    let (truth, scores) = (args.labels.as_deref(), args.probabilities.as_deref());
    let [own, of_baseline] = args.saved.files();
    Ok(Subjects {
        saved: saved(own, &references)?,
        baseline_saved: saved(of_baseline, &references)?,
        hypotheses: other(&args.hypotheses)?,
        baseline: args.baseline.as_deref().map(other).transpose()?,
        truth: truth
            .map(|path| read_labels(path, labels, &references))
            .transpose()?,
        probabilities: scores
            .map(|path| read_scores(path, labels, &references))
            .transpose()?,
        references,
    })
}

fn inputs(args: &Args) -> anyhow::Result<Vec<HashedInput>> {
    let rescaling = &args.bertscore.bertscore_baseline;
    let prompt = &args.green.green_prompt;
    let optional = [
        &args.baseline,
        &args.labels,
        &args.probabilities,
        rescaling,
        prompt,
    ];
    let given = [&args.references, &args.hypotheses].into_iter();
    let saved = args.saved.files().into_iter().flatten().flatten();
    given
        .chain(optional.into_iter().flatten())
        .map(PathBuf::as_path)
        .chain(saved)
        .map(|path| {
            Ok(HashedInput {
                path: path.to_owned(),
                sha256: sha256_of(path)?,
            })
        })
        .collect()
}

/// The scores as a table for a person.
fn table_of(evaluation: &Evaluation) -> String {
    let mut text = format!("{:<20} {:>8}  {:<18}", "", "value", "95 % interval");
    if evaluation.comparison.is_some() {
        let _ = write!(
            text,
            " {:>8} {:>8}  {:<18} {:>7} {:>7}",
            "baseline", "diff.", "95 % interval", "p", "p Holm"
        );
    }
    let end = |text: &mut String| {
        text.truncate(text.trim_end().len());
        text.push('\n');
    };
    end(&mut text);
    for &(key, value) in &evaluation.corpus.0 {
        let Some(value) = value else { continue };
        let interval = evaluation.intervals.get(key).copied().flatten();
        let interval = interval.map_or(String::new(), |one| {
            format!("{:.4} to {:.4}", one.low, one.high)
        });
        let _ = write!(text, "{key:<20} {value:>8.4}  {interval:<18}");
        let compared = evaluation.comparison.as_ref();
        if let Some(one) = compared.and_then(|all| all.get(key).copied().flatten()) {
            let (baseline, difference) = (one.comparison.baseline, one.comparison.difference);
            let interval = format!("{:+.4} to {:+.4}", difference.low, difference.high);
            let _ = write!(
                text,
                " {:>8.4} {:>+8.4}  {interval:<18} {:>7.4} {:>7.4}",
                baseline.value, difference.value, one.comparison.p_two_sided, one.p_holm
            );
        }
        end(&mut text);
    }
    text
}
