//! The steps, in order: what can be told without running the model, then the library, the weights,
//! consistency, perplexity, and the answer.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

use super::conversation::Conversation;
use super::driver::{
    Compared, Done, Driver, Found, Loaded, Next, Opened, PROGRAM, Request, STARTING, Scored,
    Trouble,
};
use super::error::Ending;
use super::link::{Loadable, loadable};
use super::tokens::Tokens;
use super::verdict::{Check, Verdict};
use super::{AnswerError, MAX_PERPLEXITY, Question, markers, not_numbers};
use crate::io::environment::Environment;
use crate::io::marked::MarkedDir;
use crate::io::process::{Cancel, Dialogue, End, Ended, LogLimit};
use crate::io::{dir, files, kept_log, reason};
use crate::library::metadata::Metadata;
use crate::library::weights::{self, Weights};
use crate::manifest::{AnswerEnd, AnswerRecord, shown_perplexity};
use crate::model::{LibraryFormat, ModelFiles, TensorCache};
use crate::toolchain::{Call, Interpreter, Mounts};

/// The text that a model's perplexity is measured by.
const TEXT: &str = include_str!("text.txt");
/// How many tokens of it are measured.
const SCORED: usize = 64;
/// How many tokens are fed at once, and how many of them before the rest is fed one by one.
const COMPARED: (usize, usize) = (8, 6);
/// How far the logits of the two ways may be apart, as a share of the largest one. In f16 sums in
/// another order differ by some thousandths; a wrong cache makes other logits.
const TOLERANCE: f64 = 0.05;
/// The pages of a KV cache, in tokens, as upstream's engine has them.
const PAGE: u64 = 16;
/// What a library for a processor does in a second, roughly: additions and multiplications.
const PER_SECOND: f64 = 1e9;
const LINES: usize = 20;
const NAMED: usize = 3;

/// A model that may be run.
pub struct Prepared<'a> {
    files: &'a ModelFiles,
    question: &'a Question,
    tokens: Tokens,
    conversation: Conversation,
    /// The tokens that our text follows.
    beginning: Vec<u32>,
    text: Vec<u32>,
    prompt: Vec<u32>,
    max_perplexity: f64,
    verdict: Verdict,
}

/// Where and how it is run.
#[derive(Debug)]
pub struct Run<'a> {
    /// The compiler's Python.
    pub python: &'a Interpreter,
    /// What it inherits.
    pub environment: &'a Environment,
    /// Where the logs of failures are kept.
    pub cache_dir: &'a Utf8Path,
    /// The device's name for TVM.
    pub device: &'a str,
    /// The compiled library.
    pub library: &'a Utf8Path,
    /// What it is.
    pub format: LibraryFormat,
    /// How long loading and running may take; for ever if none.
    pub limit: Option<Duration>,
}

/// Reads tokenizer and template, makes the prompt, and judges what can be judged by now.
pub fn prepare<'a>(
    files: &'a ModelFiles,
    question: &'a Question,
) -> Result<Prepared<'a>, AnswerError> {
    if let Some(task) = files.chat_config.fields().get("model_task").and_then(|task| task.as_str())
        && task != "chat"
    {
        return Err(AnswerError::Unsupported(format!("its task is `{task}`, and it says nothing")));
    }
    let tokens = Tokens::load(&files.dir)?;
    let conversation = Conversation::of(&files.chat_config)?;
    let beginning = match &conversation.system_prefix_token_ids {
        Some(ids) if !ids.is_empty() => ids.clone(),
        _ => tokens.beginning()?,
    };
    let text = tokens.encode(TEXT.trim_end())?;
    let prompt = conversation.prompt(&question.prompt, &tokens)?;
    // What follows a token is measured, so one alone is nothing to measure.
    if text.len() < 2 || prompt.is_empty() {
        return Err(tokens.unusable(match (text.len(), prompt.len()) {
            (0 | 1, _) => format!("it makes {} tokens of a whole text", text.len()),
            _ => "it makes no tokens of the prompt".to_owned(),
        }));
    }
    let vocabulary = files.chat_config.number("vocab_size");
    let vocabulary = vocabulary.and_then(|size| u64::try_from(size).ok());
    if let Some(vocabulary) = vocabulary {
        for (what, made) in
            [("the prompt", &prompt), ("our text", &text), ("a beginning", &beginning)]
        {
            if let Some(token) = made.iter().copied().find(|token| u64::from(*token) >= vocabulary)
            {
                return Err(AnswerError::Vocabulary { token, what, vocabulary });
            }
        }
    }
    let guessing = vocabulary.map_or(f64::INFINITY, |size| size as f64);
    let max_perplexity = question.max_perplexity.unwrap_or(MAX_PERPLEXITY.min(guessing));
    let mut verdict = Verdict::default();
    markers::judge(&conversation, &tokens, &files.chat_config, &mut verdict);
    Ok(Prepared {
        files,
        question,
        tokens,
        conversation,
        beginning,
        text,
        prompt,
        max_perplexity,
        verdict,
    })
}

impl Prepared<'_> {
    /// How many of our text's tokens are measured, in a context of this size.
    fn scored(&self, context: u64) -> usize {
        let room = usize::try_from(context).unwrap_or(usize::MAX);
        let first = usize::from(self.beginning.is_empty());
        let most = self.text.len().saturating_sub(first);
        SCORED.min(most).min(room.saturating_sub(self.beginning.len() + first))
    }

    /// How many tokens go through the model if the answer is as long as it may be.
    fn work(&self) -> u64 {
        let context = self.files.chat_config.number("context_window_size");
        let context = context.and_then(|size| u64::try_from(size).ok()).unwrap_or(u64::MAX);
        let compared = 2 * COMPARED.0;
        let scored = self.beginning.len() + self.scored(context);
        let prompt = self.prompt.len() as u64;
        let answer = u64::from(self.question.tokens).min(context.saturating_sub(prompt));
        (compared + scored) as u64 + prompt + answer
    }

    /// What running it will take: the parameters, the tokens, and on a processor the seconds.
    pub fn cost(&self, device: &str) -> String {
        let (parameters, tokens) = (parameters(self.files), self.work());
        let seconds = 2.0 * parameters as f64 * tokens as f64 / PER_SECOND;
        let millions = parameters as f64 / 1e6;
        let size = match millions {
            ..1.0 => format!("{millions:.2} M parameters"),
            1.0..1000.0 => format!("{millions:.0} M parameters"),
            _ => format!("{:.1} G parameters", millions / 1e3),
        };
        let time = match seconds {
            _ if device != "cpu" => String::new(),
            ..2.0 => ", a few seconds".to_owned(),
            2.0..120.0 => format!(", about {seconds:.0} s"),
            120.0..7200.0 => format!(", about {:.0} min", seconds / 60.0),
            _ => format!(", about {:.0} h", seconds / 3600.0),
        };
        format!("{size}, up to {tokens} tokens on {device}{time}")
    }
}

/// The parameters of a model: elements, as many as are packed into a word of a quantized tensor.
fn parameters(files: &ModelFiles) -> u64 {
    let bits = files.chat_config.quantization().strip_prefix('q');
    let bits = bits.and_then(|rest| rest.chars().next()?.to_digit(10)).filter(|bits| *bits > 0);
    let packed = bits.map_or(1, |bits| u64::from(32 / bits.min(32)));
    let records = files.tensor_cache.shards.iter().flat_map(|shard| &shard.records);
    records
        .filter(|record| !record.name.ends_with("q_scale"))
        .map(|record| {
            let elements = record.shape.iter().fold(1, |n: u64, size| n.saturating_mul(*size));
            elements.saturating_mul(if record.dtype == "uint32" { packed } else { 1 })
        })
        .fold(0, u64::saturating_add)
}

/// Runs the model, and hands out the answer while it comes.
pub fn run(
    prepared: Prepared<'_>,
    run: &Run<'_>,
    cancel: &Cancel,
    show: &mut dyn FnMut(&str) -> std::io::Result<()>,
) -> Result<(AnswerRecord, Verdict), AnswerError> {
    let space = MarkedDir::new_in(&run.environment.temporary_home(), "mlc-package-")?;
    let library = loadable(run, space.path(), cancel)?;
    let directory = space.path().join("empty");
    dir::create(&directory)?;
    let mut variables = run.environment.for_python();
    variables.insert("PYTHONDONTWRITEBYTECODE".into(), "1".into());
    let log = space.path().join("log");
    let model = files::canonical(&prepared.files.dir)?;
    let mounts = Mounts::default().writable(space.path()).readable(&model).linked_from(&model)?;
    let weights = weights_of(prepared.files, &model, space.path())?;
    let call = Call {
        args: &["-c", PROGRAM].map(OsString::from),
        variables: &variables,
        directory: &directory,
        log: &log,
        log_limit: LogLimit::default(),
        limit: run.limit,
        tokens: &[],
        mounts,
        home: space.path(),
        network: false,
    };
    let mut step = "";
    let talk = |dialogue: &mut Dialogue| {
        let driver = Driver { dialogue, step: STARTING };
        let mut session =
            Session { prepared, model: weights, run, driver, show, began: Instant::now() };
        let done = session.whole(&library);
        step = session.driver.step;
        done
    };
    let (done, ended) = run.python.converse(&call, cancel, talk)?;
    let keep = || kept_log::keep(&log, run.cache_dir, "try");
    done.map_err(|error| match error {
        Stop::Because(error) => error,
        Stop::Trouble(Trouble::Io(error)) => AnswerError::Io(error),
        Stop::Trouble(Trouble::Refused(message)) => {
            // What TVM says begins with the message; its own stack follows.
            let message = message.lines().next().unwrap_or_default().to_owned();
            AnswerError::Refused { step, message, log: keep() }
        }
        Stop::Trouble(Trouble::Rubbish(line)) => AnswerError::NoAnswer { step, line, log: keep() },
        Stop::Trouble(Trouble::Gone) => gone(&ended, run, step, &log),
    })
}

/// The directory that the runtime reads weights from. It knows a tensor cache by its newer name alone,
/// which a build gives to a bundled one: a model with the older one is read through links.
fn weights_of(
    files: &ModelFiles,
    model: &Utf8Path,
    space: &Utf8Path,
) -> std::io::Result<Utf8PathBuf> {
    if files.older_tensor_cache().is_none() {
        return Ok(model.to_owned());
    }
    let [newer, older] = TensorCache::FILE_NAMES;
    let linked = space.join("weights");
    dir::create(&linked)?;
    files::symlink(&model.join(older), &linked.join(newer))?;
    for shard in &files.tensor_cache.shards {
        let link = linked.join(shard.path.as_path());
        files::create_dir_all(files::parent(&link))?;
        files::symlink(&model.join(shard.path.as_path()), &link)?;
    }
    Ok(linked)
}

fn gone(ended: &Ended, run: &Run<'_>, step: &'static str, log: &Utf8Path) -> AnswerError {
    let how = match ended.how {
        End::Cancelled => return AnswerError::Interrupted,
        End::Exit(code) => Ending::Exit(code),
        End::Signal(signal) => Ending::Signal(signal),
        End::TimedOut => Ending::TimedOut(run.limit.unwrap_or_default()),
    };
    let last_lines = reason::of_python(log, LINES).lines;
    let log = kept_log::keep(log, run.cache_dir, "try");
    AnswerError::Ended { how, step, last_lines, log }
}

/// Why the steps were left.
enum Stop {
    Trouble(Trouble),
    Because(AnswerError),
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<AnswerError> for Stop {
    fn from(error: AnswerError) -> Self {
        Self::Because(error)
    }
}

/// One model, opened by the driver.
struct Session<'s, 'd> {
    prepared: Prepared<'s>,
    /// Its directory, without links.
    model: Utf8PathBuf,
    run: &'s Run<'s>,
    driver: Driver<'d>,
    show: &'s mut dyn FnMut(&str) -> std::io::Result<()>,
    began: Instant,
}

impl Session<'_, '_> {
    fn whole(&mut self, library: &Loadable) -> Result<(AnswerRecord, Verdict), Stop> {
        self.driver.start()?;
        let device = self.run.device;
        let Found { exists } =
            self.driver.ask("looking for the device", &Request::Find { device })?;
        if !exists {
            return Err(AnswerError::NoDevice { device: device.to_owned() }.into());
        }
        let opened: Opened = self.driver.ask(
            "opening the library",
            &Request::Open { library: library.path.as_str(), prefix: library.prefix.as_deref() },
        )?;
        let metadata = Metadata::parse(&opened.metadata).map_err(AnswerError::from)?;
        let paged = is_paged(&metadata, &opened.functions)?;
        self.load(&metadata)?;
        let context = metadata.context_window_size.unwrap_or(u64::MAX);
        self.begin(&metadata, context, paged)?;
        let difference = self.compare()?;
        let (perplexity, scored) = self.score(context)?;
        let answered = self.answer(context)?;
        let seconds = (self.began.elapsed().as_secs_f64() * 1e3).round() / 1e3;
        let question = self.prepared.question;
        let record = AnswerRecord {
            device: self.run.device.to_owned(),
            prompt: question.prompt.clone(),
            expect: question.expect.iter().map(ToString::to_string).collect(),
            text: answered.text,
            tokens: answered.tokens,
            end: answered.end,
            perplexity,
            max_perplexity: self.prepared.max_perplexity,
            scored,
            difference,
            seconds,
        };
        self.judge(&record);
        Ok((record, std::mem::take(&mut self.prepared.verdict)))
    }

    /// Loads the weights. Each parameter must be what the metadata says.
    fn load(&mut self, metadata: &Metadata) -> Result<(), Stop> {
        let files = self.prepared.files;
        let weights =
            Weights { chat_config: &files.chat_config, tensor_cache: &files.tensor_cache };
        if let Some(mismatch) = weights::compare(metadata, weights) {
            return Err(AnswerError::Weights(Box::new(mismatch)).into());
        }
        let names = metadata.params.iter().map(|param| param.name.as_str()).collect();
        let load = Request::Load { model: self.model.as_str(), params: names };
        let loaded: Loaded = self.driver.ask("loading the weights", &load)?;
        for (param, found) in metadata.params.iter().zip(&loaded.params) {
            let wanted = weights::shape(param, &files.chat_config);
            if wanted.as_ref() != Some(&found.shape) || found.dtype != param.dtype {
                let message = format!(
                    "`{}` was loaded as {} {:?}, and the library takes {} {:?}",
                    param.name,
                    found.dtype,
                    found.shape,
                    param.dtype,
                    wanted.unwrap_or_default()
                );
                return Err(Trouble::Refused(message).into());
            }
        }
        Ok(())
    }

    fn begin(&mut self, metadata: &Metadata, context: u64, paged: bool) -> Result<(), Stop> {
        let prompt = self.prepared.prompt.len();
        if prompt as u64 >= context {
            return Err(AnswerError::TooLong { prompt, context }.into());
        }
        // One sequence after the other, each with room for a token more.
        let scored = self.prepared.beginning.len() + self.prepared.scored(context) + 1;
        let answered = prompt as u64 + u64::from(self.prepared.question.tokens) + 1;
        let needed = answered.max(scored as u64).max(COMPARED.0 as u64 + 1);
        let needed = needed.min(context).next_multiple_of(PAGE);
        let chunk = metadata.prefill_chunk_size.unwrap_or(needed).clamp(1, needed);
        let window = metadata.sliding_window_size;
        let sink = metadata.attention_sink_size.unwrap_or(0);
        let begin = Request::Begin { context: paged.then_some(needed), chunk, window, sink };
        let Done {} = self.driver.ask("making the KV cache", &begin)?;
        Ok(())
    }

    /// How far prefill alone, and prefill and decode, are apart.
    fn compare(&mut self) -> Result<f64, Stop> {
        let prepared = &self.prepared;
        let tokens: Vec<_> =
            prepared.beginning.iter().chain(&prepared.text).copied().take(COMPARED.0).collect();
        let request = Request::Compare { tokens: &tokens, split: COMPARED.1 };
        let compared: Compared = self.driver.ask("running prefill and decode", &request)?;
        let (Some(largest), Some(difference)) = (compared.largest, compared.difference) else {
            return Err(self.not_numbers("the first prompt"));
        };
        Ok(if largest > 0.0 { difference / largest } else { 0.0 })
    }

    /// The perplexity of our text, and of how many of its tokens.
    fn score(&mut self, context: u64) -> Result<(f64, u32), Stop> {
        let Done {} = self.driver.ask("measuring the perplexity", &Request::Reset)?;
        let prepared = &self.prepared;
        let (before, after) = match prepared.beginning.as_slice() {
            [] => prepared.text.split_at(1.min(prepared.text.len())),
            beginning => (beginning, prepared.text.as_slice()),
        };
        let following = after.get(..prepared.scored(context)).unwrap_or(after);
        let request = Request::Score { tokens: before, following };
        let scored: Scored = self.driver.ask("measuring the perplexity", &request)?;
        let Some(scores) = scored.scores else { return Err(self.not_numbers("our text")) };
        let mean = scores.iter().sum::<f64>() / scores.len().max(1) as f64;
        // A number that JSON has, however small the likelihood.
        Ok(((-mean).exp().min(f64::MAX), u32::try_from(scores.len()).unwrap_or(u32::MAX)))
    }

    fn answer(&mut self, context: u64) -> Result<Answered, Stop> {
        let Done {} = self.driver.ask("answering", &Request::Reset)?;
        let room = context.saturating_sub(self.prepared.prompt.len() as u64);
        let most = u64::from(self.prepared.question.tokens).min(room);
        let mut next = self.prepared.prompt.clone();
        let mut tokens: Vec<u32> = Vec::new();
        let (mut text, mut shown) = (String::new(), 0);
        let mut end = AnswerEnd::Length;
        while (tokens.len() as u64) < most {
            let answer: Next = self.driver.ask("answering", &Request::Greedy { tokens: &next })?;
            let Some(token) = answer.token else { return Err(self.not_numbers("the prompt")) };
            let conversation = &self.prepared.conversation;
            if conversation.stop_token_ids.contains(&token) {
                end = AnswerEnd::StopToken;
                break;
            }
            tokens.push(token);
            next = vec![token];
            text = self.prepared.tokens.decode(&tokens)?;
            if let Some(at) = stops_at(&text, &conversation.stop_str) {
                text.truncate(at);
                end = AnswerEnd::StopText;
                break;
            }
            let sure = sure(&text, &conversation.stop_str);
            if let Some(new) = text.get(shown..sure).filter(|new| !new.is_empty()) {
                (self.show)(new).map_err(AnswerError::from)?;
                shown = sure;
            }
        }
        if let Some(rest) = text.get(shown..).filter(|rest| !rest.is_empty()) {
            (self.show)(rest).map_err(AnswerError::from)?;
        }
        let tokens = u32::try_from(tokens.len()).unwrap_or(u32::MAX);
        Ok(Answered { text, tokens, end })
    }

    fn not_numbers(&self, during: &'static str) -> Stop {
        match not_numbers::tensors(self.prepared.files, NAMED) {
            Ok(tensors) => AnswerError::NotNumbers { during, tensors }.into(),
            Err(error) => AnswerError::Io(error).into(),
        }
    }

    fn judge(&mut self, record: &AnswerRecord) {
        let question = self.prepared.question;
        let verdict = &mut self.prepared.verdict;
        let (whole, split) = COMPARED;
        if record.difference > TOLERANCE {
            let percent = record.difference * 100.0;
            let message = format!(
                "{whole} tokens at once, and {split} at once and the others one by one, give \
                 logits that are {percent:.1} % apart: what the library remembers of earlier \
                 tokens is wrong"
            );
            verdict.fail(Check::Consistency, message);
        }
        if record.scored == 0 {
            let message = "the model sees too few tokens at once to measure the perplexity of any";
            verdict.fail(Check::Perplexity, message);
        }
        if record.perplexity > record.max_perplexity {
            let (found, limit) = (record.perplexity, record.max_perplexity);
            let message = format!(
                "the perplexity of the built-in text is {}, and the limit is {limit}: the model was converted \
                 wrongly, or the tokenizer is that of another model",
                shown_perplexity(found)
            );
            verdict.fail(Check::Perplexity, message);
        }
        for expectation in question.expect.iter().filter(|each| !each.is_met_by(&record.text)) {
            let message = format!("the answer does not contain `{expectation}`");
            verdict.fail(Check::Expected, message);
        }
        if record.end == AnswerEnd::Length {
            let message = format!(
                "the answer did not end within {} tokens: none of the template's `stop_token_ids` and \
                 `stop_str` was generated",
                record.tokens
            );
            match question.must_stop {
                true => verdict.fail(Check::Stop, message),
                false => verdict.warn(Check::Stop, message),
            }
        }
    }
}

struct Answered {
    text: String,
    tokens: u32,
    end: AnswerEnd,
}

/// Whether the library has the paged KV cache of upstream's libraries, or a cache that `prefill`
/// makes; anything else is run in another way.
fn is_paged(metadata: &Metadata, functions: &[String]) -> Result<bool, AnswerError> {
    let has = |name: &str| functions.iter().any(|function| function == name);
    let no = |why: &str| Err(AnswerError::Unsupported(why.to_owned()));
    if has("image_embed") {
        return no("it looks at images, and its prompts have more than text");
    }
    match metadata.kv_state_kind.as_deref() {
        Some("hybrid") => return no("it has a state of recurrent layers beside its KV cache"),
        Some("rnn_state") => return no("it has a recurrent state in the place of a KV cache"),
        Some("none") => return no("it has no state, and says nothing token by token"),
        _ if has("create_rnn_state") => {
            return no("it has a recurrent state in the place of a KV cache");
        }
        _ => {}
    }
    let devices = [metadata.tensor_parallel_shards, metadata.pipeline_parallel_stages];
    if devices.into_iter().flatten().any(|count| count > 1) {
        return no("it is divided among several devices");
    }
    for name in ["embed", "prefill", "decode"] {
        if !has(name) {
            return no(&format!("its library has no function `{name}`"));
        }
    }
    Ok(has("create_tir_paged_kv_cache") || has("create_flashinfer_paged_kv_cache"))
}

/// Where the first of the texts that end an answer begins.
fn stops_at(text: &str, stops: &[String]) -> Option<usize> {
    stops.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| text.find(stop)).min()
}

/// How much of the text will stay whatever comes: not the half of a character, nor what may be the
/// beginning of a text that ends the answer.
fn sure(text: &str, stops: &[String]) -> usize {
    let whole = text.trim_end_matches('\u{fffd}').len();
    let text = text.get(..whole).unwrap_or(text);
    let begins = |stop: &String| {
        let starts = stop.char_indices().map(|(at, _)| at).skip(1);
        starts.filter(|at| stop.get(..*at).is_some_and(|start| text.ends_with(start))).max()
    };
    whole - stops.iter().filter_map(begins).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{stops_at, sure};

    #[test]
    fn a_text_that_ends_an_answer_is_not_shown_even_in_part() {
        let stops = ["<|im_end|>".to_owned(), "\nUSER".to_owned()];
        assert_eq!(sure("Paris.<|im", &stops), 6);
        assert_eq!(sure("Paris.\n", &stops), 6);
        assert_eq!(sure("Paris.<b", &stops), 8);
        assert_eq!(sure("Pa\u{fffd}", &stops), 2);
        assert_eq!(stops_at("Paris.\nUSER<|im_end|>", &stops), Some(6));
        assert_eq!(stops_at("Paris.", &stops), None);
        assert_eq!(stops_at("Paris.", &[String::new()]), None);
    }
}
